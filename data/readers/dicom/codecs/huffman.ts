/** Huffman tables and the bits of coded JPEG data (ITU-T T.81, Annexes C and F.2.2). */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'

const fastBits = 9

/** A table ready for decoding. */
export interface HuffmanTable {
  /** For the next 9 bits: the code's length * 256 + its value, or 0 where the code is longer. */
  readonly fast: Uint16Array
  /** For every length 1..16: the largest code, or -1. */
  readonly last: Int32Array
  /** For every length: what turns a code into the place of its value. */
  readonly offset: Int32Array
  readonly values: Uint8Array
}

/** A table from the numbers of codes of lengths 1..16 and their values in order. Left: more codes than bits allow. */
export const huffmanTable = (counts: Uint8Array, values: Uint8Array): Either<string, HuffmanTable> => {
  const last = new Int32Array(18).fill(-1)
  const offset = new Int32Array(18)
  const fast = new Uint16Array(1 << fastBits)
  let code = 0
  let k = 0
  for (let length = 1; length <= 16; length++) {
    offset[length] = k - code
    for (let i = 0; i < counts[length - 1]; i++, code++, k++) {
      if (code >= 1 << length) return E.left('a JPEG Huffman table with more codes than its lengths allow')
      if (length <= fastBits) fast.fill(length * 256 + values[k], code << (fastBits - length), (code + 1) << (fastBits - length))
    }
    if (counts[length - 1] > 0) last[length] = code - 1
    code <<= 1
  }
  return E.right({ fast, last, offset, values: values.slice() })
}

/** A place in coded data. Bits beyond the next marker read as 0 and are counted, so that a caller can tell damage. */
export interface BitReader {
  readonly bytes: Uint8Array
  at: number
  hold: number
  count: number
  /** Bits in `hold` that the data do not have. */
  missing: number
}

/** A reader from byte `at` on. */
export const bitReader = (bytes: Uint8Array, at: number): BitReader => ({ bytes, at, hold: 0, count: 0, missing: 0 })

/** Whether bits were used that the data do not have. */
export const overrun = (r: BitReader): boolean => r.missing > r.count

const fill = (r: BitReader): void => {
  const { bytes } = r
  while (r.count <= 24) {
    let byte = 0
    if (r.at < bytes.length) {
      byte = bytes[r.at]
      if (byte !== 0xff) r.at++
      else if (bytes[r.at + 1] === 0) r.at += 2
      else {
        byte = 0
        r.missing += 8
      }
    } else r.missing += 8
    r.hold = (r.hold << 8) | byte
    r.count += 8
  }
}

/** The next n bits, 0 <= n <= 16. */
export const readBits = (r: BitReader, n: number): number => {
  if (n === 0) return 0
  if (r.count < n) fill(r)
  r.count -= n
  return (r.hold >>> r.count) & ((1 << n) - 1)
}

/** The value of the next code; -1 where the bits are none of the table's. */
export const readCode = (r: BitReader, t: HuffmanTable): number => {
  if (r.count < 16) fill(r)
  const hit = t.fast[(r.hold >>> (r.count - fastBits)) & ((1 << fastBits) - 1)]
  if (hit !== 0) {
    r.count -= hit >> 8
    return hit & 255
  }
  for (let length = fastBits + 1; length <= 16; length++) {
    const code = (r.hold >>> (r.count - length)) & ((1 << length) - 1)
    if (code <= t.last[length]) {
      r.count -= length
      return t.values[code + t.offset[length]]
    }
  }
  return -1
}

/** A signed value of n bits as T.81 F.2.2.1 EXTEND reads it. */
export const readSigned = (r: BitReader, n: number): number => {
  const v = readBits(r, n)
  return n > 0 && v < 1 << (n - 1) ? v - (1 << n) + 1 : v
}

/** Passes the restart marker that must come next. False: there is none. */
export const passRestart = (r: BitReader): boolean => {
  const { bytes } = r
  let at = r.at
  while (at < bytes.length && bytes[at] === 0xff && bytes[at + 1] === 0xff) at++
  if (bytes[at] !== 0xff || !(bytes[at + 1] >= 0xd0 && bytes[at + 1] <= 0xd7)) return false
  r.at = at + 2
  r.hold = 0
  r.count = 0
  r.missing = 0
  return true
}
