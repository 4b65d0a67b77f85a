/** How tensors lie in memory: f32 and i32 as they are, a bool as one byte, f16 and bf16 as their bits. */
import type { DType } from '../../../core/type.ts'
import type { HostArray } from '../../target.ts'
import { bfloat, half } from '../../numerics.ts'

/** The bits of a number that has been rounded to half precision. */
export const halfBits = (x: number): number => {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0
  const a = Math.abs(x)
  if (Number.isNaN(x)) return 0x7e00
  if (a === Infinity) return sign | 0x7c00
  if (a < 2 ** -14) return sign | (a / 2 ** -24)
  const e = Math.min(15, Math.floor(Math.log2(a)))
  const exponent = 2 ** e > a ? e - 1 : e
  return sign | ((exponent + 15) << 10) | ((a / 2 ** exponent - 1) * 1024)
}

/** The bits of a number that has been rounded to bfloat16. */
export const bfloatBits = (x: number): number => {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, x)
  return view.getUint16(0)
}

/** Numbers of bfloat16, which are the upper halves of those of f32. */
const widened = (bits: Uint16Array): Float32Array => new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer)

const fromBits = (h: number): number => {
  const [e, m] = [(h >> 10) & 31, h & 1023]
  const a = e === 31 ? (m === 0 ? Infinity : NaN) : e === 0 ? m * 2 ** -24 : (1 + m / 1024) * 2 ** (e - 15)
  return (h & 0x8000) === 0 ? a : -a
}

/** Writes host values over a tensor's memory. */
export const store = (dtype: DType, memory: ArrayBuffer, offset: number, data: HostArray): void => {
  switch (dtype) {
    case 'f32':
      new Float32Array(memory, offset, data.length).set(data)
      return
    case 'i32':
      new Int32Array(memory, offset, data.length).set(data)
      return
    case 'bool':
      new Uint8Array(memory, offset, data.length).set(data.map((x) => (x === 0 ? 0 : 1)))
      return
    case 'f16':
      new Uint16Array(memory, offset, data.length).set(Array.from(data, (x) => halfBits(half(x))))
      return
    case 'bf16':
      new Uint16Array(memory, offset, data.length).set(Array.from(data, (x) => bfloatBits(bfloat(x))))
  }
}

/** A copy of a tensor's memory, as the host has it. */
export const load = (dtype: DType, memory: ArrayBuffer, offset: number, length: number): HostArray => {
  switch (dtype) {
    case 'f32':
      return new Float32Array(memory, offset, length).slice()
    case 'i32':
      return new Int32Array(memory, offset, length).slice()
    case 'bool':
      return new Uint8Array(memory, offset, length).slice()
    case 'f16':
      return Float32Array.from(new Uint16Array(memory, offset, length), fromBits)
    case 'bf16':
      return widened(new Uint16Array(memory, offset, length))
  }
}
