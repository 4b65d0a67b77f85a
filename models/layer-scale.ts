/** LayerScale (Touvron et al. 2021, "Going deeper with image transformers", eq. 3): a factor for each channel of a branch. */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { constantInit, param } from '../core/model.ts'
import { mul } from '../ops/elementwise.ts'

export interface LayerScaleParams {
  /** `[D]` */
  readonly gamma: Declaration
}

/** `[..., width] -> [..., width]`; every factor begins at `initial`. */
export const layerScale = (o: { readonly width: number; readonly initial: number }): Model<LayerScaleParams, Expr, Expr> => ({
  params: { gamma: param([o.width], constantInit(o.initial)) },
  apply: (_c, p) => (x) => mul(x, p.gamma),
})
