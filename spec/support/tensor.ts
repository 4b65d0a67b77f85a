/** Host tensors of tests: a type with its values, read by index as plain formulas do. */
import { expect } from 'vitest'
import type { HostArray } from '../../compiler/target.ts'
import type { Leaf } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import type { DType, Shape, TensorType } from '../../core/type.ts'
import { sizeOf, stridesOf, tensorType } from '../../core/type.ts'

export interface Tensor {
  readonly type: TensorType
  readonly values: ReadonlyArray<number>
}

export const tensor = (dtype: DType, shape: Shape, values: ReadonlyArray<number>): Tensor => ({ type: tensorType(dtype, shape), values })

/** An input leaf, f32 unless told. */
export const input = (path: string, shape: Shape, dtype: DType = 'f32'): Leaf => leaf(tensorType(dtype, shape), { _tag: 'Input', path })

/** Every index of a shape, row-major. */
export const indices = (shape: Shape): ReadonlyArray<ReadonlyArray<number>> =>
  shape.reduce((all: ReadonlyArray<ReadonlyArray<number>>, d) => all.flatMap((i) => Array.from({ length: d }, (_, k) => [...i, k])), [[]])

/** Reads one element by its index. */
export type Get = (index: ReadonlyArray<number>) => number

export const getter = (t: Tensor): Get => {
  const strides = stridesOf(t.type.shape)
  return (index) => t.values[index.reduce((sum, i, k) => sum + i * strides[k], 0)]
}

/** A tensor given by a formula of the index. */
export const tabulate = (type: TensorType, f: Get): Tensor => ({ type, values: indices(type.shape).map(f) })

/** The values in the kind of array that a user would pass for the dtype. */
export const hostArray = (t: Tensor): HostArray =>
  t.type.dtype === 'i32' ? Int32Array.from(t.values) : t.type.dtype === 'bool' ? Uint8Array.from(t.values) : Float32Array.from(t.values)

/** Numbers without a pattern, in -1 .. 1 and never zero, the same on every run. */
export const wave = (n: number, phase = 0): ReadonlyArray<number> =>
  Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + 0.9 * phase + 0.4) * 0.98 + 0.01)

/** An f32 tensor of such numbers. */
export const waves = (shape: Shape, phase = 0): Tensor => tensor('f32', shape, wave(sizeOf(shape), phase))

/** Equal within `tolerance` of 1 + |expected|, element by element; NaN equals NaN, and infinities themselves. */
export const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = ''): void => {
  expect(actual.length, what).toBe(expected.length)
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i], expected[i]]
    if (Object.is(a, b) || a === b) continue
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) expect.fail(`${what} [${i}]: ${a}, expected ${b} within ${tolerance}`)
  }
}
