/**
 * The schedule: in which order kernels run, which memory each tensor has and for how long. Temporaries share slots when
 * their lifetimes do not overlap. A new state is written to a temporary and copied over the old one as soon as nobody
 * reads the old one any more: so a buffer is never read and written in one launch, and every program sees one layout.
 */
import type { Expr } from '../core/expr.ts'
import type { Graph } from '../core/graph.ts'
import { isResident, leavesOfGraph } from '../core/graph.ts'
import type { DType } from '../core/type.ts'
import { bytesOf, sizeOf } from '../core/type.ts'
import type { Fused, Tensor } from './passes/fuse.ts'
import { hypersOf } from './passes/fuse.ts'
import { workOf } from './kernel/kernel.ts'

/** Where a tensor lies that no kernel makes. */
export type LeafPlace =
  | { readonly _tag: 'Resident'; readonly path: string }
  | { readonly _tag: 'Given'; readonly path: string }
  | { readonly _tag: 'Constant'; readonly expr: Expr }
  | { readonly _tag: 'Hyper' }

/** Where a tensor lies during a run. */
export type Place =
  | LeafPlace
  | { readonly _tag: 'Temporary'; readonly slot: number }

export type Step =
  | { readonly _tag: 'Launch'; readonly fused: number; readonly reads: ReadonlyArray<Place>; readonly write: Place }
  /** The tensor becomes the new state of its path. */
  | { readonly _tag: 'Update'; readonly from: Place; readonly path: string; readonly dtype: DType; readonly length: number }

export interface TemporarySlot {
  readonly dtype: DType
  readonly length: number
}

export interface Plan {
  readonly graph: Graph
  readonly kernels: ReadonlyArray<Fused>
  readonly steps: ReadonlyArray<Step>
  readonly slots: ReadonlyArray<TemporarySlot>
  /** Scalar hypers in the order of the common buffer. */
  readonly hypers: ReadonlyArray<Expr>
  /** Where each value output lies when the run is over. */
  readonly values: ReadonlyArray<{ readonly path: string; readonly expr: Expr; readonly place: Place }>
}

/** The place of a leaf; undefined for what a kernel makes. */
export const leafPlace = (e: Tensor): LeafPlace | undefined => {
  if (e === 'hyper') return { _tag: 'Hyper' }
  if (e._tag !== 'Leaf') return undefined
  switch (e.source._tag) {
    case 'Param':
    case 'State': return { _tag: 'Resident', path: e.source.path }
    case 'Input':
    case 'Hyper':
    case 'Draw': return { _tag: 'Given', path: e.source.path }
    case 'Fill':
    case 'Table': return { _tag: 'Constant', expr: e }
  }
}

/** The path of a tensor that lives on the device between runs. */
export const residentPath = (e: Tensor): string | undefined =>
  e !== 'hyper' && e._tag === 'Leaf' && (e.source._tag === 'Param' || e.source._tag === 'State') ? e.source.path : undefined

/** Orders the kernels as fused and gives every tensor its place. */
export const schedule = (g: Graph, kernels: ReadonlyArray<Fused>): Plan => {
  const lastRead = new Map<Tensor, number>()
  const lastReadOfState = new Map<string, number>()
  kernels.forEach((k, i) => {
    for (const r of k.reads) {
      if (r !== 'hyper') lastRead.set(r, i)
      const path = residentPath(r)
      if (path !== undefined) lastReadOfState.set(path, i)
    }
  })
  const made = new Map(kernels.map((k, i): readonly [Tensor, number] => [k.writes[0], i]))
  const updates = g.outputs.filter((o) => o.role === 'state' && residentPath(o.expr) !== o.path)
  // an update happens after the kernel that makes it and after the last reader of the old state
  const updatesAt = new Map<number, Array<(typeof updates)[number]>>()
  for (const u of updates) {
    const at = Math.max(made.get(u.expr) ?? -1, lastReadOfState.get(u.path) ?? -1)
    updatesAt.set(at, [...(updatesAt.get(at) ?? []), u])
    lastRead.set(u.expr, Math.max(at, lastRead.get(u.expr) ?? -1))
  }
  const values = g.outputs.filter((o) => o.role === 'value')
  for (const v of values) lastRead.set(v.expr, Infinity)

  const slots: Array<TemporarySlot> = []
  const free: Array<number> = []
  const places = new Map<Tensor, Place>()
  const slotOf = new Map<Tensor, number>()
  const take = (dtype: DType, length: number): number => {
    const found = free.findIndex((s) => slots[s].length === length && slots[s].dtype === dtype)
    if (found >= 0) return free.splice(found, 1)[0]
    slots.push({ dtype, length })
    return slots.length - 1
  }
  const placeOf = (e: Tensor): Place => {
    const place = places.get(e) ?? leafPlace(e)
    // kernels come in topological order, so whatever is no leaf has been made by now
    return place ?? { _tag: 'Hyper' }
  }
  const steps: Array<Step> = []
  kernels.forEach((k, i) => {
    const out = k.writes[0]
    const slot = take(out.type.dtype, sizeOf(out.type.shape))
    const write: Place = { _tag: 'Temporary', slot }
    steps.push({ _tag: 'Launch', fused: i, reads: k.reads.map(placeOf), write })
    places.set(out, write)
    slotOf.set(out, slot)
    for (const u of updatesAt.get(i) ?? [])
      steps.push({ _tag: 'Update', from: placeOf(u.expr), path: u.path, dtype: u.expr.type.dtype, length: sizeOf(u.expr.type.shape) })
    for (const e of new Set<Tensor>([out, ...k.reads, ...(updatesAt.get(i) ?? []).map((u) => u.expr)])) {
      if (e === 'hyper' || (lastRead.get(e) ?? -1) > i) continue
      const s = slotOf.get(e)
      if (s === undefined) continue
      free.push(s)
      slotOf.delete(e)
    }
  })
  return { graph: g, kernels, steps, slots, hypers: hypersOf(g), values: values.map((o) => ({ path: o.path, expr: o.expr, place: placeOf(o.expr) })) }
}

/** What a plan costs: printed under every stage by `npm run ir`. */
export interface Totals {
  readonly launches: number
  readonly distinct: number
  readonly updates: number
  /** Floating-point operations of one run. */
  readonly flops: number
  /** Of them, in contractions. */
  readonly contractionFlops: number
  /** Bytes that kernels read and write, each buffer once a kernel. */
  readonly bytes: number
  /** Bytes of temporaries alive at once. */
  readonly temporaryBytes: number
}

/** Memory of the resident leaves, in bytes. */
export const residentBytes = (g: Graph): number =>
  leavesOfGraph(g).filter(isResident).reduce((n, l) => n + sizeOf(l.type.shape) * bytesOf(l.type.dtype), 0)

export const totalsOf = (p: Plan): Totals => {
  const works = p.kernels.map((k) => workOf(k.kernel))
  return {
    launches: p.kernels.length,
    distinct: new Set(p.kernels.map((k) => k.kernel.key)).size,
    updates: p.steps.filter((s) => s._tag === 'Update').length,
    flops: works.reduce((n, w) => n + w.flops, 0),
    contractionFlops: works.reduce((n, w) => n + (w.contraction ? w.flops : 0), 0),
    bytes: works.reduce((n, w) => n + w.bytes, 0),
    temporaryBytes: p.slots.reduce((n, s) => n + s.length * bytesOf(s.dtype), 0),
  }
}
