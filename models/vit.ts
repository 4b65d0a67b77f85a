/** The Vision Transformer of DINO (Dosovitskiy et al. 2021; dino `vision_transformer.py` VisionTransformer). */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { call, inScope, param, truncNormal } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { isDimension } from '../core/type.ts'
import { add } from '../ops/elementwise.ts'
import { broadcastTo } from '../ops/broadcast.ts'
import { concat, pick, slice } from '../ops/window.ts'
import type { BlockParams } from './block.ts'
import { block } from './block.ts'
import type { NormParams } from './norm.ts'
import { norm } from './norm.ts'
import type { PatchParams } from './patch.ts'
import { patchEmbed, patchesAlong } from './patch.ts'
import { positionFor } from './position.ts'

/** Flattens to the official names: `blocks.0.attn.qkv.weight`, `patch_embed.proj.weight`. */
export interface VitParams {
  readonly cls_token: Declaration
  readonly pos_embed: Declaration
  readonly patch_embed: PatchParams
  readonly blocks: ReadonlyArray<BlockParams>
  readonly norm: NormParams
}

export interface VitOptions {
  /** Pixels along the side of a patch. */
  readonly patch: number
  readonly width: number
  readonly depth: number
  readonly heads: number
  /** Hidden width of the MLP in widths; the product is rounded down. Default 4. */
  readonly mlpRatio?: number
  /** Default true. */
  readonly qkvBias?: boolean
  /** Of every layer normalisation. Default 1e-6. */
  readonly eps?: number
  /** Default 3. */
  readonly channels?: number
  /** Pixels along the side of the images that the position grid is made for; other sizes are interpolated. Default 224. */
  readonly image?: number
  /** Drop-path rate of the last block; it grows linearly from 0 in the first. Default 0. */
  readonly dropPath?: number
}

/** What a ViT says about images `[B, C, H, W]` with N patches. Expressions that nothing reads are never computed. */
export interface VitFeatures {
  /** The class token after the final norm, `[B, D]`. */
  readonly cls: Expr
  /** The patch tokens after the final norm, `[B, N, D]`, row-major. */
  readonly patches: Expr
  /** All tokens after the final norm, `[B, 1 + N, D]`. */
  readonly tokens: Expr
  /** All tokens before it. */
  readonly prenorm: Expr
  /** The final norm of every block's output, first block first, `[B, 1 + N, D]` each. */
  readonly layers: ReadonlyArray<Expr>
  /** Where the tokens of the last block looked, `[B, heads, 1 + N, 1 + N]`. */
  readonly attention: Expr
  /** The position embedding that was added, `[1, 1 + N, D]`. */
  readonly position: Expr
}

/** A backbone knows its width, so that heads can be made for it. */
export interface Vit extends Model<VitParams, Expr, VitFeatures> {
  readonly width: number
  readonly patch: number
}

const isWhole = (o: VitOptions, image: number): boolean => [o.patch, o.width, o.depth, o.heads, patchesAlong(image, o.patch)].every(isDimension)

/** A misuse in place of every feature. */
const everywhere = (bad: Expr): VitFeatures => ({ cls: bad, patches: bad, tokens: bad, prenorm: bad, layers: [bad], attention: bad, position: bad })

/** [cls, patches] + position -> blocks -> norm. Faults: options that are no whole sizes; images that `patchEmbed` refuses. */
const make = (o: VitOptions): Vit => {
  const { mlpRatio = 4, qkvBias = true, eps = 1e-6, channels = 3, image = 224, dropPath = 0 } = o
  const grid = patchesAlong(image, o.patch)
  const embed = patchEmbed({ patch: o.patch, channels, width: o.width })
  const blocks = Array.from({ length: o.depth }, (_, i) => block({
    width: o.width, heads: o.heads, qkvBias, hidden: Math.floor(o.width * mlpRatio), eps,
    dropPath: o.depth > 1 ? (dropPath * i) / (o.depth - 1) : 0,
  }))
  const last = norm({ width: o.width, eps })
  return {
    width: o.width,
    patch: o.patch,
    params: {
      cls_token: param([1, 1, o.width], truncNormal(0.02)),
      pos_embed: param([1, 1 + grid * grid, o.width], truncNormal(0.02)),
      patch_embed: embed.params,
      blocks: blocks.map((b) => b.params),
      norm: last.params,
    },
    apply: (c, p) => (x) => {
      const patches = isWhole(o, image) ? call(embed, c, 'patch_embed', p.patch_embed, x) : misuse('vit', [x], {
        allowed: `whole positive patch, width, depth and heads, and images of at least one patch (asked: ${JSON.stringify({ ...o, image })})`,
        remedy: 'correct the options of the backbone',
      })
      if (patches._tag === 'Invalid') return everywhere(patches)
      const [batch, , height, wide] = x.type.shape
      const position = inScope(c, 'pos_embed', () => positionFor({ grid, patch: o.patch, offset: 0.1 }, [height, wide])(p.pos_embed))
      const cls = broadcastTo([batch, 1, o.width])(p.cls_token)
      const outputs: Array<Expr> = []
      let tokens = add(concat(1)([cls, patches]), position)
      let attention = tokens
      blocks.forEach((b, i) => {
        const attended = call(b, c, `blocks.${i}`, p.blocks[i], tokens)
        tokens = attended.tokens
        attention = attended.probabilities
        outputs.push(tokens)
      })
      const layers = outputs.map((t) => call(last, c, 'norm', p.norm, t))
      const normed = call(last, c, 'norm', p.norm, tokens)
      return { cls: pick(1, 0)(normed), patches: slice(1, 1)(normed), tokens: normed, prenorm: tokens, layers, attention, position }
    },
  }
}

/** The options of a preset: all but its sizes. */
export type PresetOptions = Partial<Omit<VitOptions, 'width' | 'depth' | 'heads'>>

const preset = (width: number, depth: number, heads: number) => (o: PresetOptions = {}): Vit => make({ patch: 16, width, depth, heads, ...o })

/** `vit({ patch: 7, width: 64, … })`, or a size of the papers: `vit.small({ patch: 8 })`. Patches of presets are 16 unless said. */
export const vit = Object.assign(make, {
  tiny: preset(192, 12, 3),
  small: preset(384, 12, 6),
  base: preset(768, 12, 12),
})
