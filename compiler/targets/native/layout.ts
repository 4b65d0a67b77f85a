/**
 * Where every tensor of a program lies. Temporaries share one arena: a tensor takes the lowest free addresses from its
 * kernel to its last reader. A new state takes the old one's place at once where its kernel reads the old one only at
 * the element that it writes; else it waits in the arena and is copied when the old one has no reader left.
 */
import type { Expr } from '../../../core/expr.ts'
import type { Graph, Output } from '../../../core/graph.ts'
import { bytesOf, sizeOf } from '../../../core/type.ts'
import type { Fused, Tensor } from '../../passes/fuse.ts'
import type { LeafPlace } from '../../schedule.ts'
import { leafPlace, residentPath } from '../../schedule.ts'
import type { Term } from '../../kernel/term.ts'
import { termsOf } from '../../kernel/term.ts'
import { contractionOf } from './contraction.ts'
import type { Fullest } from '../../memory/fullest.ts'
import { fullestOf } from '../../memory/fullest.ts'

export type Place =
  | LeafPlace
  | { readonly _tag: 'Arena'; readonly offset: number }

export type LaidStep =
  /** Buffers: those read, then those written. */
  | { readonly _tag: 'Launch'; readonly fused: number; readonly buffers: ReadonlyArray<Place> }
  | { readonly _tag: 'Copy'; readonly from: Place; readonly to: Place; readonly bytes: number }

export interface Layout {
  readonly steps: ReadonlyArray<LaidStep>
  readonly arenaBytes: number
  readonly fullest: Fullest
  readonly values: ReadonlyArray<{ readonly path: string; readonly expr: Expr; readonly place: Place }>
}

const bytesOfTensor = (t: Exclude<Tensor, 'hyper'>): number => sizeOf(t.type.shape) * bytesOf(t.type.dtype)

/** Whether a kernel may write its output `w` over the buffer `b` that it reads: every read is of the element written. */
const inPlace = (f: Fused, w: number, b: number): boolean => {
  const { writes } = f.kernel
  const written = writes[w]
  // a product reads its operands again and again; and what other writes read must be read before
  if (f.kernel.whole !== undefined || contractionOf(f.kernel) !== undefined || written.dtype !== f.kernel.reads[b].dtype) return false
  const under = new Set<Term>()
  const all = termsOf(writes.map((x) => x.value))
  for (const t of all) if (t._tag === 'Reduce') for (const x of termsOf([t.body])) under.add(x)
  return all.every((t) => t._tag !== 'Read' || t.buffer !== b || (t.offset === written.offset && !under.has(t)))
    // every write runs in the same loops, so that none comes back to a row
    && writes.every((x) => x.offset.vars === written.offset.vars)
}

/** Intervals of the arena that are taken. */
interface Taken {
  readonly from: number
  readonly to: number
}

const align = 64

export const layoutOf = (g: Graph, kernels: ReadonlyArray<Fused>): Layout => {
  const lastRead = new Map<Tensor, number>()
  const lastReadOfState = new Map<string, number>()
  kernels.forEach((k, i) => {
    for (const r of k.reads) {
      lastRead.set(r, i)
      const path = residentPath(r)
      if (path !== undefined) lastReadOfState.set(path, i)
    }
  })
  const madeBy = new Map<Tensor, number>(kernels.flatMap((k, i) => k.writes.map((w): readonly [Tensor, number] => [w, i])))
  const updates = g.outputs.filter((o) => o.role === 'state' && residentPath(o.expr) !== o.path)

  /** The kernel writes this state directly: at its time nobody else needs the old one. */
  const direct = new Map<Tensor, string>()
  for (const u of updates) {
    const at = madeBy.get(u.expr)
    if (at === undefined || direct.has(u.expr)) continue
    const f = kernels[at]
    const old = f.reads.findIndex((r) => residentPath(r) === u.path)
    const last = lastReadOfState.get(u.path) ?? -1
    if (last > at || (old >= 0 && !inPlace(f, f.writes.findIndex((w) => w === u.expr), old))) continue
    direct.set(u.expr, u.path)
  }
  const waiting = updates.filter((u) => direct.get(u.expr) !== u.path)
  const copyAt = (u: Output): number => Math.max(madeBy.get(u.expr) ?? -1, lastReadOfState.get(u.path) ?? -1)
  for (const u of waiting) lastRead.set(u.expr, Math.max(copyAt(u), lastRead.get(u.expr) ?? -1))
  const values = g.outputs.filter((o) => o.role === 'value')
  for (const v of values) lastRead.set(v.expr, Infinity)

  const places = new Map<Tensor, Place>()
  const placeOf = (e: Tensor): Place => places.get(e) ?? leafPlace(e) ?? { _tag: 'Hyper' }
  const taken: Array<Taken> = []
  let top = 0
  const take = (bytes: number): Taken => {
    const size = Math.ceil(Math.max(bytes, 1) / align) * align
    let from = 0
    for (const t of taken) {
      if (t.from - from >= size) break
      from = t.to
    }
    const made = { from, to: from + size }
    taken.push(made)
    taken.sort((a, b) => a.from - b.from)
    top = Math.max(top, made.to)
    return made
  }
  const held = new Map<Exclude<Tensor, 'hyper'>, Taken>()
  let [most, fullest] = [0, fullestOf(undefined, new Map())]
  const steps: Array<LaidStep> = []
  const copies = (i: number): void => {
    for (const u of waiting) if (copyAt(u) === i) steps.push({ _tag: 'Copy', from: placeOf(u.expr), to: { _tag: 'Resident', path: u.path }, bytes: sizeOf(u.expr.type.shape) * bytesOf(u.expr.type.dtype) })
  }
  kernels.forEach((k, i) => {
    const reads = k.reads.map(placeOf)
    const writes = k.writes.map((w): Place => {
      const path = direct.get(w)
      if (path !== undefined) return { _tag: 'Resident', path }
      const t = take(bytesOfTensor(w))
      held.set(w, t)
      return { _tag: 'Arena', offset: t.from }
    })
    const now = [...held.values()].reduce((n, t) => n + t.to - t.from, 0)
    if (now > most) [most, fullest] = [now, fullestOf(k, new Map([...held].map(([t, at]) => [t, at.to - at.from])))]
    steps.push({ _tag: 'Launch', fused: i, buffers: [...reads, ...writes] })
    k.writes.forEach((w, n) => places.set(w, writes[n]))
    copies(i)
    for (const e of [...held.keys()]) {
      if ((lastRead.get(e) ?? -1) > i) continue
      taken.splice(taken.findIndex((t) => t === held.get(e)), 1)
      held.delete(e)
    }
  })
  copies(-1)
  return { steps, arenaBytes: top, fullest, values: values.map((v) => ({ path: v.path, expr: v.expr, place: placeOf(v.expr) })) }
}
