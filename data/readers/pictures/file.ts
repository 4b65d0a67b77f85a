/**
 * One picture file: JPEG, PNG, WebP, GIF or AVIF with 8 or 16 bits and 1 to 4 channels; TIFF of any number of bands of integers or floats.
 */

import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Image, Item } from '../dataset.ts'
import { guarded } from '../../formats/file.ts'
import { allowedBytes } from '../../formats/limits.ts'
import { toChannels } from '../result.ts'
import { looksWrapped } from '../sign.ts'
import type { Sign } from '../sign.ts'
import { apngFrame, apngHead, framesOf } from './apng.ts'
import { bmpHead, bmpRaster, isBmp } from './bmp.ts'
import { cmykPixels, cmykPlanes, yccPlanes } from './colours.ts'
import { isJpeg2000, jpeg2000Head, jpeg2000Pictures } from './jpeg2000.ts'
import { isPnm, pnmHead, pnmRaster } from './pnm.ts'
import type { Raster, RasterHead } from './raster.ts'
import { pagesWith } from './channels.ts'
import { isPlain, noData, tiffOf, tiffPlanes } from './tiff.ts'
import type { Tiff, TiffPage } from './tiff.ts'
import type { Channels } from '../result.ts'

/** What pages of a stack are: images by themselves, or channels of one image. */
export type Pages = 'images' | 'channels'

/** How pictures are decoded. */
export interface PictureOptions {
  /**
   * 1: gray, colours by luma .299 R + .587 G + .114 B (ITU-R 601, as Pillow). 2: gray and alpha. 3: RGB, gray ones
   * repeated. 4: RGB and alpha, opaque where there is none. 'stored': as each file has them. Default 3.
   */
  readonly channels?: Channels
  /** Turn pictures upright as their EXIF orientation says. Default true. */
  readonly upright?: boolean
  /** Which page of a file of several, from 0. */
  readonly page?: number
  /** Whether a page is an image by itself, the default, or has channels on the pages that belong to it. */
  readonly pages?: Pages
  /** 'unit': in 0..1, 8-bit values / 255 and 16-bit values / 65535. 'stored': 0..255 or 0..65535. Default 'unit'. */
  readonly values?: 'unit' | 'stored'
  /** Bytes that the numbers of one picture may take; 4 GiB by default. */
  readonly itemBytes?: number
  /** Whether whole numbers of 16 bits and more have a sign, unless they are colours: 'said', the default, as files say; PNG cannot. */
  readonly sign?: Sign
}

/** What a picture says of itself, as fields of an item. */
export const pictureFields = ({ padding, wrapped, ...image }: Image): Pick<Item, 'image' | 'padding' | 'wrapped'> => ({
  image,
  ...(padding === undefined ? {} : { padding }),
  ...(wrapped === undefined ? {} : { wrapped }),
})

/** The endings of files that are read, in any case. */
export const pictureEndings: ReadonlyArray<string> = [
  ...['.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.apng', '.webp', '.tif', '.tiff', '.gif', '.avif'],
  ...['.bmp', '.dib', '.jp2', '.j2k', '.j2c', '.jpx', '.jpf', '.pgm', '.ppm', '.pbm', '.pnm'],
]

/** Whether a path ends as pictures do. */
export const isPicture = (path: string): boolean => pictureEndings.includes(extname(path).toLowerCase())

/** What is said of whole numbers without a sign that look as if they had one. */
const wrappedAs = (numbers: ArrayLike<number>, bits: number, padding?: Uint8Array): Pick<Image, 'wrapped'> =>
  looksWrapped(numbers, bits, padding) ? { wrapped: true } : {}

