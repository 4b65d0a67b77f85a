/** The Gram teacher between steps: a copy of the teacher, renewed at times (dinov3 `train/ssl_meta_arch.py` update_gram). */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { tensorType } from '../../core/type.ts'
import type { Resident } from '../step/objective.ts'

const root = 'teacher.gram.'

/** Copies every tensor of the teacher that the Gram teacher has too. */
export const refreshAnchor = (device: Device, residents: ReadonlyArray<Resident>): TaskEither<Fault, void> =>
  pipe(
    residents.filter((r) => r.path.startsWith(root)),
    TE.traverseSeqArray((r) =>
      pipe(
        device.read(r.path.replace(root, 'teacher.')),
        TE.chain((data) => device.write(r.path, tensorType(r.declaration.dtype, r.declaration.shape), data)),
      ),
    ),
    TE.map(() => undefined),
  )

export interface RefreshOptions {
  /** Steps done when the first refresh is due. */
  readonly first: number
  /** Steps between refreshes. */
  readonly every: number
  /** At most as many refreshes. Default: no limit. */
  readonly times?: number
}

/** Whether a refresh is due after step `step`, counted from 0. */
export const refreshDue =
  (o: RefreshOptions) =>
  (step: number): boolean => {
    const since = step + 1 - o.first
    return since >= 0 && since % o.every === 0 && since / o.every < (o.times ?? Infinity)
  }
