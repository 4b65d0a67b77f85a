/**
 * The Swin Transformer (Liu et al. 2021; Swin-Transformer `models/swin_transformer.py`): a backbone that is no plain ViT, with the same
 * record of features. The mean of its last tokens stands for the class token.
 */
import type { Expr } from '../core/expr.ts'
import type { Context, Declaration, Exprs, Model } from '../core/model.ts'
import { call, inScope, isExpr, param, zeros } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { isDimension } from '../core/type.ts'
import { mean } from '../ops/reduce.ts'
import { reshape, transpose } from '../ops/reshape.ts'
import { pad } from '../ops/window.ts'
import { residual } from './drop-path.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'
import type { MlpParams } from './mlp.ts'
import { mlp } from './mlp.ts'
import type { NormParams } from './norm.ts'
import { norm } from './norm.ts'
import type { PatchParams } from './patch.ts'
import { patchEmbed } from './patch.ts'
import type { PyramidFeatures, PyramidModel, PyramidOptions } from './pyramid.ts'
import { rateOf, similarity, spread } from './pyramid.ts'
import { maskedPatches } from './tokens.ts'
import type { VitInput } from './vit.ts'
import type { WindowAttentionParams } from './window-attention.ts'
import { windowAttention } from './window-attention.ts'

export interface SwinBlockParams {
  readonly norm1: NormParams
  readonly attn: WindowAttentionParams
  readonly norm2: NormParams
  readonly mlp: MlpParams
}

export interface SwinStageParams {
  readonly blocks: ReadonlyArray<SwinBlockParams>
  readonly downsample?: { readonly reduction: LinearParams; readonly norm: NormParams }
}

/** Flattens to the official names: `layers.0.blocks.1.attn.qkv.weight`. */
export interface SwinParams {
  /** `[1, D]` */
  readonly mask_token?: Declaration
  readonly patch_embed: PatchParams & { readonly norm: NormParams }
  readonly layers: ReadonlyArray<SwinStageParams>
  readonly norm: NormParams
}

export interface SwinOptions extends PyramidOptions {
  /** Width of the first stage; every further one is twice as wide, on a grid of half the side. */
  readonly width: number
  /** Blocks of each stage, and heads of each stage's blocks. */
  readonly depths: ReadonlyArray<number>
  readonly heads: ReadonlyArray<number>
  /** Default 4. */
  readonly patch?: number
  /** Default 7. */
  readonly window?: number
  /** Default 4. */
  readonly mlpRatio?: number
  /** Default true. */
  readonly qkvBias?: boolean
  /** Default 1e-5. */
  readonly eps?: number
}

export type FullSwinOptions = Required<SwinOptions>

/** `cls` is the mean of the tokens after the final norm. */
export type SwinFeatures = PyramidFeatures

export interface Swin extends PyramidModel<SwinParams> {
  readonly options: FullSwinOptions
}

/** `[B, h, w, D] -> [B, h, w, D]`. */
const block = (o: FullSwinOptions, stage: number, shifted: boolean, rate: number): Model<SwinBlockParams, Expr, Expr> => {
  const width = o.width * 2 ** stage
  const [norm1, norm2] = [norm({ width, eps: o.eps }), norm({ width, eps: o.eps })]
  const attn = windowAttention({ width, heads: o.heads[stage] ?? 1, window: o.window, shifted, qkvBias: o.qkvBias })
  const feed = mlp({ width, hidden: Math.floor(width * o.mlpRatio) })
  return {
    params: { norm1: norm1.params, attn: attn.params, norm2: norm2.params, mlp: feed.params },
    apply: (c, p) => (x) => {
      const [skip1, skip2] = ['drop_path1', 'drop_path2'].map((name) => residual({ rate, form: 'sample' }, c, name, x.type.shape[0]))
      const middle = skip1.leave(x, call(attn, c, 'attn', p.attn, call(norm1, c, 'norm1', p.norm1, x)))
      return skip2.leave(middle, call(feed, c, 'mlp', p.mlp, call(norm2, c, 'norm2', p.norm2, middle)))
    },
  }
}

/** Four neighbours become one of twice the width: `[B, h, w, D] -> [B, ceil(h/2), ceil(w/2), 2 D]`. */
const merging = (width: number): Model<{ readonly reduction: LinearParams; readonly norm: NormParams }, Expr, Expr> => {
  const reduction = linear({ in: 4 * width, out: 2 * width, bias: false })
  const before = norm({ width: 4 * width, eps: 1e-5 })
  return {
    params: { reduction: reduction.params, norm: before.params },
    apply: (c, p) => (x) => {
      const [b, h, w] = x.type.shape
      const [up, across] = [Math.ceil(h / 2), Math.ceil(w / 2)]
      const even = pad(2, 0, 2 * across - w)(pad(1, 0, 2 * up - h)(x))
      const four = reshape([b, up, across, 4 * width])(transpose([0, 1, 3, 4, 2, 5])(reshape([b, up, 2, across, 2, width])(even)))
      return call(reduction, c, 'reduction', p.reduction, call(before, c, 'norm', p.norm, four))
    },
  }
}

