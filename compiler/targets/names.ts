/** The names of targets: what `--target` takes, without loading any of them. */

/** `auto` is the fastest that works on the machine. */
export const targetNames = [
  'auto',
  'reference',
  'native',
  'gpujs:webgpu',
  'gpujs:headlessgl',
  'gpujs:webasm',
  'gpujs:cpu',
  'pjrt:cpu',
  'pjrt:cuda',
  'pjrt:rocm',
  'pjrt:tpu',
] as const

export type TargetName = (typeof targetNames)[number]

export const isTargetName = (s: string): s is TargetName => targetNames.some((n) => n === s)
