/** Which part of an image a crop shows: torchvision's RandomResizedCrop, drawn from a counter stream. */
import type { Stream } from '../../core/random.ts'
import type { Box } from '../readers/dataset.ts'

/** Pixels of an image inside of its canvas. */
export interface Size {
  readonly height: number
  readonly width: number
}

/** Low and high end. */
export type Range = readonly [number, number]

/** Share of the image's area, and width over height, that a crop may have. */
export interface CropRange {
  readonly scale: Range
  readonly ratio: Range
}

const tries = 10

/** Positions of a stream that `randomResizedCrop` reads: four for each try. */
export const cropDraws = 4 * tries

/** Python's round: halves go to the even neighbour. */
export const roundEven = (x: number): number => {
  const down = Math.floor(x)
  const rest = x - down
  return rest < 0.5 ? down : rest > 0.5 ? down + 1 : down + (down % 2)
}

const between = (u: number, [low, high]: Range): number => low + (high - low) * u

/** Width and height of try k: area times a uniform share, log-uniform ratio. */
export const drawSize = (s: Stream, k: number, size: Size, range: CropRange): Size => {
  const area = size.height * size.width * between(s.unit(4 * k), range.scale)
  const ratio = Math.exp(between(s.unit(4 * k + 1), [Math.log(range.ratio[0]), Math.log(range.ratio[1])]))
  return { width: roundEven(Math.sqrt(area * ratio)), height: roundEven(Math.sqrt(area / ratio)) }
}

/** The largest centred box whose ratio lies within the limits. */
export const centreCrop = (size: Size, ratio: Range): Box => {
  const own = size.width / size.height
  const width = own > ratio[1] ? Math.max(1, roundEven(size.height * ratio[1])) : size.width
  const height = own < ratio[0] ? Math.max(1, roundEven(size.width / ratio[0])) : size.height
  return { x: Math.floor((size.width - width) / 2), y: Math.floor((size.height - height) / 2), width, height }
}

const fits = (c: Size, size: Size): boolean => c.width > 0 && c.width <= size.width && c.height > 0 && c.height <= size.height

/** Ten tries at a box of the range that fits, placed uniformly; else the centre crop. Reads positions 0 .. cropDraws-1. */
export const randomResizedCrop = (s: Stream, size: Size, range: CropRange): Box => {
  for (let k = 0; k < tries; k++) {
    const c = drawSize(s, k, size, range)
    if (fits(c, size)) return { ...c, y: s.below(4 * k + 2, size.height - c.height + 1), x: s.below(4 * k + 3, size.width - c.width + 1) }
  }
  return centreCrop(size, range.ratio)
}

/** A square of `side` pixels, or the largest that the image has, placed uniformly. Reads positions 0 and 1. */
export const plainCrop = (s: Stream, size: Size, side: number): Box => {
  const n = Math.min(side, size.height, size.width)
  return { y: s.below(0, size.height - n + 1), x: s.below(1, size.width - n + 1), height: n, width: n }
}

/** The part of a region's area that a crop must show, and how often a crop is guided by one. */
export interface Guidance {
  readonly probability: number
  readonly fraction: number
}

/** Uniform whole number in low .. high (both included). */
const within = (u: number, low: number, high: number): number => low + Math.floor(u * (high - low + 1))

/** Starts along one axis from which `length` pixels hold the region's centre and at least `share` of its extent. */
const starts = (length: number, limit: number, from: number, extent: number, share: number): Range => {
  const centre = Math.floor(from + extent / 2)
  const need = share * extent
  return need > length
    ? [1, 0]
    : [
        Math.max(0, Math.ceil(from + need - length), centre - length + 1),
        Math.min(limit - length, Math.floor(from + extent - need), centre),
      ]
}

/**
 * A crop of the range that holds the region's centre and at least `fraction` of it, placed uniformly where that is so
 * (after DINO-LG's label-guided local crops). Undefined where ten tries find no such place. Reads the same positions as
 * `randomResizedCrop`.
 */
export const guidedCrop = (s: Stream, size: Size, range: CropRange, region: Box, fraction: number): Box | undefined => {
  const share = Math.sqrt(fraction)
  for (let k = 0; k < tries; k++) {
    const c = drawSize(s, k, size, range)
    if (!fits(c, size)) continue
    const ys = starts(c.height, size.height, region.y, region.height, share)
    const xs = starts(c.width, size.width, region.x, region.width, share)
    if (ys[0] <= ys[1] && xs[0] <= xs[1]) return { ...c, y: within(s.unit(4 * k + 2), ...ys), x: within(s.unit(4 * k + 3), ...xs) }
  }
  return undefined
}

/**
 * A square as `plainCrop` cuts it that holds the region's centre and, where it is large enough, at least `fraction` of it.
 * Reads positions 0 and 1.
 */
export const guidedPlainCrop = (s: Stream, size: Size, side: number, region: Box, fraction: number): Box | undefined => {
  const n = Math.min(side, size.height, size.width)
  const axis = (limit: number, from: number, extent: number): Range =>
    starts(n, limit, from, extent, Math.min(Math.sqrt(fraction), (n / extent) * (1 - 1e-9)))
  const [ys, xs] = [axis(size.height, region.y, region.height), axis(size.width, region.x, region.width)]
  return ys[0] <= ys[1] && xs[0] <= xs[1] ? { y: within(s.unit(0), ...ys), x: within(s.unit(1), ...xs), height: n, width: n } : undefined
}

/**
 * The longest side that a crop can have on a canvas of `side` pixels: of the tries, and of the centre crop where all
 * tries failed. They fail where the image is so long that even the largest crop does not fit its short side, or so small
 * that the smallest crop rounds to nothing.
 */
export const longestSide = (side: number, range: CropRange): number => {
  const widest = Math.max(range.ratio[1], 1 / range.ratio[0])
  const [low, high] = range.scale
  return Math.min(
    side,
    Math.ceil(Math.max(side * Math.sqrt(high * widest), side * high * widest * widest, (0.5 * widest) / Math.sqrt(low) + 0.5)),
  )
}
