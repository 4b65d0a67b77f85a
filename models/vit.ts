/** The Vision Transformer of DINO, DINOv2 and DINOv3 (Dosovitskiy et al. 2021; `vision_transformer.py` of each). */
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import type { Context, Declaration, Exprs, Model } from '../core/model.ts'
import { call, inScope, isDeclaration, isExpr, truncNormal } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { mapTree } from '../core/tree.ts'
import { concat, pick, slice } from '../ops/window.ts'
import type { BlockParams } from './block.ts'
import { block } from './block.ts'
import type { NormParams } from './norm.ts'
import { norm } from './norm.ts'
import type { FullOptions, VitOptions } from './options.ts'
import { blockOptions, fullOptions, gridOf, isWhole } from './options.ts'
import type { PatchParams } from './patch.ts'
import { patchEmbed, patchesAlong } from './patch.ts'
import { positionFor } from './position.ts'
import type { RopeTables } from './rope.ts'
import { behindPrefix, ropeTables } from './rope.ts'
import type { TokenParams } from './tokens.ts'
import { assembled, maskedPatches, tokenParams } from './tokens.ts'

export type { VitOptions } from './options.ts'

/** Flattens to the official names: `blocks.0.attn.qkv.weight`, `patch_embed.proj.weight`. */
export interface VitParams extends TokenParams {
  readonly patch_embed: PatchParams
  readonly blocks: ReadonlyArray<BlockParams>
  /** Of all tokens; of patches alone where class token and registers have their own. */
  readonly norm: NormParams
  readonly cls_norm?: NormParams
  readonly local_cls_norm?: NormParams
}

/** Images `[B, C, H, W]`, and what may come with them. Images alone may be given as they are. */
export interface VitInput {
  readonly images: Expr
  /** Patches that are hidden, `[B, N]`: bool, or numbers that are not 0. */
  readonly mask?: Expr
  /** Which crops these are; `local` ones may have a norm of their own in training. Default `global`. */
  readonly crops?: 'global' | 'local'
}

/**
 * What a ViT says about images `[B, C, H, W]` with N patches and R registers; T = 1 + R + N. Expressions that nothing reads are never
 * computed.
 */
export interface VitFeatures {
  /** The class token after the final norm, `[B, D]`. */
  readonly cls: Expr
  /** The registers after the final norm, `[B, R, D]`, where there are any. */
  readonly registers?: Expr
  /** The patch tokens after the final norm, `[B, N, D]`, row-major. */
  readonly patches: Expr
  /** All tokens after the final norm, `[B, T, D]`: class token, registers, patches. */
  readonly tokens: Expr
  /** All tokens before it. */
  readonly prenorm: Expr
  /** The final norm of every block's output, first block first, `[B, T, D]` each; see `intermediate`. */
  readonly layers: ReadonlyArray<Expr>
  /** Where the tokens of the last block looked, `[B, heads, T, T]`. */
  readonly attention: Expr
  /** The position embedding that was added, `[1, 1 + N, D]`; zeros where it is rotary. */
  readonly position: Expr
  /** The tables of a rotary embedding as evaluation has them, `[N, D / heads]`. */
  readonly rope?: RopeTables
  /** 1 + R. */
  readonly prefix: number
  /** Patches along height and width. */
  readonly grid: readonly [number, number]
}

/** A backbone knows what it is made of, so that heads can be made for it and it can be written down. */
export interface Vit extends Model<VitParams, Expr | VitInput, VitFeatures> {
  readonly width: number
  readonly patch: number
  readonly options: FullOptions
}

/** A misuse in place of every feature. */
const everywhere = (bad: Expr): VitFeatures => ({
  cls: bad,
  patches: bad,
  tokens: bad,
  prenorm: bad,
  layers: [bad],
  attention: bad,
  position: bad,
  prefix: 1,
  grid: [1, 1],
})

/** The final norm: one for all tokens, or one for the first 1 + R and one for patches. `[B, T, D] -> [B, T, D]`. */
const finalNorm = (o: FullOptions, c: Context, p: Exprs<VitParams>, crops: 'global' | 'local') => {
  const model = norm({ width: o.width, eps: o.eps, kind: o.norm })
  const first =
    crops === 'local' && c.mode === 'train' && p.local_cls_norm !== undefined
      ? (['local_cls_norm', p.local_cls_norm] as const)
      : p.cls_norm !== undefined
        ? (['cls_norm', p.cls_norm] as const)
        : undefined
  return (x: Expr): Expr =>
    first === undefined
      ? call(model, c, 'norm', p.norm, x)
      : concat(1)([
          call(model, c, first[0], first[1], slice(1, 0, 1 + o.registers)(x)),
          call(model, c, 'norm', p.norm, slice(1, 1 + o.registers)(x)),
        ])
}

