/** Checkpoints in shards, as ranks save them, without any rank. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { stateSplit } from '../../compiler/distribute/strategy.ts'
import type { Own } from '../../compiler/target.ts'
import { hostPart } from '../../compiler/targets/parts.ts'
import { tensorType } from '../../core/type.ts'
import { showTensor } from '../../data/formats/tensor.ts'
import type { Checkpoint } from '../../train/run/checkpoint.ts'
import type { Retention, Saved } from '../../train/run/checkpoints.ts'
import { saveSharded } from '../../train/run/checkpoints.ts'
import { writeShard } from '../../train/run/shards.ts'
import { readOwn } from '../../train/run/state.ts'
import { right } from '../data/either.ts'

type State = Checkpoint['state']

/** What rank `rank` has of a state whose tensors are split wherever they can be. */
const ownOf = (state: State, rank: number, ranks: number): Own => {
  const types = new Map([...state].map(([path, { shape }]) => [path, tensorType('f32', shape)]))
  const split: Own['split'] = (path) => {
    const type = types.get(path)
    return type === undefined ? undefined : stateSplit(type, ranks, 2)
  }
  return {
    split,
    read: (path) => {
      const [type, how, tensor] = [types.get(path), split(path), state.get(path)]
      const data = Float32Array.from(tensor?.data ?? [])
      return TE.right(type === undefined || how === undefined ? data : hostPart(data, type, how, ranks, rank))
    },
  }
}

/** Each rank's shard, and the file that names them. `between` comes before that file is written. */
export const saveByRanks = async (
  dir: string,
  retention: Retention,
  { state, ...about }: Checkpoint,
  ranks: number,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<Saved> => {
  const types = [...state].map(([path, { shape }]) => [path, tensorType('f32', shape)] as const)
  const parts = await Promise.all(
    Array.from({ length: ranks }, async (_, rank) => {
      const own = right(await readOwn(ownOf(state, rank, ranks), { rank, ranks }, types)())
      return { own, file: right(await writeShard(dir, about.step, { rank, ranks })(own.state)()) }
    }),
  )
  await between()
  return right(
    await saveSharded(
      dir,
      retention,
    )({
      ...about,
      tensors: types.map(([path, { shape }]) => [path, showTensor({ dtype: 'f32', shape })]),
      shards: { files: parts.map((p) => p.file), cuts: parts[0].own.cuts },
    })(),
  )
}
