import fc from 'fast-check'
import { widenBF16, widenF16 } from '../../data/formats/half.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { countOf } from '../../data/formats/tensor.ts'

const fill = <A extends { [i: number]: number; readonly length: number }>(a: A, values: ReadonlyArray<number>): A => {
  for (let i = 0; i < a.length; i++) a[i] = values[i % values.length]
  return a
}

const tensorOf = (kind: number, shape: ReadonlyArray<number>, ints: ReadonlyArray<number>, reals: ReadonlyArray<number>): HostTensor => {
  const n = countOf(shape)
  const finiteBits = (exponent: number) => ints.map((i) => ((i & 0x7fff) > exponent ? 0 : i & 0xffff))
  switch (kind) {
    case 0:
      return { dtype: 'f64', shape, data: fill(new Float64Array(n), reals) }
    case 1:
      return { dtype: 'f32', shape, data: fill(new Float32Array(n), reals) }
    case 2:
      return { dtype: 'f16', shape, data: widenF16(fill(new Uint16Array(n), finiteBits(0x7c00))) }
    case 3:
      return { dtype: 'bf16', shape, data: widenBF16(fill(new Uint16Array(n), finiteBits(0x7f80))) }
    case 4:
      return { dtype: 'i64', shape, data: fill(new Float64Array(n), ints) }
    case 5:
      return { dtype: 'u64', shape, data: fill(new Float64Array(n), ints.map(Math.abs)) }
    case 6:
      return { dtype: 'i32', shape, data: fill(new Int32Array(n), ints) }
    case 7:
      return { dtype: 'i16', shape, data: fill(new Int16Array(n), ints) }
    case 8:
      return { dtype: 'i8', shape, data: fill(new Int8Array(n), ints) }
    case 9:
      return { dtype: 'u32', shape, data: fill(new Uint32Array(n), ints) }
    case 10:
      return { dtype: 'u16', shape, data: fill(new Uint16Array(n), ints) }
    case 11:
      return { dtype: 'u8', shape, data: fill(new Uint8Array(n), ints) }
    default:
      return {
        dtype: 'bool',
        shape,
        data: fill(
          new Uint8Array(n),
          ints.map((i) => Math.abs(i) % 2),
        ),
      }
  }
}

/** Any tensor that can be written, with small shapes. */
export const hostTensor: fc.Arbitrary<HostTensor> = fc
  .tuple(
    fc.nat(12),
    fc.array(fc.nat(4), { maxLength: 3 }),
    fc.array(
      fc.maxSafeInteger().map((i) => i + 0),
      { minLength: 1, maxLength: 5 },
    ),
    fc.array(fc.double(), { minLength: 1, maxLength: 5 }),
  )
  .map(([kind, shape, ints, reals]) => tensorOf(kind, shape, ints, reals))

/** Named tensors. */
export const hostTensors: fc.Arbitrary<ReadonlyMap<string, HostTensor>> = fc
  .array(
    fc.tuple(
      fc.string({ unit: 'grapheme' }).filter((s) => s !== '__metadata__'),
      hostTensor,
    ),
    { maxLength: 6 },
  )
  .map((items) => new Map(items))
