/** Archives of NumPy arrays, written: every array a file of NEP 1 (version 1), in a zip without compression (APPNOTE 6.3.3). */
import { crc32 } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { writeFile } from './file.ts'

/** What an archive can hold: numbers, or texts. */
export type NpzArray =
  | { readonly _tag: 'Floats'; readonly shape: ReadonlyArray<number>; readonly data: Float32Array }
  | { readonly _tag: 'Ints'; readonly shape: ReadonlyArray<number>; readonly data: Int32Array }
  | { readonly _tag: 'Texts'; readonly texts: ReadonlyArray<string> }

const bytesOf = (x: Float32Array | Int32Array | Uint32Array): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength)

/** Texts in code points of 32 bits, all as long as the longest. */
const coded = (texts: ReadonlyArray<string>, width: number): Uint32Array => {
  const out = new Uint32Array(texts.length * width)
  texts.forEach((text, i) => {
    Array.from(text).forEach((c, k) => {
      out[i * width + k] = c.codePointAt(0) ?? 0
    })
  })
  return out
}

const header = (descr: string, shape: ReadonlyArray<number>): Uint8Array => {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sides}), }`
  // padded so that numbers begin at a multiple of 64
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10
  const bytes = new Uint8Array(10 + length).fill(0x20)
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, length & 255, length >> 8])
  bytes.set(new TextEncoder().encode(text), 10)
  bytes[bytes.length - 1] = 0x0a
  return bytes
}

/** The bytes of one array, in pieces. */
const npyPieces = (a: NpzArray): ReadonlyArray<Uint8Array> => {
  if (a._tag === 'Floats') return [header('<f4', a.shape), bytesOf(a.data)]
  if (a._tag === 'Ints') return [header('<i4', a.shape), bytesOf(a.data)]
  const width = Math.max(1, ...a.texts.map((text) => Array.from(text).length))
  return [header(`<U${width}`, [a.texts.length]), bytesOf(coded(a.texts, width))]
}

interface Entry {
  readonly name: Uint8Array
  readonly crc: number
  readonly size: number
  readonly at: number
}

/** Numbers one after the other, little-endian, each of 2 or 4 bytes. */
const packed = (fields: ReadonlyArray<readonly [bytes: 2 | 4, n: number]>): Uint8Array => {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [bytes]) => sum + bytes, 0)))
  let at = 0
  for (const [bytes, n] of fields) {
    if (bytes === 2) view.setUint16(at, n, true)
    else view.setUint32(at, n, true)
    at += bytes
  }
  return new Uint8Array(view.buffer)
}

/** Version, flags (names in UTF-8), no compression, 1 January 1980, checksum, sizes, length of the name, no extra. */
const common = (e: Entry): ReadonlyArray<readonly [2 | 4, number]> => [
  ...([20, 0x800, 0, 0, 0x21] as const).map((n) => [2, n] as const),
  ...[e.crc, e.size, e.size].map((n) => [4, n] as const),
  [2, e.name.length],
  [2, 0],
]

const most = 2 ** 32 - 1

/** Replaces the file at `path`. Faults: 4 GiB and more, which the format has another kind of archive for; what the system refuses. */
export const writeNpz =
  (path: string) =>
  (arrays: ReadonlyMap<string, NpzArray>): TaskEither<Fault, void> => {
    const pieces: Array<Uint8Array> = []
    const entries: Array<Entry> = []
    let at = 0
    const put = (bytes: Uint8Array): void => {
      pieces.push(bytes)
      at += bytes.length
    }
    for (const [name, array] of arrays) {
      const npy = npyPieces(array)
      const entry: Entry = {
        name: new TextEncoder().encode(`${name}.npy`),
        crc: npy.reduce((crc, bytes) => crc32(bytes, crc), 0),
        size: npy.reduce((n, bytes) => n + bytes.length, 0),
        at,
      }
      entries.push(entry)
      for (const bytes of [packed([[4, 0x04034b50], ...common(entry)]), entry.name, ...npy]) put(bytes)
    }
    const begin = at
    for (const e of entries) {
      // made by version 20; no comment, first disk, no attributes
      put(packed([[4, 0x02014b50], [2, 20], ...common(e), [2, 0], [2, 0], [2, 0], [4, 0], [4, e.at]]))
      put(e.name)
    }
    const count = entries.length
    const end = packed([
      [4, 0x06054b50],
      [2, 0],
      [2, 0],
      [2, count],
      [2, count],
      [4, at - begin],
      [4, begin],
      [2, 0],
    ])
    if (at > most)
      return TE.fromEither(
        E.left(
          fault('usage', {
            place: path,
            found: `${at} bytes in one archive`,
            allowed: 'less than 4 GiB',
            remedy: 'write safetensors, leave patches out, or take fewer images',
          }),
        ),
      )
    return writeFile('data', path)([...pieces, end].map((bytes) => () => bytes))
  }
