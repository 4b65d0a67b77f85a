/** Kernels between tensors: what a kernel pass works on, and where tensors lie that no kernel makes. */
import type { Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import type { TensorType } from '../../core/type.ts'
import { bytesOf, sizeOf } from '../../core/type.ts'
import type { Kernel } from './kernel.ts'

/** A copy of a tensor in another layout; see passes/pack.ts. */
export interface Packed {
  readonly _tag: 'Packed'
  readonly type: TensorType
  readonly length: number
}

/** The values of another tensor, computed a second time; see passes/recompute.ts. */
export interface Again {
  readonly _tag: 'Again'
  readonly type: TensorType
}

/** What a kernel writes: an expression's value, a packed copy, or values computed again. */
export type Made = Expr | Packed | Again

/** What lies in memory: what kernels write, or the buffer of all scalar hypers. */
export type Tensor = Made | 'hyper'

/** One kernel and the tensors it stands between. */
export interface Fused {
  readonly kernel: Kernel
  readonly reads: ReadonlyArray<Tensor>
  readonly writes: ReadonlyArray<Made>
}

/** The same kernel between other tensors. A pass that works on a kernel makes terms in its table, so it has one of its own. */
export const betweenOthers = (kernel: Kernel, name: string, reads: ReadonlyArray<Tensor>, writes: ReadonlyArray<Made>): Fused => ({
  kernel: { ...kernel, name, table: kernel.table.copy() },
  reads,
  writes,
})

/** A graph and the kernels that compute it, each after what it reads. */
export interface Kernels {
  readonly graph: Graph
  readonly kernels: ReadonlyArray<Fused>
}

export const isHyper = (e: Expr): boolean => e._tag === 'Leaf' && e.source._tag === 'Hyper' && e.type.shape.length === 0

/** Scalar hypers in the order of their places in the common buffer. */
export const hypersOf = (g: Graph): ReadonlyArray<Expr> => nodesOf(g).filter(isHyper)

/** Where a tensor lies that no kernel makes. */
export type LeafPlace =
  | { readonly _tag: 'Resident'; readonly path: string }
  | { readonly _tag: 'Given'; readonly path: string }
  | { readonly _tag: 'Constant'; readonly expr: Expr }
  | { readonly _tag: 'Hyper' }

/** The place of a leaf; undefined for what a kernel makes. */
export const leafPlace = (e: Tensor): LeafPlace | undefined => {
  if (e === 'hyper') return { _tag: 'Hyper' }
  if (e._tag !== 'Leaf') return undefined
  switch (e.source._tag) {
    case 'Param':
    case 'State':
      return { _tag: 'Resident', path: e.source.path }
    case 'Input':
    case 'Hyper':
    case 'Draw':
      return { _tag: 'Given', path: e.source.path }
    case 'Fill':
    case 'Table':
      return { _tag: 'Constant', expr: e }
  }
}

/** The path of a tensor that lives on the device between runs. */
export const residentPath = (e: Tensor): string | undefined =>
  e !== 'hyper' && e._tag === 'Leaf' && (e.source._tag === 'Param' || e.source._tag === 'State') ? e.source.path : undefined

/** The common buffer of hypers counts for nothing. */
export const bytesOfTensor = (t: Tensor): number => (t === 'hyper' ? 0 : sizeOf(t.type.shape) * bytesOf(t.type.dtype))

/** The tensors that the graph hands on, as values or as new states. */
export const outputsOf = (g: Graph): ReadonlySet<Tensor> => new Set(g.outputs.map((o) => o.expr))
