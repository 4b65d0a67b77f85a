/**
 * Where a program's time goes: seconds, operations and bytes for each kind of kernel and each distinct kernel. Worst first: by the time
 * above what the operations would take at the cores' measured peak, which is what a better kernel or better fusion could win.
 */
import type { Fused } from '../../fuse.ts'
import type { Kernel } from '../../kernel.ts'
import { pointsOf, workOf } from '../../kernel.ts'
import type { Contraction } from './contraction.ts'
import { contractionOf, extentOf } from './contraction.ts'
import type { Layout } from './layout.ts'

export interface ProfileRow {
  /** What it computes: the ops fused in it, and the scope of its first use. */
  readonly name: string
  readonly kind: 'product' | 'batched product' | 'rows' | 'elements' | 'copy'
  /** Of a product batch, rows, depth and columns; else the number of results. */
  readonly size: string
  readonly launches: number
  readonly seconds: number
  readonly flops: number
  readonly bytes: number
  readonly key: string
}

export interface Profile {
  readonly seconds: number
  readonly rows: ReadonlyArray<ProfileRow>
}

const kindOf = (k: Kernel, c: Contraction | undefined): ProfileRow['kind'] =>
  c !== undefined ? (extentOf(c.batch) > 1 ? 'batched product' : 'product') : k.key.includes(' over ') ? 'rows' : 'elements'

const sizeOf = (k: Kernel, c: Contraction | undefined): string => {
  if (c === undefined) return `${pointsOf(k)}`
  const [z, m, d, n] = [c.batch, c.rows, c.summed, c.columns].map(extentOf)
  return `${z === 1 ? '' : `${z} of `}${m}x${d}x${n}`
}

/** `times` are seconds of each step over `steps` runs. */
export const profileOf = (kernels: ReadonlyArray<Fused>, layout: Layout, times: Float64Array, steps: number): Profile => {
  const rows = new Map<string, ProfileRow>()
  layout.steps.forEach((s, i) => {
    const k = s._tag === 'Copy' ? undefined : kernels[s.fused].kernel
    const key = k?.key ?? 'copy'
    const old = rows.get(key)
    const product = k === undefined ? undefined : contractionOf(k)
    const work = k === undefined ? { flops: 0, bytes: s._tag === 'Copy' ? 2 * s.bytes : 0 } : workOf(k)
    // what is done to the sums is not counted, nor that rows read them again
    const flops = product === undefined ? work.flops : 2 * extentOf([...product.batch, ...product.rows, ...product.columns, ...product.summed])
    rows.set(key, {
      name: old?.name ?? k?.name ?? 'copy',
      kind: k === undefined ? 'copy' : kindOf(k, product),
      size: k === undefined ? '' : sizeOf(k, product),
      launches: (old?.launches ?? 0) + 1,
      seconds: (old?.seconds ?? 0) + times[i] / steps,
      flops: (old?.flops ?? 0) + flops,
      bytes: (old?.bytes ?? 0) + work.bytes,
      key,
    })
  })
  const all = [...rows.values()]
  return { seconds: all.reduce((n, r) => n + r.seconds, 0), rows: all }
}

type Cost = Pick<ProfileRow, 'launches' | 'seconds' | 'flops' | 'bytes'>

const total = (rs: ReadonlyArray<Cost>): Cost => ({
  launches: rs.reduce((n, r) => n + r.launches, 0),
  seconds: rs.reduce((n, r) => n + r.seconds, 0),
  flops: rs.reduce((n, r) => n + r.flops, 0),
  bytes: rs.reduce((n, r) => n + r.bytes, 0),
})

const widths = [8, 6, 8, 5, 8, 8, 8, 7, 6]

const aligned = (cells: ReadonlyArray<string>): string => cells.map((c, i) => (i === cells.length - 1 ? c : c.padStart(widths[i] ?? 8))).join('  ')

/** The profile as two tables, of kinds and of kernels; `peak` is in operations a second. `most` kernels are shown. */
export const showProfile = (p: Profile, peak: number, most = 40): string => {
  const lost = (c: Cost): number => c.seconds - c.flops / peak
  const worstFirst = <A extends Cost>(cs: ReadonlyArray<A>): ReadonlyArray<A> => [...cs].sort((a, b) => lost(b) - lost(a))
  const row = (c: Cost, label: string): string => aligned([
    (c.seconds * 1e3).toFixed(2), ((100 * c.seconds) / p.seconds).toFixed(1), (lost(c) * 1e3).toFixed(2), `${c.launches}`,
    (c.flops / 1e9).toFixed(3), (c.bytes / 1e6).toFixed(1), (c.flops / c.seconds / 1e9).toFixed(1), (c.bytes / c.seconds / 1e9).toFixed(1), ((100 * c.flops) / c.seconds / peak).toFixed(0), label,
  ])
  const heads = (label: string): string => aligned(['ms', '%', 'lost ms', 'runs', 'GFLOP', 'MB', 'GFLOP/s', 'GB/s', 'peak%', label])
  const kinds = [...new Set(p.rows.map((r) => r.kind))].map((kind) => {
    const of = p.rows.filter((r) => r.kind === kind)
    return { ...total(of), label: `${kind}, ${of.length} distinct` }
  })
  const shown = worstFirst(p.rows).slice(0, most)
  return [
    heads('kind of kernel'),
    ...worstFirst(kinds).map((k) => row(k, k.label)),
    row(total(p.rows), 'the whole step'),
    '',
    heads('kernel'),
    ...shown.map((r) => row(r, `${r.kind} ${r.size}: ${r.name.slice(0, 100)}`)),
    ...(shown.length < p.rows.length ? [aligned([`and ${p.rows.length - shown.length} more`])] : []),
  ].join('\n')
}
