/**
 * Crops of images that are larger than their canvas: each is cut from all pixels of the image on the host, by the taps that the crops'
 * program would use, and laid beside the others on the canvas; the program then takes every one of them pixel by pixel. So nothing is
 * shrunk before it is cropped, and one compiled program serves images of any size.
 */
import type { Box, Image } from '../readers/dataset.ts'
import { resizeImage } from './canvas.ts'
import type { GroupPlan, Plan } from './plan.ts'
import type { Resampling } from './taps.ts'

/** Where the upper left corner of a square lies. */
export interface Corner {
  readonly x: number
  readonly y: number
}

/** Corners of the crops of each group, in the order of a plan. */
export type Atlas = ReadonlyArray<ReadonlyArray<Corner>>

/** Squares side by side in rows, the largest first; undefined where they do not fit into a square of `side`. */
const placed = (groups: ReadonlyArray<Pick<GroupPlan, 'group'>>, side: number): Atlas | undefined => {
  const out = groups.map((): Corner[] => [])
  const order = groups.map((g, n) => ({ n, count: g.group.count, size: g.group.size })).sort((a, b) => b.size - a.size)
  let [x, y, row] = [0, 0, 0]
  for (const { n, count, size } of order) {
    for (let k = 0; k < count; k++) {
      if (x + size > side) [x, y, row] = [0, y + row, 0]
      if (size > side || y + size > side) return undefined
      out[n].push({ x, y })
      x += size
      row = Math.max(row, size)
    }
  }
  return out
}

/** Where the crops of a plan lie on its canvas; undefined where it is too small for them. */
export const atlasOf = (p: Plan): Atlas | undefined => placed(p.groups, p.layout.side)

const step = 16

/** The least side of a canvas, a multiple of 16, that holds all crops of these groups beside each other. */
export const atlasSide = (groups: ReadonlyArray<Pick<GroupPlan, 'group'>>): number => {
  const largest = groups.reduce((n, g) => Math.max(n, g.group.size), 1)
  for (let side = Math.ceil(largest / step) * step; ; side += step) if (placed(groups, side) !== undefined) return side
}

/** A pixel as it is: what the program reads of a crop that lies on its canvas. */
export const asItIs: Resampling = { filter: 'nearest', antialias: false }

/** Cuts a box out of an image, brings it to a square of `size` and lays it onto a canvas `[C, S, S]`, in 0..1. */
export const layCrop = (
  image: Image,
  range: readonly [number, number],
  box: Box,
  size: number,
  r: Resampling,
  canvas: Float32Array,
  side: number,
  at: Corner,
): void => {
  const { channels, width } = image
  const cut = new Float32Array(channels * box.height * box.width)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < box.height; y++) {
      const from = (c * image.height + box.y + y) * width + box.x
      cut.set(image.data.subarray(from, from + box.width), (c * box.height + y) * box.width)
    }
  }
  const [low, high] = range
  const same = box.height === size && box.width === size
  const part: Image = { channels, height: box.height, width: box.width, data: cut }
  const { data } = same ? part : resizeImage(part, { height: size, width: size }, range, r)
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        canvas[(c * side + at.y + y) * side + at.x + x] = (data[(c * size + y) * size + x] - low) / (high - low)
}
