/**
 * What is fixed when the crops' program is made: shapes, numbers of taps, and which operations the augmentation can ever use.
 * Everything else about a batch (sizes of images, boxes, orders, strengths) is fed.
 */
import type { TensorType } from '../../core/type.ts'
import { tensorType } from '../../core/type.ts'
import { blurTaps } from './blur.ts'
import type { ColourChain } from './colour.ts'
import { colourChain } from './colour.ts'
import { longestSide } from './geometry.ts'
import type { Augmentation, CropGroup } from './augmentation.ts'
import { jitterNames } from './augmentation.ts'
import { tapCount } from './taps.ts'
import { warpWidth } from './warp.ts'

/** Images of one batch: `[batch, channels, side, side]`, each in the upper left corner of its canvas. */
export interface Layout {
  readonly batch: number
  readonly channels: number
  /** Side of the square canvases. */
  readonly side: number
}

export interface GroupPlan {
  readonly name: 'global' | 'local' | 'gram'
  readonly group: CropGroup
  /** Taps of the resize. */
  readonly taps: number
  readonly colour: ColourChain
  /** Taps of the blur; 0 where no crop is ever blurred. */
  readonly blurTaps: number
  readonly solarises: boolean
  /** Numbers of a crop's warp; 0 where no crop is ever warped. */
  readonly warp: number
}

const planGroup = (r: Plan['augmentation'], l: Layout, name: GroupPlan['name'], group: CropGroup, coloured: boolean): GroupPlan => {
  const blurs = group.blur.some((p) => p > 0)
  return {
    name,
    group,
    taps: tapCount(r.resampling, group.resized === false ? Math.min(l.side, group.size) : longestSide(l.side, group), group.size, l.side),
    colour: coloured ? colourChain(jitterNames(r.jitter), r.grayscale > 0) : colourChain([], false),
    blurTaps: blurs ? blurTaps(r.blurKind, r.sigma[1]) : 0,
    solarises: group.solarise.some((p) => p > 0),
    warp: r.warp !== undefined && r.warp.probability > 0 ? warpWidth(r.warp) : 0,
  }
}

/** Plain data, which threads are sent. */
export interface Plan {
  readonly augmentation: Omit<Augmentation, 'retouch'>
  readonly layout: Layout
  readonly groups: ReadonlyArray<GroupPlan>
}

/** The global crops at another size, undistorted. */
const undistorted = (g: CropGroup, size: number): CropGroup => ({
  ...g,
  size,
  blur: g.blur.map(() => 0),
  solarise: g.solarise.map(() => 0),
})

/** What of an augmentation is plain data. */
const plain = (r: Augmentation): Plan['augmentation'] => {
  const copy: { -readonly [K in 'retouch']?: Augmentation[K] } & Plan['augmentation'] = { ...r }
  delete copy.retouch
  return copy
}

export const planOf = (augmentation: Augmentation, layout: Layout): Plan => ({
  augmentation: plain(augmentation),
  layout,
  groups: [
    ...(['global', 'local'] as const)
      .filter((name) => augmentation[name].count > 0)
      .map((name) => planGroup(augmentation, layout, name, augmentation[name], true)),
    ...(augmentation.gram === undefined
      ? []
      : [planGroup(augmentation, layout, 'gram', undistorted(augmentation.global, augmentation.gram.size), false)]),
  ],
})

/** The input of the images: f32 `[B, C, S, S]` in [0, 1]. */
export const canvasPath = 'augment.canvas'

/** One group's inputs; n crops of B images, side O. Those of operations that never happen are missing. */
export interface GroupInputs {
  /** i32 `[2, n, B, O]`: rows, then columns. */
  readonly first: TensorType
  /** f32 `[2, n, B, O, T]` */
  readonly weights: TensorType
  /** f32 `[n, B, K]`: `writeColour`'s rows. */
  readonly colour?: TensorType
  /** f32 `[n, B, T]`: `writeBlur`'s kernels. */
  readonly blur?: TensorType
  /** Thresholds f32 `[n, B]`. */
  readonly solarise?: TensorType
  /** f32 `[n, B, 4 or more]`: where pixels are read from (warp.ts). */
  readonly warp?: TensorType
}

export const groupInputs = (p: Plan, g: GroupPlan): GroupInputs => {
  const lead = [g.group.count, p.layout.batch]
  const size = g.group.size
  return {
    first: tensorType('i32', [2, ...lead, size]),
    weights: tensorType('f32', [2, ...lead, size, g.taps]),
    ...(g.colour.width > 0 ? { colour: tensorType('f32', [...lead, g.colour.width]) } : {}),
    ...(g.blurTaps > 0 ? { blur: tensorType('f32', [...lead, g.blurTaps]) } : {}),
    ...(g.solarises ? { solarise: tensorType('f32', lead) } : {}),
    ...(g.warp > 0 ? { warp: tensorType('f32', [...lead, g.warp]) } : {}),
  }
}

export const inputPath = (g: GroupPlan, name: keyof GroupInputs): string => `augment.${g.name}.${name}`
