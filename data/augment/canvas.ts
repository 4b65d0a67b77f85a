/**
 * Canvases: squares of a few fixed sides that images of any size are laid into, so that a compiled program serves them
 * all. An image stands in the upper left corner; what is beside it is zero and never read.
 */
import type { Size } from './geometry.ts'
import type { Resampling } from './taps.ts'
import { bicubic, tapCount, writeTaps } from './taps.ts'
import type { Image } from '../readers/dataset.ts'

/** The sides of canvases; larger images are shrunk to the last. */
export const canvasSides: ReadonlyArray<number> = [32, 64, 128, 256, 512]

/** The side for images of these sizes: exactly theirs where all are one square, else the smallest that holds them all. */
export const sideFor = (sizes: ReadonlyArray<Size>): number => {
  const longest = sizes.reduce((n, s) => Math.max(n, s.height, s.width), 1)
  const largest = canvasSides[canvasSides.length - 1]
  return longest <= largest && sizes.every((s) => s.height === longest && s.width === longest)
    ? longest
    : (canvasSides.find((s) => s >= longest) ?? largest)
}

/** One axis: `rows` lines of `from` values become lines of `outputs`; `[rows, from, inner]` -> `[rows, outputs, inner]`. */
const resizeAxis = (x: Float32Array, rows: number, from: number, inner: number, outputs: number, r: Resampling): Float32Array => {
  const taps = tapCount(r, from, outputs, from)
  const first = new Int32Array(outputs)
  const weights = new Float32Array(outputs * taps)
  writeTaps(r, { start: 0, length: from, outputs, flip: false }, { first, weights, at: 0, taps, limit: from })
  const out = new Float32Array(rows * outputs * inner)
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inner; i++) {
        let sum = 0
        for (let t = 0; t < taps; t++) sum += weights[o * taps + t] * x[(row * from + first[o] + t) * inner + i]
        out[(row * outputs + o) * inner + i] = sum
      }
    }
  }
  return out
}

/**
 * The image at another size, on the host; values stay within `range`. Of `levels`, they are rounded to whole ones after each axis, as
 * Pillow and torchvision do that resize bytes: 255 of them, first along the width.
 */
export const resizeImage = (
  image: Image,
  size: Size,
  [low, high]: readonly [number, number],
  r: Resampling = bicubic,
  levels?: number,
): Image => {
  const { channels, height, width } = image
  const step = levels === undefined ? 0 : (high - low) / levels
  const held = (x: Float32Array): Float32Array =>
    x.map((v) => {
      const within = Math.max(low, Math.min(high, v))
      return step === 0 ? within : low + step * Math.round((within - low) / step)
    })
  const narrow = held(resizeAxis(image.data, channels * height, width, 1, size.width, r))
  return { channels, ...size, data: held(resizeAxis(narrow, channels, height, size.width, size.height, r)) }
}

/** The size of an image on a canvas: its own, or shrunk so that its longer side just fits. */
export const sizeOnCanvas = (size: Size, side: number): Size => {
  const scale = Math.min(1, side / Math.max(size.height, size.width))
  const fit = (n: number): number => Math.max(1, Math.min(side, Math.round(n * scale)))
  return { height: fit(size.height), width: fit(size.width) }
}

/** An image on its canvas. */
export interface Laid {
  /** `[C, S, S]` in [0, 1] */
  readonly canvas: Float32Array
  readonly size: Size
  /** Canvas pixels per image pixel, less than 1 where the image was shrunk. */
  readonly scale: number
}

/** Lays an image whose values span `range` onto a canvas, in [0, 1]; shrinks it first (antialiased) where it is too large. */
export const lay = (image: Image, range: readonly [number, number], side: number): Laid => {
  const size = sizeOnCanvas(image, side)
  const fits = size.height === image.height && size.width === image.width
  const { channels, data } = fits ? image : resizeImage(image, size, range)
  const [low, high] = range
  const canvas = new Float32Array(channels * side * side)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < size.height; y++) {
      const from = (c * size.height + y) * size.width
      const to = (c * side + y) * side
      for (let x = 0; x < size.width; x++) canvas[to + x] = (data[from + x] - low) / (high - low)
    }
  }
  return { canvas, size, scale: fits ? 1 : side / Math.max(image.height, image.width) }
}
