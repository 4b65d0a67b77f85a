/**
 * Boxes from attention, without a detection head: the head-mean map brought to the image's size bilinearly, the pixels that hold a share of
 * its mass, their connected regions, a box around each that is large enough, scored by the mean attention in it. And how good boxes are.
 */
import type { Size } from '../../../data/augment/geometry.ts'
import type { Box } from '../../../data/readers/dataset.ts'
import { resizeImage } from '../../../data/augment/canvas.ts'
import { massMask } from './maps.ts'

/** A box with how sure it is. */
export interface Detection extends Box {
  readonly score: number
}

export interface BoxOptions {
  /** The share of the attention's mass that regions are made of. Default 0.6. */
  readonly mass?: number
  /** The least share of the image that a region covers. Default 0.005. */
  readonly least?: number
}

/** A map over patches at another size, bilinearly. */
export const enlargeMap = (map: Float32Array, grid: readonly [number, number], size: Size): Float32Array =>
  resizeImage({ channels: 1, height: grid[0], width: grid[1], data: map }, size, [-Infinity, Infinity], {
    filter: 'bilinear',
    antialias: false,
  }).data

/** Regions of a mask whose pixels touch along edges: for each pixel its region's number from 1, 0 outside. */
export const regions = (mask: Uint8Array, { height, width }: Size): { readonly label: Int32Array; readonly count: number } => {
  const label = new Int32Array(mask.length)
  let count = 0
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] === 0 || label[start] !== 0) continue
    count++
    const stack = [start]
    label[start] = count
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const x = at % width
      const beside = [x > 0 ? at - 1 : -1, x < width - 1 ? at + 1 : -1, at - width, at + width]
      for (const next of beside) {
        if (next < 0 || next >= height * width || mask[next] === 0 || label[next] !== 0) continue
        label[next] = count
        stack.push(next)
      }
    }
  }
  return { label, count }
}

/** Boxes of a map over patches, in pixels of an image of `size`, the surest first. */
export const attentionBoxes =
  (o: BoxOptions, size: Size) =>
  (map: Float32Array, grid: readonly [number, number]): ReadonlyArray<Detection> => {
    const { mass = 0.6, least = 0.005 } = o
    const large = enlargeMap(map, grid, size)
    const { label, count } = regions(massMask(mass)(large), size)
    const found = Array.from({ length: count }, () => ({ x0: size.width, y0: size.height, x1: 0, y1: 0, area: 0, sum: 0 }))
    for (let i = 0; i < label.length; i++) {
      if (label[i] === 0) continue
      const r = found[label[i] - 1]
      const [x, y] = [i % size.width, Math.floor(i / size.width)]
      found[label[i] - 1] = {
        x0: Math.min(r.x0, x),
        y0: Math.min(r.y0, y),
        x1: Math.max(r.x1, x + 1),
        y1: Math.max(r.y1, y + 1),
        area: r.area + 1,
        sum: r.sum + large[i],
      }
    }
    return found
      .filter((r) => r.area >= least * size.height * size.width)
      .map((r): Detection => ({ x: r.x0, y: r.y0, width: r.x1 - r.x0, height: r.y1 - r.y0, score: r.sum / r.area }))
      .sort((a, b) => b.score - a.score)
  }

/** Intersection over union, in 0..1. */
export const iou = (a: Box, b: Box): number => {
  const across = Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x))
  const down = Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y))
  const shared = across * down
  const all = a.width * a.height + b.width * b.height - shared
  return all > 0 ? shared / all : 0
}

/**
 * The pointing game (Zhang et al. 2018): whether the largest place of a map over the image lies in one of the boxes. Pixels count as
 * their centres.
 */
export const pointsAt = (large: Float32Array, { width }: Size, truth: ReadonlyArray<Box>): boolean => {
  const at = large.reduce((best, v, i) => (v > large[best] ? i : best), 0)
  const [x, y] = [(at % width) + 0.5, Math.floor(at / width) + 0.5]
  return truth.some((b) => x >= b.x && x < b.x + b.width && y >= b.y && y < b.y + b.height)
}

/** One image's boxes, as found and as they are. */
export interface Detected {
  readonly found: ReadonlyArray<Detection>
  readonly truth: ReadonlyArray<Box>
}

/**
 * Average precision at an overlap (PASCAL VOC 2010 and later: the area under the precision that falls only, over all recalls). Over all
 * images at once, the surest box first; each takes the true box of its image that it overlaps most, and counts as wrong where that is less
 * than `overlap` or has been taken. NaN where there is no true box.
 */
export const averagePrecision = (images: ReadonlyArray<Detected>, overlap = 0.5): number => {
  const all = images.flatMap((image, i) => image.found.map((box) => ({ i, box }))).sort((a, b) => b.box.score - a.box.score)
  const total = images.reduce((n, image) => n + image.truth.length, 0)
  const taken = images.map((image) => image.truth.map(() => false))
  const precision: Array<number> = []
  const right: Array<boolean> = []
  let hits = 0
  all.forEach(({ i, box }, k) => {
    const overlaps = images[i].truth.map((t) => iou(t, box))
    const best = overlaps.reduce((m, v, j) => (v > overlaps[m] ? j : m), 0)
    const hit = overlaps.length > 0 && overlaps[best] >= overlap && !taken[i][best]
    if (hit) taken[i][best] = true
    hits += hit ? 1 : 0
    right.push(hit)
    precision.push(hits / (k + 1))
  })
  let [area, ceiling] = [0, 0]
  for (let k = all.length - 1; k >= 0; k--) {
    ceiling = Math.max(ceiling, precision[k])
    if (right[k]) area += ceiling
  }
  return total === 0 ? NaN : area / total
}
