/** The road from a graph to native kernels: find attention, simplify, fuse with this target's limits, merge rows, order. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { verify } from '../../../core/verify.ts'
import type { Fused, Limits } from '../../passes/fuse.ts'
import { fuse } from '../../passes/fuse.ts'
import { scalarOf } from '../../kernel/meaning.ts'
import type { MergeLimits } from '../../passes/merge.ts'
import { merge } from '../../passes/merge.ts'
import type { RecomputeLimits } from '../../passes/recompute.ts'
import { recompute } from '../../passes/recompute.ts'
import { takeApart } from '../../passes/apart.ts'
import { recogniseAttention } from '../../passes/attention.ts'
import { narrow } from '../../passes/narrow.ts'
import { simplify } from '../../passes/simplify.ts'
import { isAttention, joinAttention } from './attention.ts'
import { contractionOf } from './contraction.ts'
import { followersOf, ordered } from '../../passes/order.ts'

/** What fusion may do: vector arithmetic is cheap beside memory, and a call costs next to nothing. */
export const limits: Limits = { maxInputs: 24, maxOps: 160, scatter: false, transcendental: 6, launch: 400, pack: false, whole: isAttention }

/** Rows of up to 64 K elements are near when they are read again. */
const mergeLimits: MergeLimits = { maxInputs: 24, maxTerms: 260, maxRow: 65536, isSpecial: (k) => k.whole !== undefined || contractionOf(k) !== undefined }

/** Bytes that stay near while others are made. */
export const nearBytes = 16e6

/** An element costs as much to fetch, and to have kept, as some transcendental functions. */
const recomputeLimits: Omit<RecomputeLimits, 'apart' | 'least'> = { cost: 24, transcendental: 6, maxInputs: 24, maxTerms: 260, followersOf }

export interface Road {
  readonly graph: Graph
  readonly kernels: ReadonlyArray<Fused>
}

/** What is read again after more than `near` bytes have been made is computed again where that costs less. */
export const kernelsOf = (g: Graph, near = nearBytes): E.Either<Fault, Road> =>
  pipe(
    verify(g),
    // a training step has had this done before gradients were taken; graphs without gradients come as they are
    E.chain(recogniseAttention.run),
    E.chain(narrow.run),
    E.chain(takeApart((e) => isAttention(scalarOf(e))).run),
    E.chain(simplify.run),
    E.chain(verify),
    E.map((graph) => {
      const merged = merge(mergeLimits)(joinAttention(fuse(limits)(graph)), new Set(graph.outputs.map((o) => o.expr)))
      return { graph, kernels: ordered(graph, recompute({ ...recomputeLimits, apart: near, least: near / 256 })(graph, ordered(graph, merged))) }
    }),
  )
