/** A graph: named outputs, and through them every leaf they depend on. */
import type { Expr, Leaf, Source } from './expr.ts'
import { topological } from './order.ts'
import type { TensorType } from './type.ts'

/**
 * `state` outputs replace the device's tensor of the same path (a state or param leaf) when the run is over;
 * `value` outputs are handed back.
 */
export interface Output {
  readonly role: 'state' | 'value'
  readonly path: string
  readonly expr: Expr
}

export interface Graph {
  readonly name: string
  readonly outputs: ReadonlyArray<Output>
}

export const value = (path: string, expr: Expr): Output => ({ role: 'value', path, expr })
export const state = (path: string, expr: Expr): Output => ({ role: 'state', path, expr })

export const roots = (g: Graph): ReadonlyArray<Expr> => g.outputs.map((o) => o.expr)

/** All nodes, arguments first. */
export const nodesOf = (g: Graph): ReadonlyArray<Expr> => topological(roots(g))

export type NamedSource = Extract<Source, { readonly path: string }>

export interface NamedLeaf {
  readonly path: string
  readonly type: TensorType
  readonly source: NamedSource
  readonly leaf: Leaf
}

/** The leaves that have a path, in order of first use. */
export const leavesOfGraph = (g: Graph): ReadonlyArray<NamedLeaf> =>
  nodesOf(g).flatMap((e): ReadonlyArray<NamedLeaf> =>
    e._tag === 'Leaf' && e.source._tag !== 'Fill' && e.source._tag !== 'Table'
      ? [{ path: e.source.path, type: e.type, source: e.source, leaf: e }]
      : [],
  )

/** Leaves that live on the device between runs. */
export const isResident = (l: NamedLeaf): boolean => l.source._tag === 'Param' || l.source._tag === 'State'
