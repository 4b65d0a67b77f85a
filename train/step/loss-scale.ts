/**
 * Loss scaling for gradients in half precision (Micikevicius et al. 2018, section 3.2; `torch.amp.GradScaler`): the loss is multiplied
 * by S before gradients are derived, gradients are divided by S before anything is done with them. A step with a gradient that is not
 * finite changes nothing but S, which falls; after enough steps without one S rises.
 *
 * ```
 * before  state w = step(%w, grad(%loss, %w))
 * after   %g = grad(mul(%loss, state optimizer.loss_scale), %w);  %finite = less(mul(sum(%g), 0), 1)
 *         state w = select(%finite, step(%w, div(%g, state optimizer.loss_scale)), %w)
 *         state optimizer.loss_scale = select(%finite, select(enough, 2 S, S), S / 2)
 * ```
 */
import type { Expr } from '../../core/expr.ts'
import { fill } from '../../core/expr.ts'
import { constantInit, param, zeros } from '../../core/model.ts'
import { add, div, less, lessEqual, mul, where } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import type { Kept, Parameter } from './transform.ts'
import { before } from './transform.ts'

export interface LossScale {
  /** S at first. Default 2^16. */
  readonly initial?: number
  /** What S is multiplied by when it rises. Default 2. */
  readonly growth?: number
  /** What S is multiplied by when it falls. Default 0.5. */
  readonly backoff?: number
  /** Steps in a row without an overflow after which S rises. Default 2000. */
  readonly interval?: number
}

/** What becomes of a step whose loss is scaled. */
export interface Scaling {
  /** What gradients are taken of. */
  readonly scaled: (loss: Expr) => Expr
  readonly of: (gradients: ReadonlyArray<Expr>) => {
    /** The gradient of the loss itself. */
    readonly unscaled: (gradient: Expr) => Expr
    /** A new state where all gradients are finite, else the old one. */
    readonly whereFinite: (next: Expr, old: Expr) => Expr
    readonly kept: ReadonlyArray<Kept>
  }
}

/** The loss as it is. */
export const none: Scaling = { scaled: (loss) => loss, of: () => ({ unscaled: (g) => g, whereFinite: (next) => next, kept: [] }) }

/** A bool `[]`: whether every element of every tensor is finite. What is not gives NaN when it is multiplied by 0. */
export const allFinite = (tensors: ReadonlyArray<Expr>): Expr =>
  less(
    tensors.map((x) => sum()(mul(x, 0))).reduce((x, y) => add(x, y), fill('f32', [], 0)),
    1,
  )

const scale = (o: LossScale): Parameter => ({ path: 'loss_scale', declaration: param([], constantInit(o.initial ?? 2 ** 16), false) })
const good: Parameter = { path: 'loss_scale_good', declaration: param([], zeros, false) }

/** Keeps S and the number of good steps in a row, `optimizer.loss_scale` and `optimizer.loss_scale_good`. */
export const lossScaling = (o: LossScale): Scaling => {
  const { growth = 2, backoff = 0.5, interval = 2000 } = o
  const now = before(scale(o))
  return {
    scaled: (loss) => mul(loss, now),
    of: (gradients) => {
      const finite = allFinite(gradients)
      const row = add(before(good), 1)
      const enough = lessEqual(interval, row)
      return {
        unscaled: (g) => div(g, now),
        whereFinite: (next, old) => where(finite, next, old),
        kept: [
          { ...scale(o), next: where(finite, where(enough, mul(now, growth), now), mul(now, backoff)) },
          { ...good, next: where(finite, where(enough, 0, row), 0) },
        ],
      }
    },
  }
}
