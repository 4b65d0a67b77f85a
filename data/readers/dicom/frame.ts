/** From the bytes of one DICOM frame to an image in the modality's units: decoding, stored bits, rescale, colour. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { allowedBytes } from '../../formats/limits.ts'
import type { Image } from '../dataset.ts'
import { checkSize, parseJpeg, withTransform } from './codecs/jpeg.ts'
import { decodeJpegLs } from './codecs/jpeg-ls.ts'
import { decodeLossless } from './codecs/lossless.ts'
import { decodeRle } from './codecs/rle.ts'
import { sameSize, showSize } from './codecs/samples.ts'
import type { FrameSize, Samples } from './codecs/samples.ts'
import { decodeSequential } from './codecs/sequential.ts'
import { jpeg2000 } from './codecs/jpeg2000.ts'
import type { StreamDecoder } from './codecs/jpeg2000.ts'
import { colourOf } from './colour.ts'
import { frameBytes, wrongDicom } from './file.ts'
import type { DicomFile } from './file.ts'
import type { DicomHeader, Rescale } from './header.ts'
import { nativeSamples } from './native.ts'
import { applyPalette } from './palette.ts'
import { looksWrapped } from '../sign.ts'
import type { PixelCoding } from './syntax.ts'

/** The decoders that keep an instance between frames. */
export interface Codecs {
  readonly jpeg2000: StreamDecoder
}

/** Fresh decoders; nothing is loaded before it is needed. */
export const codecs = (): Codecs => ({ jpeg2000: jpeg2000() })

/** Samples as decoded, and whether a colour picture is RGB already. */
interface Decoded {
  readonly samples: Samples
  readonly coding: PixelCoding
  readonly rgb: boolean
}

const raw =
  (coding: PixelCoding) =>
  (samples: Samples): Decoded => ({ samples, coding, rgb: false })

/** An 8-bit JPEG through the system's decoder, to gray or RGB: the Adobe segment, else the header, says what was coded. */
const decodeJpeg8 = async (bytes: Uint8Array, h: DicomHeader, size: FrameSize): Promise<Either<string, Decoded>> => {
  const parsed = parseJpeg(bytes, true)
  if (E.isLeft(parsed)) return parsed
  const { frame, adobe } = parsed.right
  const sized = checkSize(frame, size)
  if (E.isLeft(sized)) return sized
  if (frame.precision !== 8 || frame.process > 2)
    return E.left(`a JPEG stream of ${frame.precision} bits and process ${frame.process} where an 8-bit one belongs`)
  try {
    const ycc = adobe === undefined ? h.photometric !== 'RGB' : adobe !== 0
    const stream = size.channels === 3 ? withTransform(bytes, ycc) : bytes
    const { default: sharp } = await import('sharp')
    const { data, info } = await sharp(stream, { failOn: 'warning', ignoreIcc: true, limitInputPixels: false })
      .toColourspace(size.channels === 3 ? 'srgb' : 'b-w')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const got = { height: info.height, width: info.width, channels: info.channels }
    if (!sameSize(got, size)) return E.left(`a JPEG picture of ${showSize(got)}`)
    return E.right({ samples: { ...size, bits: 8, data: new Uint8Array(data) }, coding: 'jpeg8', rgb: true })
  } catch (e) {
    return E.left(
      `a JPEG stream that cannot be decoded: ${messageOf(e)
        .trim()
        .split(/\s*\n\s*/)
        .slice(0, 2)
        .join('; ')}`,
    )
  }
}

/**
 * How a coded frame is coded, as its own first bytes say: a JPEG stream by its frame header (T.81 Table B.1, T.87), JPEG 2000 by its mark.
 */
const codingOf = (bytes: Uint8Array, said: PixelCoding): PixelCoding => {
  if (bytes[0] === 0xff && bytes[1] === 0x4f && bytes[2] === 0xff) return 'jpeg 2000'
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || bytes[2] !== 0xff) return said
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]
    if (marker === 0xff) at++
    else if (marker === 0xf7) return 'jpeg-ls'
    else if (marker === 0xc3) return 'jpeg lossless'
    else if (marker >= 0xc0 && marker <= 0xc2) return said === 'jpeg8' ? said : 'jpeg12'
    else at += 2 + bytes[at + 2] * 256 + bytes[at + 3]
  }
  return said
}

const decode = async (c: Codecs, file: DicomFile, bytes: Uint8Array, bit: number): Promise<Either<string, Decoded>> => {
  const { header: h, syntax } = file
  const size: FrameSize = { height: h.rows, width: h.columns, channels: h.samples }
  const coding = file.encapsulated ? codingOf(bytes, syntax.coding) : 'native'
  const plain = E.map(raw(coding))
  switch (coding) {
    case 'native':
      return plain(nativeSamples(bytes, bit, h, syntax.encoding.little, file.vr))
    case 'rle':
      return plain(decodeRle(bytes, size, h.allocated))
    case 'jpeg-ls':
      return plain(decodeJpegLs(bytes, size))
    case 'jpeg 2000':
      return E.map((samples: Samples) => ({ samples, coding, rgb: h.photometric !== 'YBR_FULL' }))(await c.jpeg2000(bytes, size))
    case 'jpeg lossless':
      return plain(decodeLossless(bytes, size))
    case 'jpeg8':
      return decodeJpeg8(bytes, h, size)
    case 'jpeg12': {
      const parsed = parseJpeg(bytes, true)
      if (E.isLeft(parsed)) return parsed
      return parsed.right.frame.precision === 8 ? decodeJpeg8(bytes, h, size) : plain(decodeSequential(bytes, size))
    }
  }
}

