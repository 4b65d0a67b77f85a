/** Pictures made from numbers: PNG files, contact sheets, and heat maps for attention. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault, faultsOf, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Box, Image } from '../dataset.ts'
import { writeFile } from '../../formats/file.ts'

const wrong = faultsOf('data')

const side = (n: number): boolean => Number.isSafeInteger(n) && n > 0

const checked = (place: string, image: Image): Either<Fault, Image> => {
  const { channels, height, width, data } = image
  if ((channels !== 1 && channels !== 3) || !side(height) || !side(width) || data.length !== channels * height * width) {
    const found = `${data.length} values for [${channels}, ${height}, ${width}]`
    return E.left(wrong(place, found, '[1 or 3, height, width] with as many values', 'give the picture one or three planes'))
  }
  const bad = data.findIndex((v) => Number.isNaN(v))
  return bad < 0
    ? E.right(image)
    : E.left(
        fault('numeric', {
          place,
          found: `NaN at value ${bad}`,
          allowed: 'numbers',
          remedy: 'find where the NaN arises; pictures show none',
        }),
      )
}

/** [C, H, W] in 0..1 to interleaved bytes; values outside are clamped. */
const toBytes = ({ channels, height, width, data }: Image): Uint8ClampedArray<ArrayBuffer> => {
  const n = height * width
  const bytes = new Uint8ClampedArray(channels * n)
  for (let c = 0; c < channels; c++) for (let i = 0; i < n; i++) bytes[i * channels + c] = data[c * n + i] * 255
  return bytes
}

/**
 * An 8-bit PNG of a gray or RGB image in 0..1, rounded to the nearest of 255 levels; values outside are clamped.
 * Faults: another number of channels, a wrong number of values, a NaN.
 */
export const encodePng = (image: Image, place = 'picture'): TaskEither<Fault, Uint8Array> =>
  pipe(
    TE.fromEither(checked(place, image)),
    TE.chain(({ channels, height, width }) =>
      TE.tryCatch(
        async (): Promise<Uint8Array> =>
          (await import('sharp'))
            .default(toBytes(image), { raw: { width, height, channels: channels === 1 ? 1 : 3 } })
            .toColourspace(channels === 1 ? 'b-w' : 'srgb')
            .png({ compressionLevel: 9 })
            .toBuffer(),
        (e) => wrong(place, messageOf(e), 'a picture that can be encoded', 'make it smaller'),
      ),
    ),
  )

/** Writes `encodePng` to a file, atomically. Faults: as `encodePng`, and what the system refuses. */
export const writePng =
  (path: string) =>
  (image: Image): TaskEither<Fault, void> =>
    pipe(
      encodePng(image, path),
      TE.chain((bytes) => writeFile('io', path)([() => bytes])),
    )

/** A gray image as an RGB one; RGB stays. */
export const asRgb = (image: Image): Image => {
  if (image.channels !== 1) return image
  const data = new Float32Array(3 * image.data.length)
  for (let c = 0; c < 3; c++) data.set(image.data, c * image.data.length)
  return { ...image, channels: 3, data }
}

/** What can be shown of an image as RGB: gray and colours as they are, of other channels the first. */
export const visible = (image: Image): Image =>
  asRgb(
    image.channels === 1 || image.channels === 3 ? image : { ...image, channels: 1, data: image.data.slice(0, image.height * image.width) },
  )

/** The image with every pixel repeated `factor` times down and across. Fault: a factor that is no whole number >= 1. */
export const enlarge =
  (factor: number) =>
  (image: Image): Either<Fault, Image> => {
    if (!side(factor)) return E.left(wrong('enlarge', `a factor of ${factor}`, 'a whole number >= 1', 'correct the factor'))
    const { channels } = image
    const height = image.height * factor
    const width = image.width * factor
    const data = new Float32Array(channels * height * width)
    let at = 0
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        const row = (c * image.height + Math.floor(y / factor)) * image.width
        for (let x = 0; x < image.width; x++) {
          data.fill(image.data[row + x], at, at + factor)
          at += factor
        }
      }
    }
    return E.right({ channels, height, width, data })
  }

/** The image with rectangles drawn one pixel wide in a colour, as far as they lie inside. Fault: not [3, H, W]. */
export const outline =
  (boxes: ReadonlyArray<Box>, colour: readonly [number, number, number]) =>
  (image: Image): Either<Fault, Image> => {
    const { channels, height, width } = image
    if (channels !== 3) return E.left(wrong('outline', `${channels} channels`, 'an RGB image', 'make it RGB first'))
    const data = image.data.slice()
    const paint = (x: number, y: number): void => {
      if (x >= 0 && x < width && y >= 0 && y < height)
        colour.forEach((v, c) => {
          data[(c * height + y) * width + x] = v
        })
    }
    for (const b of boxes) {
      const [left, top] = [Math.round(b.x), Math.round(b.y)]
      const [right, bottom] = [Math.max(left, Math.round(b.x + b.width) - 1), Math.max(top, Math.round(b.y + b.height) - 1)]
      for (let x = left; x <= right; x++) for (const y of [top, bottom]) paint(x, y)
      for (let y = top; y <= bottom; y++) for (const x of [left, right]) paint(x, y)
    }
    return E.right({ ...image, data })
  }

/** How a contact sheet is laid out. */
export interface SheetOptions {
  readonly columns: number
  /** Pixels between tiles and around them. */
  readonly gap: number
  /** What fills the rest, 0 black to 1 white; default 1. */
  readonly background?: number
}