/** Interleaved pixels of `from` channels (the last of 2 or 4 is alpha) as planes, divided by `by`; `opaque` fills a missing alpha. */
const toPlanes = (
  pixels: ArrayLike<number>,
  from: number,
  size: { readonly width: number; readonly height: number },
  wanted: Channels,
  by: number,
  opaque: number,
): Image => {
  const { width, height } = size
  const n = width * height
  const channels = wanted === 'stored' ? from : wanted
  const colours = channels >= 3 ? 3 : 1
  const data = new Float32Array(channels * n)
  if (colours === 1 && from >= 3)
    for (let i = 0; i < n; i++) data[i] = (0.299 * pixels[from * i] + 0.587 * pixels[from * i + 1] + 0.114 * pixels[from * i + 2]) / by
  else for (let c = 0; c < colours; c++) for (let i = 0; i < n; i++) data[c * n + i] = pixels[from * i + (from >= 3 ? c : 0)] / by
  if (channels > colours) for (let i = 0; i < n; i++) data[colours * n + i] = (from % 2 === 0 ? pixels[from * i + from - 1] : opaque) / by
  return { channels, height, width, data }
}

/** Decoded pixels as an image, in the range that is asked for; gray ones of 16 bits without alpha are asked whether they have a sign. */
const imageOf = (
  pixels: Uint8Array | Uint8ClampedArray | Uint16Array,
  from: number,
  size: { readonly width: number; readonly height: number },
  { channels = 3, values = 'unit', sign }: PictureOptions,
  stored = from,
): Image => {
  const deep = pixels instanceof Uint16Array
  const top = deep ? 65535 : 255
  const isNumbers = deep && stored === 1
  if (isNumbers && sign === 'signed') return toPlanes(Int16Array.from(pixels), from, size, channels, 1, top)
  const image = toPlanes(pixels, from, size, channels, values === 'unit' ? top : 1, top)
  return isNumbers ? { ...image, ...wrappedAs(pixels, 16) } : image
}

/** What the system's decoder says of formats, colours and packings that it was not built with. */
const unsupported = /not configured|unsupported|not supported|not been built|bad labq|pixels of type/i

const unreadable = (path: string, reason: string): Fault => {
  const lines = new Set(
    reason
      .trim()
      .split(/\s*[\n;]\s*/)
      .filter((l) => l !== ''),
  )
  const strange = unsupported.test(reason)
  return fault('data', {
    place: path,
    found: [...lines].join('; '),
    allowed: `${strange ? 'a' : 'a whole'} picture (${pictureEndings.join(', ')}) with 8 or 16 bits, or TIFF of numbers`,
    remedy: `${strange ? 'convert it, to PNG for example' : 'replace or remove the file'}, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)`,
  })
}

/** How a page's samples are distinguished: gray or colours, with an alpha channel where one is declared; else bands. */
export const pageKind = (p: TiffPage): { readonly colours: number; readonly alpha: boolean; readonly measured: boolean } => {
  // inks become colours
  if (p.photometric === 5) return { colours: 3, alpha: false, measured: false }
  const base = p.photometric === 2 || p.photometric === 6 ? 3 : 1
  const alpha = p.samples === base + 1 && (p.extra[0] === 1 || p.extra[0] === 2)
  const bands = p.samples !== base && !alpha
  return { colours: bands ? p.samples : base, alpha, measured: bands || p.kind !== 'unsigned' || p.bits > 16 }
}

/** A page that is read here, as an image. Values of 8 and 16 unsigned bits are in 0..1 where that is asked for; all others as stored. */
const pageImage = (bytes: Uint8Array, t: Tiff, p: TiffPage, { channels = 3, values = 'unit' }: PictureOptions): Either<string, Image> => {
  const read = tiffPlanes(bytes, t.little, p)
  if (E.isLeft(read)) return read
  const n = p.width * p.height
  const { colours, alpha, measured } = pageKind(p)
  const top = 2 ** p.bits - 1
  const upright =
    p.photometric === 0 && p.kind === 'unsigned'
      ? read.right.map((v) => top - v)
      : p.photometric === 6
        ? yccPlanes(read.right, n)
        : p.photometric === 5
          ? cmykPlanes(read.right, n)
          : read.right
  const data = values === 'unit' && !measured ? upright.map((v) => v / top) : upright
  const padding = noData(p, read.right)
  const image: Image = {
    channels: colours + (alpha ? 1 : 0),
    height: p.height,
    width: p.width,
    data,
    ...(padding === undefined ? {} : { padding }),
    ...(colours === 1 && !alpha && p.kind === 'unsigned' ? wrappedAs(read.right, p.bits, padding) : {}),
  }
  // bands are not colours: what is not asked for is not made of them
  if (measured && channels === 'stored') return E.right(image)
  return E.right(toChannels(channels, values === 'unit' && !measured ? 1 : top)(image))
}

