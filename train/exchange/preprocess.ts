/**
 * How an image becomes the pixels that a frozen network sees: resize, crop in the middle, rescale, normalise, as the image processors of
 * transformers do (`image_processing_bit.py`, `image_processing_vit.py`, `image_processing_dinov3_vit_fast.py`).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { commandLine } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, faultsOf } from '../../core/fault.ts'
import type { Size } from '../../data/augment/geometry.ts'
import type { Normalisation } from '../../data/augment/augmentation.ts'
import type { Resampling } from '../../data/augment/taps.ts'
import { bicubic } from '../../data/augment/taps.ts'
import { resizeImage } from '../../data/augment/canvas.ts'
import type { Box, Image } from '../../data/readers/dataset.ts'
import type { Dialect } from '../../models/huggingface/dialect.ts'
import type { Preprocessor } from './huggingface/preprocessor.ts'
import { classOf, completed } from './huggingface/preprocessor.ts'

/** Where an image's own size goes: a shorter side, both sides, or nowhere. */
export type Resize = { readonly kind: 'shortest'; readonly side: number } | ({ readonly kind: 'exact' } & Size) | { readonly kind: 'none' }

export interface Preprocess extends Normalisation {
  readonly resize: Resize
  /** The middle that is kept; what lies beyond the image is black. */
  readonly crop: Size | undefined
  readonly resampling: Resampling
  /** Whether values become whole bytes again once resized, as they do where pictures are resized as bytes. */
  readonly rounds: boolean
  /** Values in 0..1 are multiplied by it before the mean is taken away: 1 as a rule. */
  readonly gain: number
}

const wrong = (place: string, found: string, allowed: string, remedy = 'correct preprocessor_config.json'): Fault =>
  faultsOf('data')(place, found, allowed, remedy)

/**
 * transformers' `resample`, Pillow's number or its name; all of Pillow's filters are antialiased, and its nearest pixel is that under the
 * middle.
 */
const filters: Readonly<Record<string, Resampling>> = {
  0: { filter: 'middle', antialias: false },
  2: { filter: 'bilinear', antialias: true },
  3: bicubic,
}
const numbers: Readonly<Record<string, string>> = {
  nearest: '0',
  'nearest-exact': '0',
  nearest_exact: '0',
  lanczos: '1',
  bilinear: '2',
  bicubic: '3',
  box: '4',
  hamming: '5',
}

const filterOf = (resample: number | string): Resampling | undefined => {
  const word = String(resample).toLowerCase().replace(/^.*\./, '')
  return filters[Object.hasOwn(numbers, word) ? numbers[word] : word]
}

type AnySize = NonNullable<Preprocessor['size']>

/** A size as a record: a bare number is what `one` makes of it, a list is height and width. */
const recordOf = (size: AnySize, one: (side: number) => Sides): Sides =>
  typeof size === 'number'
    ? one(size)
    : !('length' in size)
      ? size
      : size.length === 1
        ? one(size[0])
        : size.length === 2
          ? { height: size[0], width: size[1] }
          : {}

interface Sides {
  readonly height?: number | undefined
  readonly width?: number | undefined
  readonly shortest_edge?: number | undefined
}

/** A bare number is the shorter side for processors that crop afterwards, both sides for all others. */
const resizeOf = (place: string, size: AnySize, crops: boolean): Either<Fault, Resize> => {
  const {
    shortest_edge: short,
    height,
    width,
  } = recordOf(size, (side) => (crops ? { shortest_edge: side } : { height: side, width: side }))
  if (short !== undefined) return E.right({ kind: 'shortest', side: short })
  return height !== undefined && width !== undefined
    ? E.right({ kind: 'exact', height, width })
    : E.left(wrong(`${place}: size`, JSON.stringify(size), 'shortest_edge, or height and width, in whole pixels'))
}

const cropOf = (place: string, size: AnySize | undefined): Either<Fault, Size> => {
  const { height, width } = recordOf(size ?? {}, (side) => ({ height: side, width: side }))
  return height !== undefined && width !== undefined
    ? E.right({ height, width })
    : E.left(wrong(`${place}: crop_size`, JSON.stringify(size) ?? 'nothing', 'height and width in whole pixels'))
}

