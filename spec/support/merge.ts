/** Several graphs as one, under paths of their own: they are compiled together, and lie in memory side by side. */
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { substitute } from '../../core/rewrite.ts'
import type { RandomGraph } from './graphs.ts'

/** The same graph with `prefix` before all of its paths. */
export const renamed = (prefix: string, r: RandomGraph): RandomGraph => {
  const moved = new Map(
    leavesOfGraph(r.graph).map((l): readonly [Expr, Expr] => [l.leaf, leaf(l.type, { ...l.source, path: `${prefix}${l.path}` })]),
  )
  const graph = substitute(moved)(r.graph)
  return {
    graph: { name: graph.name, outputs: graph.outputs.map((o) => ({ ...o, path: `${prefix}${o.path}` })) },
    floats: r.floats.map((e) => moved.get(e) ?? e),
    values: new Map([...r.values].map(([path, t]) => [`${prefix}${path}`, t])),
  }
}

/** Their paths must differ. */
export const merged = (all: ReadonlyArray<RandomGraph>): RandomGraph => ({
  graph: { name: 'merged', outputs: all.flatMap((r) => r.graph.outputs) },
  floats: all.flatMap((r) => r.floats),
  values: new Map(all.flatMap((r) => [...r.values])),
})

/** Only what these outputs need. */
export const only = (r: RandomGraph, paths: ReadonlySet<string>): RandomGraph => {
  const graph: Graph = { name: r.graph.name, outputs: r.graph.outputs.filter((o) => paths.has(o.path)) }
  return { ...r, graph }
}
