/**
 * What a distributed step costs on paper: what its ranks send each other, by kind, and what each computes, beside the least there can be.
 *
 * A rank sends of a tensor of S bytes (N-1)/N S where parts are joined or sums are scattered, and twice as much where sums are wanted by
 * all: no algorithm sends less (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms", 2009). A message between two ranks takes its
 * bytes over the bandwidth, and a latency; a collective is ceil(log2 N) rounds of them, a sum for all is two collectives. Nothing overlaps.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Apply } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { isResident, leavesOfGraph, nodesOf } from '../../core/graph.ts'
import type { Scalar } from '../../core/scalar.ts'
import type { TensorType } from '../../core/type.ts'
import { bytesOf, sizeOf } from '../../core/type.ts'
import { residentBytes } from '../memory/plan.ts'
import { takeApart } from '../passes/apart.ts'
import { narrow } from '../passes/narrow.ts'
import { ranksOf } from './alone.ts'
import type { Distributed } from './placement.ts'
import type { DistributionOptions } from './strategy.ts'
import { distribute, stateSplit } from './strategy.ts'

/** How ranks are connected, each with the next. */
export interface Net {
  /** Bytes a second that a rank sends while it receives as many. */
  readonly bandwidth: number
  /** Seconds until the first byte arrives. */
  readonly latency: number
}

/**
 * Bandwidths as vendors state them: NVLink 4 of an H100, 18 links of 25 GB/s each way; ICI of a TPU v5e, 4 of 50. Latencies are round
 * figures.
 */
export const nets = {
  '10GbE': { bandwidth: 1.25e9, latency: 3e-5 },
  '100GbE': { bandwidth: 12.5e9, latency: 1e-5 },
  NVLink: { bandwidth: 450e9, latency: 3e-6 },
  ICI: { bandwidth: 200e9, latency: 2e-6 },
} as const satisfies Readonly<Record<string, Net>>

/** Collectives of one kind. */
export interface Sent {
  readonly count: number
  /** Of the whole tensors. */
  readonly bytes: number
}

export interface StepCost {
  readonly ranks: number
  /** By the name of the collective; what moves nothing between ranks is left out. */
  readonly sent: ReadonlyMap<string, Sent>
  /** Bytes that a rank sends in all. */
  readonly sends: number
  /** Bytes that a rank would send at least, were each gradient summed once and each split weight fetched once for each use. */
  readonly least: number
  /** Floating-point operations in products, of a rank. */
  readonly flops: number
  /** Bytes of parameters, moments and teacher of a rank. */
  readonly state: number
  /** Seconds that messages take. */
  readonly seconds: (net: Net) => number
}

const bytesIn = (t: TensorType): number => sizeOf(t.shape) * bytesOf(t.dtype)

/** How often a tensor of a collective goes over the wire, in (N-1)/N of it: what is cut or placed is there already. */
const times: Readonly<Record<string, number>> = { allReduce: 2, allGather: 1, reduceScatter: 1 }

const uncast = (s: Scalar): Scalar => (s._tag === 'Cast' ? uncast(s.x) : s)

/** Additions and multiplications of one element of a result, where it is a sum of products of two reads. */
const productsOf = (s: Scalar): number => {
  const sum = uncast(s)
  if (sum._tag !== 'Reduce' || sum.op !== 'sum') return 0
  const body = uncast(sum.body)
  if (body._tag !== 'Binary') return sum.extent * productsOf(body)
  return body.op === 'mul' && uncast(body.x)._tag === 'Read' && uncast(body.y)._tag === 'Read' ? 2 * sum.extent : 0
}

const meaningOf = (e: Apply): Scalar =>
  e.op.lower(
    e.args.map((a) => a.type),
    e.type,
  )

/** Operations in products, with regions taken apart and rows that nobody reads left out, as targets do. */
export const productFlops = (g: Graph): Either<Fault, number> =>
  pipe(
    narrow.run(g),
    E.chain(takeApart(() => false).run),
    E.map((plain) => nodesOf(plain).reduce((n, e) => (e._tag === 'Apply' ? n + sizeOf(e.type.shape) * productsOf(meaningOf(e)) : n), 0)),
  )

const sentBy = ({ graph }: Distributed): ReadonlyMap<string, Sent> => {
  const sent = new Map<string, Sent>()
  for (const e of nodesOf(graph)) {
    if (e._tag !== 'Apply' || ranksOf(e) === 0 || !(e.op.name in times)) continue
    const { count, bytes } = sent.get(e.op.name) ?? { count: 0, bytes: 0 }
    sent.set(e.op.name, { count: count + 1, bytes: bytes + Math.max(bytesIn(e.type), bytesIn(e.args[0].type)) })
  }
  return sent
}

/**
 * Bytes of whole tensors, weighed by how often they go over the wire at least: gradients of what is trained (`isTrained`) are summed for
 * all, or scattered; split weights are fetched for the forward pass, and those that are trained again for gradients.
 */
const leastOf = (g: Graph, o: DistributionOptions, isTrained: (path: string) => boolean, isWeight: (path: string) => boolean): number =>
  leavesOfGraph(g)
    .filter((l) => isResident(l) && isWeight(l.path))
    .reduce((n, l) => {
      const split = o.strategy === 'fsdp' && stateSplit(l.type, o.ranks, o.least) !== undefined
      const trained = isTrained(l.path)
      return n + bytesIn(l.type) * (split ? (trained ? 3 : 1) : trained ? 2 : 0)
    }, 0)

/** Which residents are trained, and which are parameters of networks at all: student and teacher. */
export interface Weights {
  readonly isTrained: (path: string) => boolean
  readonly isWeight: (path: string) => boolean
}

/** What the step of one rank among N costs. Faults: those of `distribute`. */
export const costOfStep =
  (o: DistributionOptions, { isTrained, isWeight }: Weights) =>
  (g: Graph): Either<Fault, StepCost> =>
    pipe(
      E.Do,
      E.bind('d', () => distribute(o)(g)),
      E.bind('flops', ({ d }) => productFlops(d.graph)),
      E.map(({ d, flops }): StepCost => {
        const sent = sentBy(d)
        const share = (o.ranks - 1) / o.ranks
        const sends = share * [...sent].reduce((n, [name, { bytes }]) => n + times[name] * bytes, 0)
        const rounds = Math.ceil(Math.log2(o.ranks)) * [...sent].reduce((n, [name, { count }]) => n + times[name] * count, 0)
        return {
          ranks: o.ranks,
          sent,
          sends,
          least: share * leastOf(g, o, isTrained, isWeight),
          flops,
          state: residentBytes(d.graph),
          seconds: ({ bandwidth, latency }) => sends / bandwidth + rounds * latency,
        }
      }),
    )
