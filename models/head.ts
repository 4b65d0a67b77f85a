/**
 * The projection heads of DINO (Caron et al. 2021, appendix C; dino `vision_transformer.py`, dinov2 and dinov3 `layers/dino_head.py`
 * DINOHead).
 */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import type { Declaration, Exprs, Model } from '../core/model.ts'
import { call, inScope, ones, param, truncNormal, uniform } from '../core/model.ts'
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

/** Prototypes as they are. */
export interface PlainHeadParams {
  readonly mlp: ProjectorParams
  readonly last_layer: { readonly weight: Declaration }
}

export interface PlainHeadOptions {
  readonly in: number
  /** K, the number of prototypes. */
  readonly prototypes: number
  /** Linear layers before the prototypes; at least 1. Default 3. */
  readonly layers?: number
  /** Default 2048. */
  readonly hidden?: number
  /** Default 256. */
  readonly bottleneck?: number
  /** Of the layers before the prototypes. Default true. */
  readonly bias?: boolean
}

export interface HeadOptions extends PlainHeadOptions {
  /** Keeps the norms of the prototypes (weight_g) at 1: they are not trained. Default true. */
  readonly normLastLayer?: boolean
}

export interface Projected {
  /** L2-normalised, `[R, bottleneck]`. */
  readonly bottleneck: Expr
  /** `[R, K]` */
  readonly logits: Expr
}

const isSingle = (p: Exprs<ProjectorParams>): p is Exprs<LinearParams> => 'weight' in p

/** Linear layers with the exact GELU between them. */
const projector = (o: PlainHeadOptions): Model<ProjectorParams, Expr, Expr> => {
  const { layers: count = 3, hidden = 2048, bottleneck = 256, bias = true } = o
  const widths = [o.in, ...range(count - 1).map(() => hidden), bottleneck]
  const layers = range(widths.length - 1).map((i) => linear({ in: widths[i], out: widths[i + 1], bias }))
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

/** Linear layers, the L2 norm, and the prototypes that `weight` makes of the last layer's parameters. Fault: fewer than one layer. */
const made = <L>(
  o: PlainHeadOptions,
  last_layer: L,
  weight: (p: Exprs<L>) => Expr,
): Model<{ readonly mlp: ProjectorParams; readonly last_layer: L }, Expr, Projected> => {
  const { layers = 3 } = o
  const mlp = projector(o)
  return {
    params: { mlp: mlp.params, last_layer },
    apply: (c, p) => (x) => {
      if (!Number.isInteger(layers) || layers < 1) {
        const bad = misuse('head', [x], {
          allowed: `a whole number of layers, at least 1 (asked: ${showAsked(layers)})`,
          remedy: 'give the head at least one layer',
        })
        return { bottleneck: bad, logits: bad }
      }
      const narrow = l2Normalize(-1)(call(mlp, c, 'mlp', p.mlp, x))
      return { bottleneck: narrow, logits: inScope(c, 'last_layer', () => linearMap(narrow, weight(p.last_layer))) }
    },
  }
}

/**
 * Features `[R, in]` -> linear layers -> L2 norm -> weight-normalised prototypes `[R, K]`: the logits are cosines times
 * weight_g. The prototypes' directions keep PyTorch's Linear default, uniform within 1 / sqrt(bottleneck). DINOv2 trains the
 * norms too: `normLastLayer: false`. Fault: fewer than one layer.
 */
export const head = (o: HeadOptions): Model<HeadParams, Expr, Projected> => {
  const { bottleneck = 256, normLastLayer = true } = o
  const last = {
    weight_g: param([o.prototypes, 1], ones, !normLastLayer),
    weight_v: param([o.prototypes, bottleneck], uniform(bottleneck ** -0.5)),
  }
  return made(o, last, (p) => weightNorm(p.weight_g, p.weight_v))
}

/**
 * DINOv3's head: the same with prototypes that are a plain layer without bias, so that logits have no bound. Fault: fewer than one layer.
 */
export const plainHead = (o: PlainHeadOptions): Model<PlainHeadParams, Expr, Projected> =>
  made(o, { weight: param([o.prototypes, o.bottleneck ?? 256], truncNormal(0.02)) }, (p) => p.weight)