/** Reads samples as the header says: the stored bits alone, with their sign. */
const storedValues = (s: Samples, h: DicomHeader, native: boolean): ArrayLike<number> => {
  if (s.data instanceof Float32Array || s.data instanceof Float64Array) return s.data
  const bits = native ? h.stored : Math.min(s.bits, h.allocated)
  const said = native ? h.high + 1 - h.stored : 0
  // values that fill the lowest bits lie there, whatever the high bit is said to be
  const shift = said > 0 && s.data.some((v) => (v & (2 ** said - 1)) !== 0) ? 0 : said
  if (bits === 32) return h.signed ? Int32Array.from(s.data) : s.data
  const up = 32 - bits
  const out = new Int32Array(s.data.length)
  if (h.signed) for (let i = 0; i < out.length; i++) out[i] = ((s.data[i] >> shift) << up) >> up
  else for (let i = 0; i < out.length; i++) out[i] = ((s.data[i] >>> shift) << up) >>> up
  return out
}

/** Stored values in the modality's units. Values outside a table take its nearest entry (PS3.3 C.11.1.1.1). */
const rescaled = (r: Rescale, stored: ArrayLike<number>): Float32Array => {
  const out = new Float32Array(stored.length)
  if (r._tag === 'Line') for (let i = 0; i < out.length; i++) out[i] = stored[i] * r.slope + r.intercept
  else for (let i = 0; i < out.length; i++) out[i] = r.values[Math.max(0, Math.min(r.values.length - 1, stored[i] - r.first))]
  return out
}

/** A frame, and which of its pixels are padding where some are. */
export interface Frame extends Image {
  readonly padding?: Uint8Array
  /** Stored numbers that are called unsigned look as if some had been below 0. */
  readonly wrapped: boolean
}

/** Which stored values are padding. A padding value beyond the bits stored can only be found in the cells as they are. */
const paddingIn = (h: DicomHeader, cells: ArrayLike<number>, stored: ArrayLike<number>): Uint8Array | undefined => {
  if (h.padding === undefined) return undefined
  const read = (v: number): number => (h.signed && v >= 32768 ? v - 65536 : v)
  const ends = h.padding.map(read)
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  const [least, most] = h.signed ? [-(2 ** (h.stored - 1)), 2 ** (h.stored - 1) - 1] : [0, 2 ** h.stored - 1]
  const [where, from, to] = low >= least && high <= most ? [stored, low, high] : [cells, Math.min(...h.padding), Math.max(...h.padding)]
  const out = new Uint8Array(stored.length)
  let some = false
  for (let i = 0; i < out.length; i++) {
    if (where[i] < from || where[i] > to) continue
    out[i] = 1
    some = true
  }
  return some ? out : undefined
}

const imageOf = (file: DicomFile, frame: number, { samples, coding, rgb }: Decoded): Either<string, Frame> => {
  const { header: h } = file
  const size: FrameSize = { height: h.rows, width: h.columns, channels: h.samples }
  if (!sameSize(samples, size)) return E.left(`a picture of ${showSize(samples)} in a file of frames ${showSize(size)}`)
  const native = coding === 'native' || coding === 'rle'
  const stored = storedValues(samples, h, native)
  const shape = { height: h.rows, width: h.columns }
  if (h.samples === 3) return E.right({ channels: 3, ...shape, data: colourOf(stored, h, rgb), wrapped: false })
  if (h.palette !== undefined) return E.right({ channels: 3, ...shape, data: applyPalette(h.palette, stored), wrapped: false })
  const padding = paddingIn(h, samples.data, stored)
  return E.right({
    channels: 1,
    ...shape,
    ...(padding === undefined ? {} : { padding }),
    data: rescaled(h.planes[frame % h.planes.length].rescale, stored),
    wrapped: !h.signed && looksWrapped(stored, h.stored, padding),
  })
}

/**
 * Reads one frame: gray in the modality's units, or RGB with values from 0 to 2^bits - 1.
 * Faults name the file and the frame: one larger than `itemBytes`, pixels that cannot be decoded, or that contradict the header.
 */
export const readFrame =
  (c: Codecs, itemBytes?: number) =>
  (file: DicomFile, frame: number): TaskEither<Fault, Frame> =>
    pipe(
      TE.fromEither(allowedBytes(file.path, 4 * file.header.rows * file.header.columns * file.header.samples, itemBytes)),
      TE.chain(() => frameBytes(file, frame)),
      TE.chain((bytes) => async () => {
        const wrong = (found: string): Fault => wrongDicom(file.path, file.header.frames === 1 ? found : `${found} (frame ${frame})`)
        try {
          return pipe(
            await decode(c, file, bytes, file.frames[frame].bit),
            E.chain((decoded) => imageOf(file, frame, decoded)),
            E.mapLeft(wrong),
          )
        } catch (e) {
          // a frame that is too large for memory
          return E.left(wrong(messageOf(e)))
        }
      }),
    )
