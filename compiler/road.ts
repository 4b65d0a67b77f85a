/**
 * A target's road from a graph to what it runs: a list of passes over the graph, then, for a target of kernels, fusion, a list of
 * passes over kernels, and memory. Whatever prints, plans, tests or runs a step follows the target's own road.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../core/fault.ts'
import type { Graph } from '../core/graph.ts'
import { verify } from '../core/verify.ts'
import { alone } from './distribute/alone.ts'
import type { Kernels } from './kernel/fused.ts'
import type { Plan } from './memory/plan.ts'
import { residentBytes, temporaryBytes } from './memory/plan.ts'
import type { Pass } from './pass.ts'

/** The road of a target that runs kernels. */
export interface KernelRoad {
  readonly graph: ReadonlyArray<Pass<Graph>>
  readonly fuse: Pass<Graph, Kernels>
  readonly kernels: ReadonlyArray<Pass<Kernels>>
  readonly memory: Pass<Kernels, Plan>
  /** Whether programs of several ranks go this way. */
  readonly ranks?: boolean
}

/** The road of a target that runs graphs has passes over graphs alone. */
export type Road = KernelRoad | Pick<KernelRoad, 'graph' | 'ranks'>

export const isKernelRoad = (r: Road): r is KernelRoad => 'fuse' in r

/** What a road begins with: a graph that is well formed, and of one rank where the target has no others. */
const entered = (road: Road, g: Graph): E.Either<Fault, Graph> => (road.ranks === true ? verify(g) : E.chain(alone)(verify(g)))

const along = <A>(passes: ReadonlyArray<Pass<A>>, start: E.Either<Fault, A>): E.Either<Fault, A> =>
  passes.reduce((at, pass) => E.chain(pass.run)(at), start)

/** The graph at the end of a road's passes over graphs. */
export const followGraph =
  (road: Road) =>
  (g: Graph): E.Either<Fault, Graph> =>
    pipe(along(road.graph, entered(road, g)), E.chain(verify))

/** The kernels, before they have memory. */
export const followKernels =
  (road: KernelRoad) =>
  (g: Graph): E.Either<Fault, Kernels> =>
    along(road.kernels, pipe(g, followGraph(road), E.chain(road.fuse.run)))

/** The whole road. */
export const follow =
  (road: KernelRoad) =>
  (g: Graph): E.Either<Fault, Plan> =>
    pipe(g, followKernels(road), E.chain(road.memory.run))

/** Bytes that a graph is planned to take: temporaries and resident state. */
export const plannedBytes =
  (road: KernelRoad) =>
  (g: Graph): E.Either<Fault, number> =>
    pipe(
      g,
      follow(road),
      E.map((p) => temporaryBytes(p.temporaries) + residentBytes(p.graph)),
    )

/** A stage of a road: what a pass gives, as text. */
export interface Stage {
  readonly name: string
  readonly text: () => string
}

/** What every pass of a road makes of a graph, in order. */
export const stagesOf =
  (road: Road) =>
  (g: Graph): E.Either<Fault, ReadonlyArray<Stage>> => {
    const stages: Array<Stage> = []
    const through = <A, B>(at: E.Either<Fault, A>, pass: Pass<A, B>): E.Either<Fault, B> =>
      pipe(
        at,
        E.chain(pass.run),
        E.map((b) => {
          stages.push({ name: pass.name, text: () => pass.show(b) })
          return b
        }),
      )
    const graph = pipe(road.graph.reduce<E.Either<Fault, Graph>>(through, entered(road, g)), E.chain(verify))
    const done = isKernelRoad(road)
      ? through(road.kernels.reduce<E.Either<Fault, Kernels>>(through, through(graph, road.fuse)), road.memory)
      : graph
    return pipe<E.Either<Fault, unknown>, E.Either<Fault, ReadonlyArray<Stage>>>(
      done,
      E.map(() => stages),
    )
  }
