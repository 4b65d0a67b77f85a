/**
 * How an image becomes the pixels that a frozen network sees: resize, crop in the middle, rescale, normalise, as the image processors of
 * transformers do (`image_processing_bit.py`, `image_processing_vit.py`, `image_processing_dinov3_vit_fast.py`), in floats throughout.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault, faultsOf } from '../../core/fault.ts'
import type { Size } from '../../data/augment/geometry.ts'
import type { Normalisation } from '../../data/augment/augmentation.ts'
import type { Resampling } from '../../data/augment/taps.ts'
import { bicubic } from '../../data/augment/taps.ts'
import { resizeImage } from '../../data/augment/canvas.ts'
import type { Box, Image } from '../../data/readers/dataset.ts'
import type { Preprocessor } from './huggingface/preprocessor.ts'

/** Where an image's own size goes: a shorter side, both sides, or nowhere. */
export type Resize = { readonly kind: 'shortest'; readonly side: number } | ({ readonly kind: 'exact' } & Size) | { readonly kind: 'none' }

export interface Preprocess extends Normalisation {
  readonly resize: Resize
  /** The middle that is kept; what lies beyond the image is black. */
  readonly crop: Size | undefined
  readonly resampling: Resampling
  /** Values in 0..1 are multiplied by it before the mean is taken away: 1 as a rule. */
  readonly gain: number
}

const wrong = (place: string, found: string, allowed: string, remedy = 'correct preprocessor_config.json'): Fault => faultsOf('data')(place, found, allowed, remedy)

/** transformers' `resample`, which is Pillow's number; all of Pillow's filters are antialiased. */
const filters: Readonly<Record<number, Resampling>> = { 0: { filter: 'nearest', antialias: false }, 2: { filter: 'bilinear', antialias: true }, 3: bicubic }

type AnySize = NonNullable<Preprocessor['size']>

const isSide = (n: number | undefined): n is number => n !== undefined && Number.isSafeInteger(n) && n > 0

/** A bare number is the shorter side for processors that crop afterwards, both sides for all others. */
const resizeOf = (place: string, size: AnySize, crops: boolean): Either<Fault, Resize> => {
  const s = typeof size === 'number' ? (crops ? { shortest_edge: size } : { height: size, width: size }) : size
  if (isSide(s.shortest_edge)) return E.right({ kind: 'shortest', side: s.shortest_edge })
  return isSide(s.height) && isSide(s.width) ? E.right({ kind: 'exact', height: s.height, width: s.width })
    : E.left(wrong(`${place}: size`, JSON.stringify(size), 'shortest_edge, or height and width, in whole pixels'))
}

const cropOf = (place: string, size: AnySize | undefined): Either<Fault, Size> => {
  const s = typeof size === 'number' ? { height: size, width: size } : size ?? {}
  return isSide(s.height) && isSide(s.width) ? E.right({ height: s.height, width: s.width })
    : E.left(wrong(`${place}: crop_size`, JSON.stringify(size) ?? 'nothing', 'height and width in whole pixels'))
}

/** One number for each channel; a single one serves all. */
const perChannel = (place: string, name: string, values: ReadonlyArray<number>, channels: number): Either<Fault, ReadonlyArray<number>> =>
  values.length === channels ? E.right(values)
  : values.length === 1 ? E.right(Array.from({ length: channels }, () => values[0]))
  : E.left(wrong(`${place}: ${name}`, `${values.length} numbers`, `${channels}, one for each channel of the network, or one for all`))

/** What a preprocessor_config.json says for a network of so many channels. Faults, each by its key: sizes and filters that are none of those read here. */
export const preprocessOf = (place: string, p: Preprocessor, channels: number): Either<Fault, Preprocess> => {
  const crops = p.do_center_crop === true
  const filter = filters[p.resample ?? 3]
  const plain = p.do_normalize === false
  return pipe(
    E.Do,
    E.bind('resize', (): Either<Fault, Resize> => (p.do_resize === false || p.size === undefined ? E.right({ kind: 'none' }) : resizeOf(place, p.size, crops))),
    E.bind('crop', () => (crops ? cropOf(place, p.crop_size) : E.right(undefined))),
    E.bind('resampling', () => E.fromNullable(wrong(`${place}: resample`, String(p.resample), '0 (nearest), 2 (bilinear), 3 (bicubic)'))(filter)),
    E.bind('mean', () => perChannel(place, 'image_mean', plain ? [0] : p.image_mean ?? [0.5], channels)),
    E.bind('std', () => perChannel(place, 'image_std', plain ? [1] : p.image_std ?? [0.5], channels)),
    E.map((x) => ({ ...x, gain: p.do_rescale === false ? 255 : 255 * (p.rescale_factor ?? 1 / 255) })),
    E.filterOrElse((x) => x.std.every((s) => s > 0), () => wrong(`${place}: image_std`, JSON.stringify(p.image_std), 'numbers above 0')),
  )
}

