/** Palette colours (PS3.3 C.7.6.3.1.5 and C.7.9.2): three tables that turn a stored value into red, green and blue. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { shortsOf, valueBytes } from './element.ts'
import type { DataSet, Tag } from './element.ts'

/** Three tables for the stored values from `first` on; values outside take the nearest entry. */
export interface Palette {
  readonly first: number
  /** The largest value that entries can have: 255 or 65535. */
  readonly top: number
  readonly tables: readonly [Uint16Array, Uint16Array, Uint16Array]
}

/** The entries of a table as they are written: bytes, or 16-bit words. */
const plain = (d: DataSet, tag: Tag, entries: number, wide: boolean): Uint16Array | undefined => {
  const bytes = valueBytes(d, tag)
  if (bytes.length >= 2 * entries) return Uint16Array.from(shortsOf(d, tag).slice(0, entries))
  if (wide || bytes.length < entries) return undefined
  // bytes are written in words, so that big-endian files hold them in swapped pairs
  const swap = !d.little && d.elements.get(tag)?.vr !== 'OB'
  return Uint16Array.from({ length: entries }, (_, i) => bytes[swap && (i ^ 1) < bytes.length ? i ^ 1 : i])
}

/** Expands a segmented table (PS3.3 C.7.9.2): runs of entries, straight lines, and repetitions of earlier segments. */
const segmented = (words: ReadonlyArray<number>, entries: number): Uint16Array | undefined => {
  const out: number[] = []
  const starts: number[] = []
  const run = (at: number, repeated: boolean): number => {
    const [op, count] = [words[at], words[at + 1]]
    if (op === 0 && at + 2 + count <= words.length) {
      for (let i = 0; i < count; i++) out.push(words[at + 2 + i])
      return at + 2 + count
    }
    if (op === 1 && at + 2 < words.length && out.length > 0) {
      const [from, to] = [out[out.length - 1], words[at + 2]]
      for (let i = 1; i <= count; i++) out.push(Math.round(from + ((to - from) * i) / count))
      return at + 3
    }
    if (op === 2 && !repeated && at + 3 < words.length) {
      const offset = words[at + 2] + 65536 * words[at + 3]
      const place = starts.indexOf(offset / 2)
      if (place < 0 || place + count > starts.length) return -1
      for (const start of starts.slice(place, place + count)) if (run(start, true) < 0) return -1
      return at + 4
    }
    return -1
  }
  for (let at = 0; at < words.length && out.length < entries;) {
    const next = run(at, false)
    if (next < 0 || out.length > 131072) return undefined
    starts.push(at)
    at = next
  }
  return out.length >= entries ? Uint16Array.from(out.slice(0, entries)) : undefined
}

/** The palette of a data set. Left: a missing, short or damaged table. */
export const paletteOf = (d: DataSet, signed: boolean): Either<string, Palette> => {
  const [count, , bits] = shortsOf(d, 0x00281101)
  const first = shortsOf(d, 0x00281101, signed)[1]
  if (bits === undefined || (bits !== 8 && bits !== 16)) return E.left('no palette, or one of another width than 8 or 16 bits')
  const entries = count === 0 ? 65536 : count
  const table = (i: number): Uint16Array | undefined =>
    valueBytes(d, 0x00281201 + i).length > 0
      ? plain(d, 0x00281201 + i, entries, bits === 16)
      : segmented(shortsOf(d, 0x00281221 + i), entries)
  const [red, green, blue] = [table(0), table(1), table(2)]
  if (red === undefined || green === undefined || blue === undefined) return E.left(`a palette with less than ${entries} whole entries`)
  return E.right({ first, top: bits === 16 ? 65535 : 255, tables: [red, green, blue] })
}

/** Colours of stored values: [pixels] to [3, pixels]. */
export const applyPalette = (p: Palette, stored: ArrayLike<number>): Float32Array => {
  const n = stored.length
  const out = new Float32Array(3 * n)
  p.tables.forEach((table, c) => {
    for (let i = 0; i < n; i++) out[c * n + i] = table[Math.max(0, Math.min(table.length - 1, stored[i] - p.first))]
  })
  return out
}
