/** The feed-forward half of a block by name: an MLP or one of the gated forms, with the hidden width that each derives. */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import type { FeedOptions, MlpParams } from './mlp.ts'
import { mlp } from './mlp.ts'
import type { SwigluFusedParams, SwigluParams } from './swiglu.ts'
import { gatedWidth, swiglu, swigluFused } from './swiglu.ts'

/**
 * `swiglu-fused` is DINOv2's (its config names `swiglu` and `swiglufused` alike); `swiglu` and those with a number are DINOv3's, the
 * number being what the hidden width is rounded up to a multiple of; 8 without one.
 */
export const ffnKinds = ['mlp', 'swiglu-fused', 'swiglu', 'swiglu32', 'swiglu64', 'swiglu128'] as const

export type FfnKind = (typeof ffnKinds)[number]

export type FfnParams = MlpParams | SwigluFusedParams | SwigluParams

const alignments: Readonly<Record<FfnKind, number>> = { mlp: 1, 'swiglu-fused': 8, swiglu: 8, swiglu32: 32, swiglu64: 64, swiglu128: 128 }

/** The hidden width for a block of `width` and a ratio: floor(width ratio), of which a gated form takes two thirds and aligns them. */
export const hiddenWidth = (kind: FfnKind, width: number, ratio: number): number => {
  const full = Math.floor(width * ratio)
  return kind === 'mlp' ? full : gatedWidth(full, alignments[kind])
}

/** `[..., width] -> [..., width]`; `hidden` is the width behind the gate. */
export const ffn = (kind: FfnKind, o: FeedOptions): Model<FfnParams, Expr, Expr> => {
  const [plain, fused, split] = [mlp(o), swigluFused(o), swiglu(o)]
  return {
    params: kind === 'mlp' ? plain.params : kind === 'swiglu-fused' ? fused.params : split.params,
    apply: (c, p) => ('fc1' in p ? plain.apply(c, p) : 'w12' in p ? fused.apply(c, p) : split.apply(c, p)),
  }
}
