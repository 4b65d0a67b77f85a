/** Signs of collapse: metrics that cost almost nothing and change no gradient. */
import type { Expr } from '../core/expr.ts'
import { einsum } from '../ops/contract.ts'
import { div, maximum, sqrt, square, stopGradient, sub } from '../ops/elementwise.ts'
import { l2Normalize } from '../ops/nn.ts'
import { mean, sum } from '../ops/reduce.ts'
import type { ClassTokens, Features } from './features.ts'
import type { Loss } from './loss.ts'
import { watch } from './loss.ts'

/** The student's L2-normalised class tokens of global crops `[R, D]`, less their mean. */
const centred = ({ student }: Features<ClassTokens>): Expr => {
  const z = l2Normalize(-1)(stopGradient(student.global.cls))
  return sub(z, mean({ axes: [0], keep: true })(z))
}

/**
 * Metric `spread`: the standard deviation over the rows of the student's L2-normalised class tokens `[R, D]`, mean over the D
 * components. 1 / sqrt D for features in all directions, 0 when every image looks the same (Chen, He 2021, section 4.1).
 */
export const spread: Loss<Features<ClassTokens>> = watch((f) => [
  { name: 'spread', value: mean()(sqrt(mean({ axes: [0] })(square(centred(f))))) },
])

/** Keeps 0 / 0 from being no number, where all rows are equal; below any sum of squares that f32 tells from rounding. */
const tiny = 1e-30

/**
 * Metric `rank`: along how many directions these tokens differ, (sum l)^2 / sum l^2 over the eigenvalues l of their covariance: the
 * participation ratio. 1 when all lie on a line, at most the smaller of D and R - 1: features may differ and yet have collapsed into
 * few dimensions (Jing et al. 2022, section 4). 0 when all are equal.
 */
export const rank: Loss<Features<ClassTokens>> = watch((f) => {
  const z = centred(f)
  // the sum of l is the trace, that of l^2 the square of the Frobenius norm; both times R, which cancels
  const covariance = einsum('rd,re->de')(z, z)
  return [{ name: 'rank', value: div(square(sum()(square(z))), maximum(sum()(square(covariance)), tiny)) }]
})
