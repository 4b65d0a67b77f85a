/** The roads of targets of kernels, and how much text each makes of kernels, without a device. */
import type { Kernels } from '../../compiler/kernel/fused.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { printKernel } from '../../compiler/targets/gpujs/print.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { unitsOf } from '../../compiler/targets/native/source.ts'

export interface PlannedRoad {
  readonly road: KernelRoad
  /** Characters of source. */
  readonly emit: (k: Kernels) => number
}

/** `native`, or gpu.js with the limits of WebGPU. */
export const plannedRoad = (target: string): PlannedRoad =>
  target === 'native'
    ? { road: nativeRoad(), emit: ({ kernels }) => unitsOf(kernels.map((k) => k.kernel)).reduce((n, u) => n + u.source.length, 0) }
    : {
        road: gpujsRoad({ maxInputs: 7, packs: true }),
        emit: ({ kernels }) => kernels.reduce((n, k) => n + printKernel(k.kernel, [4, 4]).source.length, 0),
      }
