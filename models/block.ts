/** The pre-norm transformer block (dino `vision_transformer.py` Block). */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import { call } from '../core/model.ts'
import { add } from '../ops/elementwise.ts'
import type { AttentionOptions, AttentionParams, Attended } from './attention.ts'
import { attention } from './attention.ts'
import { dropPath } from './drop-path.ts'
import type { MlpParams } from './mlp.ts'
import { mlp } from './mlp.ts'
import type { NormParams } from './norm.ts'
import { norm } from './norm.ts'

export interface BlockParams {
  readonly norm1: NormParams
  readonly attn: AttentionParams
  readonly norm2: NormParams
  readonly mlp: MlpParams
}

export interface BlockOptions extends AttentionOptions {
  /** Width of the hidden layer of the MLP. */
  readonly hidden: number
  readonly eps: number
  /** Probability that a training sample skips a branch of this block. */
  readonly dropPath: number
}

/** x <- x + drop(attn(norm1 x)); x <- x + drop(mlp(norm2 x)): tokens `[B, N, D]` -> tokens, and where they looked. */
export const block = (o: BlockOptions): Model<BlockParams, Expr, Attended> => {
  const norm1 = norm({ width: o.width, eps: o.eps })
  const attn = attention(o)
  const norm2 = norm({ width: o.width, eps: o.eps })
  const feed = mlp({ width: o.width, hidden: o.hidden })
  return {
    params: { norm1: norm1.params, attn: attn.params, norm2: norm2.params, mlp: feed.params },
    apply: (c, p) => (x) => {
      const attended = call(attn, c, 'attn', p.attn, call(norm1, c, 'norm1', p.norm1, x))
      const middle = add(x, dropPath(o.dropPath, c, 'drop_path1')(attended.tokens))
      const fed = call(feed, c, 'mlp', p.mlp, call(norm2, c, 'norm2', p.norm2, middle))
      return { tokens: add(middle, dropPath(o.dropPath, c, 'drop_path2')(fed)), probabilities: attended.probabilities }
    },
  }
}
