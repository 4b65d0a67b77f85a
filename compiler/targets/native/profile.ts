/**
 * Where a program's time goes: seconds, operations and bytes for each kind of kernel and each distinct kernel. Worst first: by the time
 * above what the operations would take at the cores' measured peak, which is what a better kernel or better fusion could win.
 */
import type { Blueprint, Part } from './blueprint.ts'
import { showFullest } from '../../memory/fullest.ts'

export interface ProfileRow extends Pick<Part, 'name' | 'size' | 'flops' | 'bytes'> {
  readonly kind: Part['kind'] | 'copy'
  readonly launches: number
  readonly seconds: number
}

export interface Profile {
  readonly seconds: number
  /** One for each distinct kernel, over all of its launches. */
  readonly rows: ReadonlyArray<ProfileRow>
  /** The memory of temporaries. */
  readonly memory: Pick<Blueprint, 'arenaBytes' | 'fullest'>
}

/** `times` are seconds of each step over `steps` runs. */
export const profileOf = (b: Blueprint, times: Float64Array, steps: number): Profile => {
  const rows = new Map<number, ProfileRow>()
  b.steps.forEach(([n, copied], i) => {
    const part = n < 0 ? { name: 'copy', kind: 'copy' as const, size: '', flops: 0, bytes: 2 * copied } : b.parts[n]
    const old = rows.get(n)
    rows.set(n, {
      name: part.name,
      kind: part.kind,
      size: part.size,
      launches: (old?.launches ?? 0) + 1,
      seconds: (old?.seconds ?? 0) + times[i] / steps,
      flops: (old?.flops ?? 0) + part.flops,
      bytes: (old?.bytes ?? 0) + part.bytes,
    })
  })
  const all = [...rows.values()]
  return { seconds: all.reduce((n, r) => n + r.seconds, 0), rows: all, memory: { arenaBytes: b.arenaBytes, fullest: b.fullest } }
}

type Cost = Pick<ProfileRow, 'launches' | 'seconds' | 'flops' | 'bytes'>

const total = (rs: ReadonlyArray<Cost>): Cost => ({
  launches: rs.reduce((n, r) => n + r.launches, 0),
  seconds: rs.reduce((n, r) => n + r.seconds, 0),
  flops: rs.reduce((n, r) => n + r.flops, 0),
  bytes: rs.reduce((n, r) => n + r.bytes, 0),
})

const widths = [8, 6, 8, 5, 8, 8, 8, 7, 6]

const aligned = (cells: ReadonlyArray<string>): string =>
  cells.map((c, i) => (i === cells.length - 1 ? c : c.padStart(widths[i] ?? 8))).join('  ')

/**
 * The profile as two tables, of kinds and of kernels, and what memory holds at its fullest; `peak` is in operations a second. `most`
 * kernels are shown.
 */
export const showProfile = (p: Profile, peak: number, most = 40): string => {
  const lost = (c: Cost): number => c.seconds - c.flops / peak
  const worstFirst = <A extends Cost>(cs: ReadonlyArray<A>): ReadonlyArray<A> => [...cs].sort((a, b) => lost(b) - lost(a))
  const row = (c: Cost, label: string): string =>
    aligned([
      (c.seconds * 1e3).toFixed(2),
      ((100 * c.seconds) / p.seconds).toFixed(1),
      (lost(c) * 1e3).toFixed(2),
      `${c.launches}`,
      (c.flops / 1e9).toFixed(3),
      (c.bytes / 1e6).toFixed(1),
      (c.flops / c.seconds / 1e9).toFixed(1),
      (c.bytes / c.seconds / 1e9).toFixed(1),
      ((100 * c.flops) / c.seconds / peak).toFixed(0),
      label,
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
    '',
    showFullest(p.memory.arenaBytes, p.memory.fullest),
  ].join('\n')
}
