/** One image on its way into a batch: on a canvas, its regions of interest with it. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Subject } from '../augment/draws.ts'
import { lay } from '../augment/canvas.ts'
import type { Box, Dataset, Image, Item } from '../readers/dataset.ts'

/** An image that is larger than its canvas, and whose crops are to be cut from all of its pixels. */
export interface Large {
  readonly image: Image
  readonly subject: Subject
}

/** One image, ready to be copied into a batch. */
export interface Ready {
  readonly canvas: Float32Array
  readonly subject: Subject
  readonly note: string | undefined
}

/** The rectangle around a mask's pixels. */
const boxOfMask = (mask: Uint8Array, width: number): ReadonlyArray<Box> => {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1]
  mask.forEach((m, i) => {
    if (m === 0) return
    const [x, y] = [i % width, Math.floor(i / width)]
    left = Math.min(left, x)
    right = Math.max(right, x)
    top = Math.min(top, y)
    bottom = Math.max(bottom, y)
  })
  return right < 0 ? [] : [{ x: left, y: top, width: right - left + 1, height: bottom - top + 1 }]
}

/** Regions of interest in image pixels: the item's boxes, else the rectangle around its mask. */
export const regionsOf = (item: Item): ReadonlyArray<Box> =>
  item.boxes !== undefined
    ? item.boxes
    : item.box !== undefined
      ? [item.box]
      : item.mask !== undefined
        ? boxOfMask(item.mask, item.image.width)
        : []

/** A box of an image as it lies in another size of it. */
export const scaled =
  (scale: number) =>
  (b: Box): Box => ({ x: b.x * scale, y: b.y * scale, width: b.width * scale, height: b.height * scale })

/** The item as it is where it is larger than the canvas; undefined for others. */
export const largeImage = (item: Item, side: number): Large | undefined => {
  const { image } = item
  if (Math.max(image.height, image.width) <= side) return undefined
  return { image, subject: { size: { height: image.height, width: image.width }, regions: regionsOf(item), apart: true } }
}

/** An item on its canvas. Fault: another number of channels than the dataset says, missing values. */
export const readyImage = (d: Dataset, side: number, item: Item): Either<Fault, Ready> => pipe(soundImage(d, item), E.map(laid(d, side)))

/** The item. Fault: another number of channels than the dataset says, missing values. */
export const soundImage = (d: Dataset, item: Item): Either<Fault, Item> => {
  const { image, source } = item
  const expected = image.channels * image.height * image.width
  if (image.channels !== d.channels || image.data.length !== expected || expected === 0)
    return E.left(
      fault('data', {
        place: `${d.name}: ${source}`,
        found: `${image.data.length} values for [${image.channels}, ${image.height}, ${image.width}]`,
        allowed: `an image of ${d.channels} channels with all of its values`,
        remedy: 'convert the images of a data set to one number of channels',
      }),
    )
  return E.right(item)
}

/** A sound item on its canvas, shrunk where it is too large. */
export const laid =
  (d: Dataset, side: number) =>
  (item: Item): Ready => {
    const { image, source } = item
    const { canvas, size, scale } = lay(image, d.range, side)
    return {
      canvas,
      subject: { size, regions: regionsOf(item).map(scaled(scale)) },
      note: scale < 1 ? `${source}: ${image.height} x ${image.width} shrunk to ${size.height} x ${size.width}` : undefined,
    }
  }
