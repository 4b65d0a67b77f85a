/** Layer normalisation over the last axis (Ba, Kiros, Hinton 2016, eq. 3 and 4), biased variance. */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { ones, param, zeros } from '../core/model.ts'
import { layerNorm } from '../ops/nn.ts'

export interface NormParams {
  readonly weight: Declaration
  readonly bias: Declaration
}

/** (x - mean) / sqrt(var + eps) * weight + bias: `[..., width] -> [..., width]`. */
export const norm = (o: { readonly width: number; readonly eps: number }): Model<NormParams, Expr, Expr> => ({
  params: { weight: param([o.width], ones), bias: param([o.width], zeros) },
  apply: (_c, p) => (x) => layerNorm(o.eps)(x, p.weight, p.bias),
})