/** A block's matrices drawn with another deviation: `TruncNormal(0.02)` -> `TruncNormal(std)`. */
const begun =
  (std: number) =>
  (p: BlockParams): BlockParams =>
    mapTree<BlockParams, Declaration, Declaration>(
      isDeclaration,
      (d) => (d.init._tag === 'TruncNormal' ? { ...d, init: truncNormal(std) } : d),
      p,
    )

/**
 * Patches, masked where asked; [class token, registers, patches] with their places; blocks; norm. Faults: options that are no whole
 * sizes; images that `patchEmbed` refuses; masks that `maskedPatches` refuses.
 */
const make = (given: VitOptions): Vit => {
  const o = fullOptions(given)
  const grid = gridOf(o)
  const embed = patchEmbed({ patch: o.patch, channels: o.channels, width: o.width, whole: o.wholePatches })
  const blocks = Array.from({ length: o.depth }, (_, i) => block(blockOptions(o, i)))
  const { params: last } = norm({ width: o.width, eps: o.eps, kind: o.norm })
  const { position } = o
  return {
    width: o.width,
    patch: o.patch,
    options: o,
    params: {
      ...tokenParams({
        generation: o.generation,
        width: o.width,
        registers: o.registers,
        maskToken: o.maskToken,
        positions: position.kind === 'learned' ? 1 + grid * grid : 0,
        positionStd: o.positionStd,
      }),
      patch_embed: embed.params,
      blocks: blocks.map((b) => begun(o.initStd)(b.params)),
      norm: last,
      ...(o.untiedNorms ? { cls_norm: last } : {}),
      ...(o.localNorm ? { local_cls_norm: last } : {}),
    },
    apply: (c, p) => (input) => {
      const { images, mask, crops = 'global' }: VitInput = isExpr(input) ? { images: input } : input
      const embedded = isWhole(o)
        ? call(embed, c, 'patch_embed', p.patch_embed, images)
        : misuse('vit', [images], {
            allowed: `whole positive patch, width, depth and heads, and images of at least one patch (asked: ${JSON.stringify({ ...given, image: o.image })})`,
            remedy: 'correct the options of the backbone',
          })
      const patches = embedded._tag === 'Invalid' ? embedded : inScope(c, 'mask_token', () => maskedPatches(embedded, mask, p.mask_token))
      if (patches._tag === 'Invalid') return everywhere(patches)
      const [, , height, wide] = images.type.shape
      const cells: readonly [number, number] = [patchesAlong(height, o.patch), patchesAlong(wide, o.patch)]
      const stored = p.pos_embed
      const placed =
        position.kind === 'learned' && stored !== undefined
          ? inScope(c, 'pos_embed', () => positionFor({ grid, patch: o.patch, ...position }, [height, wide])(stored))
          : undefined
      const turn =
        position.kind === 'rope' ? (inner: Context): RopeTables => ropeTables(position, o.width / o.heads, cells, inner) : undefined
      const rope = turn === undefined ? {} : { rope: (inner: Context): RopeTables => behindPrefix(1 + o.registers, turn(inner)) }
      const outputs: Array<Expr> = []
      let tokens = assembled(p, patches, placed)
      let attention = tokens
      blocks.forEach((b, i) => {
        const attended = call(b, c, `blocks.${i}`, p.blocks[i], { tokens, ...rope })
        tokens = attended.tokens
        attention = attended.probabilities
        outputs.push(tokens)
      })
      const normed = finalNorm(o, c, p, crops)
      const layers = outputs.map(normed)
      const all = normed(tokens)
      const prefix = 1 + o.registers
      return {
        cls: pick(1, 0)(all),
        ...(o.registers > 0 ? { registers: slice(1, 1, prefix)(all) } : {}),
        patches: slice(1, prefix)(all),
        tokens: all,
        prenorm: tokens,
        layers,
        attention,
        prefix,
        grid: cells,
        position: placed ?? fill('f32', [1, 1 + cells[0] * cells[1], o.width], 0),
        ...(turn === undefined ? {} : { rope: turn({ ...c, mode: 'eval' }) }),
      }
    },
  }
}

/** The options of a preset: all but its sizes. */
export type PresetOptions = Partial<Omit<VitOptions, 'width' | 'depth' | 'heads'>>

const preset =
  (width: number, depth: number, heads: number) =>
  (o: PresetOptions = {}): Vit =>
    make({ patch: 16, width, depth, heads, ...o })

/**
 * `vit({ patch: 7, width: 64, … })`, or a size of the papers: `vit.small({ patch: 8 })`. Patches of these are 16 unless said, all else is
 * as in DINO. Whole backbones of DINOv2 and DINOv3: `vitV2`, `vitV3` of presets.ts.
 */
export const vit = Object.assign(make, {
  tiny: preset(192, 12, 3),
  small: preset(384, 12, 6),
  base: preset(768, 12, 12),
  large: preset(1024, 24, 16),
})
