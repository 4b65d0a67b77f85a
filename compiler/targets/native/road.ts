/** The road from a graph to native kernels: find attention, simplify, fuse, merge rows, recompute, order, into one arena. */
import type { Kernels } from '../../kernel/fused.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { scalarOf } from '../../kernel/meaning.ts'
import { arena } from '../../memory/arena.ts'
import { memory } from '../../memory/memory.ts'
import type { Pass } from '../../pass.ts'
import { graphPass, kernelPass } from '../../pass.ts'
import { takeApart } from '../../passes/apart.ts'
import { recogniseAttention } from '../../passes/attention.ts'
import type { Limits } from '../../passes/fuse.ts'
import { fuse } from '../../passes/fuse.ts'
import { merge } from '../../passes/merge.ts'
import { narrow } from '../../passes/narrow.ts'
import { order } from '../../passes/order.ts'
import { recompute } from '../../passes/recompute.ts'
import { simplify } from '../../passes/simplify.ts'
import type { KernelRoad } from '../../road.ts'
import { isAttention, joinAttention } from './attention.ts'
import { contractionOf } from './contraction.ts'
import { inPlace } from './in-place.ts'

/** What fusion may do: vector arithmetic is cheap beside memory, and a call costs next to nothing. */
const limits: Limits = { maxInputs: 24, maxOps: 160, transcendental: 6, launch: 400, whole: isAttention }

/** Terms of one kernel. */
const maxTerms = 260

const isSpecial = (k: Kernel): boolean => k.whole !== undefined || contractionOf(k) !== undefined

/** Bytes that stay near while others are made. */
export const nearBytes = 16e6

const join: Pass<Kernels> = kernelPass('join', ({ graph, kernels }) => ({ graph, kernels: joinAttention(kernels) }))

/**
 * What is read again after more than `near` bytes have been made is computed again where that costs less. `ranks`: whether the device has
 * others to speak to.
 */
export const nativeRoad = (near = nearBytes, ranks = false): KernelRoad => ({
  ranks,
  // a training step has had the first two done before gradients were taken; graphs without gradients come as they are
  graph: [graphPass(recogniseAttention), graphPass(narrow), graphPass(takeApart((e) => isAttention(scalarOf(e)))), graphPass(simplify)],
  fuse: fuse({ ...limits, ranks }),
  kernels: [
    join,
    // rows of up to 64 K elements are near when they are read again
    merge({ maxInputs: limits.maxInputs, maxTerms, maxRow: 65536, isSpecial }),
    order,
    // an element costs as much to fetch, and to have kept, as some transcendental functions
    recompute({ cost: 24, transcendental: limits.transcendental, maxInputs: limits.maxInputs, maxTerms, apart: near, least: near / 256 }),
    { ...order, name: 'reorder' },
  ],
  memory: memory({ allocator: arena, inPlace }),
})
