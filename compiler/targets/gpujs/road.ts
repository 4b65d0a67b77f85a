/** The road from a graph to gpu.js kernels: one output each, neighbours packed for vector lanes, buffers by themselves. */
import { memory } from '../../memory/memory.ts'
import { slots } from '../../memory/slots.ts'
import { graphPass } from '../../pass.ts'
import { takeApart } from '../../passes/apart.ts'
import { fuse } from '../../passes/fuse.ts'
import { narrow } from '../../passes/narrow.ts'
import { order } from '../../passes/order.ts'
import { pack } from '../../passes/pack.ts'
import { simplify } from '../../passes/simplify.ts'
import type { KernelRoad } from '../../road.ts'
import type { Engine } from './engine.ts'

/** What differs between engines. */
export interface RoadOptions {
  /** Arrays that a kernel may read. */
  readonly maxInputs: number
  /** Whether neighbouring results should read neighbouring elements. */
  readonly packs: boolean
}

/** Memory traffic is cheap beside a launch in the modes of processors, so little is recomputed. */
export const gpujsRoad = ({ maxInputs, packs }: RoadOptions): KernelRoad => ({
  graph: [graphPass(narrow), graphPass(takeApart(() => false)), graphPass(simplify)],
  fuse: fuse({ maxInputs, maxOps: 120, transcendental: 12, launch: 4000 }),
  kernels: [...(packs ? [pack(maxInputs)] : []), order],
  // a kernel's result lies in none of its arguments
  memory: memory({ allocator: slots, inPlace: () => false }),
})

export const roadOf = (engine: Engine): KernelRoad => gpujsRoad({ maxInputs: engine.limits.maxInputs, packs: engine.mode !== 'cpu' })
