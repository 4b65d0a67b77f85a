/**
 * ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s", section 2) as DINOv3 distils into it (dinov3 `models/convnext.py`): the mean of the
 * last map stands for the class token, before the final norm that it shares with the patches.
 */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { call, inScope, isExpr, param, zeros } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { isDimension } from '../core/type.ts'
import { gelu } from '../ops/nn.ts'
import { mean } from '../ops/reduce.ts'
import { expandDims, reshape, transpose } from '../ops/reshape.ts'
import { concat, pick, slice } from '../ops/window.ts'
import { depthwise, patchConvolution } from './convolution.ts'
import { residual } from './drop-path.ts'
import { layerScale } from './layer-scale.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'
import type { NormParams } from './norm.ts'
import { norm } from './norm.ts'
import { patchesAlong } from './patch.ts'
import type { PyramidModel, PyramidOptions } from './pyramid.ts'
import { rateOf, similarity, spread } from './pyramid.ts'
import { maskedPatches } from './tokens.ts'
import type { VitInput } from './vit.ts'

export interface ConvnextBlockParams {
  readonly dwconv: LinearParams
  readonly norm: NormParams
  readonly pwconv1: LinearParams
  readonly pwconv2: LinearParams
  /** `[D]` */
  readonly gamma: Declaration
}

/** Flattens to the official names: `stages.0.1.dwconv.weight`, `downsample_layers.0.0.weight`. */
export interface ConvnextParams {
  /** `[1, D]` of the first stage; the official networks have none, since nothing is hidden from them. */
  readonly mask_token?: Declaration
  /** What stands before each stage: of the first convolution and norm, of the others norm and convolution. */
  readonly downsample_layers: ReadonlyArray<ReadonlyArray<LinearParams>>
  readonly stages: ReadonlyArray<ReadonlyArray<ConvnextBlockParams>>
  readonly norm: NormParams
}

export interface ConvnextOptions extends PyramidOptions {
  /** Of each stage. */
  readonly widths: ReadonlyArray<number>
  /** Blocks of each stage. */
  readonly depths: ReadonlyArray<number>
  /** Where LayerScale begins. Default 1e-6. */
  readonly layerScale?: number
  /** Default 1e-6. */
  readonly eps?: number
}

export type FullConvnextOptions = Required<ConvnextOptions>

export interface Convnext extends PyramidModel<ConvnextParams> {
  readonly options: FullConvnextOptions
}

/** The stride of the stem, and of what stands before every further stage. */
const [stem, halving] = [4, 2]

/** x + drop(gamma pwconv2(gelu(pwconv1(norm(dwconv x))))): `[B, h, w, D] -> [B, h, w, D]`. */
const block = (width: number, o: FullConvnextOptions, rate: number): Model<ConvnextBlockParams, Expr, Expr> => {
  const dwconv = depthwise({ kernel: 7, width })
  const before = norm({ width, eps: o.eps })
  const [wider, back] = [linear({ in: width, out: 4 * width }), linear({ in: 4 * width, out: width })]
  const scale = layerScale({ width, initial: o.layerScale })
  return {
    params: { dwconv: dwconv.params, norm: before.params, pwconv1: wider.params, pwconv2: back.params, gamma: scale.params.gamma },
    apply: (c, p) => (x) => {
      const skip = residual({ rate, form: 'sample' }, c, 'drop_path', x.type.shape[0])
      const seen = call(before, c, 'norm', p.norm, call(dwconv, c, 'dwconv', p.dwconv, skip.enter(x)))
      const branch = call(back, c, 'pwconv2', p.pwconv2, gelu(call(wider, c, 'pwconv1', p.pwconv1, seen)))
      return skip.leave(x, scale.apply(c, { gamma: p.gamma })(branch))
    },
  }
}

/** `[B, h, w, D] -> [B, floor(h/k), floor(w/k), D']`, k = 4 before the first stage and 2 before the others. */
const downsample = (o: FullConvnextOptions, stage: number): Model<ReadonlyArray<LinearParams>, Expr, Expr> => {
  const isStem = stage === 0
  const [from, to] = [isStem ? o.channels : o.widths[stage - 1], o.widths[stage]]
  const convolution = patchConvolution({ kernel: isStem ? stem : halving, in: from, out: to })
  const layers = isStem ? [convolution, norm({ width: to, eps: o.eps })] : [norm({ width: from, eps: o.eps }), convolution]
  return {
    params: layers.map((l) => l.params),
    apply: (c, p) => (x) => layers.reduce((y, l, i) => call(l, c, i, p[i], y), x),
  }
}

