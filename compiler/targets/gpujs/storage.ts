/** How tensors lie in the engine's slots of floats: i32 as upper and lower 16 bits side by side, the others as they are. */
import type { DType } from '../../../core/type.ts'
import type { HostArray } from '../../target.ts'

/** Floats that a tensor takes in a slot. */
export const floatsOf = (dtype: DType, length: number): number => (dtype === 'i32' ? 2 * length : length)

export const toFloats = (dtype: DType, data: HostArray): Float32Array => {
  if (dtype !== 'i32') return Float32Array.from(data)
  const out = new Float32Array(2 * data.length)
  for (let i = 0; i < data.length; i++) {
    out[2 * i] = data[i] >> 16
    out[2 * i + 1] = data[i] & 65535
  }
  return out
}

export const fromFloats = (dtype: DType, floats: Float32Array): HostArray => {
  if (dtype !== 'i32') return floats
  const out = new Int32Array(floats.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = (floats[2 * i] << 16) | floats[2 * i + 1]
  return out
}
