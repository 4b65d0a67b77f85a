/**
 * How the elements of a tensor follow from other tensors, one by one: what recomputing (recompute.ts) needs to know of a kernel's write.
 */
import { transcendental } from '../../core/scalar.ts'
import type { Fused, Tensor } from '../kernel/fused.ts'
import type { Buffer } from '../kernel/kernel.ts'
import { kernelKey } from '../kernel/kernel.ts'
import type { TermTable } from '../kernel/table.ts'
import type { Read, Term, Var } from '../kernel/term.ts'
import { termTable } from '../kernel/table.ts'
import { operandsOf, termsOf } from '../kernel/term.ts'
import { countingStrides, positionsAt, transplant } from '../kernel/transplant.ts'

/** One write of a kernel, from what the same kernel has reduced and written beside it, and from what it reads. */
export interface Recipe {
  readonly from: Fused
  readonly write: number
  /** Of the write's position, by loop. */
  readonly strides: ReadonlyMap<Var, number>
  /** Values that other writes of the kernel hold, by their number. */
  readonly held: ReadonlyMap<Term, number>
  /** Everything that is read. */
  readonly sources: ReadonlySet<Tensor>
  /** Arithmetic of one element. */
  readonly cost: number
}

/** Whether a value needs a reduction that `known` values do not hold. */
const reduces = (value: Term, known: ReadonlyMap<Term, number>): boolean => {
  const seen = new Set<Term>(known.keys())
  const waiting: Array<Term> = [value]
  for (let t = waiting.pop(); t !== undefined; t = waiting.pop()) {
    if (seen.has(t)) continue
    if (t._tag === 'Reduce') return true
    seen.add(t)
    waiting.push(...operandsOf(t))
  }
  return false
}

/** The values of a kernel's writes that do not follow from others of them, by number. */
const reducedBy = (f: Fused): ReadonlyMap<Term, number> => {
  const reduced = new Map<Term, number>()
  const simplestFirst = f.kernel.writes.map((w, i) => ({ w, i, size: termsOf([w.value]).length })).sort((a, b) => a.size - b.size)
  for (const { w, i } of simplestFirst) if (w.dtype === w.value.dtype && reduces(w.value, reduced)) reduced.set(w.value, i)
  return reduced
}

/** The recipe of write `w`; undefined where it reduces itself, or reads at positions that depend on data. */
export const recipeOf = (f: Fused, w: number, costly: number): Recipe | undefined => {
  const { kernel } = f
  const write = kernel.writes[w]
  const strides = countingStrides(write.offset, kernel.loops)
  if (kernel.whole !== undefined || write.dtype !== write.value.dtype || strides === undefined) return undefined
  const reduced = reducedBy(f)
  if (reduced.has(write.value)) return undefined
  const held = new Map<Term, number>()
  const sources = new Set<Tensor>()
  const seen = new Set<Term>()
  const waiting: Array<Term> = [write.value]
  let cost = 0
  for (let t = waiting.pop(); t !== undefined; t = waiting.pop()) {
    if (seen.has(t)) continue
    seen.add(t)
    const i = reduced.get(t)
    if (i !== undefined) {
      held.set(t, i)
      sources.add(f.writes[i])
    } else if (t._tag === 'Reduce') return undefined
    else if (t._tag === 'Read') {
      if (termsOf([t.offset]).some((x) => x._tag === 'Read')) return undefined
      sources.add(f.reads[t.buffer])
    } else {
      if (t.dtype !== 'i32')
        cost += t._tag === 'Unary' && transcendental.has(t.op) ? costly : t._tag === 'Unary' || t._tag === 'Binary' ? 1 : 0
      waiting.push(...operandsOf(t))
    }
  }
  return { from: f, write: w, strides, held, sources, cost }
}

/** Reads an element of a tensor in the kernel that is being made. */
export type ReadAt = (tensor: Tensor, buffer: Buffer, offset: Term) => Term

