/** The road from a graph to native kernels: simplify, fuse with this target's limits, merge rows. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { verify } from '../../../core/verify.ts'
import type { Fused, Limits } from '../../fuse.ts'
import { fuse } from '../../fuse.ts'
import { simplify } from '../../rewrites/simplify.ts'

/** What fusion may do: vector arithmetic is cheap beside memory, and a call costs next to nothing. */
export const limits: Limits = { maxInputs: 24, maxOps: 160, scatter: false, transcendental: 6, launch: 400, pack: false }

export interface Road {
  readonly graph: Graph
  readonly kernels: ReadonlyArray<Fused>
}

export const kernelsOf = (g: Graph): E.Either<Fault, Road> =>
  pipe(
    verify(g),
    E.chain(simplify.run),
    E.chain(verify),
    E.map((graph) => ({ graph, kernels: fuse(limits)(graph) })),
  )
