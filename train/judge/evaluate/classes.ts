/** Labels as targets of classifiers: one class of several, one of two, or any number of labels at once. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import { labelsOf } from '../../../data/readers/dataset.ts'
import { add, abs, exp, log, maximum, mul, neg, sub } from '../../../ops/elementwise.ts'
import { logSoftmax } from '../../../ops/nn.ts'
import { expandDims } from '../../../ops/reshape.ts'
import { mean, sum } from '../../../ops/reduce.ts'

/** Targets `[length, classes]` of 0 and 1: rows with a single 1, unless several labels can hold at once. */
export interface Targets {
  readonly length: number
  readonly classes: number
  readonly multiLabel: boolean
  readonly values: Float32Array
}

/** Targets of labels in [0, classes). */
export const oneOf = (labels: ArrayLike<number>, classes: number): Targets => {
  const values = new Float32Array(labels.length * classes)
  for (let i = 0; i < labels.length; i++) values[i * classes + labels[i]] = 1
  return { length: labels.length, classes, multiLabel: false, values }
}

/** The class of each row. */
export const classesOf = (t: Targets): Int32Array =>
  Int32Array.from({ length: t.length }, (_, i) => t.values.subarray(i * t.classes, (i + 1) * t.classes).indexOf(1))

/** The targets of some items, in this order. */
export const rowsOfTargets =
  (indices: ArrayLike<number>) =>
  (t: Targets): Targets => {
    const values = new Float32Array(indices.length * t.classes)
    for (let k = 0; k < indices.length; k++)
      values.set(t.values.subarray(indices[k] * t.classes, (indices[k] + 1) * t.classes), k * t.classes)
    return { ...t, length: indices.length, values }
  }

const several =
  (d: Dataset, first: ReadonlyArray<number>): TaskEither<Fault, Targets> =>
  async () => {
    const values = new Float32Array(d.length * first.length)
    for (let i = 0; i < d.length; i++) {
      const item = await d.item(i)()
      if (E.isLeft(item)) return item
      const { labels } = item.right
      if (labels?.length !== first.length)
        return E.left(
          fault('data', {
            place: `${d.name}: ${item.right.source}`,
            found: `${labels?.length ?? 0} labels`,
            allowed: `${first.length} labels, as the first item has`,
            remedy: 'give every item a value for each label',
          }),
        )
      values.set(
        labels.map((v) => (v > 0 ? 1 : 0)),
        i * first.length,
      )
    }
    return E.right({ length: d.length, classes: first.length, multiLabel: true, values })
  }

/** The targets of a data set; what kind they are, its first item says. Faults: no item; an item without its labels. */
export const targetsOf = (d: Dataset): TaskEither<Fault, Targets> =>
  pipe(
    d.length === 0
      ? TE.left(fault('data', { place: d.name, found: 'no items', allowed: 'labelled images', remedy: 'check the path given to --data' }))
      : d.item(0),
    TE.chain(({ labels }): TaskEither<Fault, Targets> =>
      labels !== undefined && labels.length > 1 && d.label(0)._tag === 'None'
        ? several(d, labels)
        : TE.fromEither(
            pipe(
              labelsOf(d),
              E.chain((all): Either<Fault, Targets> =>
                d.classes.length > 1
                  ? E.right(oneOf(all, d.classes.length))
                  : E.left(
                      fault('data', {
                        place: d.name,
                        found: `${d.classes.length} class(es)`,
                        allowed: 'at least two classes',
                        remedy: 'put the pictures of every class into a folder of its own, or give labels',
                      }),
                    ),
              ),
            ),
          ),
    ),
  )

/** log(1 + exp(x)) without overflow. */
const softplus = (x: Expr): Expr => add(maximum(x, 0), log(add(exp(neg(abs(x))), 1)))

/**
 * The mean loss over the batch of each of G classifiers: logits `[B, G, K]`, target `[B, K]` -> `[G]`. Cross entropy of one class of K, or
 * binary cross entropy, meant over labels, where several can hold.
 */
export const lossOf =
  (multiLabel: boolean) =>
  (logits: Expr, target: Expr): Expr => {
    const wanted = expandDims(1)(target)
    return multiLabel
      ? mean({ axes: [0, 2] })(sub(softplus(logits), mul(logits, wanted)))
      : mean({ axes: [0] })(neg(sum({ axes: [2] })(mul(wanted, logSoftmax(-1)(logits)))))
  }

/** Scores `[n, K]` as probabilities: softmax over the classes, or a sigmoid for each label. */
export const probabilities = (scores: Float64Array, classes: number, multiLabel: boolean): Float64Array => {
  if (multiLabel) return scores.map((s) => 1 / (1 + Math.exp(-s)))
  const out = new Float64Array(scores.length)
  for (let at = 0; at < scores.length; at += classes) {
    const row = scores.subarray(at, at + classes)
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity)
    const total = row.reduce((s, v) => s + Math.exp(v - top), 0)
    for (let c = 0; c < classes; c++) out[at + c] = Math.exp(row[c] - top) / total
  }
  return out
}
