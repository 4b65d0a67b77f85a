/**
 * Tensors in the host's memory, as files hold them. They carry numbers between files, batches, checkpoints and the
 * compiled step; nothing is computed with them here.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'

/**
 * The array that holds each element type. Every array holds exact numbers: 16-bit and 8-bit floats are widened to
 * float32, 64-bit integers are doubles within ±(2^53 - 1), a bool is a byte 0 or 1.
 */
export interface HostArrays {
  readonly f64: Float64Array
  readonly f32: Float32Array
  readonly f16: Float32Array
  readonly bf16: Float32Array
  readonly f8e4m3: Float32Array
  readonly f8e5m2: Float32Array
  readonly i64: Float64Array
  readonly i32: Int32Array
  readonly i16: Int16Array
  readonly i8: Int8Array
  readonly u64: Float64Array
  readonly u32: Uint32Array
  readonly u16: Uint16Array
  readonly u8: Uint8Array
  readonly bool: Uint8Array
}

/** An element type as files know it; the language of `core` computes with some of them. */
export type HostDType = keyof HostArrays

/** A dense row-major tensor. `data.length` is the product of `shape`; a scalar has shape `[]`; a side of 0 is allowed. */
export type HostTensor = {
  readonly [D in HostDType]: { readonly dtype: D; readonly shape: ReadonlyArray<number>; readonly data: HostArrays[D] }
}[HostDType]

/** Named tensors, in the order in which they were put in or stand in the file. */
export type HostTensors = ReadonlyMap<string, HostTensor>

/** Number of elements of a shape; 1 for `[]`. */
export const countOf = (shape: ReadonlyArray<number>): number => {
  let n = 1
  for (const d of shape) n *= d
  return n
}

/** A float32 tensor over the given array, which is not copied. */
export const floatTensor = (shape: ReadonlyArray<number>, data: Float32Array): HostTensor => ({ dtype: 'f32', shape, data })

/** An int32 tensor over the given array, which is not copied. */
export const intTensor = (shape: ReadonlyArray<number>, data: Int32Array): HostTensor => ({ dtype: 'i32', shape, data })

/** What a tensor is, for messages: `f32[3, 4]`. */
export const showTensor = (t: Pick<HostTensor, 'dtype' | 'shape'>): string => `${t.dtype}[${t.shape.join(', ')}]`

/**
 * The values as float32 (shared, not copied, where they already are). Doubles are rounded.
 * Faults: integers and bools are not floats.
 */
export const floatsOf =
  (place: string) =>
  (t: HostTensor): Either<Fault, Float32Array> => {
    switch (t.dtype) {
      case 'f32':
      case 'f16':
      case 'bf16':
      case 'f8e4m3':
      case 'f8e5m2':
        return E.right(t.data)
      case 'f64':
        return E.right(Float32Array.from(t.data))
      default:
        return E.left(
          fault('data', {
            place,
            found: showTensor(t),
            allowed: 'a float tensor (f64, f32, f16, bf16, f8)',
            remedy: 'store the tensor as floats, or read it as integers',
          }),
        )
    }
  }

/**
 * The values as int32 (shared, not copied, where they already are).
 * Faults: floats are not integers; an integer outside [-2^31, 2^31) does not fit and is named with its place.
 */
export const intsOf =
  (place: string) =>
  (t: HostTensor): Either<Fault, Int32Array> => {
    if (t.dtype === 'i32') return E.right(t.data)
    if (t.data instanceof Float32Array || t.dtype === 'f64') {
      return E.left(
        fault('data', {
          place,
          found: showTensor(t),
          allowed: 'an integer or bool tensor',
          remedy: 'store the tensor as integers, or read it as floats',
        }),
      )
    }
    const out = new Int32Array(t.data.length)
    for (let i = 0; i < out.length; i++) {
      const v = t.data[i]
      if (v < -2147483648 || v > 2147483647) {
        return E.left(
          fault('data', {
            place,
            found: `${v} at element ${i} of ${showTensor(t)}`,
            allowed: 'integers in [-2147483648, 2147483647]',
            remedy: 'renumber the values so that they fit 32 bits',
          }),
        )
      }
      out[i] = v
    }
    return E.right(out)
  }
