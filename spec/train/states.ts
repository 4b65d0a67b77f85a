import type { Checkpoint } from '../../train/run/checkpoint.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'

/** A small checkpoint whose every value follows from its step. */
export const checkpointAt = (step: number, size = 5): Checkpoint => ({
  step,
  seed: 7,
  config: { optim: { lr: 0.001, names: ['a', 'b'] }, big: 2 ** 40 + 1, none: null },
  position: { epoch: 3, batch: step % 10 },
  state: new Map<string, HostTensor>([
    ['student/w', { dtype: 'f32', shape: [size], data: Float32Array.from({ length: size }, (_, i) => step + i / 8) }],
    ['adam/count', { dtype: 'i32', shape: [], data: Int32Array.of(step) }],
    ['mask', { dtype: 'bool', shape: [3], data: Uint8Array.of(0, 1, step % 2) }],
  ]),
})
