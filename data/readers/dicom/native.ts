/** Pixels that are stored plainly (PS3.5 section 8.1): cells of 1 to 64 bits, interleaved or plane by plane. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { SampleArray, Samples } from './codecs/samples.ts'
import type { DicomHeader } from './header.ts'

/** The cells of a frame, in the host's byte order. Big-endian words of bytes hold them in swapped pairs. */
const cells = (bytes: Uint8Array, bit: number, count: number, h: DicomHeader, little: boolean, vr: string): SampleArray | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < Math.ceil((bit + count * h.allocated) / 8)) return undefined
  switch (h.allocated) {
    case 1:
      return Uint8Array.from({ length: count }, (_, i) => (bytes[(bit + i) >> 3] >> ((bit + i) & 7)) & 1)
    case 8: {
      const first = bit >> 3
      if (little || vr !== 'OW') return bytes.subarray(first, first + count)
      return Uint8Array.from({ length: count }, (_, i) => bytes[Math.min((first + i) ^ 1, bytes.length - 1)])
    }
    case 16: {
      const out = new Uint16Array(count)
      for (let i = 0; i < count; i++) out[i] = view.getUint16(2 * i, little)
      return out
    }
    case 32: {
      const out = vr === 'OF' ? new Float32Array(count) : new Uint32Array(count)
      for (let i = 0; i < count; i++) out[i] = vr === 'OF' ? view.getFloat32(4 * i, little) : view.getUint32(4 * i, little)
      return out
    }
    case 64:
      return Float64Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, little))
    default:
      return undefined
  }
}

/** Every pair of pixels is written Y1 Y2 Cb Cr (PS3.3 C.7.6.3.1.2); both get the same colours. */
const unpair = (c: SampleArray, pixels: number): Uint16Array => {
  const out = new Uint16Array(pixels * 3)
  for (let i = 0; i < pixels; i++) {
    const pair = (i >> 1) * 4
    out[3 * i] = c[pair + (i & 1)]
    out[3 * i + 1] = c[pair + 2]
    out[3 * i + 2] = c[pair + 3]
  }
  return out
}

const interleave = (c: SampleArray, pixels: number, channels: number): SampleArray => {
  const out = c.slice()
  for (let k = 0; k < channels; k++) for (let i = 0; i < pixels; i++) out[i * channels + k] = c[k * pixels + i]
  return out
}

/** The samples of a plainly stored frame. Left: too few bytes. */
export const nativeSamples = (bytes: Uint8Array, bit: number, h: DicomHeader, little: boolean, vr: string): Either<string, Samples> => {
  const pixels = h.rows * h.columns
  const paired = h.photometric === 'YBR_FULL_422'
  if (paired && pixels % 2 === 1) return E.left('an odd number of pixels in pairs that share their colours')
  const count = pixels * (paired ? 2 : h.samples)
  const read = cells(bytes, bit, count, h, little, vr)
  if (read === undefined) return E.left(`${bytes.length} bytes for ${count} cells of ${h.allocated} bits`)
  const data = paired ? unpair(read, pixels) : h.planar && h.samples > 1 ? interleave(read, pixels, h.samples) : read
  return E.right({ height: h.rows, width: h.columns, channels: h.samples, bits: h.allocated, data })
}
