/**
 * DICOM's run length encoding (PS3.5 Annex G): a header of 16 little-endian words (the number of segments and where each
 * begins), then one PackBits segment per byte of a sample, the most significant byte first, one sample plane after the other.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { showSize } from './samples.ts'
import type { FrameSize, Samples } from './samples.ts'

const headerBytes = 64

/** Unpacks one segment into every `step`-th byte of `out`, `count` of them, from `at`. Gives how many were written. */
const unpack = (segment: Uint8Array, out: Uint8Array, at: number, step: number, count: number): number => {
  let written = 0
  let i = 0
  while (i < segment.length && written < count) {
    const n = segment[i++]
    if (n === 128) continue
    if (n < 128) {
      const literal = Math.min(n + 1, segment.length - i, count - written)
      for (let k = 0; k < literal; k++) out[at + step * written++] = segment[i + k]
      i += n + 1
    } else if (i < segment.length) {
      const value = segment[i++]
      const run = Math.min(257 - n, count - written)
      for (let k = 0; k < run; k++) out[at + step * written++] = value
    }
  }
  return written
}

/**
 * Decodes one frame of samples with `allocated` bits (a multiple of 8, at most 32), unsigned.
 * Left: a wrong number of segments, a segment outside the data, a segment that ends early.
 */
export const decodeRle = (bytes: Uint8Array, size: FrameSize, allocated: number): Either<string, Samples> => {
  const width = allocated / 8
  if (width !== 1 && width !== 2 && width !== 4) return E.left(`run length encoded samples of ${allocated} bits`)
  if (bytes.length < headerBytes) return E.left(`${bytes.length} bytes of run length encoded data, less than their header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const segments = view.getUint32(0, true)
  const { channels } = size
  if (segments !== channels * width) return E.left(`${segments} run length encoded segments for ${channels} samples of ${width} bytes`)
  const pixels = size.height * size.width
  // two bytes give 128 at most
  if (pixels * channels * width > bytes.length * 64)
    return E.left(`${bytes.length} bytes of run length encoded data for ${showSize(size)} samples`)
  const out = new Uint8Array(pixels * channels * width)
  for (let s = 0; s < segments; s++) {
    const begin = view.getUint32(4 + 4 * s, true)
    const end = s + 1 < segments ? view.getUint32(8 + 4 * s, true) : bytes.length
    if (begin < headerBytes || end < begin || end > bytes.length)
      return E.left(`segment ${s} at bytes [${begin}, ${end}) of ${bytes.length}`)
    const channel = Math.floor(s / width)
    const place = width - 1 - (s % width)
    const written = unpack(bytes.subarray(begin, end), out, channel * width + place, channels * width, pixels)
    if (written < pixels) return E.left(`${written} of ${pixels} bytes in run length encoded segment ${s}`)
  }
  const data = width === 1 ? out : width === 2 ? new Uint16Array(out.buffer) : new Uint32Array(out.buffer)
  return E.right({ ...size, bits: allocated, data })
}
