/** Tensors on all devices of a client: the same on each of them, or a part on each. */
import { range } from '../../../core/type.ts'
import type { TensorType } from '../../../core/type.ts'
import type { Split } from '../../distribute/placement.ts'
import type { HostArray } from '../../target.ts'
import { hostPart, hostWhole, like, partTypeOf } from '../parts.ts'
import type { Client, DeviceBuffer } from './client.ts'

/** One buffer for each device, in their order. */
export type Buffers = ReadonlyArray<DeviceBuffer>

/** A tensor of a type, as it lies there. */
export interface Lying {
  readonly type: TensorType
  readonly split: Split | undefined
  readonly buffers: Buffers
}

export interface Spread {
  readonly put: (type: TensorType, split: Split | undefined, data: HostArray) => Buffers
  /** Whole tensors, as the host has them. */
  readonly get: (wanted: ReadonlyArray<Lying>) => Promise<ReadonlyArray<HostArray>>
  readonly free: (buffers: Buffers) => void
}

const joined = (parts: ReadonlyArray<HostArray>, type: TensorType, split: Split): HostArray => {
  const all = like(parts[0], parts.length * parts[0].length)
  parts.forEach((p, r) => {
    all.set(p, r * p.length)
  })
  return hostWhole(all, type, split, parts.length)
}

export const spreadOver = (client: Client, devices: number): Spread => ({
  put: (type, split, data) =>
    range(devices).map((r) =>
      split === undefined
        ? client.put(type, data, r)
        : client.put(partTypeOf(type, split, devices), hostPart(data, type, split, devices, r), r),
    ),
  get: async (wanted) => {
    const own = wanted.map(({ type, split, buffers }) =>
      split === undefined ? [[type, buffers[0]] as const] : buffers.map((b) => [partTypeOf(type, split, devices), b] as const),
    )
    const read = await client.get(own.flat())
    const from = own.map((_, i) => own.slice(0, i).reduce((n, o) => n + o.length, 0))
    return wanted.map(({ type, split }, i) =>
      split === undefined ? read[from[i]] : joined(read.slice(from[i], from[i] + devices), type, split),
    )
  },
  free: (buffers) => {
    for (const b of buffers) client.free(b)
  },
})
