/** Cross-entropy over pairs of a teacher's and a student's crops (dinov3 `loss/dino_clstoken_loss.py` DINOLoss). */
import type { Expr } from '../core/expr.ts'
import { range } from '../core/type.ts'
import { add, mul, neg } from '../ops/elementwise.ts'
import { sum } from '../ops/reduce.ts'
import { concat, slice } from '../ops/window.ts'

/** Whether a crop meets itself: pairs of teacher crop i and student crop i. */
export type SamePairs = 'keep' | 'skip'

export interface PairSum {
  /** The sum over pairs, images and prototypes of t log p, shape `[]`; none where there is no pair. */
  readonly sum: Expr | undefined
  /** Pairs of crops. */
  readonly pairs: number
}

const sumOf = (xs: ReadonlyArray<Expr>): Expr | undefined => {
  const [first, ...rest] = xs
  return first === undefined ? undefined : rest.reduce((x, y) => add(x, y), first)
}

/** For each of the first `n` crops the sum of the other crops' targets: `[T, B, K] -> [n, B, K]`; none where there are no others. */
const others = (targets: Expr, n: number): Expr | undefined => {
  const each = range(targets.type.shape[0] ?? 1).map((i) => slice(0, i, i + 1)(targets))
  const sums = each.slice(0, n).map((_, i) => sumOf(each.filter((_e, j) => j !== i)))
  return sums.some((s) => s === undefined) ? undefined : concat(0)(sums.flatMap((s) => (s === undefined ? [] : [s])))
}

/**
 *     sum over t in T, s in S, (t, s) a pair  sum over b, k  P_t[b, k] log P_s[b, k]
 *
 * Targets P_t `[T, B, K]`, the student's logarithms `[S, B, K]`. Targets are added up before they meet the student, so the
 * cost does not grow with T.
 */
export const pairSum = (targets: Expr, said: Expr, same: SamePairs): PairSum => {
  const [t, s] = [targets.type.shape[0] ?? 1, said.type.shape[0] ?? 1]
  const twins = same === 'skip' ? Math.min(t, s) : 0
  const apart = twins === 0 ? undefined : others(targets, twins)
  return {
    sum: sumOf([
      ...(apart === undefined ? [] : [sum()(mul(apart, twins === s ? said : slice(0, 0, twins)(said)))]),
      ...(twins === s ? [] : [sum()(mul(sum({ axes: [0], keep: true })(targets), twins === 0 ? said : slice(0, twins)(said)))]),
    ]),
    pairs: t * s - twins,
  }
}

/** The mean cross-entropy over pairs and images, shape `[]`; none where there is no pair. */
export const meanOfPairs = (p: PairSum, images: number): Expr | undefined =>
  p.sum === undefined ? undefined : mul(neg(p.sum), 1 / (images * p.pairs))
