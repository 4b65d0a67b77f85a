/** Boxes and masks carried along with a crop: cut, scaled, mirrored and warped as its pixels are. */
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Box } from '../readers/dataset.ts'
import type { CropPlace } from './draws.ts'
import type { Linear } from './warp.ts'
import { inverse, unwarped } from './warp.ts'

/** The box around a box that a warp has moved, cut to the crop. */
const turnedBox = (warp: Linear, size: number, b: Box): Option<Box> => {
  const [e, f, g, h] = inverse(warp)
  const middle = size / 2
  const corners = [b.y, b.y + b.height].flatMap((y) => [b.x, b.x + b.width].map((x) => [y - middle, x - middle] as const))
  const cut = (p: number): number => Math.max(0, Math.min(size, p + middle))
  const ys = corners.map(([y, x]) => cut(e * y + f * x))
  const xs = corners.map(([y, x]) => cut(g * y + h * x))
  const [top, left] = [Math.min(...ys), Math.min(...xs)]
  const [height, width] = [Math.max(...ys) - top, Math.max(...xs) - left]
  return height > 0 && width > 0 ? O.some({ x: left, y: top, width, height }) : O.none
}

/** A box of the image in the crop's pixels, cut to the crop, and around what a warp made of it; none where it lies outside. */
export const carryBox =
  ({ box, flip, size, warp }: CropPlace) =>
  (b: Box): Option<Box> => {
    const along = (from: number, length: number, start: number, extent: number): readonly [number, number] => [
      Math.max(0, from - start) * (size / extent),
      Math.min(extent, from + length - start) * (size / extent),
    ]
    const [left, right] = along(b.x, b.width, box.x, box.width)
    const [top, bottom] = along(b.y, b.height, box.y, box.height)
    if (!(left < right && top < bottom)) return O.none
    const own = { x: flip ? size - right : left, y: top, width: right - left, height: bottom - top }
    return warp === unwarped ? O.some(own) : turnedBox(warp, size, own)
  }

/** A mask `[height, width]` of the image as one of the crop, `[size, size]`: the pixel under each pixel's centre, 0 beyond the edges. */
export const carryMask =
  ({ box, flip, size, warp: [a, b, c, d] }: CropPlace) =>
  (mask: Uint8Array, width: number): Uint8Array => {
    const out = new Uint8Array(size * size)
    const under = (o: number, start: number, extent: number): number =>
      start + Math.min(extent - 1, Math.floor(((o + 0.5) * extent) / size))
    const middle = (size - 1) / 2
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const row = Math.round(a * (y - middle) + b * (x - middle) + middle)
        const column = Math.round(c * (y - middle) + d * (x - middle) + middle)
        if (row < 0 || row >= size || column < 0 || column >= size) continue
        out[y * size + x] = mask[under(row, box.y, box.height) * width + under(flip ? size - 1 - column : column, box.x, box.width)]
      }
    return out
  }
