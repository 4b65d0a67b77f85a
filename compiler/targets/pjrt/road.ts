/** The road from a graph to StableHLO: rows narrowed, attention taken apart, simplified. XLA fuses, orders and places. */
import { arena } from '../../memory/arena.ts'
import { memory } from '../../memory/memory.ts'
import { graphPass } from '../../pass.ts'
import { takeApart } from '../../passes/apart.ts'
import { fuse } from '../../passes/fuse.ts'
import { narrow } from '../../passes/narrow.ts'
import { order } from '../../passes/order.ts'
import { simplify } from '../../passes/simplify.ts'
import type { KernelRoad, Road } from '../../road.ts'

export const pjrtRoad: Road = { graph: [graphPass(narrow), graphPass(takeApart(() => false)), graphPass(simplify)] }

/** What memory is estimated by before anything is compiled: XLA fuses and reuses buffers much as this road does. */
export const estimate: KernelRoad = {
  graph: pjrtRoad.graph,
  fuse: fuse({ maxInputs: 64, maxOps: 400, transcendental: 6, launch: 400 }),
  kernels: [order],
  memory: memory({ allocator: arena, inPlace: () => true }),
}