/** An image of which each channel is a page, as stored: channels of microscopes are measurements, and no colours. */
const channelsImage = (
  bytes: Uint8Array,
  t: Tiff,
  pages: ReadonlyArray<TiffPage>,
  { channels = 3 }: PictureOptions,
): Either<string, Image> => {
  const [{ width, height, bits }] = pages
  const data = new Float32Array(pages.length * width * height)
  let wrapped = false
  for (const [c, p] of pages.entries()) {
    const plane = pageImage(bytes, t, p, { channels: 'stored', values: 'stored' })
    if (E.isLeft(plane)) return plane
    data.set(plane.right.data, c * width * height)
    wrapped ||= plane.right.wrapped === true
  }
  const image: Image = { channels: pages.length, height, width, data, ...(wrapped ? { wrapped } : {}) }
  return E.right(channels === 'stored' ? image : toChannels(channels, 2 ** bits - 1)(image))
}

/** Whether a page can be in its file, which a packed one is larger than, and may be so large. */
const pageAllowed = (place: string, bytes: Uint8Array, p: TiffPage, limit: number | undefined): Either<Fault, void> => {
  const samples = p.width * p.height * p.samples
  return p.compression === 1 && (samples * p.bits) / 8 > bytes.length
    ? E.left(unreadable(place, `${bytes.length} bytes for a page of ${p.height} x ${p.width} pixels`))
    : allowedBytes(place, samples * Math.max(4, p.bits / 8), limit)
}

const jpeg2000 = jpeg2000Pictures()

/** What the header of a picture says that our own decoders read; undefined for all others. */
export const ownHead = (bytes: Uint8Array): Either<string, RasterHead> | undefined =>
  isBmp(bytes) ? bmpHead(bytes) : isPnm(bytes) ? pnmHead(bytes) : isJpeg2000(bytes) ? jpeg2000Head(bytes) : undefined

/** The same before anything is made of that size, frames of animated PNG too. */
const rasterHead = (bytes: Uint8Array, page: number): RasterHead | undefined => {
  const head = ownHead(bytes)
  if (head !== undefined) return E.isRight(head) ? head.right : undefined
  return page > 0 ? apngHead(bytes) : undefined
}

/** A picture of a format that the system's decoder does not read; undefined for all others. */
const rasterOf = async (bytes: Uint8Array, page: number): Promise<Either<string, Raster> | undefined> => {
  if (isBmp(bytes)) return bmpRaster(bytes)
  if (isPnm(bytes)) return pnmRaster(bytes)
  if (isJpeg2000(bytes)) return jpeg2000(bytes)
  if (page === 0 || framesOf(bytes, bytes.length) === 1) return undefined
  const { default: sharp } = await import('sharp')
  const frame = await apngFrame(bytes, page, (png) => sharp(png, { ignoreIcc: true }).toColourspace('srgb').ensureAlpha().raw().toBuffer())
  return frame === undefined ? E.left(`no frame ${page}`) : E.right(frame)
}

/** The options of the system's decoder. */
const decoding = (page: number, upright: boolean) =>
  // what a picture may take is asked here
  ({ failOn: 'error', ignoreIcc: true, limitInputPixels: false, autoOrient: upright, ...(page === 0 ? {} : { page }) }) as const

/**
 * Decodes the bytes of one picture, the values as stored (colour profiles are not applied, and CMYK becomes RGB, both as in Pillow); of
 * several pages the one that is asked for, or the first. Faults name the place: a picture that is cut off, another format.
 */
