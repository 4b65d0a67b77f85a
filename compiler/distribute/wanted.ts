/** How the new values of split states would like to come: followed from the states back to the gradients that they are made of. */
import type { Apply, Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import type { Scalar } from '../../core/scalar.ts'
import type { Split } from './placement.ts'
import { reach } from './reach.ts'
import { isPlain } from './ways.ts'

/** Of each expression that a split state is made of along the split axis: its split. */
export const wantedSplits = (g: Graph, parts: ReadonlyMap<string, Split>, meaningOf: (e: Apply) => Scalar): ReadonlyMap<Expr, Split> => {
  const wanted = new Map<Expr, Split>()
  for (const o of g.outputs) {
    const split = o.role === 'state' ? parts.get(o.path) : undefined
    if (split !== undefined) wanted.set(o.expr, split)
  }
  for (const e of [...nodesOf(g)].reverse()) {
    const split = wanted.get(e)
    if (e._tag !== 'Apply' || split === undefined || !isPlain(meaningOf(e))) continue
    const v = { _tag: 'Axis', id: split.axis, extent: e.type.shape[split.axis] } as const
    const at = reach(
      meaningOf(e),
      v,
      e.args.map((a) => a.type),
    )
    at?.forEach((axis, i) => {
      if (axis >= 0 && !wanted.has(e.args[i])) wanted.set(e.args[i], { ...split, axis })
    })
  }
  return wanted
}
