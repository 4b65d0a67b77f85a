/**
 * ACC and AUC as MedMNIST reports them (medmnist `evaluator.py`: getACC, getAUC), with scikit-learn's `roc_auc_score`: scores `[n, K]` are
 * probabilities.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Targets } from './classes.ts'
import { classesOf } from './classes.ts'

/** The kinds of tasks that MedMNIST has. Ordinal classes are judged as any others. */
export type Task = 'multi-class' | 'multi-label, binary-class' | 'binary-class' | 'ordinal-regression'

/** The task of targets: what their labels say; that classes have an order, only a person (or the name retinamnist) knows. */
export const taskOf = (t: Targets, name = ''): Task =>
  t.multiLabel
    ? 'multi-label, binary-class'
    : t.classes === 2
      ? 'binary-class'
      : /retinamnist/i.test(name)
        ? 'ordinal-regression'
        : 'multi-class'

/**
 * The area under the ROC curve: the share of pairs of a positive and a negative item of which the positive has the larger score, equal
 * scores counting half (Mann and Whitney's U over the product of the counts). NaN where there is no positive or no negative.
 */
export const rocAuc = (positive: ArrayLike<number>, scores: ArrayLike<number>): number => {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a] - scores[b])
  let [ranks, positives] = [0, 0]
  for (let from = 0; from < order.length;) {
    let to = from
    while (to < order.length && scores[order[to]] === scores[order[from]]) to++
    // equal scores share the mean of their ranks, which count from 1
    for (let k = from; k < to; k++) if (positive[order[k]] > 0) [ranks, positives] = [ranks + (from + to + 1) / 2, positives + 1]
    from = to
  }
  return (ranks - (positives * (positives + 1)) / 2) / (positives * (order.length - positives))
}

const column = (values: ArrayLike<number>, k: number, of: number): Float64Array =>
  Float64Array.from({ length: values.length / of }, (_, i) => values[i * of + k])

const checked = (t: Targets, scores: Float64Array): Either<Fault, void> => {
  const at = scores.findIndex((s) => !Number.isFinite(s))
  if (t.length === 0 || scores.length !== t.length * t.classes)
    return E.left(
      fault('data', {
        place: 'metrics',
        found: `${scores.length} scores for ${t.length} items of ${t.classes} classes`,
        allowed: 'a score for every class of every item',
        remedy: 'score the same items that the targets are of',
      }),
    )
  return at < 0
    ? E.right(undefined)
    : E.left(
        fault('numeric', {
          place: `metrics: item ${Math.floor(at / t.classes)}`,
          found: String(scores[at]),
          allowed: 'finite scores',
          remedy: 'the network or its classifier has diverged',
        }),
      )
}

/**
 * The mean over classes (or labels) of one-against-the-rest AUC; of two classes the second's. Fault: a class that no item, or that every
 * item has.
 */
export const auc =
  (task: Task) =>
  (t: Targets, scores: Float64Array): Either<Fault, number> =>
    pipe(
      checked(t, scores),
      E.chain(() => {
        const which = task === 'binary-class' ? [t.classes - 1] : Array.from({ length: t.classes }, (_, k) => k)
        const areas = which.map((k) => rocAuc(column(t.values, k, t.classes), column(scores, k, t.classes)))
        const none = areas.findIndex(Number.isNaN)
        return none < 0
          ? E.right(areas.reduce((a, b) => a + b, 0) / areas.length)
          : E.left(
              fault('data', {
                place: `AUC of class ${which[none]}`,
                found: 'items of one kind alone',
                allowed: 'items that have the class, and items that do not',
                remedy: 'evaluate on a split in which every class occurs',
              }),
            )
      }),
    )

/**
 * The share of items whose class has the largest score (of equals the first); of labels those on the right side of 0.5, and of two
 * classes as well.
 */
export const accuracy =
  (task: Task) =>
  (t: Targets, scores: Float64Array): Either<Fault, number> =>
    pipe(
      checked(t, scores),
      E.map(() => {
        if (task === 'multi-label, binary-class')
          return scores.reduce((n, s, i) => n + (s > 0.5 === t.values[i] > 0 ? 1 : 0), 0) / scores.length
        const labels = classesOf(t)
        let hits = 0
        for (let i = 0; i < t.length; i++) {
          const row = scores.subarray(i * t.classes, (i + 1) * t.classes)
          const predicted =
            task === 'binary-class' ? (row[row.length - 1] > 0.5 ? 1 : 0) : row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity))
          if (predicted === labels[i]) hits++
        }
        return hits / t.length
      }),
    )

/**
 * Of two classes, of which the second is what is looked for: the share of its items that is found (sensitivity), and of the others that
 * is left alone (specificity), where a score above 0.5 says yes. NaN where there is none of a kind; nothing for other tasks.
 */
export const foundOf =
  (task: Task) =>
  (t: Targets, scores: Float64Array): Readonly<Record<string, number>> => {
    if (task !== 'binary-class') return {}
    const told = Array.from(classesOf(t), (label, i) => ({ label, said: scores[(i + 1) * t.classes - 1] > 0.5 ? 1 : 0 }))
    const right = (of: number): number => {
      const all = told.filter(({ label }) => label === of)
      return all.filter(({ said }) => said === of).length / all.length
    }
    return { sensitivity: right(1), specificity: right(0) }
  }
