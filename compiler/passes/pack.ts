/**
 * Packing: operands of reductions laid out so that neighbouring results read neighbouring elements.
 *
 * ```
 * before:  y[i, j] = sum over k of x[i, k] w[j, k]            neighbouring j read w at a stride
 * after:   p[k, j] = w[j, k];  y[i, j] = sum over k of x[i, k] p[k, j]
 * ```
 * Worth it where each element is read many times; one packed tensor serves every kernel that wants the same layout.
 */
import type { Fused, Kernels, Packed, Tensor } from '../kernel/fused.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { pointsOf, kernelKey } from '../kernel/kernel.ts'
import type { Read, Term, Var } from '../kernel/term.ts'
import { termTable } from '../kernel/table.ts'
import { termsOf } from '../kernel/term.ts'
import type { Pass } from '../pass.ts'
import { kernelPass } from '../pass.ts'

/** Reads of an element, at least, before its copy is worth making. */
const least = 8

interface Candidate {
  readonly read: Read
  /** The variables of its offset, in the order of the packed layout, and their old strides. */
  readonly order: ReadonlyArray<readonly [Var, number]>
  readonly constant: number
}

/** A read under a reduction whose offset is affine in variables alone, with a stride along the last loop. */
const candidate = (k: Kernel, r: Read, reductions: number): Candidate | undefined => {
  const x = k.loops[k.loops.length - 1]
  const o = r.offset
  if (x === undefined || o._tag !== 'Affine' || (o.vars & reductions) === 0) return undefined
  const order: Array<readonly [Var, number]> = []
  for (const [t, c] of o.terms) {
    if (t._tag !== 'Var') return undefined
    order.push([t, c])
  }
  const stride = order.find(([v]) => v === x)?.[1] ?? 0
  if (stride === 0 || stride === 1 || x.extent < 4) return undefined
  const footprint = order.reduce((n, [v]) => n * v.extent, 1)
  const bounds = termsOf([k.writes[0].value]).flatMap((t) =>
    t._tag === 'Reduce' && (t.body.vars & t.variable.vars) !== 0 ? [t.variable] : [],
  )
  const evaluations = pointsOf(k) * bounds.filter((v) => (o.vars & v.vars) !== 0).reduce((n, v) => n * v.extent, 1)
  if (evaluations < least * footprint) return undefined
  const outer = order.filter(([v]) => v !== x).sort(([, a], [, b]) => b - a)
  return { read: r, order: [...outer, [x, stride]], constant: o.constant }
}

const layoutKey = (c: Candidate): string => `${c.order.map(([v, s]) => `${v.extent}*${s}`).join()}+${c.constant}`

const rowMajor = (order: Candidate['order']): ReadonlyArray<number> =>
  order.map((_, i) => order.slice(i + 1).reduce((n, [v]) => n * v.extent, 1))

/** The kernel that copies a buffer into the packed layout. */
const packer = (c: Candidate, source: Kernel['reads'][number], from: Tensor, packed: Packed): Fused => {
  const table = termTable()
  const loops = c.order.map(([v]) => table.variable(v.extent))
  const offset = table.affine(
    c.order.map(([, s], i): readonly [Term, number] => [loops[i], s]),
    c.constant,
  )
  const to = table.affine(
    rowMajor(c.order).map((s, i): readonly [Term, number] => [loops[i], s]),
    0,
  )
  const shape = {
    loops,
    reads: [source],
    writes: [{ dtype: source.dtype, length: packed.length, offset: to, value: table.read(0, source.dtype, offset) }],
  }
  return { kernel: { name: 'pack', key: kernelKey(shape), table, ...shape }, reads: [from], writes: [packed] }
}

/** The kernels with packing kernels before their first users. */
const packed =
  (maxInputs: number) =>
  (kernels: ReadonlyArray<Fused>): ReadonlyArray<Fused> => {
    const made = new Map<Tensor, Map<string, Packed>>()
    return kernels.flatMap((f) => {
      const k = f.kernel
      const terms = termsOf([k.writes[0].value])
      const reductions = terms.reduce((m, t) => (t._tag === 'Reduce' ? m | t.variable.vars : m), 0)
      const before: Array<Fused> = []
      const reads = [...f.reads]
      const buffers = [...k.reads]
      const map = new Map<Term, Term>()
      for (const r of terms) {
        const c = r._tag === 'Read' ? candidate(k, r, reductions) : undefined
        if (c === undefined || reads.length >= maxInputs) continue
        const from = f.reads[c.read.buffer]
        const layouts = made.get(from) ?? new Map<string, Packed>()
        made.set(from, layouts)
        const known = layouts.get(layoutKey(c))
        const length = c.order.reduce((n, [v]) => n * v.extent, 1)
        const copy: Packed = known ?? { _tag: 'Packed', type: { dtype: c.read.dtype, shape: [length] }, length }
        if (known === undefined) {
          layouts.set(layoutKey(c), copy)
          before.push(packer(c, k.reads[c.read.buffer], from, copy))
        }
        const buffer = reads.includes(copy) ? reads.indexOf(copy) : reads.push(copy) - 1
        buffers[buffer] = { dtype: c.read.dtype, length }
        map.set(
          r,
          k.table.read(
            buffer,
            c.read.dtype,
            k.table.affine(
              c.order.map(([v], i): readonly [Term, number] => [v, rowMajor(c.order)[i]]),
              0,
            ),
          ),
        )
      }
      if (map.size === 0) return [f]
      return [...before, { ...f, ...withoutUnused(k, reads, buffers, k.table.replace(map, k.writes[0].value)) }]
    })
  }

/** The kernel with another value; buffers that it reads no more are dropped. */
const withoutUnused = (k: Kernel, reads: ReadonlyArray<Tensor>, buffers: Kernel['reads'], value: Term): Pick<Fused, 'kernel' | 'reads'> => {
  const used = [...new Set(termsOf([value]).flatMap((t) => (t._tag === 'Read' ? [t.buffer] : [])))].sort((a, b) => a - b)
  const renumbered = k.table.renumber((b) => used.indexOf(b), value)
  const shape = { loops: k.loops, reads: used.map((b) => buffers[b]), writes: [{ ...k.writes[0], value: renumbered }] }
  return { kernel: { ...k, ...shape, key: kernelKey(shape) }, reads: used.map((b) => reads[b]) }
}

/** For targets whose neighbouring results should read neighbouring elements (vector lanes, coalesced reads). */
export const pack = (maxInputs: number): Pass<Kernels> =>
  kernelPass('pack', ({ graph, kernels }) => ({ graph, kernels: packed(maxInputs)(kernels) }))
