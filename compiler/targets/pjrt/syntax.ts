/** Types and constants as StableHLO writes them (openxla/stablehlo, docs/spec.md; MLIR's builtin attributes). */
import type { DType, TensorType } from '../../../core/type.ts'
import { sizeOf, tensorType } from '../../../core/type.ts'
import { bfloat, half } from '../../numerics.ts'
import { bfloatBits, halfBits } from '../native/storage.ts'

const elements: { readonly [D in DType]: string } = { f32: 'f32', f16: 'f16', bf16: 'bf16', i32: 'i32', bool: 'i1' }

/** `tensor<2x3xf32>` */
export const typeText = (t: TensorType): string => `tensor<${[...t.shape, elements[t.dtype]].join('x')}>`

export const scalarText = (dtype: DType): string => typeText(tensorType(dtype, []))

/** `(tensor<2xf32>, tensor<i32>) -> tensor<2xf32>` */
export const signature = (args: ReadonlyArray<TensorType>, out: TensorType): string =>
  `(${args.map(typeText).join(', ')}) -> ${typeText(out)}`

const floatBits = (x: number): number => {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, x)
  return view.getUint32(0)
}

const hex = (bits: number, digits: number): string => bits.toString(16).toUpperCase().padStart(digits, '0')

/** One number. Floats are given by their bits, so that they are what they are: also -0, infinities and NaN. */
export const numberText: { readonly [D in DType]: (x: number) => string } = {
  f32: (x) => `0x${hex(floatBits(x), 8)}`,
  f16: (x) => `0x${hex(halfBits(half(x)), 4)}`,
  bf16: (x) => `0x${hex(bfloatBits(bfloat(x)), 4)}`,
  i32: (x) => `${x | 0}`,
  bool: (x) => (x === 0 ? 'false' : 'true'),
}

const nested = (values: ReadonlyArray<string>, shape: ReadonlyArray<number>): string => {
  if (shape.length === 0) return values[0]
  const inner = sizeOf(shape.slice(1))
  const rows = Array.from({ length: shape[0] }, (_, i) => nested(values.slice(i * inner, (i + 1) * inner), shape.slice(1)))
  return `[${rows.join(', ')}]`
}

/** The elements of a constant, row-major. */
export const denseText = (t: TensorType, values: ReadonlyArray<number>): string =>
  `dense<${nested(values.map(numberText[t.dtype]), t.shape)}>`

/** A constant of one repeated value. */
export const splatText = (t: TensorType, value: number): string => `dense<${numberText[t.dtype](value)}>`
