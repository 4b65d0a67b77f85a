/** A tensor of the host and its parts: what each of N ranks, or devices, has of it (ops/collective.ts). */
import { partShape } from '../distribute/placement.ts'
import type { Split } from '../distribute/placement.ts'
import type { TensorType } from '../../core/type.ts'
import { sizeOf, tensorType } from '../../core/type.ts'
import type { HostArray } from '../target.ts'

/** The type of a part. */
export const partTypeOf = (type: TensorType, split: Split, ranks: number): TensorType =>
  tensorType(type.dtype, partShape(ranks, split, type.shape))

/** Elements that stand together: of each block before the axis, rank r's share. */
const runs = (
  whole: TensorType,
  { axis, blocks }: Split,
  ranks: number,
  rank: number,
  move: (from: number, to: number, n: number) => void,
): void => {
  const before = sizeOf(whole.shape.slice(0, axis))
  const after = sizeOf(whole.shape.slice(axis + 1))
  const extent = whole.shape[axis]
  for (let p = 0; p < before; p++) {
    let start = 0
    for (const block of blocks) {
      const share = block / ranks
      move((p * extent + start + rank * share) * after, (p * (extent / ranks) + start / ranks) * after, share * after)
      start += block
    }
  }
}

type Typed = Float32Array | Float64Array | Int32Array | Uint8Array

export const like = (a: HostArray, n: number): Typed =>
  a instanceof Float32Array
    ? new Float32Array(n)
    : a instanceof Float64Array
      ? new Float64Array(n)
      : a instanceof Int32Array
        ? new Int32Array(n)
        : new Uint8Array(n)

/** A rank's part of a whole tensor. */
export const hostPart = (data: HostArray, type: TensorType, split: Split, ranks: number, rank: number): HostArray => {
  const part = like(data, data.length / ranks)
  runs(type, split, ranks, rank, (from, to, n) => {
    part.set(data.subarray(from, from + n), to)
  })
  return part
}

/** The whole of the parts of all ranks, which lie one after the other. */
export const hostWhole = (parts: HostArray, type: TensorType, split: Split, ranks: number): HostArray => {
  const whole = like(parts, parts.length)
  const size = parts.length / ranks
  for (let r = 0; r < ranks; r++)
    runs(type, split, ranks, r, (from, to, n) => {
      whole.set(parts.subarray(r * size + to, r * size + to + n), from)
    })
  return whole
}