export const decodePicture =
  (place: string, options: PictureOptions = {}) =>
  (bytes: Uint8Array): TaskEither<Fault, Image> =>
  async () => {
    const { channels = 3, upright = true, page: wanted = 0 } = options
    try {
      const tiff = tiffOf(bytes, options.sign)
      const page = E.isRight(tiff) ? tiff.right.pages.at(wanted) : undefined
      // a page that stands upright; others are turned by the system's decoder
      if (E.isRight(tiff) && page !== undefined && isPlain(page) && (!upright || (page.tags.get(274)?.[0] ?? 1) === 1)) {
        const several = options.pages === 'channels' ? pagesWith(tiff.right, wanted) : [page]
        const whole = { ...page, samples: page.samples * several.length }
        const read = (): Either<string, Image> =>
          several.length > 1 ? channelsImage(bytes, tiff.right, several, options) : pageImage(bytes, tiff.right, page, options)
        return pipe(
          pageAllowed(place, bytes, whole, options.itemBytes),
          E.chain(() => E.mapLeft((found: string) => unreadable(place, found))(read())),
        )
      }
      const head = rasterHead(bytes, wanted)
      if (head !== undefined) {
        const { width, height, channels: stored } = head
        const allowed = allowedBytes(place, width * height * Math.max(3, stored) * 4, options.itemBytes)
        if (E.isLeft(allowed)) return allowed
      }
      const raster = await rasterOf(bytes, wanted)
      if (raster !== undefined) {
        if (E.isLeft(raster)) return E.left(unreadable(place, raster.left))
        return E.right(imageOf(raster.right.pixels, raster.right.channels, raster.right, options))
      }
      const { default: sharp } = await import('sharp')
      const picture = sharp(bytes, decoding(wanted, upright))
      const { depth, channels: stored, hasAlpha, space, orientation = 1, width, height } = await picture.metadata()
      const allowed = allowedBytes(place, width * height * Math.max(3, stored) * 4, options.itemBytes)
      if (E.isLeft(allowed)) return allowed
      if (depth !== 'uchar' && depth !== 'ushort') return E.left(unreadable(place, `pixels of type ${depth}`))
      const deep = depth === 'ushort'
      const inks = space === 'cmyk'
      const gray = stored <= 2 && !inks
      const alpha = hasAlpha && !inks && (channels === 'stored' || channels % 2 === 0)
      const drawn = alpha ? picture : picture.removeAlpha()
      const { data, info } = await (
        inks
          ? drawn.pipelineColourspace('cmyk').toColourspace('cmyk')
          : drawn.toColourspace(gray && !alpha ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb')
      )
        .raw({ depth: deep ? 'ushort' : 'uchar' })
        .toBuffer({ resolveWithObject: true })
      const decoded = deep ? new Uint16Array(Uint8Array.from(data).buffer) : data
      const top = deep ? 65535 : 255
      // gray with alpha is decoded as RGB with alpha, since gray alone would lose it
      const pixels = inks
        ? cmykPixels(decoded, info.channels, top)
        : gray && alpha
          ? decoded.filter((_, i) => i % 4 === 0 || i % 4 === 3)
          : decoded
      const from = (gray ? 1 : 3) + (alpha ? 1 : 0)
      if (pixels.length !== info.width * info.height * from) return E.left(unreadable(place, `${info.channels} channels`))
      const image = imageOf(pixels, from, info, options, stored)
      return E.right(upright && orientation > 1 ? { ...image, orientation } : image)
    } catch (e) {
      return E.left(unreadable(place, messageOf(e)))
    }
  }

/** Decodes one picture file. Faults name the file: missing, cut off, of another format. */
export const readPicture = (path: string, options: PictureOptions = {}): TaskEither<Fault, Image> =>
  pipe(
    guarded('data', path)(async () => E.right(await readFile(path))),
    TE.chain(decodePicture(path, options)),
  )
