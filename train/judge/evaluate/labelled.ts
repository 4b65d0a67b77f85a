/** Features of a part of the data beside its labels. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Targets } from './classes.ts'
import { classesOf, rowsOfTargets, targetsOf } from './classes.ts'
import type { Encoder, Wanted } from './encoder.ts'
import { encoder, outputOf } from './encoder.ts'
import type { Evaluated } from './evaluation.ts'
import type { Rows } from './neighbours.ts'
import { pooled, volumesOf } from './volumes.ts'

/** Labelled rows of a part. */
export interface Labelled {
  readonly rows: Rows
  readonly targets: Targets
}

/** Labels and features of a data set, of volumes one for each. */
const labelledBy =
  (e: Evaluated, rows: (d: Dataset) => TaskEither<Fault, Rows>) =>
  (d: Dataset): TaskEither<Fault, Labelled> =>
    pipe(
      TE.fromEither(volumesOf(d)),
      TE.chain((volumes) => {
        if (volumes !== undefined) e.progress.say(`${d.name}: ${volumes.members.length} volumes, each by the mean of its slices' features`)
        return pipe(
          TE.Do,
          TE.bind('targets', () => targetsOf(volumes?.first ?? d)),
          TE.bind('rows', () =>
            pipe(
              rows(d),
              TE.map((r) => (volumes === undefined ? r : pooled(volumes)(r))),
            ),
          ),
        )
      }),
    )

const rowsBy = (e: Evaluated, of: Encoder) =>
  labelledBy(e, (d) =>
    pipe(
      TE.fromIO(() => {
        e.progress.say(`features of ${d.length} images of ${d.name}`)
      }),
      TE.chain(() => of.encode(d, e.progress)),
      TE.map((x) => outputOf(x, 'rows')),
      TE.chainFirst(() =>
        TE.fromIO(() => {
          e.progress.end()
        }),
      ),
    ),
  )

export const encoding = (e: Evaluated, wanted: Wanted): TaskEither<Fault, (d: Dataset) => TaskEither<Fault, Labelled>> =>
  pipe(
    encoder(e.device, e.frozen, e.root, wanted),
    TE.map((x) => rowsBy(e, x)),
  )

export const ofClassTokens = (e: Evaluated): TaskEither<Fault, (d: Dataset) => TaskEither<Fault, Labelled>> => {
  const { classTokens: known } = e
  return known === undefined ? encoding(e, (look) => ({ rows: look.cls })) : TE.right(labelledBy(e, known))
}

/** Says how far something has come, at most ten times. */
export const tally = (e: Evaluated, what: string) => {
  let said = 0
  return (done: number, total: number): void => {
    if (done < total && done < said + total / 10) return
    said = done
    e.progress.say(`${what}: ${done} of ${total}`)
  }
}

export const single = (place: string, t: Targets): Either<Fault, Int32Array> =>
  t.multiLabel
    ? E.left(
        fault('usage', {
          place,
          found: `${t.classes} labels that can hold at once`,
          allowed: 'one class for each image',
          remedy: 'evaluate these data with linear, logistic or medmnist',
        }),
      )
    : E.right(classesOf(t))

export const pickRows =
  (indices: ReadonlyArray<number>) =>
  ({ rows, targets }: Labelled): Labelled => {
    const data = new Float32Array(indices.length * rows.dim)
    indices.forEach((i, k) => {
      data.set(rows.data.subarray(i * rows.dim, (i + 1) * rows.dim), k * rows.dim)
    })
    return { rows: { data, dim: rows.dim }, targets: rowsOfTargets(indices)(targets) }
  }

export const joined = (a: Labelled, b: Labelled): Labelled => {
  const both = (x: Float32Array, y: Float32Array): Float32Array => {
    const out = new Float32Array(x.length + y.length)
    out.set(x)
    out.set(y, x.length)
    return out
  }
  return {
    rows: { data: both(a.rows.data, b.rows.data), dim: a.rows.dim },
    targets: { ...a.targets, length: a.targets.length + b.targets.length, values: both(a.targets.values, b.targets.values) },
  }
}
