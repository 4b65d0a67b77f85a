/** The element types of safetensors files: their names, their widths, and their bytes (little-endian). */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { narrowBF16, narrowF16, widenBF16, widenE4M3, widenE5M2, widenF16 } from './half.ts'
import type { HostDType, HostTensor } from './tensor.ts'

/** For every name that a safetensors header may use: the element type and its bytes. */
export const elements = {
  F64: { dtype: 'f64', bytes: 8 },
  F32: { dtype: 'f32', bytes: 4 },
  F16: { dtype: 'f16', bytes: 2 },
  BF16: { dtype: 'bf16', bytes: 2 },
  F8_E4M3: { dtype: 'f8e4m3', bytes: 1 },
  F8_E5M2: { dtype: 'f8e5m2', bytes: 1 },
  I64: { dtype: 'i64', bytes: 8 },
  I32: { dtype: 'i32', bytes: 4 },
  I16: { dtype: 'i16', bytes: 2 },
  I8: { dtype: 'i8', bytes: 1 },
  U64: { dtype: 'u64', bytes: 8 },
  U32: { dtype: 'u32', bytes: 4 },
  U16: { dtype: 'u16', bytes: 2 },
  U8: { dtype: 'u8', bytes: 1 },
  BOOL: { dtype: 'bool', bytes: 1 },
} as const satisfies Readonly<Record<string, { readonly dtype: HostDType; readonly bytes: number }>>

/** A safetensors type name. */
export type ElementName = keyof typeof elements

export const isElementName = (s: string): s is ElementName => Object.hasOwn(elements, s)

/** The safetensors name of every element type. */
export const elementNames: Readonly<Record<HostDType, ElementName>> = {
  f64: 'F64',
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
  f8e4m3: 'F8_E4M3',
  f8e5m2: 'F8_E5M2',
  i64: 'I64',
  i32: 'I32',
  i16: 'I16',
  i8: 'I8',
  u64: 'U64',
  u32: 'U32',
  u16: 'U16',
  u8: 'U8',
  bool: 'BOOL',
}

const two32 = 4294967296

/** 64-bit integers as exact doubles. Left: the first element that is beyond ±(2^53 - 1). */
const wide = (buffer: ArrayBuffer, signed: boolean): Either<string, Float64Array> => {
  const low = new Uint32Array(buffer)
  const high = signed ? new Int32Array(buffer) : low
  const out = new Float64Array(low.length / 2)
  for (let i = 0; i < out.length; i++) {
    const v = high[2 * i + 1] * two32 + low[2 * i]
    if (!Number.isSafeInteger(v)) return E.left(`an integer beyond ±(2^53 - 1), about ${v}, at element ${i}`)
    out[i] = v
  }
  return E.right(out)
}

const narrowWide = (data: Float64Array, signed: boolean): Either<string, Uint8Array> => {
  const words = new Uint32Array(data.length * 2)
  for (let i = 0; i < data.length; i++) {
    const v = data[i]
    if (!Number.isSafeInteger(v) || (!signed && v < 0))
      return E.left(`${v} at element ${i}, which is no exact ${signed ? '' : 'unsigned '}64-bit integer`)
    const high = Math.floor(v / two32)
    words[2 * i] = v - high * two32
    words[2 * i + 1] = high
  }
  return E.right(new Uint8Array(words.buffer))
}

const bools = (data: Uint8Array): Either<string, Uint8Array> => {
  const i = data.findIndex((b) => b > 1)
  return i < 0 ? E.right(data) : E.left(`the byte ${data[i]} at element ${i} of a bool tensor`)
}

/**
 * The tensor whose little-endian bytes fill `buffer`. The tensor takes the buffer over; nothing is copied where the
 * host's layout is the file's. The caller has checked that the length is right.
 * Left: what was found, for a value that cannot be held exactly.
 */
export const tensorOfBytes = (dtype: HostDType, shape: ReadonlyArray<number>, buffer: ArrayBuffer): Either<string, HostTensor> => {
  switch (dtype) {
    case 'f64':
      return E.right({ dtype, shape, data: new Float64Array(buffer) })
    case 'f32':
      return E.right({ dtype, shape, data: new Float32Array(buffer) })
    case 'f16':
      return E.right({ dtype, shape, data: widenF16(new Uint16Array(buffer)) })
    case 'bf16':
      return E.right({ dtype, shape, data: widenBF16(new Uint16Array(buffer)) })
    case 'f8e4m3':
      return E.right({ dtype, shape, data: widenE4M3(new Uint8Array(buffer)) })
    case 'f8e5m2':
      return E.right({ dtype, shape, data: widenE5M2(new Uint8Array(buffer)) })
    case 'i64':
      return E.map((data: Float64Array): HostTensor => ({ dtype, shape, data }))(wide(buffer, true))
    case 'u64':
      return E.map((data: Float64Array): HostTensor => ({ dtype, shape, data }))(wide(buffer, false))
    case 'i32':
      return E.right({ dtype, shape, data: new Int32Array(buffer) })
    case 'i16':
      return E.right({ dtype, shape, data: new Int16Array(buffer) })
    case 'i8':
      return E.right({ dtype, shape, data: new Int8Array(buffer) })
    case 'u32':
      return E.right({ dtype, shape, data: new Uint32Array(buffer) })
    case 'u16':
      return E.right({ dtype, shape, data: new Uint16Array(buffer) })
    case 'u8':
      return E.right({ dtype, shape, data: new Uint8Array(buffer) })
    case 'bool':
      return E.map((data: Uint8Array): HostTensor => ({ dtype, shape, data }))(bools(new Uint8Array(buffer)))
  }
}

const viewOf = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)

/**
 * What makes the little-endian bytes of a tensor when they are needed: a view of its array where the layouts agree, else
 * a copy. Left: what was found, for a value or a type that cannot be stored; all values are checked before.
 */
export const writerOf = (t: HostTensor): Either<string, () => Uint8Array> => {
  switch (t.dtype) {
    case 'f16':
      return E.right(() => viewOf(narrowF16(t.data)))
    case 'bf16':
      return E.right(() => viewOf(narrowBF16(t.data)))
    case 'f8e4m3':
    case 'f8e5m2':
      return E.left('an 8-bit float tensor, which is read but not written')
    case 'i64':
      return E.map((bytes: Uint8Array) => () => bytes)(narrowWide(t.data, true))
    case 'u64':
      return E.map((bytes: Uint8Array) => () => bytes)(narrowWide(t.data, false))
    case 'bool':
      return E.map((bytes: Uint8Array) => () => bytes)(bools(t.data))
    default:
      return E.right(() => viewOf(t.data))
  }
}