/**
 * Images in a grid, row by row. All tiles are as large as the largest image; smaller ones stand in the middle. The
 * sheet is gray if all images are, else RGB. Faults: no image, a wrong one, columns < 1, gap < 0.
 */
export const contactSheet =
  (o: SheetOptions) =>
  (images: ReadonlyArray<Image>): Either<Fault, Image> => {
    const { columns, gap, background = 1 } = o
    if (images.length === 0) return E.left(wrong('contact sheet', 'no image', 'at least one', 'give the sheet images'))
    if (!side(columns) || !side(gap + 1)) {
      return E.left(wrong('contact sheet', `${columns} columns, a gap of ${gap}`, 'columns >= 1 and a gap >= 0', 'correct the layout'))
    }
    for (const [i, image] of images.entries()) {
      const c = checked(`contact sheet: image ${i}`, image)
      if (E.isLeft(c)) return c
    }
    const colour = images.some((i) => i.channels === 3)
    const tileHeight = images.reduce((m, i) => Math.max(m, i.height), 0)
    const tileWidth = images.reduce((m, i) => Math.max(m, i.width), 0)
    const across = Math.min(columns, images.length)
    const width = across * (tileWidth + gap) + gap
    const height = Math.ceil(images.length / columns) * (tileHeight + gap) + gap
    const channels = colour ? 3 : 1
    const data = new Float32Array(channels * height * width).fill(background)
    images.forEach((image, i) => {
      const tile = colour ? asRgb(image) : image
      const top = gap + Math.floor(i / columns) * (tileHeight + gap) + Math.floor((tileHeight - tile.height) / 2)
      const left = gap + (i % columns) * (tileWidth + gap) + Math.floor((tileWidth - tile.width) / 2)
      for (let c = 0; c < channels; c++) {
        for (let y = 0; y < tile.height; y++) {
          const row = (c * tile.height + y) * tile.width
          data.set(tile.data.subarray(row, row + tile.width), (c * height + top + y) * width + left)
        }
      }
    })
    return E.right({ channels, height, width, data })
  }

const gamma = (v: number): number => {
  const c = Math.min(1, Math.max(0, v))
  return c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055
}

/** OKLab (Ottosson 2020, "A perceptual color space for image processing") to sRGB in 0..1, clamped. */
const srgbOfOklab = (lightness: number, a: number, b: number): readonly [number, number, number] => {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ]
}

/**
 * A colour ramp for numbers in 0..1, from near black through violet, red and orange to pale yellow: lightness grows
 * evenly, so that equal differences look equal and a gray print keeps the order. Values outside are clamped.
 */
export const heatColour = (value: number): readonly [red: number, green: number, blue: number] => {
  const v = Math.min(1, Math.max(0, value))
  const hue = ((285 + 180 * v) * Math.PI) / 180
  const chroma = 0.17 * Math.sin(Math.PI * Math.min(1, 0.08 + 0.86 * v)) ** 0.7
  return srgbOfOklab(0.12 + 0.84 * v, chroma * Math.cos(hue), chroma * Math.sin(hue))
}

/** How numbers become colours: the values that are darkest and lightest (by default the least and the largest there are). */
export interface HeatOptions {
  readonly height: number
  readonly width: number
  /** Pixels per number, down and across. */
  readonly scale: number
  readonly range?: readonly [number, number]
}

/**
 * A grid of numbers, [height, width] row-major, as an RGB image with `scale` pixels a side per number. Where all numbers
 * are equal it is dark. Faults: a wrong number of values, a value that is not finite, a wrong scale or range.
 */
export const heatMap =
  (o: HeatOptions) =>
  (values: Float32Array): Either<Fault, Image> => {
    const { height, width, scale } = o
    const n = height * width
    if (!side(height) || !side(width) || values.length !== n) {
      const found = `${values.length} values for [${height}, ${width}]`
      return E.left(wrong('heat map', found, 'as many values as the grid has', 'correct the size of the grid'))
    }
    const bad = values.findIndex((v) => !Number.isFinite(v))
    if (bad >= 0) {
      const found = `${values[bad]} at value ${bad}`
      return E.left(fault('numeric', { place: 'heat map', found, allowed: 'finite numbers', remedy: 'find where the value arises' }))
    }
    const [low, high] = o.range ?? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
    if (!(high >= low)) return E.left(wrong('heat map', `the range [${low}, ${high}]`, 'a range that rises', 'correct the range'))
    const data = new Float32Array(3 * n)
    for (let i = 0; i < n; i++) {
      const rgb = heatColour(high > low ? (values[i] - low) / (high - low) : 0)
      for (let c = 0; c < 3; c++) data[c * n + i] = rgb[c]
    }
    return enlarge(scale)({ channels: 3, height, width, data })
  }

/** `top` laid over `below` with an opacity in 0..1. Fault: they differ in size. */
export const blend =
  (opacity: number, top: Image) =>
  (below: Image): Either<Fault, Image> => {
    if (top.height !== below.height || top.width !== below.width) {
      return E.left(
        wrong(
          'blend',
          `${top.height} x ${top.width} over ${below.height} x ${below.width}`,
          'images of one size',
          'enlarge or crop one of them',
        ),
      )
    }
    const over = asRgb(top).data
    return E.right({ ...asRgb(below), data: asRgb(below).data.map((v, i) => v + opacity * (over[i] - v)) })
  }
