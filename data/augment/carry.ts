/** Boxes and masks carried along with a crop: cut, scaled and mirrored as its pixels are. */
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Box } from '../readers/dataset.ts'
import type { CropPlace } from './draws.ts'

/** A box of the image in the crop's pixels, cut to the crop; none where it lies outside. */
export const carryBox =
  ({ box, flip, size }: CropPlace) =>
  (b: Box): Option<Box> => {
    const along = (from: number, length: number, start: number, extent: number): readonly [number, number] => [
      Math.max(0, from - start) * (size / extent),
      Math.min(extent, from + length - start) * (size / extent),
    ]
    const [left, right] = along(b.x, b.width, box.x, box.width)
    const [top, bottom] = along(b.y, b.height, box.y, box.height)
    return left < right && top < bottom
      ? O.some({ x: flip ? size - right : left, y: top, width: right - left, height: bottom - top })
      : O.none
  }

/** A mask `[height, width]` of the image as one of the crop, `[size, size]`: the pixel under each pixel's centre. */
export const carryMask =
  ({ box, flip, size }: CropPlace) =>
  (mask: Uint8Array, width: number): Uint8Array => {
    const out = new Uint8Array(size * size)
    const under = (o: number, start: number, extent: number): number =>
      start + Math.min(extent - 1, Math.floor(((o + 0.5) * extent) / size))
    for (let y = 0; y < size; y++) {
      const row = under(y, box.y, box.height) * width
      for (let x = 0; x < size; x++) out[y * size + (flip ? size - 1 - x : x)] = mask[row + under(x, box.x, box.width)]
    }
    return out
  }
