/** Blocks of LZ4 (the format's description by Yann Collet, lz4_Block_format.md), bare or as Hadoop lays them one after the other. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'

const damaged = (what: string): Either<string, never> => E.left(`LZ4: ${what}`)

/** Unpacks one block into `out` from `to` on. Left: what is wrong. Right: where it ended. */
const block = (bytes: Uint8Array, out: Uint8Array, to: number): Either<string, number> => {
  let [from, at] = [0, to]
  /** A length of which a token has the first 4 bits: 15 goes on in bytes, up to one that is not 255. */
  const long = (first: number): number => {
    let n = first
    if (first < 15) return n
    for (let b = 255; b === 255 && from < bytes.length; n += b) b = bytes[from++]
    return n
  }
  while (from < bytes.length) {
    const token = bytes[from++]
    const literals = long(token >> 4)
    if (from + literals > bytes.length) return damaged('the data end within literals')
    if (at + literals > out.length) return damaged('more bytes than were stated')
    out.set(bytes.subarray(from, from + literals), at)
    from += literals
    at += literals
    // the last sequence has literals alone
    if (from === bytes.length) break
    if (from + 2 > bytes.length) return damaged('the data end within an offset')
    const offset = bytes[from] | (bytes[from + 1] << 8)
    from += 2
    const length = long(token & 15) + 4
    if (offset === 0 || offset > at - to) return damaged('an offset before the first byte')
    if (at + length > out.length) return damaged('more bytes than were stated')
    // a match may reach into what it writes
    for (let k = 0; k < length; k++, at++) out[at] = out[at - offset]
  }
  return E.right(at)
}

const whole = (out: Uint8Array, end: number): Either<string, Uint8Array> =>
  end === out.length ? E.right(out) : damaged(`${end} bytes, where ${out.length} were stated`)

/** A block of `length` bytes once it is unpacked. Left: what is wrong with it. */
export const unpackLz4 = (bytes: Uint8Array, length: number): Either<string, Uint8Array> => {
  const out = new Uint8Array(length)
  return E.chain((end: number) => whole(out, end))(block(bytes, out, 0))
}

/** Blocks behind their sizes, unpacked and packed, 4 bytes each with the high one first; a bare block where that is not what they are. */
export const unpackHadoopLz4 = (bytes: Uint8Array, length: number): Either<string, Uint8Array> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new Uint8Array(length)
  let [from, at] = [0, 0]
  while (from + 8 <= bytes.length && at < length) {
    const [size, packed] = [view.getUint32(from), view.getUint32(from + 4)]
    if (from + 8 + packed > bytes.length || at + size > length) return unpackLz4(bytes, length)
    const end = block(bytes.subarray(from + 8, from + 8 + packed), out, at)
    if (E.isLeft(end) || end.right !== at + size) return unpackLz4(bytes, length)
    from += 8 + packed
    at = end.right
  }
  return from === bytes.length ? whole(out, at) : unpackLz4(bytes, length)
}
