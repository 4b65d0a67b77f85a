/** What is saved of a run on its way: at its checkpoints, and where a fault ends it. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, Own, Share } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { sizeOf, tensorType } from '../../core/type.ts'
import type { Json } from '../../data/formats/codec.ts'
import { showTensor } from '../../data/formats/tensor.ts'
import type { CommonSettings } from '../config/common.ts'
import { gatheredGiB } from '../config/common.ts'
import type { AnyBackbone } from '../step/method.ts'
import type { Assembled } from './assembly.ts'
import type { BackboneKind, Checkpoint } from './checkpoint.ts'
import type { Tracking } from './best.ts'
import type { Retention } from './checkpoints.ts'
import { checkpointName, save, saveSharded } from './checkpoints.ts'
import type { Log } from './log/log.ts'
import type { Position } from './resumption.ts'
import { gathered } from './share.ts'
import { ShardFile, writeShard } from './shards.ts'
import { finiteState, readOwn, readState } from './state.ts'

/** What is saved, and where. */
export interface Saving {
  readonly device: Device
  readonly assembled: Assembled
  readonly settings: CommonSettings
  readonly config: Json
  /** Of the run when it was begun or continued. */
  readonly position: Position
  /** The folder of checkpoints. */
  readonly dir: string
  /** Where the numbers of the steps are: of those that a checkpoint has, none may be lost. */
  readonly logs: Log
}

/** What the last step said. */
interface Said {
  readonly values: ReadonlyMap<string, number>
  readonly skipped: number
  readonly tracking: Tracking
}

/**
 * How far the run is: the state on the device is that of a number of steps, all of them recorded, and of nothing else; undefined within a
 * step.
 */
export interface State {
  whole: number | undefined
}

/** What a checkpoint says of a run beside its state. */
const positionOf = (o: Saving, { skipped, values, tracking }: Said): Position => ({
  ...o.position,
  skipped,
  tracking,
  values: Object.fromEntries([...values].filter(([, v]) => Number.isFinite(v))),
})

const retentionOf = ({ settings: { runtime } }: Saving, { best }: Tracking): Retention => {
  const { keepLast, keepEvery } = runtime.checkpoints
  return { keepLast, keepEvery, ...(best === undefined || best.best === null ? {} : { best: best.best.step }) }
}

/** What is to be read of the state again, by anyone. */
const kindOf = ({ vit, pyramid }: AnyBackbone): BackboneKind => (O.isSome(vit) ? 'vit' : O.isSome(pyramid) ? 'pyramid' : 'own')

/** What is said of a checkpoint beside its state. */
const aboutOf = (o: Saving, step: number, said: Said): Omit<Checkpoint, 'state'> => ({
  step,
  seed: o.settings.seed,
  config: o.config,
  position: positionOf(o, said),
  backbone: kindOf(o.assembled.method.evaluated),
})

/** All ranks bring their parts, and the first one writes the state. */
const gatheredByFirst = (o: Saving, step: number, said: Said): TaskEither<Fault, void> =>
  pipe(
    readState(o.device, o.assembled.residents),
    TE.chainEitherK(finiteState(step)),
    TE.chain((state): TaskEither<Fault, unknown> =>
      (o.device.share?.rank ?? 0) > 0
        ? TE.right(undefined)
        : save(o.dir, retentionOf(o, said.tracking))({ ...aboutOf(o, step, said), state }),
    ),
    TE.map(() => undefined),
  )

/** One rank of several, and what it has. */
interface Parted {
  readonly share: Share
  readonly own: Own
}

/** Each rank writes what it has, and when all of it is on the disk, the first one says what belongs together. */
const byEachRank =
  (o: Saving, { share, own }: Parted, step: number, said: Said): TaskEither<Fault, void> =>
  async () => {
    const types = o.assembled.residents.map(({ path, declaration: { dtype, shape } }) => [path, tensorType(dtype, shape)] as const)
    const mine = await readOwn(own, share, types)()
    const finite = pipe(
      mine,
      E.chain((m) => finiteState(step)(m.state)),
    )
    const written = E.isLeft(finite) ? finite : await writeShard(o.dir, step, share)(finite.right)()
    // what one rank cannot write is the fault of all
    const files = await gathered(share, step)(ShardFile)(written)()
    if (E.isLeft(files)) return files
    if (E.isLeft(mine)) return mine
    if (share.rank > 0) return E.right(undefined)
    const saved = await saveSharded(
      o.dir,
      retentionOf(o, said.tracking),
    )({
      ...aboutOf(o, step, said),
      tensors: types.map(([path, { shape }]) => [path, showTensor({ dtype: 'f32', shape })]),
      shards: { files: files.right, cuts: mine.right.cuts },
    })()
    return E.isLeft(saved) ? saved : E.right(undefined)
  }

/** How several ranks save, all of them alike; nothing where the first one gathers the state. */
const partedOf = ({ device: { share, own }, assembled: { residents }, settings: { runtime } }: Saving): Parted | undefined => {
  const { shards } = runtime.checkpoints
  if (share === undefined || own === undefined || shards === 'whole') return undefined
  const bytes = residents.reduce((n, r) => n + 4 * sizeOf(r.declaration.shape), 0)
  const large = bytes > gatheredGiB * 2 ** 30 && residents.some((r) => own.split(r.path) !== undefined)
  return shards === 'ranks' || large ? { share, own } : undefined
}

/**
 * Saves the state after `step` steps, when their numbers are on the disk: a run that is gone on with from here has them all, whatever came
 * between. Faults: a state that is not finite, which is not saved; what the system refuses.
 */
export const checkpoint = (o: Saving, step: number, said: Said): TaskEither<Fault, string> => {
  const parted = partedOf(o)
  return pipe(
    o.logs.settle,
    TE.chain(() => (parted === undefined ? gatheredByFirst(o, step, said) : byEachRank(o, parted, step, said))),
    TE.map(() => join(o.dir, checkpointName(step))),
  )
}

/** Saves what a fault leaves whole, so that it costs nothing that was trained; the fault says where it is gone on from. */
export const rescued = async (
  o: Saving,
  f: Fault,
  carried: Said & { readonly lastSaved: string | undefined; readonly from: number },
  { whole }: State,
): Promise<Fault> => {
  const saved = carried.lastSaved ?? (carried.from > 0 ? 'the checkpoint that it was continued from' : undefined)
  if (whole === undefined || whole === carried.from || carried.lastSaved?.endsWith(checkpointName(whole)) === true)
    return saved === undefined || f.kind === 'numeric' ? f : { ...f, remedy: `${f.remedy}; --resume goes on from ${saved}` }
  const path = await checkpoint(o, whole, carried)()
  if (E.isLeft(path))
    return { ...f, remedy: `${f.remedy}; --resume goes on from ${saved ?? 'the beginning'}`, also: [...(f.also ?? []), path.left] }
  return { ...f, remedy: `${f.remedy}; all ${whole} steps are saved, and --resume goes on from ${path.right}` }
}
