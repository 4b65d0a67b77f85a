/** What a Vision Transformer is made of, and what is taken where nothing is said. */
import { isDimension } from '../core/type.ts'
import type { BlockOptions } from './block.ts'
import type { DropPathForm } from './drop-path.ts'
import type { FfnKind } from './ffn.ts'
import { hiddenWidth } from './ffn.ts'
import type { NormKind } from './norm.ts'
import { patchesAlong } from './patch.ts'
import type { PositionResize } from './position.ts'
import type { RopeOptions } from './rope.ts'
import type { Generation } from './tokens.ts'

/** Where patches stand: embeddings that are learned, or rotary ones. */
export type Position = ({ readonly kind: 'learned' } & PositionResize) | ({ readonly kind: 'rope' } & RopeOptions)

export interface VitOptions {
  /** Pixels along the side of a patch. */
  readonly patch: number
  readonly width: number
  readonly depth: number
  readonly heads: number
  /** Hidden width of the feed-forward half in widths; the product is rounded down. Default 4. */
  readonly mlpRatio?: number
  /** That hidden width itself; behind the gate where there is one. Default: what `mlpRatio` gives. */
  readonly hidden?: number
  /** Default `mlp`. */
  readonly ffn?: FfnKind
  /** Default true. */
  readonly qkvBias?: boolean
  /** The keys' share of the qkv bias is stored and not used. Default false. */
  readonly maskKeyBias?: boolean
  /** Of the attention's output projection. Default true. */
  readonly projBias?: boolean
  /** Of the feed-forward half. Default true. */
  readonly ffnBias?: boolean
  /** Default `layer`. */
  readonly norm?: NormKind
  /** Of every normalisation. Default 1e-6. */
  readonly eps?: number
  /** Where LayerScale begins. Default: no LayerScale. */
  readonly layerScale?: number
  /** Default 3. */
  readonly channels?: number
  /** Pixels along the side of the images that the position grid is made for; other sizes are interpolated. Default 224. */
  readonly image?: number
  /** Default: learned, read at other grids with an offset of 0.1. */
  readonly position?: Position
  /** Tokens beside the class token that are no patches. Default 0. */
  readonly registers?: number
  /** A token in place of patches that are masked. Default false. */
  readonly maskToken?: boolean
  /** Class token and registers have a final norm of their own (`cls_norm`). Default false. */
  readonly untiedNorms?: boolean
  /** So they have, in training, for local crops (`local_cls_norm`). Default false. */
  readonly localNorm?: boolean
  /** Drop-path rate. Default 0. */
  readonly dropPath?: number
  /** `linear`: it grows from 0 in the first block to the rate in the last; `uniform`: all have it. Default `linear`. */
  readonly dropPathRule?: 'linear' | 'uniform'
  /** Default `sample`. */
  readonly dropPathForm?: DropPathForm
  /** Standard deviation that the blocks' matrices begin with. Default 0.02, which widths of several hundred are made for. */
  readonly initStd?: number
  /** That learned positions begin with. Default 0.02, from which places are learned in long runs; in short ones 0.5 says more of them. */
  readonly positionStd?: number
  /** Refuses images of sides that are no whole number of patches. Default false: the remainder is dropped. */
  readonly wholePatches?: boolean
  /** Whose names and first values tokens have: DINO's, DINOv2's, DINOv3's. Default 1. */
  readonly generation?: Generation
}

/** The default of learned positions: DINO's, and DINOv2's without registers. */
export const learned: Position = { kind: 'learned', offset: 0.1 }

/** DINOv2's with registers. */
export const learnedAntialiased: Position = { kind: 'learned', offset: 0, antialias: true }

/** Options with every default written out, but for LayerScale, which may be absent. */
export type FullOptions = Required<Omit<VitOptions, 'layerScale' | 'mlpRatio'>> & Pick<VitOptions, 'layerScale'>

export const fullOptions = ({ mlpRatio = 4, ...o }: VitOptions): FullOptions => ({
  ffn: 'mlp',
  hidden: hiddenWidth(o.ffn ?? 'mlp', o.width, mlpRatio),
  qkvBias: true,
  maskKeyBias: false,
  projBias: true,
  ffnBias: true,
  norm: 'layer',
  eps: 1e-6,
  channels: 3,
  image: 224,
  position: learned,
  registers: 0,
  maskToken: false,
  untiedNorms: false,
  localNorm: false,
  dropPath: 0,
  dropPathRule: 'linear',
  dropPathForm: 'sample',
  wholePatches: false,
  generation: 1,
  initStd: 0.02,
  positionStd: 0.02,
  ...o,
})

/** The side of the grid that positions are stored for, in patches. */
export const gridOf = (o: FullOptions): number => patchesAlong(o.image, o.patch)

/** Whether every size is a whole one. */
export const isWhole = (o: FullOptions): boolean =>
  [o.patch, o.width, o.depth, o.heads, gridOf(o), o.hidden, o.registers + 1].every(isDimension)

/** The options of block `i`. */
export const blockOptions = (o: FullOptions, i: number): BlockOptions => ({
  width: o.width,
  heads: o.heads,
  qkvBias: o.qkvBias,
  maskKeyBias: o.maskKeyBias,
  projBias: o.projBias,
  hidden: o.hidden,
  ffn: o.ffn,
  ffnBias: o.ffnBias,
  eps: o.eps,
  norm: o.norm,
  ...(o.layerScale === undefined ? {} : { layerScale: o.layerScale }),
  dropPathForm: o.dropPathForm,
  dropPath: o.dropPathRule === 'uniform' ? o.dropPath : o.depth > 1 ? (o.dropPath * i) / (o.depth - 1) : 0,
})
