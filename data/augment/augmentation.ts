/** A multi-crop augmentation: data, from which the crops' program and its draws are made; plain but for changes of one's own. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Expr } from '../../core/expr.ts'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { BlurKind } from './blur.ts'
import type { ColourName } from './colour.ts'
import type { CropRange, Guidance, Range } from './geometry.ts'
import type { Resampling } from './taps.ts'
import type { Warp } from './warp.ts'
import { bendOf } from './warp.ts'

/** Crops of one size. Lists have one entry per crop. */
export interface CropGroup extends CropRange {
  readonly count: number
  /** Side of the square result. */
  readonly size: number
  /** False: squares of `size` pixels are cut as they are, wherever the image is large enough; `scale` and `ratio` then say nothing. */
  readonly resized?: boolean
  /** How often each crop is blurred. */
  readonly blur: ReadonlyArray<number>
  /** How often each crop is solarised. */
  readonly solarise: ReadonlyArray<number>
  /** Where regions of interest are known: how often a crop shows one. */
  readonly guided?: Guidance
}

/** Brightness, contrast and saturation change by factors in 1 ± x; hue by up to ± x of a turn. The order is random. */
export interface Jitter {
  readonly probability: number
  readonly brightness: number
  readonly contrast: number
  readonly saturation: number
  readonly hue: number
}

/**
 * A change of one's own: crops `[R, C, H, W]`, values in 0..1, to as many of the same shape. Rows are all crops 0, then all crops 1. It is
 * called once for each group, whose name belongs into the paths of what it draws (`random` of `dinograph/core`): no two draws share one.
 */
export type Retouch = (crops: Expr, group: 'global' | 'local') => Expr

/** Per channel, after everything else. */
export interface Normalisation {
  readonly mean: ReadonlyArray<number>
  readonly std: ReadonlyArray<number>
}

export interface Augmentation {
  readonly name: string
  readonly global: CropGroup
  readonly local: CropGroup
  /**
   * The global crops once more at this size, mirrored alike and otherwise only normalised: what a Gram teacher sees (dinov3
   * `data/augmentations.py`, gram_teacher_no_distortions). Default: none.
   */
  readonly gram?: { readonly size: number } | undefined
  readonly resampling: Resampling
  /** How often a crop is mirrored. */
  readonly flip: number
  /** Turns, slants and bends of crops. Default: none. */
  readonly warp?: Warp | undefined
  readonly jitter: Jitter
  /** One jitter for all crops of an image. */
  readonly sharedJitter: boolean
  readonly grayscale: number
  readonly blurKind: BlurKind
  /** Of the Gaussian: sigma, or Pillow's radius. */
  readonly sigma: Range
  /** What is done to global and local crops before they are normalised. Default: nothing. */
  readonly retouch?: Retouch | undefined
  readonly normalisation: Normalisation
  /** What a person should know about this augmentation. */
  readonly notes: ReadonlyArray<string>
}

/** The jitter's operations that can change anything. */
export const jitterNames = (j: Jitter): ReadonlyArray<ColourName> =>
  j.probability > 0 ? (['brightness', 'contrast', 'saturation', 'hue'] as const).filter((n) => j[n] > 0) : []

/**
 * What of an augmentation images of a number of channels can have: RGB everything; gray brightness, contrast and solarising, as
 * torchvision gives them; others no colour operation.
 */
export const forChannels =
  (channels: number) =>
  (r: Augmentation): Augmentation => {
    if (channels === 3) return r
    const none = (g: CropGroup): CropGroup => ({ ...g, solarise: g.solarise.map(() => 0) })
    return channels === 1
      ? { ...r, grayscale: 0, jitter: { ...r.jitter, saturation: 0, hue: 0 } }
      : { ...r, grayscale: 0, jitter: { ...r.jitter, probability: 0 }, global: none(r.global), local: none(r.local) }
  }

/** The colour operations that an augmentation ever does. */
export const colourNames = (r: Augmentation): ReadonlyArray<ColourName | 'solarise'> => [
  ...jitterNames(r.jitter),
  ...(r.grayscale > 0 ? ['grayscale' as const] : []),
  ...([...r.global.solarise, ...r.local.solarise].some((p) => p > 0) ? ['solarise' as const] : []),
]

interface Check {
  readonly path: string
  readonly found: unknown
  readonly good: boolean
  readonly allowed: string
}

