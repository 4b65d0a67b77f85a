/** Gradient clipping by the L2 norm. */
import type { Expr } from '../core/expr.ts'
import { add, div, minimum, mul, sqrt, square } from '../ops/elementwise.ts'
import { sum } from '../ops/reduce.ts'
import type { GradientTransform } from './transform.ts'
import { each } from './transform.ts'

/** |x| over all elements, shape `[]`. */
export const normOf = (x: Expr): Expr => sqrt(sum()(square(x)))

/** min(1, limit / (norm + 1e-6)), the factor of torch's clip_grad_norm_. */
const factor = (norm: Expr, limit: number): Expr => minimum(div(limit, add(norm, 1e-6)), 1)

/** Every tensor on its own: g <- g min(1, limit / (|g| + 1e-6)) (dino `utils.py` clip_gradients). */
export const clipEach = (limit: number): GradientTransform => each((p) => ({ ...p, update: mul(p.update, factor(normOf(p.update), limit)) }))
