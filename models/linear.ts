/** The linear layer: y = x Wᵀ + b. */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Init, Model } from '../core/model.ts'
import { param, truncNormal, zeros } from '../core/model.ts'
import { linear as affine } from '../ops/nn.ts'

/** `weight [out, in]` as PyTorch has it, `bias [out]` where there is one. */
export interface LinearParams {
  readonly weight: Declaration
  readonly bias?: Declaration
}

export interface LinearOptions {
  readonly in: number
  readonly out: number
  /** True where it is not given. */
  readonly bias?: boolean
  /** Truncated normal of std 0.02 where it is not given, as in every ViT of the family. */
  readonly init?: Init
  /** Zeros where it is not given. */
  readonly biasInit?: Init
}

/** `[..., in] -> [..., out]`. */
export const linear = (o: LinearOptions): Model<LinearParams, Expr, Expr> => ({
  params: {
    weight: param([o.out, o.in], o.init ?? truncNormal(0.02)),
    ...(o.bias === false ? {} : { bias: param([o.out], o.biasInit ?? zeros) }),
  },
  apply: (_c, p) => (x) => affine(x, p.weight, p.bias),
})
