/** Which items an evaluation fits, chooses and tests with. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Evaluated } from './evaluation.ts'
import type { Labelled } from './labelled.ts'
import { pickRows } from './labelled.ts'
import type { Parts } from './parts.ts'
import { choosing } from './parts.ts'
import { volumesOf } from './volumes.ts'

/** Every item of train and test at once, each asked of all others; or the test part of the training part. */
export const knnSets = (
  e: Evaluated,
  of: (d: Dataset) => TaskEither<Fault, Labelled>,
): TaskEither<Fault, { readonly train: Labelled; readonly test: Labelled }> =>
  pipe(
    of(e.parts.train),
    TE.chain((train) =>
      e.options.knn.leaveOneOut
        ? TE.right({ train, test: train })
        : pipe(
            of(e.parts.test),
            TE.map((test) => ({ train, test })),
          ),
    ),
  )

/** What is fitted, chosen and tested with. */
export interface Sets {
  readonly fit: Labelled
  readonly choose: Labelled
  readonly test: Labelled
  readonly heldOut: boolean
}

export const setsOf = (e: Evaluated, of: (d: Dataset) => TaskEither<Fault, Labelled>): TaskEither<Fault, Sets> =>
  pipe(
    TE.Do,
    TE.bind('train', () => of(e.parts.train)),
    TE.bind('test', () => of(e.parts.test)),
    TE.bind('val', (): TaskEither<Fault, Labelled | undefined> => (e.parts.val === undefined ? TE.right(undefined) : of(e.parts.val))),
    TE.chainEitherK(({ train, test, val }): Either<Fault, Sets> =>
      val !== undefined
        ? E.right({ fit: train, choose: val, test, heldOut: false })
        : pipe(
            heldOutOf(e.parts),
            E.map(({ fit, choose }) => ({ fit: pickRows(fit)(train), choose: pickRows(choose)(train), test, heldOut: true })),
          ),
    ),
  )

/** Which items of the training part are fitted, and which choose: by numbers, so that no feature is computed twice. */
const heldOutOf = (p: Parts): Either<Fault, { readonly fit: ReadonlyArray<number>; readonly choose: ReadonlyArray<number> }> => {
  return pipe(
    volumesOf(p.train),
    E.map((volumes): Dataset => {
      const d = volumes?.first ?? p.train
      // numbers in place of names: what must not be parted is said by the group
      return { ...d, group: (i) => d.group?.(i) ?? d.sourceOf?.(i) ?? String(i), sourceOf: String }
    }),
    E.chain((train) => choosing({ train, test: p.test })),
    E.map(({ fit, choose }) => {
      const numbers = (d: Dataset): ReadonlyArray<number> => Array.from({ length: d.length }, (_, i) => Number(d.sourceOf?.(i)))
      return { fit: numbers(fit), choose: numbers(choose) }
    }),
    E.filterOrElse(
      ({ choose }) => choose.length > 0,
      ({ fit }) =>
        fault('data', {
          place: p.train.name,
          found: `no class of two images, volumes or patients among the ${fit.length} to train classifiers with`,
          allowed: 'some to fit classifiers to and others to choose among these by, or a part for validation',
          remedy: 'name more labelled images, a folder val among them, or evaluate by knn, which chooses nothing',
        }),
    ),
  )
}
