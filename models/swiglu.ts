/** The gated feed-forward half of a block (Shazeer 2020, eq. 6): W3 (silu(W1 x) * W2 x), in the two ways in which it is stored. */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import { call } from '../core/model.ts'
import { mul } from '../ops/elementwise.ts'
import { silu } from '../ops/nn.ts'
import { slice } from '../ops/window.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'
import type { FeedOptions } from './mlp.ts'

/** dinov2 `layers/swiglu_ffn.py`: W1 over W2 in one matrix, `w12.weight [2 hidden, width]`. */
export interface SwigluFusedParams {
  readonly w12: LinearParams
  readonly w3: LinearParams
}

/** dinov3 `layers/ffn_layers.py` SwiGLUFFN. */
export interface SwigluParams {
  readonly w1: LinearParams
  readonly w2: LinearParams
  readonly w3: LinearParams
}

/** Two thirds of `hidden`, rounded down, then up to a multiple of `align`: as many numbers as the two matrices of an MLP have. */
export const gatedWidth = (hidden: number, align: number): number => Math.ceil(Math.floor((hidden * 2) / 3) / align) * align

/** `[..., width] -> [..., width]` with one matrix for the gate and what it gates. `hidden` is the width behind the gate. */
export const swigluFused = (o: FeedOptions): Model<SwigluFusedParams, Expr, Expr> => {
  const w12 = linear({ in: o.width, out: 2 * o.hidden, bias: o.bias !== false })
  const w3 = linear({ in: o.hidden, out: o.width, bias: o.bias !== false })
  return {
    params: { w12: w12.params, w3: w3.params },
    apply: (c, p) => (x) => {
      const both = call(w12, c, 'w12', p.w12, x)
      return call(w3, c, 'w3', p.w3, mul(silu(slice(-1, 0, o.hidden)(both)), slice(-1, o.hidden)(both)))
    },
  }
}

/** `[..., width] -> [..., width]` with a matrix each. `hidden` is the width behind the gate. */
export const swiglu = (o: FeedOptions): Model<SwigluParams, Expr, Expr> => {
  const w1 = linear({ in: o.width, out: o.hidden, bias: o.bias !== false })
  const w2 = linear({ in: o.width, out: o.hidden, bias: o.bias !== false })
  const w3 = linear({ in: o.hidden, out: o.width, bias: o.bias !== false })
  return {
    params: { w1: w1.params, w2: w2.params, w3: w3.params },
    apply: (c, p) => (x) => call(w3, c, 'w3', p.w3, mul(silu(call(w1, c, 'w1', p.w1, x)), call(w2, c, 'w2', p.w2, x))),
  }
}
