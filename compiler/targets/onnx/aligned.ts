/**
 * One graph for all sizes of its open extents: the same network traced at several of them, node beside node. What is not the same number
 * everywhere must be a size of theirs, or one divided by such a size.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Expr, Json, Source } from '../../../core/expr.ts'
import { keyOf, scopeOf } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { nodesOf } from '../../../core/graph.ts'
import { showType } from '../../../core/type.ts'
import type { Open, Size } from './size.ts'
import { sizeFrom } from './size.ts'

/** A number in every element of a constant: the same everywhere, a size, or one divided by it. */
export type Filling =
  | { readonly _tag: 'Number'; readonly value: number }
  | { readonly _tag: 'Size'; readonly size: Size }
  | { readonly _tag: 'Share'; readonly size: Size }

/** A node: the expression at each of the points, the first of which stands for all. */
export interface Aligned {
  readonly at: ReadonlyArray<Expr>
  readonly shape: ReadonlyArray<Size>
  /** Places of its arguments among the nodes. */
  readonly args: ReadonlyArray<number>
}

export interface AlignedGraph {
  readonly nodes: ReadonlyArray<Aligned>
  /** Outputs by path, as places among the nodes. */
  readonly outputs: ReadonlyArray<readonly [path: string, node: number]>
}

const stuck = (e: Expr, found: string): Fault =>
  fault('target', {
    place: `onnx: ${e._tag === 'Apply' ? e.op.name : e._tag.toLowerCase()}${scopeOf(e) === '' ? '' : ` in ${scopeOf(e)}`}`,
    found,
    allowed: 'a network whose sizes are sums and products of those that are left open',
    remedy: 'write it for one size of images: --size HEIGHTxWIDTH',
  })

/** Lists of one length, one after the other, of the same sizes. */
export const sizesOf = (open: ReadonlyArray<Open>, lists: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<Size> | undefined => {
  const found: Array<Size> = []
  for (const i of lists[0].keys()) {
    const size = lists.every((l) => l.length === lists[0].length)
      ? sizeFrom(
          open,
          lists.map((l) => l[i]),
        )
      : undefined
    if (size === undefined) return undefined
    found.push(size)
  }
  return found
}

const isList = (j: Json): j is ReadonlyArray<Json> => Array.isArray(j)

/** All numbers of a parameter's JSON, in order, and all else of it as one text. */
const numbersIn = (j: Json): { readonly numbers: ReadonlyArray<number>; readonly rest: string } => {
  const numbers: Array<number> = []
  const walk = (x: Json): Json => {
    if (typeof x === 'number') {
      numbers.push(x)
      return null
    }
    if (x === null || typeof x !== 'object') return x
    return isList(x) ? x.map(walk) : Object.fromEntries(Object.entries(x).map(([k, v]) => [k, walk(v)]))
  }
  return { rest: keyOf(walk(j)), numbers }
}

/** What a leaf is but for its numbers. */
const kindOf = (s: Source): string => (s._tag === 'Fill' || s._tag === 'Table' ? s._tag : keyOf(s))

/** A constant's number at every point. */
export const fillingOf = (open: ReadonlyArray<Open>, values: ReadonlyArray<number>): Filling | undefined => {
  const [value] = values
  if (values.every((v) => Object.is(v, value))) return { _tag: 'Number', value }
  const size = values.every(Number.isInteger) ? sizeFrom(open, values) : undefined
  if (size !== undefined) return { _tag: 'Size', size }
  const below = values.map((v) => Math.round(1 / v))
  const share = values.every((v, i) => Math.abs(1 / v - below[i]) <= 1e-9 * below[i]) ? sizeFrom(open, below) : undefined
  return share === undefined ? undefined : { _tag: 'Share', size: share }
}

const fillsOf = (at: ReadonlyArray<Expr>): ReadonlyArray<number> =>
  at.flatMap((e) => (e._tag === 'Leaf' && e.source._tag === 'Fill' ? [e.source.value] : []))

/** Why expressions are not one node; nothing where they are. */
const whyNot = (open: ReadonlyArray<Open>, at: ReadonlyArray<Expr>): string | undefined => {
  const [first] = at
  if (first._tag === 'Leaf') {
    const sources = at.flatMap((e) => (e._tag === 'Leaf' ? [e.source] : []))
    if (sources.length < at.length || sources.some((s) => kindOf(s) !== kindOf(first.source))) return 'other leaves at other sizes'
    if (first.source._tag === 'Table' && sources.some((s) => keyOf(s) !== keyOf(first.source)))
      return `a table of constants that depends on the size: ${showType(first.type)}`
    if (first.source._tag === 'Fill' && fillingOf(open, fillsOf(at)) === undefined)
      return `a constant that depends on the size: ${fillsOf(at).join(', ')}`
    return undefined
  }
  if (first._tag === 'Invalid') return first.fault.found
  const others = at.flatMap((e) => (e._tag === 'Apply' ? [e] : []))
  if (others.length < at.length || others.some((e) => e.op.name !== first.op.name || e.args.length !== first.args.length))
    return 'another operation at another size'
  const params = others.map((e) => numbersIn(e.op.params))
  if (
    params.some((p) => p.rest !== params[0].rest) ||
    sizesOf(
      open,
      params.map((p) => p.numbers),
    ) === undefined
  )
    return `parameters that depend on the size otherwise: ${others
      .map((e) => keyOf(e.op.params))
      .slice(0, 3)
      .join(', ')}`
  return undefined
}

/** The graphs at `pointsOf(open)` as one. Fault: they differ in more than sizes. */
export const aligned = (open: ReadonlyArray<Open>, graphs: ReadonlyArray<Graph>): Either<Fault, AlignedGraph> => {
  const orders = graphs.map(nodesOf)
  const places = orders.map((nodes) => new Map(nodes.map((e, i) => [e, i])))
  const placeOf = (point: number, e: Expr): number => places[point].get(e) ?? -1
  const nodes: Array<Aligned> = []
  for (const [i, first] of orders[0].entries()) {
    const at = orders.flatMap((nodes) => (nodes[i] === undefined ? [] : [nodes[i]]))
    if (at.length < orders.length) return E.left(stuck(first, 'fewer operations at another size'))
    const why = whyNot(open, at)
    if (why !== undefined) return E.left(stuck(first, why))
    const shape = sizesOf(
      open,
      at.map((e) => e.type.shape),
    )
    if (shape === undefined || at.some((e) => e.type.dtype !== first.type.dtype))
      return E.left(
        stuck(
          first,
          `sizes that are no sums of products: ${at
            .slice(0, 3)
            .map((e) => showType(e.type))
            .join(', ')}`,
        ),
      )
    const args = at.map((e, point) => (e._tag === 'Apply' ? e.args.map((a) => placeOf(point, a)) : []))
    if (args.some((list) => list.some((a, k) => a !== args[0][k]))) return E.left(stuck(first, 'other arguments at another size'))
    nodes.push({ at, shape, args: args[0] })
  }
  if (orders.some((order) => order.length !== nodes.length)) return E.left(stuck(orders[0][0], 'more operations at another size'))
  return E.right({ nodes, outputs: graphs[0].outputs.map((o) => [o.path, placeOf(0, o.expr)] as const) })
}