/** One number for each channel; a single one serves all. */
const perChannel = (
  place: string,
  name: string,
  given: number | ReadonlyArray<number>,
  channels: number,
): Either<Fault, ReadonlyArray<number>> => {
  const values = typeof given === 'number' ? [given] : given
  return values.length === channels
    ? E.right(values)
    : values.length === 1
      ? E.right(Array.from({ length: channels }, () => values[0]))
      : E.left(wrong(`${place}: ${name}`, `${values.length} numbers`, `${channels}, one for each channel of the network, or one for all`))
}

/** The most numbers that a processor has for channels. */
export const channelsOf = ({ image_mean: m, image_std: s }: Preprocessor): number =>
  Math.max(...[m, s].map((x) => (typeof x === 'object' ? x.length : 1)))

/** Processors that resize numbers, and not bytes. */
const inFloats: ReadonlySet<string> = new Set(['DINOv3ViT', 'timm', ''])

/**
 * What a preprocessor_config.json says for a network of a number of channels; `official`: in floats throughout, whatever its class does.
 * Faults, each by its key: sizes and filters that are none of those read here.
 */
export const preprocessOf = (
  place: string,
  given: Preprocessor,
  channels: number,
  dialect: Dialect = 'huggingface',
): Either<Fault, Preprocess> => {
  const p = completed(given)
  const crops = p.do_center_crop === true
  const filter = filterOf(p.resample ?? 3)
  const plain = p.do_normalize === false
  return pipe(
    E.Do,
    E.bind('resize', (): Either<Fault, Resize> =>
      p.do_resize === false || p.size === undefined ? E.right({ kind: 'none' }) : resizeOf(place, p.size, crops),
    ),
    E.bind('crop', () => (crops ? cropOf(place, p.crop_size) : E.right(undefined))),
    E.bind('resampling', () =>
      E.fromNullable(wrong(`${place}: resample`, String(p.resample), '0 (nearest), 2 (bilinear), 3 (bicubic)'))(filter),
    ),
    E.bind('mean', () => perChannel(place, 'image_mean', plain ? [0] : (p.image_mean ?? [0.5]), channels)),
    E.bind('std', () => perChannel(place, 'image_std', plain ? [1] : (p.image_std ?? [0.5]), channels)),
    E.map((x) => ({
      ...x,
      rounds: dialect === 'huggingface' && !inFloats.has(classOf(p)),
      gain: p.do_rescale === false ? 255 : 255 * (p.rescale_factor ?? 1 / 255),
    })),
    E.filterOrElse(
      (x) => x.std.every((s) => s > 0),
      () => wrong(`${place}: image_std`, JSON.stringify(p.image_std), 'numbers above 0'),
    ),
  )
}

/** What a network saw in training: the middle square at one size, normalised. */
export interface CropView extends Normalisation {
  readonly size: number
}

/**
 * The same as preprocessor_config.json says it, for the folder that a run writes. Law: `preprocessOf` of it resizes the shorter side to
 * `size` and crops `size` squared.
 */
export const preprocessorOfCrops = ({ size, mean, std }: CropView): Preprocessor => ({
  image_processor_type: 'BitImageProcessor',
  do_resize: true,
  size: { shortest_edge: size },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: size, width: size },
  do_convert_rgb: mean.length === 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: mean,
  image_std: std,
})

/** The size after resizing; the longer side is cut to whole pixels, as transformers does. */
export const resizedSize = (r: Resize, { height, width }: Size): Size => {
  switch (r.kind) {
    case 'none':
      return { height, width }
    case 'exact':
      return { height: r.height, width: r.width }
    case 'shortest': {
      const long = (n: number, short: number): number => Math.max(1, Math.trunc((r.side * n) / short))
      return height <= width ? { height: r.side, width: long(width, height) } : { height: long(height, width), width: r.side }
    }
  }
}