const stageOf = (o: FullConvnextOptions, stage: number): Model<ReadonlyArray<ConvnextBlockParams>, Expr, Expr> => {
  const blocks = Array.from({ length: o.depths[stage] }, (_, i) => block(o.widths[stage], o, rateOf(o.depths, o.dropPath, stage, i)))
  return {
    params: blocks.map((b) => b.params),
    apply: (c, p) => (x) => blocks.reduce((y, b, i) => call(b, c, i, p[i], y), x),
  }
}

/** The grid after a number of stages. */
const gridAfter = (stages: number, height: number, width: number): readonly [number, number] => {
  const along = (pixels: number): number =>
    Array.from({ length: stages - 1 }).reduce<number>((n) => patchesAlong(n, halving), patchesAlong(pixels, stem))
  return [along(height), along(width)]
}

/**
 * Faults: options that are no whole sizes, or not as many depths as widths; images of other channels, or smaller than what one token of the
 * last stage stands for; masks of another grid.
 */
const make = (given: ConvnextOptions): Convnext => {
  const o: FullConvnextOptions = { layerScale: 1e-6, eps: 1e-6, channels: 3, image: 224, dropPath: 0, maskToken: false, ...given }
  const count = o.widths.length
  const isWhole = count > 0 && o.depths.length === count && [...o.widths, ...o.depths, o.channels].every(isDimension)
  const befores = isWhole ? o.widths.map((_, i) => downsample(o, i)) : []
  const stages = isWhole ? o.widths.map((_, i) => stageOf(o, i)) : []
  const width = o.widths[count - 1] ?? 1
  const times = halving ** (count - 1)
  const last = norm({ width, eps: o.eps })
  const misused = (images: Expr): Expr | undefined => {
    const { shape } = images.type
    if (!isWhole)
      return misuse('convnext', [images], {
        allowed: `whole positive sizes, and a depth for every width (asked: ${JSON.stringify(given)})`,
        remedy: 'correct the options of the backbone',
      })
    return shape.length === 4 && shape[1] === o.channels && shape.slice(2).every((side) => side >= stem * times)
      ? undefined
      : misuse('convnext', [images], {
          allowed: `images [B, ${o.channels}, H, W] with H and W of at least ${stem * times}`,
          remedy: 'give images of the channels that the model was made for, and of at least one token of its last stage',
        })
  }
  return {
    width,
    patch: stem * times,
    options: o,
    params: {
      ...(o.maskToken ? { mask_token: param([1, o.widths[0] ?? 1], zeros) } : {}),
      downsample_layers: befores.map((b) => b.params),
      stages: stages.map((s) => s.params),
      norm: last.params,
    },
    apply: (c, p) => (input) => {
      const { images, mask }: VitInput = isExpr(input) ? { images: input } : input
      const [batch = 1, , height = 0, wide = 0] = images.type.shape
      const cells = gridAfter(count, height, wide)
      const wrong = misused(images)
      if (wrong !== undefined) return { cls: wrong, patches: wrong, attention: wrong, grid: cells }
      const masked = (x: Expr): Expr => {
        if (mask === undefined) return x
        const grid = gridAfter(1, height, wide)
        const hidden = spread(mask, grid, cells, times)
        const rows = reshape([batch, grid[0] * grid[1], o.widths[0]])(x)
        return inScope(c, 'mask_token', () => reshape([batch, ...grid, o.widths[0]])(maskedPatches(rows, hidden, p.mask_token)))
      }
      const top = stages.reduce(
        (x, s, i) => {
          const smaller = call(befores[i], c, `downsample_layers.${i}`, p.downsample_layers[i], x)
          return call(s, c, `stages.${i}`, p.stages[i], i === 0 ? masked(smaller) : smaller)
        },
        transpose([0, 2, 3, 1])(images),
      )
      const map = reshape([batch, cells[0] * cells[1], width])(top)
      const tokens = call(last, c, 'norm', p.norm, concat(1)([expandDims(1)(mean({ axes: [1] })(map)), map]))
      const [cls, patches] = [pick(1, 0)(tokens), slice(1, 1)(tokens)]
      return { cls, patches, attention: similarity(cls, patches), grid: cells }
    },
  }
}

type SizedOptions = Partial<Omit<ConvnextOptions, 'widths' | 'depths'>>

const sized =
  (depths: ReadonlyArray<number>, widths: ReadonlyArray<number>) =>
  (o: SizedOptions = {}): Convnext =>
    make({ depths, widths, ...o })

/** `convnext({ widths: [16, 32], depths: [2, 2] })`, or one of the four that DINOv3 has: `convnext.tiny()`. */
export const convnext = Object.assign(make, {
  tiny: sized([3, 3, 9, 3], [96, 192, 384, 768]),
  small: sized([3, 3, 27, 3], [96, 192, 384, 768]),
  base: sized([3, 3, 27, 3], [128, 256, 512, 1024]),
  large: sized([3, 3, 27, 3], [192, 384, 768, 1536]),
})
