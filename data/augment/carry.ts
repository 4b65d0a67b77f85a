/** Boxes and masks carried along with a crop: cut, scaled, mirrored and warped as its pixels are. */
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Box } from '../readers/dataset.ts'
import type { CropPlace } from './draws.ts'
import type { Warping } from './warp.ts'
import { movedTo, readFrom, unwarped } from './warp.ts'

/** Points along each edge of a box by which a bent one is followed. */
const edge = 16

/** The box around a box that a warp has moved, cut to the crop. */
const turnedBox = (warp: Warping, size: number, b: Box): Option<Box> => {
  const to = movedTo(warp, size)
  // a straight edge stays one where no point moves
  const along = warp.moves.length === 0 ? [0, 1] : Array.from({ length: edge + 1 }, (_, i) => i / edge)
  const rim = along.flatMap((u) => [
    [b.y + u * b.height, b.x],
    [b.y + u * b.height, b.x + b.width],
    [b.y, b.x + u * b.width],
    [b.y + b.height, b.x + u * b.width],
  ])
  const cut = (p: number): number => Math.max(0, Math.min(size, p))
  // edges of pixels lie half a pixel before their middles
  const moved = rim.map(([y, x]) => to(y - 0.5, x - 0.5).map((p) => cut(p + 0.5)))
  const [ys, xs] = [0, 1].map((k) => moved.map((p) => p[k]))
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
  ({ box, flip, size, warp }: CropPlace) =>
  (mask: Uint8Array, width: number): Uint8Array => {
    const out = new Uint8Array(size * size)
    const under = (o: number, start: number, extent: number): number =>
      start + Math.min(extent - 1, Math.floor(((o + 0.5) * extent) / size))
    const from = readFrom(warp, size)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const [row, column] = from(y, x).map(Math.round)
        if (row < 0 || row >= size || column < 0 || column >= size) continue
        out[y * size + x] = mask[under(row, box.y, box.height) * width + under(flip ? size - 1 - column : column, box.x, box.width)]
      }
    return out
  }