/** The middle of an image, zeros beyond it. */
export const centreCrop =
  (size: Size) =>
  (image: Image): Image => {
    const { channels, height, width, data } = image
    if (height === size.height && width === size.width) return image
    // what is odd goes behind, where rows are cut as where they are added
    const [top, left] = [Math.trunc((height - size.height) / 2), Math.trunc((width - size.width) / 2)]
    const out = new Float32Array(channels * size.height * size.width)
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < size.height; y++) {
        for (let x = 0; x < size.width; x++) {
          const [row, column] = [y + top, x + left]
          if (row >= 0 && row < height && column >= 0 && column < width)
            out[(c * size.height + y) * size.width + x] = data[(c * height + row) * width + column]
        }
      }
    }
    return { channels, ...size, data: out }
  }

/**
 * Resized and cropped, still in 0..1: what a person should be shown of what the network sees. `[C, H, W]` of any size in, of the crop's
 * out.
 */
export const framed =
  (p: Preprocess) =>
  (image: Image): Image => {
    const size = resizedSize(p.resize, image)
    const resized =
      size.height === image.height && size.width === image.width
        ? image
        : resizeImage(image, size, [0, 1], p.resampling, p.rounds ? 255 : undefined)
    return p.crop === undefined ? resized : centreCrop(p.crop)(resized)
  }

/** Boxes of an image of `own` size as they lie in it once framed; what is cut off is left out. */
export const framedBoxes =
  (p: Preprocess, own: Size) =>
  (boxes: ReadonlyArray<Box>): ReadonlyArray<Box> => {
    const size = resizedSize(p.resize, own)
    const crop = p.crop ?? size
    const [top, left] = [Math.trunc((size.height - crop.height) / 2), Math.trunc((size.width - crop.width) / 2)]
    const within = (from: number, length: number, scale: number, before: number, end: number): readonly [number, number] => [
      Math.max(0, from * scale - before),
      Math.min(end, (from + length) * scale - before),
    ]
    return boxes.flatMap((b) => {
      const [x0, x1] = within(b.x, b.width, size.width / own.width, left, crop.width)
      const [y0, y1] = within(b.y, b.height, size.height / own.height, top, crop.height)
      return x1 > x0 && y1 > y0 ? [{ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }] : []
    })
  }

/** (gain x - mean) / std, channel by channel. */
export const normalised =
  (p: Preprocess) =>
  (image: Image): Image => {
    const n = image.height * image.width
    return { ...image, data: image.data.map((v, i) => (p.gain * v - p.mean[Math.floor(i / n)]) / p.std[Math.floor(i / n)]) }
  }

/** Channels that gray may stand for: those of colours. More are bands, each of which measures something else. */
const colours = 4

/** An image of other channels for a network: gray repeated as colours, colours as luma (ITU-R BT.601). Fault: any other difference. */
export const withChannels =
  (place: string, channels: number) =>
  (image: Image): Either<Fault, Image> => {
    const n = image.height * image.width
    if (image.channels === channels) return E.right(image)
    if (image.channels === 1 && channels <= colours) {
      const data = new Float32Array(channels * n)
      for (let c = 0; c < channels; c++) data.set(image.data, c * n)
      return E.right({ ...image, channels, data })
    }
    return image.channels === 3 && channels === 1
      ? E.right({
          ...image,
          channels,
          data: Float32Array.from(
            { length: n },
            (_, i) => 0.299 * image.data[i] + 0.587 * image.data[n + i] + 0.114 * image.data[2 * n + i],
          ),
        })
      : E.left(
          fault('data', {
            place,
            found: `an image of ${image.channels} channels`,
            allowed: channels <= colours ? `${channels} channels, or gray` : `${channels} channels`,
            remedy:
              channels <= colours
                ? `adapt the network: ${commandLine('hf')} import --channels ${image.channels}`
                : `give images of ${channels} bands (--set data.layout=chw takes an array of bands as one image), or adapt the network: ${commandLine('hf')} import --channels ${image.channels}`,
          }),
        )
  }
