/** The projection head of DINO (Caron et al. 2021, appendix C; dino `vision_transformer.py` DINOHead). */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Exprs, Model } from '../core/model.ts'
import { call, inScope, ones, param, uniform } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { range } from '../core/type.ts'
import { linearMap } from '../ops/contract.ts'
import { div, mul, sqrt, square } from '../ops/elementwise.ts'
import { gelu, l2Normalize } from '../ops/nn.ts'
import { sum } from '../ops/reduce.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'

/** Several layers are named by their place in the official Sequential, `mlp.0`, `mlp.2`, …; a single one is `mlp` itself. */
export type ProjectorParams = LinearParams | { readonly [place: `${number}`]: LinearParams }

export interface HeadParams {
  readonly mlp: ProjectorParams
  /** Weight normalisation: row k of the weight is weight_g[k] weight_v[k] / |weight_v[k]|. */
  readonly last_layer: { readonly weight_g: Declaration; readonly weight_v: Declaration }
}

export interface HeadOptions {
  readonly in: number
  /** K, the number of prototypes. */
  readonly prototypes: number
  /** Linear layers before the prototypes; at least 1. Default 3. */
  readonly layers?: number
  /** Default 2048. */
  readonly hidden?: number
  /** Default 256. */
  readonly bottleneck?: number
  /** Keeps the norms of the prototypes (weight_g) at 1: they are not trained. Default true. */
  readonly normLastLayer?: boolean
}

export interface Projected {
  /** L2-normalised, `[R, bottleneck]`. */
  readonly bottleneck: Expr
  /** `[R, K]`; cosines times weight_g. */
  readonly logits: Expr
}

const isSingle = (p: Exprs<ProjectorParams>): p is Exprs<LinearParams> => 'weight' in p

/** Linear layers with the exact GELU between them. */
const projector = (widths: ReadonlyArray<number>): Model<ProjectorParams, Expr, Expr> => {
  const layers = range(widths.length - 1).map((i) => linear({ in: widths[i], out: widths[i + 1] }))
  const only = layers.length === 1 ? layers[0] : undefined
  return {
    params: only === undefined ? Object.fromEntries(layers.map((l, i) => [`${2 * i}`, l.params])) : only.params,
    apply: (c, p) => (x) => {
      if (isSingle(p)) return layers[0].apply(c, p)(x)
      return layers.reduce((y, l, i) => call(l, c, 2 * i, p[`${2 * i}`], i === 0 ? y : gelu(y)), x)
    },
  }
}

/** Rows `g v / |v|` of `g [K, 1]` and `v [K, b]` (Salimans, Kingma 2016, eq. 2). */
export const weightNorm = (g: Expr, v: Expr): Expr => mul(v, div(g, sqrt(sum({ axes: [-1], keep: true })(square(v)))))

/**
 * Features `[R, in]` -> linear layers -> L2 norm -> weight-normalised prototypes `[R, K]`. The prototypes' directions keep
 * PyTorch's Linear default, uniform within 1 / sqrt(bottleneck). Fault: fewer than one layer.
 */
export const head = (o: HeadOptions): Model<HeadParams, Expr, Projected> => {
  const { layers = 3, hidden = 2048, bottleneck = 256, normLastLayer = true } = o
  const mlp = projector([o.in, ...range(layers - 1).map(() => hidden), bottleneck])
  return {
    params: {
      mlp: mlp.params,
      last_layer: {
        weight_g: param([o.prototypes, 1], ones, !normLastLayer),
        weight_v: param([o.prototypes, bottleneck], uniform(bottleneck ** -0.5)),
      },
    },
    apply: (c, p) => (x) => {
      if (!Number.isInteger(layers) || layers < 1) {
        const bad = misuse('head', [x], { allowed: `a whole number of layers, at least 1 (asked: ${layers})`, remedy: 'give the head at least one layer' })
        return { bottleneck: bad, logits: bad }
      }
      const narrow = l2Normalize(-1)(call(mlp, c, 'mlp', p.mlp, x))
      const logits = inScope(c, 'last_layer', () => linearMap(narrow, weightNorm(p.last_layer.weight_g, p.last_layer.weight_v)))
      return { bottleneck: narrow, logits }
    },
  }
}
