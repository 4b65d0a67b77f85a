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
import type { Image } from '../dataset.ts'
import { guarded } from '../../formats/file.ts'
import { allowedBytes } from '../../formats/limits.ts'
import { toChannels } from '../result.ts'
import { isPlain, tiffOf, tiffPlanes } from './tiff.ts'
import type { Tiff, TiffPage } from './tiff.ts'
import type { Channels } from '../result.ts'

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
  /** 'unit': in 0..1, 8-bit values / 255 and 16-bit values / 65535. 'stored': 0..255 or 0..65535. Default 'unit'. */
  readonly values?: 'unit' | 'stored'
  /** Bytes that the numbers of one picture may take; 4 GiB by default. */
  readonly itemBytes?: number
}

/** The endings of files that are read, in any case. */
export const pictureEndings: ReadonlyArray<string> = ['.jpg', '.jpeg', '.jfif', '.png', '.webp', '.tif', '.tiff', '.gif', '.avif']

/** Whether a path ends as pictures do. */
export const isPicture = (path: string): boolean => pictureEndings.includes(extname(path).toLowerCase())

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

const unreadable = (path: string, reason: string): Fault =>
  fault('data', {
    place: path,
    found: reason
      .trim()
      .split(/\s*\n\s*/)
      .join('; '),
    allowed: 'a whole JPEG, PNG, WebP or TIFF picture with 8 or 16 bits',
    remedy: 'replace or remove the file, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)',
  })

/** How a page's samples are told apart: gray or colours, with an alpha channel where one is declared; else bands. */
export const pageKind = (p: TiffPage): { readonly colours: number; readonly alpha: boolean; readonly measured: boolean } => {
  const base = p.photometric === 2 || p.photometric === 6 ? 3 : 1
  const alpha = p.samples === base + 1 && (p.extra[0] === 1 || p.extra[0] === 2)
  const bands = p.samples !== base && !alpha
  return { colours: bands ? p.samples : base, alpha, measured: bands || p.kind !== 'unsigned' || p.bits > 16 }
}

/** Luminance and two colour differences as RGB (ITU-R 601, full range). */
const fromYcc = (planes: Float32Array, n: number): Float32Array => {
  const out = new Float32Array(planes.length)
  for (let i = 0; i < n; i++) {
    const [y, b, r] = [planes[i], planes[n + i] - 128, planes[2 * n + i] - 128]
    const rgb = [y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b]
    rgb.forEach((v, c) => {
      out[c * n + i] = Math.max(0, Math.min(255, Math.round(v)))
    })
  }
  return out
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
        ? fromYcc(read.right, n)
        : read.right
  const data = values === 'unit' && !measured ? upright.map((v) => v / top) : upright
  const image: Image = { channels: colours + (alpha ? 1 : 0), height: p.height, width: p.width, data }
  // bands are not colours: what is not asked for is not made of them
  if (measured && channels === 'stored') return E.right(image)
  return E.right(toChannels(channels, values === 'unit' && !measured ? 1 : top)(image))
}

/**
 * Decodes one picture file, the values as stored (colour profiles are not applied, as in Pillow; CMYK becomes RGB); of
 * several pages the one that is asked for, or the first. Faults name the file: missing, truncated, another format, floats.
 */
