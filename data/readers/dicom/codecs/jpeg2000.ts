/**
 * JPEG 2000 through OpenJPEG, compiled to WebAssembly. A stream's header is checked here before
 * the decoder sees it, so that a damaged one cannot ask for absurd amounts of memory; an instance in which anything went
 * wrong is thrown away, since its memory cannot be trusted any more.
 */

import type { Decoder, Settings } from '@cornerstonejs/codec-openjpeg/decodewasmjs'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { messageOf } from '../../../../core/fault.ts'
import { sameSize, showSize } from './samples.ts'
import type { FrameSize, Samples } from './samples.ts'

/** Decodes a stream whose frame must have this size. */
export type StreamDecoder = (bytes: Uint8Array, size: FrameSize) => Promise<Either<string, Samples>>

/** What a stream's header says. */
export interface StreamHeader extends FrameSize {
  readonly bits: number
  readonly signed: boolean
}

/**
 * The packets that a codestream's main header promises (COD, T.800 A.6.1): one for each layer, component, resolution and
 * precinct. Each takes at least one byte, so that a stream with fewer bytes is damaged; decoding it could take hours.
 */
const packetsOf = (v: DataView, tiles: number, size: FrameSize): number => {
  for (let at = 2; at + 14 <= v.byteLength && v.getUint8(at) === 0xff;) {
    const marker = v.getUint8(at + 1)
    if (marker === 0x90) return 0
    if (marker === 0x52) {
      const [own, layers, levels] = [(v.getUint8(at + 4) & 1) === 1, v.getUint16(at + 6), v.getUint8(at + 9)]
      let precincts = 0
      for (let r = 0; r <= Math.min(32, levels); r++) {
        const sizes = own && at + 14 + r < v.byteLength ? v.getUint8(at + 14 + r) : 0xff
        const shrunk = (n: number, exponent: number): number => Math.max(1, Math.ceil(n / 2 ** (levels - r) / 2 ** exponent))
        precincts += shrunk(size.width, sizes & 15) * shrunk(size.height, sizes >> 4)
      }
      return layers * size.channels * Math.max(precincts, tiles * (levels + 1))
    }
    at += 2 + v.getUint16(at + 2)
  }
  return 0
}

/** The SIZ segment of a JPEG 2000 codestream (ITU-T T.800 A.5.1), bare or within the boxes of a JP2 file. */
export const codestreamHeader = (bytes: Uint8Array): Either<string, StreamHeader> => {
  const limit = Math.min(bytes.length - 52, 4096)
  let at = 0
  while (at < limit && !(bytes[at] === 0xff && bytes[at + 1] === 0x4f && bytes[at + 2] === 0xff && bytes[at + 3] === 0x51)) at++
  if (at >= limit) return E.left('data that do not begin as a JPEG 2000 stream')
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.byteLength - at)
  const word = (place: number): number => view.getUint32(8 + 4 * place)
  const channels = view.getUint16(40)
  const [right, bottom, left, top, tileWidth, tileHeight] = [word(0), word(1), word(2), word(3), word(4), word(5)]
  if (channels < 1 || channels > 4 || view.byteLength < 42 + 3 * channels) return E.left(`a JPEG 2000 stream of ${channels} components`)
  const tiles = Math.ceil(right / Math.max(1, tileWidth)) * Math.ceil(bottom / Math.max(1, tileHeight))
  if (tileWidth === 0 || tileHeight === 0 || tiles > 65535) return E.left(`a JPEG 2000 stream with tiles of ${tileHeight} x ${tileWidth}`)
  const depth = view.getUint8(42)
  for (let c = 0; c < channels; c++) {
    const place = 42 + 3 * c
    if (view.getUint8(place) !== depth || view.getUint8(place + 1) !== 1 || view.getUint8(place + 2) !== 1) {
      return E.left('a JPEG 2000 stream whose components differ in depth or are subsampled')
    }
  }
  const size = { height: bottom - top, width: right - left, channels }
  const packets = packetsOf(view, tiles, size)
  if (packets > bytes.length) return E.left(`a JPEG 2000 stream of ${bytes.length} bytes that promises ${packets} packets`)
  return E.right({ ...size, bits: (depth & 127) + 1, signed: depth >= 128 })
}

/** Bytes of the module's memory as the little-endian array that they are, copied. */
const arrayOf = (bytes: Uint8Array, bits: number, signed: boolean): Samples['data'] => {
  const own = bytes.slice().buffer
  if (bits <= 8) return signed ? new Int8Array(own) : new Uint8Array(own)
  return signed ? new Int16Array(own) : new Uint16Array(own)
}

/**
 * A decoder of JPEG 2000 (ITU-T T.800): up to 16 bits, components of one size. One instance serves all calls until one fails.
 * The file's frame header decides whether samples are signed; the stream's own word only says how they are laid out.
 */
export const jpeg2000 = (): StreamDecoder => {
  let complaints: string[] = []
  // a module takes the object over as its own, so that each load needs a fresh one
  const settings = (): Settings => ({
    print: () => undefined,
    printErr: (line) => {
      complaints.push(line)
    },
  })
  const loaded = async (): Promise<() => Decoder> => {
    const { default: load } = await import('@cornerstonejs/codec-openjpeg/decodewasmjs')
    const { J2KDecoder } = await load(settings())
    return () => new J2KDecoder()
  }
  let instance: Promise<() => Decoder> | undefined
  const failed = (reason: string): Either<string, Samples> => {
    instance = undefined
    const said = complaints
      .map((c) => c.replace(/^\[\w+\] /, '').trim())
      .filter((c) => c !== '')
      .slice(0, 3)
      .join('; ')
    return E.left(`a JPEG 2000 stream that cannot be decoded: ${said === '' ? reason : said}`)
  }
  return async (bytes, size) => {
    const expected = codestreamHeader(bytes)
    if (E.isLeft(expected)) return expected
    const { bits, signed } = expected.right
    if (!sameSize(expected.right, size))
      return E.left(`a JPEG 2000 stream of ${showSize(expected.right)} in a file of frames ${showSize(size)}`)
    if (bits < 1 || bits > 16) return E.left(`a JPEG 2000 stream of ${bits} bits`)
    try {
      instance ??= loaded()
      const make = await instance
      complaints = []
      const decoder = make()
      decoder.getEncodedBuffer(bytes.length).set(bytes)
      decoder.decode()
      const info = decoder.getFrameInfo()
      const got = { height: info.height, width: info.width, channels: info.componentCount }
      const decoded = decoder.getDecodedBuffer()
      const wanted = size.height * size.width * size.channels * (bits > 8 ? 2 : 1)
      if (!sameSize(got, size) || decoded.length !== wanted) return failed(`${decoded.length} bytes of ${wanted}`)
      const data = arrayOf(decoded, bits, signed)
      decoder.delete()
      return E.right({ ...size, bits, data })
    } catch (e) {
      return failed(typeof e === 'number' ? 'damaged data' : messageOf(e))
    }
  }
}
