/** Multi-head self-attention (Vaswani et al. 2017, eq. 1; dino `vision_transformer.py` Attention), in plain ops. */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import { call } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { dot } from '../ops/contract.ts'
import { mul } from '../ops/elementwise.ts'
import { softmax } from '../ops/nn.ts'
import { reshape, transpose } from '../ops/reshape.ts'
import { pick } from '../ops/window.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'

export interface AttentionParams {
  /** One projection to queries, keys and values: rows 0..D-1, D..2D-1, 2D..3D-1, head-major inside each. */
  readonly qkv: LinearParams
  readonly proj: LinearParams
}

export interface AttentionOptions {
  readonly width: number
  readonly heads: number
  readonly qkvBias: boolean
}

export interface Attended {
  /** `[B, N, D]` */
  readonly tokens: Expr
  /** softmax(q kᵀ / sqrt d) `[B, heads, N, N]`: row n says where token n looks. */
  readonly probabilities: Expr
}

/** Tokens `[B, N, D]` -> proj(softmax(q kᵀ / sqrt d) v), d = D / heads. Fault: a width that the heads do not divide. */
export const attention = (o: AttentionOptions): Model<AttentionParams, Expr, Attended> => {
  const qkv = linear({ in: o.width, out: 3 * o.width, bias: o.qkvBias })
  const proj = linear({ in: o.width, out: o.width })
  const each = o.width / o.heads
  return {
    params: { qkv: qkv.params, proj: proj.params },
    apply: (c, p) => (x) => {
      if (!Number.isInteger(each) || each <= 0) {
        const bad = misuse('attention', [x], {
          allowed: `a width that the number of heads divides (asked: width ${o.width}, ${o.heads} heads)`,
          remedy: 'change width or heads so that width / heads is a whole number',
        })
        return { tokens: bad, probabilities: bad }
      }
      const [batch, tokens] = x.type.shape
      const projected = reshape([batch, tokens, 3, o.heads, each])(call(qkv, c, 'qkv', p.qkv, x))
      const [q, k, v] = [0, 1, 2].map((i): Expr => pick(2, i)(projected))
      const scores = mul(dot({ leftBatch: [0, 2], rightBatch: [0, 2], left: [3], right: [3] })(q, k), each ** -0.5)
      const probabilities = softmax(-1)(scores)
      const mixed = dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [3], right: [1] })(probabilities, v)
      const merged = reshape([batch, tokens, o.width])(transpose([0, 2, 1, 3])(mixed))
      return { tokens: call(proj, c, 'proj', p.proj, merged), probabilities }
    },
  }
}
