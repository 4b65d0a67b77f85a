/** The plan of a run: which kernel runs when on which memory, and what that costs. It is the end of a road, and all that a target runs. */
import type { Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../core/graph.ts'
import type { DType } from '../../core/type.ts'
import { bytesOf, sizeOf } from '../../core/type.ts'
import type { Kernels, LeafPlace } from '../kernel/fused.ts'
import { workOf } from '../kernel/kernel.ts'
import type { Fullest } from './fullest.ts'

/** Where a tensor lies during a run; a temporary by the number of its slot, or by its offset in the arena in bytes. */
export type Place = LeafPlace | { readonly _tag: 'Temporary'; readonly at: number }

export type Step =
  | { readonly _tag: 'Launch'; readonly fused: number; readonly reads: ReadonlyArray<Place>; readonly writes: ReadonlyArray<Place> }
  /** The tensor becomes the new state of its path. */
  | { readonly _tag: 'Update'; readonly from: Place; readonly path: string; readonly dtype: DType; readonly length: number }

export interface Slot {
  readonly dtype: DType
  readonly length: number
}

export type Temporaries =
  /** Buffers by themselves, each of one type for the whole run. */
  | { readonly _tag: 'Slots'; readonly slots: ReadonlyArray<Slot> }
  /** One buffer for all. */
  | { readonly _tag: 'Arena'; readonly bytes: number }

export interface Plan extends Kernels {
  readonly steps: ReadonlyArray<Step>
  readonly temporaries: Temporaries
  /** What is there when most is. */
  readonly fullest: Fullest
  /** Scalar hypers in the order of the common buffer. */
  readonly hypers: ReadonlyArray<Expr>
  /** Where each value output lies when the run is over. */
  readonly values: ReadonlyArray<{ readonly path: string; readonly expr: Expr; readonly place: Place }>
}

/** What kernels cost. */
export interface WorkTotals {
  readonly launches: number
  readonly distinct: number
  /** Floating-point operations of one run. */
  readonly flops: number
  /** Of them, in contractions. */
  readonly contractionFlops: number
  /** Bytes that kernels read and write, each buffer once a kernel. */
  readonly bytes: number
}

/** What a plan costs: printed under every stage by `npm run ir`. */
export interface Totals extends WorkTotals {
  /** Copies over old states. */
  readonly updates: number
  /** Bytes that temporaries take. */
  readonly temporaryBytes: number
}

/** Memory of the resident leaves, in bytes. */
export const residentBytes = (g: Graph): number =>
  leavesOfGraph(g)
    .filter(isResident)
    .reduce((n, l) => n + sizeOf(l.type.shape) * bytesOf(l.type.dtype), 0)

export const temporaryBytes = (t: Temporaries): number =>
  t._tag === 'Arena' ? t.bytes : t.slots.reduce((n, s) => n + s.length * bytesOf(s.dtype), 0)

export const workTotals = ({ kernels }: Kernels): WorkTotals => {
  const works = kernels.map((k) => workOf(k.kernel))
  return {
    launches: kernels.length,
    distinct: new Set(kernels.map((k) => k.kernel.key)).size,
    flops: works.reduce((n, w) => n + w.flops, 0),
    contractionFlops: works.reduce((n, w) => n + (w.contraction ? w.flops : 0), 0),
    bytes: works.reduce((n, w) => n + w.bytes, 0),
  }
}

export const totalsOf = (p: Plan): Totals => ({
  ...workTotals(p),
  updates: p.steps.filter((s) => s._tag === 'Update').length,
  temporaryBytes: temporaryBytes(p.temporaries),
})