/** Where the held values lie for the element at flat position `at`: tensors and positions. */
export const heldAt = (
  table: TermTable,
  r: Recipe,
  at: Term,
): ReadonlyArray<{ readonly value: Term; readonly tensor: Tensor; readonly buffer: Buffer; readonly offset: Term }> => {
  const go = transplant(table, positionsAt(table, at, r.strides), (x, o) => table.read(x.buffer, x.dtype, o))
  return [...r.held].map(([value, i]) => ({
    value,
    tensor: r.from.writes[i],
    buffer: r.from.kernel.writes[i],
    offset: go(r.from.kernel.writes[i].offset),
  }))
}

/** The element at flat position `at`, computed. */
export const computedAt = (table: TermTable, r: Recipe, at: Term, read: ReadAt): Term => {
  const { kernel, reads } = r.from
  const known = new Map<Term, Term>(positionsAt(table, at, r.strides))
  for (const h of heldAt(table, r, at)) known.set(h.value, read(h.tensor, h.buffer, h.offset))
  return transplant(table, known, (x, o) => read(reads[x.buffer], kernel.reads[x.buffer], o))(kernel.writes[r.write].value)
}

/** What becomes of a kernel. */
export interface Change {
  /** Writes that are not read any more. */
  readonly dropped?: ReadonlySet<Tensor>
  /** Tensors whose elements are computed where they were read. */
  readonly computed?: ReadonlyMap<Tensor, Recipe>
  /** Tensors that others take the place of. */
  readonly instead?: ReadonlyMap<Tensor, Tensor>
  /** A further write, at the positions of write `like`. */
  readonly further?: { readonly recipe: Recipe; readonly like: number; readonly tensor: Fused['writes'][number] }
}

/** The kernel with a change. */
export const changed = (f: Fused, { dropped = new Set(), computed = new Map(), instead = new Map(), further }: Change): Fused => {
  if (f.kernel.whole !== undefined) return { ...f, reads: f.reads.map((t) => instead.get(t) ?? t) }
  const table = termTable()
  const loops = f.kernel.loops.map((v) => table.variable(v.extent))
  const reads: Array<Tensor> = []
  const buffers: Array<Buffer> = []
  const read: ReadAt = (tensor, { dtype, length }, offset) => {
    if (!reads.includes(tensor)) {
      reads.push(tensor)
      buffers.push({ dtype, length })
    }
    return table.read(reads.indexOf(tensor), dtype, offset)
  }
  const go = transplant(table, new Map<Term, Term>(f.kernel.loops.map((v, i) => [v, loops[i]])), (r: Read, o) => {
    const tensor = f.reads[r.buffer]
    const recipe = computed.get(tensor)
    return recipe === undefined ? read(instead.get(tensor) ?? tensor, f.kernel.reads[r.buffer], o) : computedAt(table, recipe, o, read)
  })
  const kept = f.kernel.writes.flatMap((w, i) =>
    dropped.has(f.writes[i]) ? [] : [{ write: { ...w, offset: go(w.offset), value: go(w.value) }, tensor: f.writes[i] }],
  )
  if (further !== undefined) {
    const { recipe, like, tensor } = further
    const { dtype, length } = recipe.from.kernel.writes[recipe.write]
    const offset = go(f.kernel.writes[like].offset)
    kept.push({ write: { dtype, length, offset, value: computedAt(table, recipe, offset, read) }, tensor })
  }
  const shape = { loops, reads: buffers, writes: kept.map((k) => k.write) }
  return {
    kernel: { name: further === undefined ? f.kernel.name : `${f.kernel.name} | again`, key: kernelKey(shape), table, ...shape },
    reads,
    writes: kept.map((k) => k.tensor),
  }
}

/** A kernel of its own for the elements of a recipe. */
export const alone = (r: Recipe, tensor: Fused['writes'][number]): Fused =>
  changed({ ...r.from, kernel: { ...r.from.kernel, writes: [r.from.kernel.writes[r.write]] }, writes: [tensor] }, {})
