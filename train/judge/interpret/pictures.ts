/** Pictures of what a network saw in an image: attention of every head, its regions and boxes, principal components of the patches. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import type { Size } from '../../../data/augment/geometry.ts'
import { resizeImage } from '../../../data/augment/canvas.ts'
import type { Image } from '../../../data/readers/dataset.ts'
import { blend, heatMap, visible } from '../../../data/readers/pictures/picture.ts'
import { enlargeMap } from './boxes.ts'
import type { Seen } from './look.ts'
import { massMask } from './maps.ts'
import { componentPictures, foreground } from './pca.ts'

/** Pictures are shown at least this many pixels wide. */
const least = 224

/** The size at which an image is shown: whole times larger where it is small. */
const shownSize = ({ height, width }: Size): Size => {
  const times = Math.max(1, Math.ceil(least / Math.min(height, width)))
  return { height: height * times, width: width * times }
}

const nearest = { filter: 'nearest', antialias: false } as const

const antialiased = { filter: 'bilinear', antialias: true } as const

/** An image of at most `side` pixels along its longer side. */
export const shrunk =
  (side: number) =>
  (image: Image): Image => {
    const scale = Math.min(1, side / Math.max(image.height, image.width))
    return scale === 1
      ? image
      : resizeImage(
          image,
          { height: Math.max(1, Math.round(image.height * scale)), width: Math.max(1, Math.round(image.width * scale)) },
          [0, 1],
          antialiased,
        )
  }

/** The image as a person is shown it: RGB, pixels repeated where it is small. */
const shownImage = (image: Image): Image => resizeImage(visible(image), shownSize(image), [0, 1], nearest)

/** A map as colours over the image, smoothly. */
const overlay = (s: Seen, map: Float32Array): Either<Fault, Image> => {
  const below = shownImage(s.image)
  return pipe(
    heatMap({ height: below.height, width: below.width, scale: 1 })(enlargeMap(map, s.grid, below)),
    E.chain((heat) => blend(0.65, heat)(below)),
  )
}

/** The patches that hold a share of a map's mass; what is beyond them is dimmed. */
const masked = (s: Seen, map: Float32Array, mass: number): Image => {
  const below = shownImage(s.image)
  const large = resizeImage(
    { channels: 1, height: s.grid[0], width: s.grid[1], data: Float32Array.from(massMask(mass)(map)) },
    below,
    [0, 1],
    nearest,
  ).data
  const n = below.height * below.width
  return { ...below, data: below.data.map((v, i) => (large[i % n] > 0.5 ? v : 0.2 * v)) }
}

const yellow = [1, 0.78, 0.1] as const

/** Boxes drawn over the image, two pixels wide. */
const boxed = (s: Seen): Image => {
  const below = shownImage(s.image)
  const data = Float32Array.from(below.data)
  const times = below.width / s.image.width
  const { height, width } = below
  for (const b of s.boxes) {
    const [x0, y0, x1, y1] = [b.x, b.y, b.x + b.width, b.y + b.height].map((v) => Math.round(v * times))
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        if (Math.min(x - x0, x1 - 1 - x, y - y0, y1 - 1 - y) < 2)
          yellow.forEach((v, c) => {
            data[(c * height + y) * width + x] = v
          })
      }
    }
  }
  return { ...below, data }
}

/** Principal components of the patches as colours, of all or of the foreground alone. */
const components = (s: Seen, only: 'all' | 'foreground'): Image => {
  const rows = { rows: s.patches, dim: s.dim, grid: s.grid }
  const [picture] = componentPictures(rows, only === 'all' ? undefined : foreground(rows))
  return resizeImage(picture, shownSize(s.image), [0, 1], nearest)
}

/**
 * The image; every head's attention and their mean as colours over it; the patches that hold the share `mass` of the mean, all else
 * dimmed; the boxes; principal components of all patches, and of the foreground. Each by the name of its file.
 */
export const picturesOf =
  (mass = 0.6) =>
  (s: Seen): Either<Fault, ReadonlyArray<readonly [string, Image]>> =>
    pipe(
      [...s.heads.map((m, i) => [`attention-${i}`, m] as const), ['attention-mean', s.mean] as const],
      E.traverseArray(([name, map]) =>
        pipe(
          overlay(s, map),
          E.map((image) => [name, image] as const),
        ),
      ),
      E.map((maps) => [
        ['image', shownImage(s.image)] as const,
        ...maps,
        ['mask-mean', masked(s, s.mean, mass)] as const,
        ['boxes', boxed(s)] as const,
        ['pca', components(s, 'all')] as const,
        ['pca-foreground', components(s, 'foreground')] as const,
      ]),
    )
