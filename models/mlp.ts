/** The feed-forward half of a block: two linear layers with the exact GELU between them. */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import { call } from '../core/model.ts'
import { gelu } from '../ops/nn.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'

export interface MlpParams {
  readonly fc1: LinearParams
  readonly fc2: LinearParams
}

export interface FeedOptions {
  readonly width: number
  readonly hidden: number
  /** Of every linear layer. Default true. */
  readonly bias?: boolean
}

/** `[..., width] -> [..., hidden] -> [..., width]`. */
export const mlp = (o: FeedOptions): Model<MlpParams, Expr, Expr> => {
  const fc1 = linear({ in: o.width, out: o.hidden, bias: o.bias !== false })
  const fc2 = linear({ in: o.hidden, out: o.width, bias: o.bias !== false })
  return {
    params: { fc1: fc1.params, fc2: fc2.params },
    apply: (c, p) => (x) => call(fc2, c, 'fc2', p.fc2, gelu(call(fc1, c, 'fc1', p.fc1, x))),
  }
}
