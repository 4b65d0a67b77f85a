/**
 * Steps that give no finite numbers may be left out, as a rewrite of the whole step.
 *
 * ```
 * before  state w = %next
 * after   %bad = sum over all next states and the loss of (select(less(abs(%x), limit), 0, 1))
 *         state w = select(less(0, %bad), state w, %next);   value skipped = select(less(0, %bad), 1, 0)
 * ```
 * Nothing is updated at such a step, moments and centres too; the random draws and the data go on.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { isResident, leavesOfGraph, state, value } from '../../core/graph.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { abs, add, cast, less, where } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'

/** Near the largest f32: what is not below it is infinite or no number. */
const limit = 3e38

/** The value output that says whether a step was left out: 1 or 0. */
export const skippedName = 'skipped'

/** How many elements of a tensor are no finite numbers. */
const wrongIn = (x: Expr): Expr => sum()(where(less(abs(x), limit), 0, 1))

const skipping = (g: Graph): Graph => {
  const states = g.outputs.filter((o) => o.role === 'state')
  const watched = [...g.outputs.filter((o) => o.role === 'value' && o.path === 'loss'), ...states].filter(
    (o) => o.expr.type.dtype === 'f32',
  )
  const [first, ...rest] = watched.map((o) => wrongIn(o.expr))
  if (first === undefined) return g
  const bad = less(
    0,
    rest.reduce((a, b) => add(a, b), first),
  )
  const old = new Map(
    leavesOfGraph(g)
      .filter(isResident)
      .map((l) => [l.path, l.leaf]),
  )
  const before = (path: string, next: Expr): Expr => old.get(path) ?? leaf(next.type, { _tag: 'State', path })
  return {
    name: g.name,
    outputs: [
      ...g.outputs.map((o) => (o.role === 'state' ? state(o.path, where(bad, before(o.path, o.expr), o.expr)) : o)),
      value(skippedName, cast('f32')(bad)),
    ],
  }
}

/** Leaves out steps whose loss or next state is not finite. */
export const skipNonFinite: Rewrite<'step'> = { name: 'skip what is not finite', stage: 'step', run: (g) => E.right(skipping(g)) }
