/**
 * Rows that count. Lists of masked patches have a fixed length U, the largest that a batch can need; the rows behind the last
 * patch are padding. Law, tested: what stands in padding, NaN included, changes no value and no gradient.
 */
import type { Expr } from '../core/expr.ts'
import { cast, div, maximum, where } from '../ops/elementwise.ts'
import { mean, sum } from '../ops/reduce.ts'
import { expandDims } from '../ops/reshape.ts'

/** `x [R, K]` with zeros in place of rows that do not count; `rows` is bool `[R]`, and without it all count. */
export const keepRows =
  (rows: Expr | undefined) =>
  (x: Expr): Expr =>
    rows === undefined ? x : where(expandDims(-1)(rows), x, 0)

/** The mean over the rows that count, `[R, K] -> [1, K]`; 0 where none does. */
export const meanOfRows =
  (rows: Expr | undefined) =>
  (x: Expr): Expr =>
    rows === undefined
      ? mean({ axes: [0], keep: true })(x)
      : div(sum({ axes: [0], keep: true })(keepRows(rows)(x)), maximum(sum()(cast('f32')(rows)), 1))
