/** One picture file: JPEG, PNG, WebP or TIFF with 8 or 16 bits and 1 to 4 channels. */

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
  /** 'unit': in 0..1, 8-bit values / 255 and 16-bit values / 65535. 'stored': 0..255 or 0..65535. Default 'unit'. */
  readonly values?: 'unit' | 'stored'
}

/** The endings of files that are read, in any case. */
export const pictureEndings: ReadonlyArray<string> = ['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff']

/** Whether a path ends as pictures do. */
export const isPicture = (path: string): boolean => pictureEndings.includes(extname(path).toLowerCase())

/** Interleaved pixels of `from` channels (the last of 2 or 4 is alpha) as planes, divided by `by`; `opaque` fills a missing alpha. */
const toPlanes = (pixels: ArrayLike<number>, from: number, size: { readonly width: number; readonly height: number }, wanted: Channels, by: number, opaque: number): Image => {
  const { width, height } = size
  const n = width * height
  const channels = wanted === 'stored' ? from : wanted
  const colours = channels >= 3 ? 3 : 1
  const data = new Float32Array(channels * n)
  if (colours === 1 && from >= 3) for (let i = 0; i < n; i++) data[i] = (0.299 * pixels[from * i] + 0.587 * pixels[from * i + 1] + 0.114 * pixels[from * i + 2]) / by
  else for (let c = 0; c < colours; c++) for (let i = 0; i < n; i++) data[c * n + i] = pixels[from * i + (from >= 3 ? c : 0)] / by
  if (channels > colours) for (let i = 0; i < n; i++) data[colours * n + i] = (from % 2 === 0 ? pixels[from * i + from - 1] : opaque) / by
  return { channels, height, width, data }
}

const unreadable = (path: string, reason: string): Fault =>
  fault('data', {
    place: path,
    found: reason.trim().split(/\s*\n\s*/).join('; '),
    allowed: 'a whole JPEG, PNG, WebP or TIFF picture with 8 or 16 bits',
    remedy: 'replace or remove the file, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)',
  })

/**
 * Decodes one picture file, the values as stored (colour profiles are not applied, as in Pillow; CMYK becomes RGB); of
 * several pages the first. Faults name the file: missing, truncated, another format, floats.
 */
export const readPicture = (path: string, options: PictureOptions = {}): TaskEither<Fault, Image> => {
  const { channels = 3, upright = true, values = 'unit' } = options
  return pipe(
    guarded('data', path)(async () => E.right(await readFile(path))),
    TE.chain((bytes) => async (): Promise<Either<Fault, Image>> => {
      try {
        const { default: sharp } = await import('sharp')
        const picture = sharp(bytes, { failOn: 'error', ignoreIcc: true, autoOrient: upright })
        const { depth, channels: stored, hasAlpha, space } = await picture.metadata()
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
        return E.right(toPlanes(pixels, from, info, channels, values === 'unit' ? top : 1, top))
      } catch (e) {
        return E.left(unreadable(path, messageOf(e)))
      }
    }),
  )
}

/** What a picture's header says: its channels, and whether it has 16 bits. None where it cannot be read. */
export const peekPicture = async (path: string): Promise<{ readonly channels: number; readonly deep: boolean } | undefined> => {
  try {
    const { default: sharp } = await import('sharp')
    const { channels, depth } = await sharp(path).metadata()
    return { channels, deep: depth === 'ushort' }
  } catch {
    return undefined
  }
}
