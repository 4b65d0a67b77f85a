/** Multi-head self-attention (Vaswani et al. 2017, eq. 1; dino `vision_transformer.py` Attention), in plain ops. */
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import type { Exprs, Model } from '../core/model.ts'
import { call } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { dot } from '../ops/contract.ts'
import { mul } from '../ops/elementwise.ts'
import { softmax } from '../ops/nn.ts'
import { reshape, transpose } from '../ops/reshape.ts'
import { concat, pick, slice } from '../ops/window.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'
import type { RopeTables } from './rope.ts'
import { rotate } from './rope.ts'

export interface AttentionParams {
  /** One projection to queries, keys and values: rows 0..D-1, D..2D-1, 2D..3D-1, head-major inside each. */
  readonly qkv: LinearParams
  readonly proj: LinearParams
}

export interface AttentionOptions {
  readonly width: number
  readonly heads: number
  readonly qkvBias: boolean
  /** Default true. */
  readonly projBias?: boolean
  /** The keys' share of the bias is stored and not used (dinov3 `layers/attention.py` LinearKMaskedBias). Default false. */
  readonly maskKeyBias?: boolean
}

/** Tokens `[B, T, D]`, and the rotation of their queries and keys, `[T, D / heads]`, where there is one. */
export interface Attending {
  readonly tokens: Expr
  readonly rope?: RopeTables
}

export interface Attended {
  /** `[B, T, D]` */
  readonly tokens: Expr
  /** softmax(q kᵀ / sqrt d) `[B, heads, T, T]`: row n says where token n looks. */
  readonly probabilities: Expr
}

/** The middle third of the bias `[3 D]` is nothing, whatever it holds. */
const withoutKeys = (p: Exprs<LinearParams>, width: number): Exprs<LinearParams> =>
  p.bias === undefined ? p : { ...p, bias: concat(0)([slice(0, 0, width)(p.bias), fill('f32', [width], 0), slice(0, 2 * width)(p.bias)]) }

/** Tokens `[B, T, D]` -> proj(softmax(q kᵀ / sqrt d) v), d = D / heads. Fault: a width that the heads do not divide. */
export const attention = (o: AttentionOptions): Model<AttentionParams, Attending, Attended> => {
  const qkv = linear({ in: o.width, out: 3 * o.width, bias: o.qkvBias })
  const proj = linear({ in: o.width, out: o.width, bias: o.projBias !== false })
  const each = o.width / o.heads
  return {
    params: { qkv: qkv.params, proj: proj.params },
    apply:
      (c, p) =>
      ({ tokens: x, rope }) => {
        if (!Number.isInteger(each) || each <= 0) {
          const bad = misuse('attention', [x], {
            allowed: `a width that the number of heads divides (asked: width ${o.width}, ${o.heads} heads)`,
            remedy: 'change width or heads so that width / heads is a whole number',
          })
          return { tokens: bad, probabilities: bad }
        }
        const [batch, tokens] = x.type.shape
        const weights = o.maskKeyBias === true ? withoutKeys(p.qkv, o.width) : p.qkv
        const projected = reshape([batch, tokens, 3, o.heads, each])(call(qkv, c, 'qkv', weights, x))
        const [plainQ, plainK, v] = [0, 1, 2].map((i): Expr => pick(2, i)(projected))
        const [q, k] = rope === undefined ? [plainQ, plainK] : [plainQ, plainK].map(rotate(rope))
        const scores = mul(dot({ leftBatch: [0, 2], rightBatch: [0, 2], left: [3], right: [3] })(q, k), each ** -0.5)
        const probabilities = softmax(-1)(scores)
        const mixed = dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [3], right: [1] })(probabilities, v)
        const merged = reshape([batch, tokens, o.width])(transpose([0, 2, 1, 3])(mixed))
        return { tokens: call(proj, c, 'proj', p.proj, merged), probabilities }
      },
  }
}
