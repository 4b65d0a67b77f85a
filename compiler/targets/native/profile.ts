/** Where a program's time goes: seconds, operations and bytes for each distinct kernel, worst first. */
import type { Fused } from '../../fuse.ts'
import { workOf } from '../../kernel.ts'
import { contractionOf, extentOf } from './contraction.ts'
import type { Layout } from './layout.ts'

export interface ProfileRow {
  /** What it computes: the ops fused in it, and the scope of its first use. */
  readonly name: string
  readonly kind: 'product' | 'rows' | 'elements' | 'copy'
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

export const profileOf = (kernels: ReadonlyArray<Fused>, layout: Layout, times: Float64Array, steps: number): Profile => {
  const rows = new Map<string, ProfileRow>()
  layout.steps.forEach((s, i) => {
    const k = s._tag === 'Copy' ? undefined : kernels[s.fused].kernel
    const key = k?.key ?? 'copy'
    const product = k === undefined ? undefined : contractionOf(k)
    const work = k === undefined ? { flops: 0, bytes: s._tag === 'Copy' ? 2 * s.bytes : 0 } : workOf(k)
    // what is done to the sums is not counted, nor that rows read them again
    const flops = product === undefined ? work.flops : 2 * extentOf([...product.batch, ...product.rows, ...product.columns, ...product.summed])
    const old = rows.get(key)
    rows.set(key, {
      name: k?.name ?? 'copy',
      kind: k === undefined ? 'copy' : product !== undefined ? 'product' : k.key.includes(' over ') ? 'rows' : 'elements',
      launches: (old?.launches ?? 0) + 1,
      seconds: (old?.seconds ?? 0) + times[i] / steps,
      flops: (old?.flops ?? 0) + flops,
      bytes: (old?.bytes ?? 0) + work.bytes,
      key,
    })
  })
  const sorted = [...rows.values()].sort((a, b) => b.seconds - a.seconds)
  return { seconds: sorted.reduce((n, r) => n + r.seconds, 0), rows: sorted }
}

/** The profile as a table; `peak` is in operations a second. */
export const showProfile = (p: Profile, peak: number, most = 40): string => {
  const line = (cells: ReadonlyArray<string>): string => cells.map((c, i) => (i === cells.length - 1 ? c : c.padStart([8, 6, 5, 9, 8, 6][i] ?? 8))).join('  ')
  const kinds = [...new Set(p.rows.map((r) => r.kind))].map((kind) => {
    const of = p.rows.filter((r) => r.kind === kind)
    const sum = (f: (r: ProfileRow) => number): number => of.reduce((n, r) => n + f(r), 0)
    return line([(sum((r) => r.seconds) * 1e3).toFixed(2), ((100 * sum((r) => r.seconds)) / p.seconds).toFixed(1), `${sum((r) => r.launches)}`,
      (sum((r) => r.flops) / sum((r) => r.seconds) / 1e9).toFixed(1), (sum((r) => r.bytes) / sum((r) => r.seconds) / 1e9).toFixed(1),
      ((100 * sum((r) => r.flops)) / sum((r) => r.seconds) / peak).toFixed(0), `all ${kind}, ${of.length} distinct`])
  })
  return [
    line(['ms', '%', 'runs', 'GFLOP/s', 'GB/s', 'peak%', 'kernel']),
    ...kinds,
    ...p.rows.slice(0, most).map((r) => line([
      (r.seconds * 1e3).toFixed(2), ((100 * r.seconds) / p.seconds).toFixed(1), `${r.launches}`,
      (r.flops / r.seconds / 1e9).toFixed(1), (r.bytes / r.seconds / 1e9).toFixed(1), ((100 * r.flops) / r.seconds / peak).toFixed(0),
      `${r.kind} ${r.name.slice(0, 110)}`,
    ])),
  ].join('\n')
}
