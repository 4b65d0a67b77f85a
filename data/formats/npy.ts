/** The header of a NumPy array file (NEP 1; numpy.lib.format versions 1 to 3), and its numbers. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { widenF16 } from './half.ts'
import { countOf } from './tensor.ts'

/** An element type of NumPy, without its byte order; S and U are texts of bytes and of code points. */
export type NpyType = 'S' | 'U' | 'b1' | 'u1' | 'u2' | 'u4' | 'u8' | 'i1' | 'i2' | 'i4' | 'i8' | 'f2' | 'f4' | 'f8'

export interface NpyHeader {
  readonly type: NpyType
  /** Bytes per number. */
  readonly bytes: number
  readonly little: boolean
  /** The first axis varies fastest (column-major). */
  readonly fortran: boolean
  readonly shape: ReadonlyArray<number>
  /** Where the numbers begin. */
  readonly offset: number
}

const typeNames: ReadonlyArray<string> = [
  'S',
  'U',
  'b1',
  'u1',
  'u2',
  'u4',
  'u8',
  'i1',
  'i2',
  'i4',
  'i8',
  'f2',
  'f4',
  'f8',
] satisfies ReadonlyArray<NpyType>

const isType = (s: string): s is NpyType => typeNames.includes(s)

/** A record of the three entries, in any order, as NumPy prints it. */
const whole = /^\{\s*(?:'(?:descr|fortran_order|shape)'\s*:\s*(?:'[<>|=]\w+'|True|False|\([\d,\sL]*\))\s*(?:,\s*|(?=\}))){3}\}\s*$/

/** Bytes that hold a header of any sensible length. */
export const npyHeaderBytes = 4096

/** Decodes a header. Left: what was found, for a file that is no array, objects or text instead of numbers. */
export const npyHeader = (bytes: Uint8Array): Either<string, NpyHeader> => {
  if (bytes.length < 12 || bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== 'NUMPY')
    return E.left('data that do not begin as a NumPy array')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const first = bytes[6] === 1 ? 10 : 12
  const length = first === 10 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (bytes[6] < 1 || bytes[6] > 3 || first + length > bytes.length)
    return E.left(`a NumPy header of version ${bytes[6]} and ${length} bytes`)
  const text = String.fromCharCode(...bytes.subarray(first, first + length))
  const descr = /'descr'\s*:\s*'([<>|=])(\w+)'/.exec(text)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)
  const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text)
  if (descr === null || order === null || shape === null || !whole.test(text))
    return E.left(`the NumPy header ${JSON.stringify(text.trim().slice(0, 100))}`)
  const type = descr[2].replace(/^([SU])\d+$/, '$1')
  if (!isType(type)) return E.left(`numbers of NumPy's type ${descr[2]}${descr[2] === 'O' ? ', which are pickled objects of Python' : ''}`)
  const dims = shape[1]
    .split(',')
    .map((d) => d.replace('L', '').trim())
    .filter((d) => d !== '')
    .map(Number)
  const size = Number(descr[2].slice(1)) * (type === 'U' ? 4 : 1)
  if (!dims.every(Number.isSafeInteger) || !Number.isSafeInteger(countOf(dims) * size)) return E.left(`the shape (${shape[1]})`)
  return E.right({
    type,
    bytes: size,
    little: descr[1] !== '>',
    fortran: order[1] === 'True' && dims.length > 1,
    shape: dims,
    offset: first + length,
  })
}

/** The least and the largest value of a type; infinite for floats. */
export const npyRange = (t: NpyType): readonly [number, number] => {
  if (t === 'b1' || t === 'S' || t === 'U') return [0, 1]
  const bits = 8 * Number(t.slice(1))
  return t.startsWith('f') ? [-Infinity, Infinity] : t.startsWith('u') ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
}

const readerOf = (h: NpyHeader, v: DataView): ((at: number) => number) => {
  const l = h.little
  switch (h.type) {
    // NumPy takes any byte but 0 as true
    case 'b1':
      return (at) => (v.getUint8(at) === 0 ? 0 : 1)
    case 'u1':
      return (at) => v.getUint8(at)
    case 'i1':
      return (at) => v.getInt8(at)
    case 'u2':
      return (at) => v.getUint16(at, l)
    case 'i2':
      return (at) => v.getInt16(at, l)
    case 'u4':
      return (at) => v.getUint32(at, l)
    case 'i4':
      return (at) => v.getInt32(at, l)
    case 'u8':
      return (at) => Number(v.getBigUint64(at, l))
    case 'i8':
      return (at) => Number(v.getBigInt64(at, l))
    case 'f2':
      return (at) => widenF16(Uint16Array.of(v.getUint16(at, l)))[0]
    case 'f4':
      return (at) => v.getFloat32(at, l)
    case 'f8':
      return (at) => v.getFloat64(at, l)
    case 'S':
    case 'U':
      return () => NaN
  }
}

/** The texts that fill `bytes`, without the zeros that fill them up. */
export const npyTexts = (h: NpyHeader, bytes: Uint8Array): ReadonlyArray<string> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const unit = h.type === 'U' ? 4 : 1
  return Array.from({ length: h.bytes === 0 ? 0 : Math.floor(bytes.length / h.bytes) }, (_, i) => {
    const codes = Array.from({ length: h.bytes / unit }, (_, k) =>
      unit === 4 ? view.getUint32(i * h.bytes + 4 * k, h.little) : view.getUint8(i * h.bytes + k),
    )
    return String.fromCodePoint(...codes.filter((c) => c > 0 && c <= 0x10ffff))
  })
}

/** The numbers that fill `bytes`, each read when it is asked for. */
export const npyAt = (h: NpyHeader, bytes: Uint8Array): ((i: number) => number) => {
  const read = readerOf(h, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return (i) => read(i * h.bytes)
}

/** The numbers that fill `bytes`, in the order in which they are stored. */
export const npyNumbers = (h: NpyHeader, bytes: Uint8Array): Float64Array => {
  const read = readerOf(h, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const out = new Float64Array(Math.floor(bytes.length / h.bytes))
  for (let i = 0; i < out.length; i++) out[i] = read(i * h.bytes)
  return out
}

/** The bytes of a column-major array in row-major order. */
export const rowMajor = (h: NpyHeader, bytes: Uint8Array): Uint8Array => {
  const { shape, bytes: size } = h
  const out = new Uint8Array(bytes.length)
  const place = shape.map(() => 0)
  const strides = shape.map((_, a) => countOf(shape.slice(0, a)) * size)
  for (let to = 0; to < out.length; to += size) {
    const from = place.reduce((sum, p, a) => sum + p * strides[a], 0)
    for (let b = 0; b < size; b++) out[to + b] = bytes[from + b]
    for (let a = shape.length - 1; a >= 0 && ++place[a] === shape[a]; a--) place[a] = 0
  }
  return out
}