/** What a network saw in training: the middle square at one size, normalised. */
export interface CropView extends Normalisation {
  readonly size: number
}

/** The same as preprocessor_config.json says it, for the folder that a run writes. Law: `preprocessOf` of it resizes the shorter side to `size` and crops `size` squared. */
export const preprocessorOfCrops = ({ size, mean, std }: CropView): Preprocessor => ({
  image_processor_type: 'BitImageProcessor', do_resize: true, size: { shortest_edge: size }, resample: 3, do_center_crop: true, crop_size: { height: size, width: size },
  do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, image_mean: mean, image_std: std,
})

/** The size after resizing; the longer side is cut to whole pixels, as transformers does. */
export const resizedSize = (r: Resize, { height, width }: Size): Size => {
  switch (r.kind) {
    case 'none': return { height, width }
    case 'exact': return { height: r.height, width: r.width }
    case 'shortest': {
      const long = (n: number, short: number): number => Math.max(1, Math.trunc((r.side * n) / short))
      return height <= width ? { height: r.side, width: long(width, height) } : { height: long(height, width), width: r.side }
    }
  }
}

/** The middle of an image, zeros beyond it. */
export const centreCrop = (size: Size) => (image: Image): Image => {
  const { channels, height, width, data } = image
  if (height === size.height && width === size.width) return image
  const [top, left] = [Math.floor((height - size.height) / 2), Math.floor((width - size.width) / 2)]
  const out = new Float32Array(channels * size.height * size.width)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++) {
        const [row, column] = [y + top, x + left]
        if (row >= 0 && row < height && column >= 0 && column < width) out[(c * size.height + y) * size.width + x] = data[(c * height + row) * width + column]
      }
    }
  }
  return { channels, ...size, data: out }
}

/** Resized and cropped, still in 0..1: what a person should be shown of what the network sees. `[C, H, W]` of any size in, of the crop's out. */
export const framed = (p: Preprocess) => (image: Image): Image => {
  const size = resizedSize(p.resize, image)
  const resized = size.height === image.height && size.width === image.width ? image : resizeImage(image, size, [0, 1], p.resampling)
  return p.crop === undefined ? resized : centreCrop(p.crop)(resized)
}

/** Boxes of an image of `own` size as they lie in it once framed; what is cut off is left out. */
export const framedBoxes = (p: Preprocess, own: Size) => (boxes: ReadonlyArray<Box>): ReadonlyArray<Box> => {
  const size = resizedSize(p.resize, own)
  const crop = p.crop ?? size
  const [top, left] = [Math.floor((size.height - crop.height) / 2), Math.floor((size.width - crop.width) / 2)]
  const within = (from: number, length: number, scale: number, before: number, end: number): readonly [number, number] =>
    [Math.max(0, from * scale - before), Math.min(end, (from + length) * scale - before)]
  return boxes.flatMap((b) => {
    const [x0, x1] = within(b.x, b.width, size.width / own.width, left, crop.width)
    const [y0, y1] = within(b.y, b.height, size.height / own.height, top, crop.height)
    return x1 > x0 && y1 > y0 ? [{ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }] : []
  })
}

/** (gain x - mean) / std, channel by channel. */
export const normalised = (p: Preprocess) => (image: Image): Image => {
  const n = image.height * image.width
  return { ...image, data: image.data.map((v, i) => (p.gain * v - p.mean[Math.floor(i / n)]) / p.std[Math.floor(i / n)]) }
}

/** An image of other channels for a network: gray repeated, colours as their luma (ITU-R BT.601). Fault: any other difference. */
export const withChannels = (place: string, channels: number) => (image: Image): Either<Fault, Image> => {
  const n = image.height * image.width
  if (image.channels === channels) return E.right(image)
  if (image.channels === 1) {
    const data = new Float32Array(channels * n)
    for (let c = 0; c < channels; c++) data.set(image.data, c * n)
    return E.right({ ...image, channels, data })
  }
  return image.channels === 3 && channels === 1
    ? E.right({ ...image, channels, data: Float32Array.from({ length: n }, (_, i) => 0.299 * image.data[i] + 0.587 * image.data[n + i] + 0.114 * image.data[2 * n + i]) })
    : E.left(fault('data', { place, found: `an image of ${image.channels} channels`, allowed: `${channels} channels, or gray`, remedy: 'adapt the network: npm run hf -- import --channels N' }))
}