export const readPicture = (path: string, options: PictureOptions = {}): TaskEither<Fault, Image> => {
  const { channels = 3, upright = true, values = 'unit' } = options
  return pipe(
    guarded('data', path)(async () => E.right(await readFile(path))),
    TE.chain((bytes) => async (): Promise<Either<Fault, Image>> => {
      try {
        const tiff = tiffOf(bytes)
        const page = E.isRight(tiff) ? tiff.right.pages.at(options.page ?? 0) : undefined
        // a page that stands upright; others are turned by the system's decoder
        if (E.isRight(tiff) && page !== undefined && isPlain(page) && (!upright || (page.tags.get(274)?.[0] ?? 1) === 1)) {
          // packed pages are larger than their file, and those that are not packed are not
          const stated = page.width * page.height * page.samples * Math.max(4, page.bits / 8)
          const plausible = page.compression === 1 ? page.width * page.height * page.samples * (page.bits / 8) <= bytes.length : true
          if (!plausible) return E.left(unreadable(path, `${bytes.length} bytes for a page of ${page.height} x ${page.width} pixels`))
          const allowed = allowedBytes(path, stated, options.itemBytes)
          if (E.isLeft(allowed)) return allowed
          return E.mapLeft((found: string) => unreadable(path, found))(pageImage(bytes, tiff.right, page, options))
        }
        const { default: sharp } = await import('sharp')
        const picture = sharp(bytes, {
          failOn: 'error',
          ignoreIcc: true,
          // what a picture may take is asked below
          limitInputPixels: false,
          autoOrient: upright,
          ...(options.page === undefined || options.page === 0 ? {} : { page: options.page }),
        })
        const { depth, channels: stored, hasAlpha, space, orientation = 1, width, height } = await picture.metadata()
        const allowed = allowedBytes(path, width * height * Math.max(3, stored) * 4, options.itemBytes)
        if (E.isLeft(allowed)) return allowed
        if (depth !== 'uchar' && depth !== 'ushort') return E.left(unreadable(path, `pixels of type ${depth}`))
        const deep = depth === 'ushort'
        const gray = stored <= 2 && space !== 'cmyk'
        const alpha = hasAlpha && (channels === 'stored' || channels % 2 === 0)
        const { data, info } = await (alpha ? picture : picture.removeAlpha())
          .toColourspace(gray && !alpha ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb')
          .raw({ depth: deep ? 'ushort' : 'uchar' })
          .toBuffer({ resolveWithObject: true })
        const decoded = deep ? new Uint16Array(Uint8Array.from(data).buffer) : data
        // gray with alpha is decoded as RGB with alpha, since gray alone would lose it
        const pixels = gray && alpha ? decoded.filter((_, i) => i % 4 === 0 || i % 4 === 3) : decoded
        const from = (gray ? 1 : 3) + (alpha ? 1 : 0)
        if (pixels.length !== info.width * info.height * from) return E.left(unreadable(path, `${info.channels} channels`))
        const top = deep ? 65535 : 255
        const image = toPlanes(pixels, from, info, channels, values === 'unit' ? top : 1, top)
        return E.right(upright && orientation > 1 ? { ...image, orientation } : image)
      } catch (e) {
        return E.left(unreadable(path, messageOf(e)))
      }
    }),
  )
}

/** What a picture's header says. */
export interface Peeked {
  /** Channels, alpha among them. */
  readonly channels: number
  readonly deep: boolean
  /** Bands or numbers that are no intensities of a picture: what they are, and their ends. */
  readonly measured?: { readonly what: string; readonly range: readonly [number, number] }
  /** Pages that are images by themselves, by their numbers; and how many are smaller copies or of another size. */
  readonly pages: ReadonlyArray<number>
  readonly others: number
}

const rangeOf = (p: TiffPage): readonly [number, number] =>
  p.kind === 'float' ? [-Infinity, Infinity] : p.kind === 'signed' ? [-(2 ** (p.bits - 1)), 2 ** (p.bits - 1) - 1] : [0, 2 ** p.bits - 1]

const peekTiff = ({ pages }: Tiff): Peeked => {
  const [first] = pages
  const { colours, alpha, measured } = pageKind(first)
  const own = pages.flatMap((p, i) =>
    !p.reduced && p.width === first.width && p.height === first.height && p.samples === first.samples ? [i] : [],
  )
  return {
    // palettes and inks become colours
    channels: first.photometric === 3 || first.photometric === 5 ? 3 : colours + (alpha ? 1 : 0),
    deep: first.bits === 16,
    pages: own,
    others: pages.length - own.length,
    ...(measured && isPlain(first) ? { measured: { what: `${colours}-band ${first.kind}-${first.bits}`, range: rangeOf(first) } } : {}),
  }
}

/** What a picture's header says. None where it cannot be read. */
export const peekPicture = async (path: string): Promise<Peeked | undefined> => {
  try {
    if (/\.tiff?$/i.test(path)) {
      const tiff = tiffOf(await readFile(path))
      if (E.isRight(tiff)) return peekTiff(tiff.right)
    }
    const { default: sharp } = await import('sharp')
    const { channels, depth, pages = 1 } = await sharp(path).metadata()
    return { channels, deep: depth === 'ushort', pages: Array.from({ length: pages }, (_, i) => i), others: 0 }
  } catch {
    return undefined
  }
}

/** Whether a picture's EXIF orientation turns it. No where its header cannot be read: whoever reads it says why. */
export const isTurned = async (path: string): Promise<boolean> => {
  const { default: sharp } = await import('sharp')
  return sharp(path)
    .metadata()
    .then(
      ({ orientation = 1 }) => orientation > 1,
      () => false,
    )
}
