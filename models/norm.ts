/**
 * Normalisation over the last axis: of layers (Ba, Kiros, Hinton 2016, eq. 3 and 4), or by the root mean square (Zhang, Sennrich 2019,
 * eq. 4).
 */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { ones, param, zeros } from '../core/model.ts'
import { layerNorm, rmsNorm } from '../ops/nn.ts'

/** `weight [D]`, and `bias [D]` where the mean is taken away. */
export interface NormParams {
  readonly weight: Declaration
  readonly bias?: Declaration
}

/** `layer`: mean and biased variance. `rms`: the root mean square alone, without a bias (dinov3 `layers/rms_norm.py`). */
export type NormKind = 'layer' | 'rms'

export interface NormOptions {
  readonly width: number
  readonly eps: number
  /** Default `layer`. */
  readonly kind?: NormKind
}

/** `[..., width] -> [..., width]`: (x - mean) / sqrt(var + eps) * weight + bias, or x / sqrt(mean x² + eps) * weight. */
export const norm = (o: NormOptions): Model<NormParams, Expr, Expr> => ({
  params: { weight: param([o.width], ones), ...(o.kind === 'rms' ? {} : { bias: param([o.width], zeros) }) },
  apply: (_c, p) => (x) => (p.bias === undefined ? rmsNorm(o.eps)(x, p.weight) : layerNorm(o.eps)(x, p.weight, p.bias)),
})
