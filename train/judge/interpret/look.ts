/** One image looked at whole: attention of every head, boxes made of it, and the features of its patches. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../../compiler/target.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Size } from '../../../data/augment/geometry.ts'
import type { Image } from '../../../data/readers/dataset.ts'
import type { Encoding } from '../evaluate/encoder.ts'
import { encoder, outputOf } from '../evaluate/encoder.ts'
import type { Frozen } from '../evaluate/network.ts'
import type { Preprocess } from '../../exchange/preprocess.ts'
import { framed, resizedSize } from '../../exchange/preprocess.ts'
import type { BoxOptions, Detection } from './boxes.ts'
import { attentionBoxes } from './boxes.ts'
import { clsMaps, gridOf, meanMap } from './maps.ts'

export interface Seen {
  /** The image as the network saw it, in 0..1. */
  readonly image: Image
  /** Patches along height and width. */
  readonly grid: readonly [number, number]
  /** For every head, what the class token gives to each patch. */
  readonly heads: ReadonlyArray<Float32Array>
  readonly mean: Float32Array
  /** Boxes of the heads' mean, in pixels of `image`, the surest first. */
  readonly boxes: ReadonlyArray<Detection>
  /** `[N, D]` */
  readonly patches: Float32Array
  readonly dim: number
}

/**
 * How a whole image is resized for a network: its proportions kept, both sides whole patches, the shorter one of `side` pixels or nearly.
 */
export const wholeImage = (f: Frozen, { height, width }: Size, side?: number): Preprocess => {
  const { resize, crop } = f.preprocess
  const short =
    side ??
    (crop !== undefined
      ? Math.min(crop.height, crop.width)
      : resize.kind === 'exact'
        ? Math.min(resize.height, resize.width)
        : resize.kind === 'shortest'
          ? resize.side
          : Math.min(height, width))
  const { height: h, width: w } = resizedSize({ kind: 'shortest', side: short }, { height, width })
  const whole = (n: number): number => f.patch * Math.max(1, Math.round(n / f.patch))
  return { ...f.preprocess, resize: { kind: 'exact', height: whole(h), width: whole(w) }, crop: undefined }
}

/** Patches of an image that are looked at together: attention takes the square of their number, 64 MiB a head for this many. */
const mostPatches = 4096

/** The fault of an image so long, or so large, that attention over it would take the memory of the machine. */
export const tooMany = (f: Pick<Frozen, 'patch'>, image: Size, { resize }: Pick<Preprocess, 'resize'>): Fault | undefined => {
  if (resize.kind !== 'exact') return undefined
  const patches = (resize.height / f.patch) * (resize.width / f.patch)
  if (patches <= mostPatches) return undefined
  const short = Math.min(image.height, image.width)
  // the shorter side at which the proportions of the image give as many patches as are allowed
  const side = f.patch * Math.floor(Math.sqrt((mostPatches * short) / Math.max(image.height, image.width)))
  const strip = Math.max(image.height, image.width) / short
  return fault('data', {
    place: 'the image',
    found: `${image.height} x ${image.width} pixels, which are ${patches} patches of ${f.patch} at ${resize.height} x ${resize.width}`,
    allowed: `at most ${mostPatches} patches`,
    remedy:
      side >= f.patch
        ? `look at it smaller: --size ${side}, or at a part of it`
        : `cut it into parts: it is ${Math.round(strip)} times as long as it is wide`,
  })
}

/** Item `i` of what a network with attention and patches made of images; `shown` is it as it was framed. `remedy`: of another size. */
export const seenIn = (f: Frozen, remedy: string, o: BoxOptions = {}) => {
  return (e: Encoding, shown: Image, i: number): Either<Fault, Seen> => {
    const [attention, patches] = [outputOf(e, 'attention'), outputOf(e, 'patches')]
    const [heads = 1, tokens = 1] = attention.shape
    const [n = 0, dim = 0] = patches.shape
    const grid = gridOf(shown, f.patch, n)
    if (grid === undefined)
      return E.left(
        fault('graph', {
          place: f.place,
          found: `${n} patches of ${shown.height} x ${shown.width} pixels`,
          allowed: `one for each square of ${f.patch} x ${f.patch}`,
          remedy,
        }),
      )
    const maps = clsMaps({ data: attention.data.subarray(i * attention.dim, (i + 1) * attention.dim), heads, prefix: tokens - n, grid })
    const mean = meanMap(maps)
    return E.right({
      image: shown,
      grid,
      heads: maps,
      mean,
      boxes: attentionBoxes(o, shown)(mean, grid),
      patches: patches.data.slice(i * patches.dim, (i + 1) * patches.dim),
      dim,
    })
  }
}

/** Looks at one image in 0..1 by a network whose weights lie under `root`. Faults: of compilation, and images of other channels. */
export const lookAt =
  (device: Device, f: Frozen, root: string, o: BoxOptions & { readonly side?: number }) =>
  (image: Image): TaskEither<Fault, Seen> => {
    const preprocess = wholeImage(f, image, o.side)
    const many = tooMany(f, image, preprocess)
    if (many !== undefined) return TE.left(many)
    return pipe(
      encoder(device, f, root, (look) => ({ attention: look.attention, patches: look.patches }), { preprocess }),
      TE.bindTo('eye'),
      TE.let('shown', () => framed(preprocess)(image)),
      TE.bind('e', ({ eye, shown }) => eye.encodeFramed([shown])),
      TE.chainEitherK(({ e, shown }) => seenIn({ ...f, preprocess }, 'give another --size', o)(e, shown, 0)),
    )
  }