const stageOf = (o: FullSwinOptions, stage: number): Model<SwinStageParams, Expr, Expr> => {
  const blocks = Array.from({ length: o.depths[stage] }, (_, i) => block(o, stage, i % 2 === 1, rateOf(o.depths, o.dropPath, stage, i)))
  const down = stage < o.depths.length - 1 ? merging(o.width * 2 ** stage) : undefined
  return {
    params: { blocks: blocks.map((b) => b.params), ...(down === undefined ? {} : { downsample: down.params }) },
    apply: (c, p) => (x) => {
      const y = blocks.reduce((z, b, i) => call(b, c, `blocks.${i}`, p.blocks[i], z), x)
      return down === undefined || p.downsample === undefined ? y : call(down, c, 'downsample', p.downsample, y)
    },
  }
}

const embedded = (o: FullSwinOptions, embed: Model<PatchParams, Expr, Expr>, c: Context, p: Exprs<SwinParams>, images: Expr): Expr => {
  const patches = call(embed, c, 'patch_embed', p.patch_embed, images)
  return patches._tag === 'Invalid'
    ? patches
    : call(norm({ width: o.width, eps: 1e-5 }), c, 'patch_embed.norm', p.patch_embed.norm, patches)
}

/**
 * Faults: options that are no whole sizes, or do not name heads for every stage; images that `patchEmbed` refuses; masks of another grid.
 */
const make = (given: SwinOptions): Swin => {
  const o: FullSwinOptions = {
    patch: 4,
    window: 7,
    mlpRatio: 4,
    qkvBias: true,
    eps: 1e-5,
    channels: 3,
    image: 224,
    dropPath: 0,
    maskToken: false,
    ...given,
  }
  const embed = patchEmbed({ patch: o.patch, channels: o.channels, width: o.width })
  const stages = o.depths.map((_, i) => stageOf(o, i))
  const times = 2 ** (stages.length - 1)
  const last = norm({ width: o.width * times, eps: o.eps })
  const isWhole =
    stages.length > 0 && o.heads.length === stages.length && [o.patch, o.width, o.window, ...o.depths, ...o.heads].every(isDimension)
  return {
    width: o.width * times,
    patch: o.patch * times,
    options: o,
    params: {
      ...(o.maskToken ? { mask_token: param([1, o.width], zeros) } : {}),
      patch_embed: { ...embed.params, norm: norm({ width: o.width, eps: 1e-5 }).params },
      layers: stages.map((s) => s.params),
      norm: last.params,
    },
    apply: (c, p) => (input) => {
      const { images, mask }: VitInput = isExpr(input) ? { images: input } : input
      const wrong = isWhole
        ? undefined
        : misuse('swin', [images], {
            allowed: `whole positive sizes, and heads for every stage (asked: ${JSON.stringify(given)})`,
            remedy: 'correct the options of the backbone',
          })
      const [, , height = 0, wide = 0] = images.type.shape
      const grid: readonly [number, number] = [Math.ceil(height / o.patch), Math.ceil(wide / o.patch)]
      const cells: readonly [number, number] = [Math.ceil(grid[0] / times), Math.ceil(grid[1] / times)]
      const whole =
        images.type.shape.length === 4 ? pad(3, 0, grid[1] * o.patch - wide)(pad(2, 0, grid[0] * o.patch - height)(images)) : images
      const start = wrong ?? embedded(o, embed, c, p, whole)
      const hidden = mask === undefined || start._tag === 'Invalid' ? undefined : spread(mask, grid, cells, times)
      const first = start._tag === 'Invalid' ? start : inScope(c, 'mask_token', () => maskedPatches(start, hidden, p.mask_token))
      if (first._tag === 'Invalid') return { cls: first, patches: first, attention: first, grid: cells }
      const [batch] = first.type.shape
      const top = stages.reduce((x, s, i) => call(s, c, `layers.${i}`, p.layers[i], x), reshape([batch, ...grid, o.width])(first))
      const patches = call(last, c, 'norm', p.norm, reshape([batch, cells[0] * cells[1], o.width * times])(top))
      const cls = mean({ axes: [1] })(patches)
      return { cls, patches, attention: similarity(cls, patches), grid: cells }
    },
  }
}

/** `swin({ width: 24, depths: [2, 2], heads: [2, 4] })`, or `swin.tiny()`, Swin-T. */
export const swin = Object.assign(make, {
  tiny: (o: Partial<Omit<SwinOptions, 'width' | 'depths' | 'heads'>> = {}): Swin =>
    make({ width: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], ...o }),
})
