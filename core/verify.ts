/**
 * The specification of the IR: a graph is well formed when
 *  1. it holds no `Invalid`;
 *  2. every leaf's dimensions are positive whole numbers, and constants fit their types;
 *  3. every application's type is what its op infers from its arguments' types;
 *  4. a path names one leaf: same role, same type;
 *  5. output paths are unique per role, and a state output has the type of the resident leaf of its path.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Expr, Source } from './expr.ts'
import { scopeOf } from './expr.ts'
import type { Fault } from './fault.ts'
import { faultsOf } from './fault.ts'
import type { Graph } from './graph.ts'
import { leavesOfGraph, nodesOf } from './graph.ts'
import type { TensorType } from './type.ts'
import { equalType, isDimension, isFloat, isValueOf, showType, sizeOf } from './type.ts'

const bad = faultsOf('graph')

const constantsOf = (s: Source, type: TensorType): ReadonlyArray<number> =>
  isFloat(type.dtype) ? [] : s._tag === 'Fill' ? [s.value] : s._tag === 'Table' ? s.values : []

const checkNode = (e: Expr): Fault | undefined => {
  if (e._tag === 'Invalid') {
    const scope = scopeOf(e)
    return scope === '' ? e.fault : { ...e.fault, place: `${e.fault.place} in ${scope}` }
  }
  if (e._tag === 'Leaf') {
    const place = 'path' in e.source ? e.source.path : `a ${e.source._tag.toLowerCase()} constant`
    if (!e.type.shape.every(isDimension))
      return bad(place, showType(e.type), 'dimensions that are whole numbers of at least 1', 'give the leaf a non-empty static shape')
    if (e.source._tag === 'Table' && e.source.values.length !== sizeOf(e.type.shape))
      return bad(
        place,
        `${e.source.values.length} values for ${showType(e.type)}`,
        `${sizeOf(e.type.shape)} values`,
        'make the list as long as the shape says',
      )
    const odd = constantsOf(e.source, e.type).find((v) => !isValueOf(e.type.dtype, v))
    return odd === undefined
      ? undefined
      : bad(
          place,
          `the value ${odd} in ${showType(e.type)}`,
          'for i32 whole numbers of 32 bits, for bool 0 and 1',
          'round the value, or give the constant a float type',
        )
  }
  const inferred = e.op.type(e.args.map((a) => a.type))
  if (E.isLeft(inferred)) return bad(e.op.name, e.args.map((a) => showType(a.type)).join(', '), inferred.left.allowed, inferred.left.remedy)
  return equalType(inferred.right, e.type)
    ? undefined
    : bad(e.op.name, `a node typed ${showType(e.type)}`, showType(inferred.right), 'rebuild the node with `apply`, which infers the type')
}

/** The graph itself, or the first fault in order of evaluation. */
export const verify = (g: Graph): E.Either<Fault, Graph> => {
  for (const e of nodesOf(g)) {
    const f = checkNode(e)
    if (f !== undefined) return E.left(f)
  }
  const named = leavesOfGraph(g)
  const byPath = new Map<string, (typeof named)[number]>()
  for (const l of named) {
    const first = byPath.get(l.path)
    if (first !== undefined)
      return E.left(
        bad(
          l.path,
          `${l.source._tag.toLowerCase()} ${showType(l.type)} beside ${first.source._tag.toLowerCase()} ${showType(first.type)}`,
          'one role and one type for each path',
          'give the leaves different paths',
        ),
      )
    byPath.set(l.path, l)
  }
  const seen = new Set<string>()
  for (const o of g.outputs) {
    const name = `${o.role} ${o.path}`
    if (seen.has(name)) return E.left(bad(o.path, `two ${o.role} outputs of this path`, 'one', 'rename one of them'))
    seen.add(name)
    if (o.role !== 'state') continue
    const old = byPath.get(o.path)
    if (old !== undefined && !equalType(old.type, o.expr.type))
      return E.left(
        bad(
          o.path,
          `a new state ${showType(o.expr.type)}`,
          `the state's own type ${showType(old.type)}`,
          'return a state of the type it was declared with',
        ),
      )
  }
  return E.right(g)
}
