/**
 * A training step for N ranks, each with a part of the images (and, fully sharded, of the state): placements are followed from the leaves
 * through the graph, and collectives stand where a value has to be elsewhere than where it was made.
 *
 * ```
 * before  %g = sum {axes [0]} (%x)                     %x [B, D], a part of the images on each rank
 *         state w = sub(%w, %g)
 * after   %g = allReduce {sum} (sum {axes [0]} (%x))   %x [B / N, D]
 *         state w = sub(%w, %g)                        w the same on all ranks: data parallel
 * or      %g = reduceScatter (sum {axes [0]} (%x))
 *         state w = sub(%w, %g)                        w a part on each rank: fully sharded
 * ```
 * Gradients have been taken before, so that this is a rewrite of any graph. Losses and optimizers know nothing of ranks: a sum over the
 * batch is a sum of addends on each rank, and is reduced where something needs the sum itself.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { none, some } from 'fp-ts/lib/Option.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { labelScope, leaf, mark, scopeOf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { topological } from '../../core/order.ts'
import type { Scalar } from '../../core/scalar.ts'
import { tensorType } from '../../core/type.ts'
import { verify } from '../../core/verify.ts'
import { ranksOf } from './alone.ts'
import { converted, cutFrom } from './convert.ts'
import type { Distributed, Placement, Split } from './placement.ts'
import { isSplit, keyOfPlacement, partShape, same, sameCut } from './placement.ts'
import type { Known, Way } from './special.ts'
import { splitOfList } from './special.ts'
import { wantedSplits } from './wanted.ts'
import { chosenWay, isPlain, wayTo, whole } from './ways.ts'

export interface DistributeOptions {
  /** N */
  readonly ranks: number
  /** Images of the whole batch: an axis of which they are a part is cut by images. */
  readonly images: number
  /** Leaves of which a rank has a part, by path: inputs, and tensors that live on the device. */
  readonly parts: ReadonlyMap<string, Split>
  /** The region in which parameters are gathered by scope, `''` for none: apart in the forward pass and after it. */
  readonly regionOf: (scope: string) => string
  /** The ways of another program of the same graph (`waysOf`), whose sums this one makes of the same addends. Default: none. */
  readonly like?: ReadonlyMap<Expr, Way>
}

/** A value as a rank has it. */
interface Held {
  readonly expr: Expr
  readonly at: Placement
}

/** How far a part is asked of what all ranks have; beyond, it is computed whole and cut. */
const depth = 64

interface Gone {
  readonly outputs: Graph['outputs']
  /** Addends that had to be summed, and to what. */
  readonly demands: ReadonlyMap<Expr, ReadonlyArray<Placement>>
  /** How each expression is computed. */
  readonly ways: ReadonlyMap<Expr, Way>
}

/**
 * A way with the sums of another program, so that both round alike. What is summed there of parts of the state, such as the norm of a
 * gradient, is summed here of the same parts, which all ranks have; what is summed there before something is done with it, here too.
 */
const alike = (e: Apply, own: Way, places: ReadonlyArray<Placement>, other: Way | undefined): Way => {
  if (other === undefined || places.some(isSplit)) return own
  const isSum = (w: Way): boolean => w.gives._tag === 'Partial'
  if (isSum(other)) return other.wants.some(isSplit) ? other : own
  return isSum(own) ? whole(e) : own
}

