/** JPEG 2000 pictures (.jp2, .j2k: ITU-T T.800) by OpenJPEG. Values of other depths are laid to 8 or 16 bits from above, as in Pillow. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { codestreamHeader, jpeg2000 } from '../dicom/codecs/jpeg2000.ts'
import { possible } from './raster.ts'
import type { Raster, RasterHead } from './raster.ts'

/** A bare codestream, or the boxes of a JP2 file. */
export const isJpeg2000 = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0xff && bytes[1] === 0x4f && bytes[2] === 0xff && bytes[3] === 0x51) ||
  (bytes[4] === 0x6a && bytes[5] === 0x50 && bytes[6] === 0x20 && bytes[7] === 0x20 && bytes[3] === 12)

export const jpeg2000Head = (bytes: Uint8Array): Either<string, RasterHead> => {
  const h = codestreamHeader(bytes)
  if (E.isLeft(h)) return h
  const { width, height, channels, bits } = h.right
  return possible(h.right) ? E.right({ width, height, channels, deep: bits > 8 }) : E.left(`a JPEG 2000 picture of ${height} x ${width}`)
}

/** What decodes pictures; its decoder is kept between them. */
export type Jpeg2000 = (bytes: Uint8Array) => Promise<Either<string, Raster>>

export const jpeg2000Pictures = (): Jpeg2000 => {
  const decode = jpeg2000()
  return async (bytes) => {
    const head = jpeg2000Head(bytes)
    if (E.isLeft(head)) return head
    const header = codestreamHeader(bytes)
    if (E.isLeft(header)) return header
    const { width, height, channels, deep } = head.right
    const { bits, signed } = header.right
    const read = await decode(bytes, { width, height, channels })
    if (E.isLeft(read)) return read
    const { data } = read.right
    const [zero, times] = [signed ? 2 ** (bits - 1) : 0, 2 ** ((deep ? 16 : 8) - bits)]
    const pixels = deep ? new Uint16Array(data.length) : new Uint8Array(data.length)
    for (let i = 0; i < data.length; i++) pixels[i] = (data[i] + zero) * times
    return E.right({ width, height, channels, deep, pixels })
  }
}
