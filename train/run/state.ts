/** The state of a run between the device and its checkpoints. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, Own, Share } from '../../compiler/target.ts'
import { partTypeOf } from '../../compiler/targets/parts.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { TensorType } from '../../core/type.ts'
import { equalShape, showShape, sizeOf, tensorType } from '../../core/type.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import type { Resident } from '../step/objective.ts'
import type { Shards } from './shards.ts'

/** Every resident tensor as it is on the device, by path. */
export const readValues = (device: Device, residents: ReadonlyArray<Resident>): TaskEither<Fault, ReadonlyMap<string, Float32Array>> =>
  pipe(
    residents,
    TE.traverseSeqArray((r) =>
      pipe(
        device.read(r.path),
        TE.map((data) => [r.path, Float32Array.from(data)] as const),
      ),
    ),
    TE.map((entries) => new Map(entries)),
  )

/** The same with their shapes, as a checkpoint holds them. */
export const readState = (device: Device, residents: ReadonlyArray<Resident>): TaskEither<Fault, HostTensors> =>
  pipe(
    readValues(device, residents),
    TE.map((values) => new Map(residents.map((r) => [r.path, floatTensor(r.declaration.shape, values.get(r.path) ?? new Float32Array())]))),
  )

/** What one rank has of a state. */
export interface OwnState {
  /** Its parts of the tensors that are cut, and those of the others that fall to it. */
  readonly state: HostTensors
  readonly cuts: Shards['cuts']
}

/** Of tensors that all ranks have, which each of them saves: the next one falls to who has least yet. */
const fallen = (sizes: ReadonlyArray<number>, ranks: number): ReadonlyArray<number> => {
  const load = new Array<number>(ranks).fill(0)
  return sizes.map((n) => {
    const rank = load.indexOf(Math.min(...load))
    load[rank] += n
    return rank
  })
}

/** What this rank saves of the state, which no other sends; `types` are those of all tensors, whole, by path. */
export const readOwn = (
  device: Own,
  { rank, ranks }: Pick<Share, 'rank' | 'ranks'>,
  types: ReadonlyArray<readonly [path: string, type: TensorType]>,
): TaskEither<Fault, OwnState> => {
  const whole = types.filter(([path]) => device.split(path) === undefined)
  const falls = fallen(
    whole.map(([, { shape }]) => sizeOf(shape)),
    ranks,
  )
  const others = new Set(whole.filter((_, i) => falls[i] !== rank).map(([path]) => path))
  const cuts = types.flatMap(([path]): ReadonlyArray<Shards['cuts'][number]> => {
    const split = device.split(path)
    return split === undefined ? [] : [[path, split.axis, split.blocks]]
  })
  return pipe(
    types.filter(([path]) => !others.has(path)),
    TE.traverseSeqArray(([path, type]) =>
      pipe(
        device.read(path),
        TE.map((data) => {
          const split = device.split(path)
          const { shape } = split === undefined ? type : partTypeOf(type, split, ranks)
          return [path, floatTensor(shape, Float32Array.from(data))] as const
        }),
      ),
    ),
    TE.map((entries): OwnState => ({ state: new Map(entries), cuts })),
  )
}

/** A state all of whose numbers are finite, or which tensor has others. */
export const finiteState =
  (step: number) =>
  (state: HostTensors): Either<Fault, HostTensors> => {
    for (const [path, t] of state) {
      const { data } = t
      if (!(data instanceof Float32Array)) continue
      const bad = data.findIndex((x) => !Number.isFinite(x))
      if (bad >= 0)
        return E.left(
          fault('numeric', {
            place: `step ${step}, ${path}`,
            found: `${data[bad]} at element ${bad} of ${data.length}`,
            allowed: 'finite numbers: a state with others is not saved',
            remedy: 'lower the learning rate or clip more; continue from the checkpoint before with --resume',
          }),
        )
    }
    return E.right(state)
  }

const misfit = (path: string, found: string, allowed: string): Fault =>
  fault('checkpoint', {
    place: path,
    found,
    allowed,
    remedy: 'resume with the configuration that the run was started with, or start a new run in another folder',
  })

/** The values of a checkpoint for the tensors of a program: each there, with its shape, and no others. */
export const stateValues =
  (residents: ReadonlyArray<Resident>) =>
  (saved: HostTensors): Either<Fault, ReadonlyMap<string, Float32Array>> => {
    const known = new Set(residents.map((r) => r.path))
    const extra = [...saved.keys()].find((path) => !known.has(path))
    if (extra !== undefined) return E.left(misfit(extra, 'a tensor that this experiment does not have', 'the tensors of this experiment'))
    const out = new Map<string, Float32Array>()
    for (const r of residents) {
      const t = saved.get(r.path)
      if (t === undefined) return E.left(misfit(r.path, 'no such tensor in the checkpoint', `a tensor ${showShape(r.declaration.shape)}`))
      if (!equalShape(t.shape, r.declaration.shape)) return E.left(misfit(r.path, showShape(t.shape), showShape(r.declaration.shape)))
      const floats = floatsOf(r.path)(t)
      if (E.isLeft(floats)) return floats
      out.set(r.path, floats.right)
    }
    return E.right(out)
  }

/** Writes values of residents to a device; a resident without a value is left as it is there. */
export const writeResidents =
  (device: Device, residents: ReadonlyArray<Resident>) =>
  (values: ReadonlyMap<string, Float32Array>): TaskEither<Fault, void> =>
    pipe(
      residents,
      TE.traverseSeqArray((r) => {
        const data = values.get(r.path)
        return data === undefined
          ? TE.fromEither(E.right(undefined))
          : device.write(r.path, tensorType(r.declaration.dtype, r.declaration.shape), data)
      }),
      TE.map(() => undefined),
    )
