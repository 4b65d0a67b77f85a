/** Tensor types: an element type and a static shape. */

export type DType = 'f32' | 'f16' | 'bf16' | 'i32' | 'bool'

export const dtypes: ReadonlyArray<DType> = ['f32', 'f16', 'bf16', 'i32', 'bool']

export type Shape = ReadonlyArray<number>

export interface TensorType {
  readonly dtype: DType
  readonly shape: Shape
}

export const tensorType = (dtype: DType, shape: Shape): TensorType => ({ dtype, shape })

/** Floats of 16 bits: f16 has 5 bits of exponent and 10 of mantissa (IEEE 754 binary16), bf16 8 and 7, the range of f32. */
export type HalfType = Extract<DType, 'f16' | 'bf16'>

export const isHalf = (d: DType): d is HalfType => d === 'f16' || d === 'bf16'

export const isFloat = (d: DType): boolean => d === 'f32' || isHalf(d)

/** Whether a number is one that a tensor of this dtype can hold: i32 and bool hold whole numbers of their range only. */
export const isValueOf = (dtype: DType, x: number): boolean => isFloat(dtype) || (dtype === 'i32' ? (x | 0) === x : x === 0 || x === 1)

/** Number of elements. */
export const sizeOf = (shape: Shape): number => {
  let n = 1
  for (const d of shape) n *= d
  return n
}

/** Bytes that one element takes in memory; a bool is stored as one byte. */
export const bytesOf = (dtype: DType): number => (dtype === 'bool' ? 1 : isHalf(dtype) ? 2 : 4)

/** Row-major strides, in elements. */
export const stridesOf = (shape: Shape): ReadonlyArray<number> => {
  const strides = new Array<number>(shape.length)
  let n = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = n
    n *= shape[i]
  }
  return strides
}

export const equalShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i])

export const equalType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && equalShape(a.shape, b.shape)

export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`

export const showType = (t: TensorType): string => `${t.dtype}${showShape(t.shape)}`

/** A dimension is a positive whole number: empty tensors are not part of the language. */
export const isDimension = (d: number): boolean => Number.isInteger(d) && d > 0

/** `0 .. n-1` */
export const range = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, i) => i)
