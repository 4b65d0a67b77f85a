/** The pre-norm transformer block (dino `vision_transformer.py`, dinov2 and dinov3 `layers/block.py`). */
import type { Expr } from '../core/expr.ts'
import type { Context, Model } from '../core/model.ts'
import { call, isExpr } from '../core/model.ts'
import type { AttentionOptions, AttentionParams, Attended } from './attention.ts'
import { attention } from './attention.ts'
import type { DropPathForm } from './drop-path.ts'
import { residual } from './drop-path.ts'
import type { FfnKind, FfnParams } from './ffn.ts'
import { ffn } from './ffn.ts'
import type { LayerScaleParams } from './layer-scale.ts'
import { layerScale } from './layer-scale.ts'
import type { NormKind, NormParams } from './norm.ts'
import { norm } from './norm.ts'
import type { RopeTables } from './rope.ts'

export interface BlockParams {
  readonly norm1: NormParams
  readonly attn: AttentionParams
  readonly ls1?: LayerScaleParams
  readonly norm2: NormParams
  readonly mlp: FfnParams
  readonly ls2?: LayerScaleParams
}

export interface BlockOptions extends AttentionOptions {
  /** Default `mlp`. */
  readonly ffn?: FfnKind
  /** Hidden width of the feed-forward half; behind the gate where it has one. */
  readonly hidden: number
  /** Of the feed-forward half's linear layers. Default true. */
  readonly ffnBias?: boolean
  readonly eps: number
  /** Default `layer`. */
  readonly norm?: NormKind
  /** Where LayerScale begins; without it there is none. */
  readonly layerScale?: number
  /** Share of a training batch that skips a branch of this block. */
  readonly dropPath: number
  /** Default `sample`. */
  readonly dropPathForm?: DropPathForm
}

/** Tokens `[B, T, D]`, and what makes the rotation of their queries and keys in a block's scope, where there is one. */
export interface Sequence {
  readonly tokens: Expr
  readonly rope?: (c: Context) => RopeTables
}

/**
 * x <- x + drop(ls1 attn(norm1 x)); x <- x + drop(ls2 mlp(norm2 x)): tokens `[B, T, D]` -> tokens, and where they looked: those
 * samples of the batch that went through the attention.
 */
export const block = (o: BlockOptions): Model<BlockParams, Expr | Sequence, Attended> => {
  const norms = { width: o.width, eps: o.eps, kind: o.norm ?? 'layer' }
  const [norm1, norm2] = [norm(norms), norm(norms)]
  const attn = attention(o)
  const feed = ffn(o.ffn ?? 'mlp', { width: o.width, hidden: o.hidden, bias: o.ffnBias !== false })
  const scale = o.layerScale === undefined ? undefined : layerScale({ width: o.width, initial: o.layerScale })
  const drop = { rate: o.dropPath, form: o.dropPathForm ?? 'sample' }
  return {
    params: {
      norm1: norm1.params,
      attn: attn.params,
      ...(scale === undefined ? {} : { ls1: scale.params }),
      norm2: norm2.params,
      mlp: feed.params,
      ...(scale === undefined ? {} : { ls2: scale.params }),
    },
    apply: (c, p) => (input) => {
      const { tokens: x, rope }: Sequence = isExpr(input) ? { tokens: input } : input
      const scaled = (name: 'ls1' | 'ls2', branch: Expr): Expr => {
        const gamma = p[name]
        return scale === undefined || gamma === undefined ? branch : call(scale, c, name, gamma, branch)
      }
      const [batch] = x.type.shape
      const [skip1, skip2] = [residual(drop, c, 'drop_path1', batch), residual(drop, c, 'drop_path2', batch)]
      const tables = rope?.(c)
      const attended = call(attn, c, 'attn', p.attn, {
        tokens: call(norm1, c, 'norm1', p.norm1, skip1.enter(x)),
        ...(tables === undefined ? {} : { rope: tables }),
      })
      const middle = skip1.leave(x, scaled('ls1', attended.tokens))
      const fed = call(feed, c, 'mlp', p.mlp, call(norm2, c, 'norm2', p.norm2, skip2.enter(middle)))
      return { tokens: skip2.leave(middle, scaled('ls2', fed)), probabilities: attended.probabilities }
    },
  }
}