const isShare = (p: number): boolean => p >= 0 && p <= 1
const share = (path: string, p: number): Check => ({ path, found: p, good: isShare(p), allowed: 'a number in [0, 1]' })
const ordered = (path: string, r: Range, low: number, high: number): Check => ({
  path,
  found: r,
  good: r[0] > low && r[0] <= r[1] && r[1] <= high,
  allowed: `two ascending numbers above ${low}${high < Infinity ? ` up to ${high}` : ''}`,
})

/** Points of a grid that approach each other by more than this share of their distance could swap places in a few crops. */
const steepest = 0.9

const bends = ({ elastic, points }: ReturnType<typeof bendOf>): ReadonlyArray<Check> => {
  const most = steepest / 2 / (points - 3)
  return [
    { path: 'warp.points', found: points, good: Number.isInteger(points) && points >= 4, allowed: 'an integer of at least 4' },
    {
      path: 'warp.elastic',
      found: elastic,
      good: elastic >= 0 && elastic <= most,
      allowed: `a number in [0, ${most.toPrecision(2)}]: with ${points} points along a side, crops could fold beyond`,
    },
  ]
}

const checkGroup = (path: string, g: CropGroup, least: number): ReadonlyArray<Check> => [
  {
    path: `${path}.count`,
    found: g.count,
    good: Number.isInteger(g.count) && g.count >= least,
    allowed: `a whole number of at least ${least}`,
  },
  { path: `${path}.size`, found: g.size, good: Number.isInteger(g.size) && g.size > 0, allowed: 'a whole number of pixels' },
  ordered(`${path}.scale`, g.scale, 0, 1),
  ordered(`${path}.ratio`, g.ratio, 0, Infinity),
  ...(['blur', 'solarise'] as const).map((k): Check => ({
    path: `${path}.${k}`,
    found: g[k],
    good: g[k].length === g.count && g[k].every(isShare),
    allowed: `${g.count} numbers in [0, 1], one per crop`,
  })),
  ...(g.guided === undefined
    ? []
    : [share(`${path}.guided.probability`, g.guided.probability), share(`${path}.guided.fraction`, g.guided.fraction)]),
  {
    path: `${path}.size`,
    found: g.size,
    good: g.size > 4 || !g.blur.some((p) => p > 0),
    allowed: 'more than 4 pixels where crops are blurred',
  },
]

/** The augmentation, or a fault that names the first entry that is out of its range. */
export const checkAugmentation = (r: Augmentation): Either<Fault, Augmentation> => {
  const { mean, std } = r.normalisation
  const checks: ReadonlyArray<Check> = [
    ...checkGroup('global', r.global, 1),
    ...checkGroup('local', r.local, 0),
    ...(r.gram === undefined
      ? []
      : [
          {
            path: 'gram.size',
            found: r.gram.size,
            good: Number.isInteger(r.gram.size) && r.gram.size > 0,
            allowed: 'a whole number of pixels',
          },
        ]),
    share('flip', r.flip),
    share('grayscale', r.grayscale),
    ...(r.warp === undefined
      ? []
      : [
          share('warp.probability', r.warp.probability),
          {
            path: 'warp.rotation',
            found: r.warp.rotation,
            good: r.warp.rotation >= 0 && r.warp.rotation <= 180,
            allowed: 'degrees in [0, 180]',
          },
          { path: 'warp.shear', found: r.warp.shear, good: r.warp.shear >= 0 && r.warp.shear <= 1, allowed: 'a number in [0, 1]' },
          ...bends(bendOf(r.warp)),
        ]),
    share('jitter.probability', r.jitter.probability),
    ...(['brightness', 'contrast', 'saturation'] as const).map((k): Check => ({
      path: `jitter.${k}`,
      found: r.jitter[k],
      good: r.jitter[k] >= 0,
      allowed: 'a number of at least 0',
    })),
    { path: 'jitter.hue', found: r.jitter.hue, good: r.jitter.hue >= 0 && r.jitter.hue <= 0.5, allowed: 'a number in [0, 0.5]' },
    ordered('sigma', r.sigma, 0, Infinity),
    {
      path: 'normalisation',
      found: r.normalisation,
      good: mean.length > 0 && mean.length === std.length && std.every((s) => s > 0),
      allowed: 'as many means as positive deviations',
    },
  ]
  const bad = checks.find((c) => !c.good)
  return bad === undefined
    ? E.right(r)
    : E.left(
        fault('config', {
          place: `augmentation ${r.name}: ${bad.path}`,
          found: JSON.stringify(bad.found),
          allowed: bad.allowed,
          remedy: `set ${bad.path} to ${bad.allowed}`,
        }),
      )
}