/** Goes through the graph; `settled`: where addends are summed as soon as they are made. */
const gone = (g: Graph, o: DistributeOptions, meaningOf: (e: Apply) => Scalar, settled: ReadonlyMap<Expr, Placement>): Gone => {
  const known: Known = { ranks: o.ranks, images: o.images, boxes: new Map(), lists: new Map() }
  const loss = g.outputs.find((x) => x.role === 'value' && x.path === 'loss')
  const forward = new Set(loss === undefined ? [] : topological([loss.expr]))
  const held = new Map<Expr, Held>()
  const made = new Map<string, Expr>()
  const demands = new Map<Expr, Array<Placement>>()
  const ways = new Map<Expr, Way>()
  const heldOf = (e: Expr): Held => held.get(e) ?? { expr: e, at: same }

  const regionFor = (reader: Expr | undefined): Option<string> => {
    const block = reader === undefined ? '' : o.regionOf(scopeOf(reader))
    if (reader === undefined || block === '') return none
    const isForward = forward.has(reader) && !(reader._tag === 'Apply' && reader.region._tag === 'Some')
    return some(`${isForward ? 'gathered' : 'gathered again'} ${block}`)
  }

  /** A part of what all ranks have, without computing the whole where that can be. */
  const partOf = (e: Expr, to: Split, left: number): Expr => {
    const h = heldOf(e)
    const isShared = ({ at: place }: Held): boolean => place._tag === 'Same' || (isSplit(place) && place.of === 'state')
    const shared = e._tag === 'Apply' && h.at._tag === 'Same' && left > 0 && e.args.every((a) => isShared(heldOf(a)))
    const meaning = shared ? meaningOf(e) : undefined
    const way = shared && meaning !== undefined && isPlain(meaning) ? wayTo(e, meaning, to, o.ranks) : undefined
    return way === undefined || e._tag !== 'Apply'
      ? cutFrom(o.ranks, to)(h.expr)
      : way.make(
          e.args.map((a, i) => {
            const want = way.wants[i]
            return at(a, isSplit(want) ? want : same, e, left - 1)
          }),
        )
  }

  const at = (e: Expr, to: Placement, reader: Expr | undefined, left = depth): Expr => {
    const h = heldOf(e)
    if (keyOfPlacement(h.at) === keyOfPlacement(to)) return h.expr
    if (h.at._tag === 'Partial') demands.set(e, [...(demands.get(e) ?? []), to])
    const region = isSplit(h.at) && h.at.of === 'state' ? regionFor(reader) : none
    const key = `${e.id} ${keyOfPlacement(to)} ${region._tag === 'Some' ? region.value : ''}`
    const before = made.get(key)
    if (before !== undefined) return before
    const since = mark()
    const now = h.at._tag === 'Same' && isSplit(to) ? partOf(e, to, left) : converted(o.ranks, h.expr, h.at, to, region)
    labelScope(scopeOf(region._tag === 'Some' && reader !== undefined ? reader : e), since, [now])
    made.set(key, now)
    return now
  }

  for (const e of nodesOf(g)) {
    if (e._tag === 'Leaf') {
      const split = 'path' in e.source ? o.parts.get(e.source.path) : undefined
      if (split !== undefined)
        held.set(e, { expr: leaf(tensorType(e.type.dtype, partShape(o.ranks, split, e.type.shape)), e.source), at: split })
      continue
    }
    if (e._tag !== 'Apply') continue
    const since = mark()
    const places = e.args.map((a) => heldOf(a).at)
    const way = alike(e, chosenWay(e, meaningOf(e), places, known), places, o.like?.get(e))
    ways.set(e, way)
    const now = way.make(e.args.map((a, i) => at(a, way.wants[i], e)))
    labelScope(scopeOf(e), since, [now])
    held.set(e, { expr: now, at: way.gives })
    if (way.gives._tag !== 'Partial') continue
    // what a list has read of all ranks is shared out along the list
    const to = settled.get(e) ?? splitOfList(e, known)
    if (to !== undefined) held.set(e, { expr: at(e, to, undefined), at: to })
  }
  const outputs = g.outputs.map((x) => ({
    ...x,
    expr: at(x.expr, (x.role === 'state' ? o.parts.get(x.path) : undefined) ?? same, undefined),
  }))
  return { outputs, demands, ways }
}

/** Where addends are summed that several have asked for: in the way that the state wants them, or all agree on. */
const agreed = (demands: ReadonlyArray<Placement>, wanted: Split | undefined): Placement => {
  if (wanted !== undefined) return wanted
  const [first] = demands
  return isSplit(first) && demands.every((d) => isSplit(d) && sameCut(d, first)) ? first : same
}

const bad = (place: string, found: string, allowed: string, remedy: string): Fault => fault('graph', { place, found, allowed, remedy })

const checked = (g: Graph, o: DistributeOptions): Either<Fault, Graph> => {
  const already = nodesOf(g).find((e) => ranksOf(e) > 0)
  if (already !== undefined)
    return E.left(bad('distribute', 'a program that speaks to other ranks already', 'a program of one rank', 'distribute once, at the end'))
  return Number.isInteger(o.ranks) && o.ranks >= 1
    ? E.right(g)
    : E.left(bad('distribute', `${o.ranks} ranks`, 'whole numbers of at least 1', 'correct the number of ranks'))
}

/** Goes through the graph until no addends are left that several have asked for. */
const settling = (graph: Graph, o: DistributeOptions): Gone => {
  const meanings = new Map<Expr, Scalar>()
  const meaningOf = (e: Apply): Scalar => {
    const seen = meanings.get(e)
    if (seen !== undefined) return seen
    const m = e.op.lower(
      e.args.map((a) => a.type),
      e.type,
    )
    meanings.set(e, m)
    return m
  }
  const wanted = wantedSplits(graph, o.parts, meaningOf)
  const settled = new Map<Expr, Placement>()
  // what is summed once is summed for all its readers; ends, as each round settles more of the graph's nodes
  for (;;) {
    const done = gone(graph, o, meaningOf, settled)
    const more = [...done.demands].filter(([e]) => !settled.has(e))
    if (more.length === 0) return done
    for (const [e, to] of more) settled.set(e, agreed(to, wanted.get(e)))
  }
}

/** How each expression of a graph is computed. */
export const waysOf = (graph: Graph, o: DistributeOptions): ReadonlyMap<Expr, Way> => settling(graph, o).ways

/** The program of one rank among N. Law, tested: `stack` of it computes what the graph computes. */
export const distributed =
  (o: DistributeOptions) =>
  (graph: Graph): Either<Fault, Distributed> =>
    pipe(
      checked(graph, o),
      E.chain(() => verify({ name: graph.name, outputs: settling(graph, o).outputs })),
      E.map((g): Distributed => ({ graph: g, ranks: o.ranks, parts: o.parts })),
    )
