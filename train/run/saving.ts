/** What is saved of a run on its way: at its checkpoints, and where a fault ends it. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import type { Json } from '../../data/formats/codec.ts'
import type { CommonSettings } from '../config/common.ts'
import type { AnyBackbone } from '../step/method.ts'
import type { Assembled } from './assembly.ts'
import type { BackboneKind } from './checkpoint.ts'
import type { Tracking } from './best.ts'
import type { Retention, Saved } from './checkpoints.ts'
import { checkpointName, save } from './checkpoints.ts'
import type { Log } from './log/log.ts'
import type { Position } from './resumption.ts'
import { finiteState, readState } from './state.ts'

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

/**
 * Saves the state after `step` steps, when their numbers are on the disk: a run that is gone on with from here has them all, whatever came
 * between. All ranks bring their parts, and the first one writes it. Faults: a state that is not finite, which is not saved; what the
 * system refuses.
 */
export const checkpoint = (o: Saving, step: number, said: Said): TaskEither<Fault, string> =>
  pipe(
    o.logs.settle,
    TE.chain(() => readState(o.device, o.assembled.residents)),
    TE.chainEitherK(finiteState(step)),
    TE.chain((state): TaskEither<Fault, Pick<Saved, 'path'>> =>
      (o.device.share?.rank ?? 0) > 0
        ? TE.right({ path: join(o.dir, checkpointName(step)) })
        : save(
            o.dir,
            retentionOf(o, said.tracking),
          )({
            step,
            seed: o.settings.seed,
            config: o.config,
            position: positionOf(o, said),
            backbone: kindOf(o.assembled.method.evaluated),
            state,
          }),
    ),
    TE.map((saved) => saved.path),
  )

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
