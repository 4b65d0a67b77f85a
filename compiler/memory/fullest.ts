/** What lies in memory when most does: where memory goes, and what a step would need to keep less of. */
import { scopeOf } from '../../core/expr.ts'
import { showType } from '../../core/type.ts'
import type { Fused, Made } from '../kernel/fused.ts'
import { bytesOfTensor } from '../kernel/fused.ts'

/** Tensors of one kind: equal types, and scopes that differ in the number of a block alone. */
export interface Tenant {
  readonly name: string
  readonly count: number
  readonly bytes: number
}

export interface Fullest {
  /** The kernel that runs at that time. */
  readonly kernel: string
  readonly bytes: number
  /** Largest first. */
  readonly tenants: ReadonlyArray<Tenant>
}

/** Kinds of tensors that are named. */
const most = 12

const nameOf = (t: Made): string => {
  const scope = t._tag === 'Apply' ? scopeOf(t).replace(/\.\d+(?=\.|$)/g, '.*') : t._tag === 'Again' ? 'computed again' : ''
  return `${showType(t.type)} ${scope}${t._tag === 'Apply' ? ` (${t.op.name})` : ''}`.trim()
}

export const fullestOf = (kernel: Fused | undefined, held: Iterable<Made>): Fullest => {
  const tenants = new Map<string, Tenant>()
  let bytes = 0
  for (const t of held) {
    const [name, size] = [nameOf(t), bytesOfTensor(t)]
    const old = tenants.get(name)
    tenants.set(name, { name, count: (old?.count ?? 0) + 1, bytes: (old?.bytes ?? 0) + size })
    bytes += size
  }
  return { kernel: kernel?.kernel.name ?? '', bytes, tenants: [...tenants.values()].sort((a, b) => b.bytes - a.bytes).slice(0, most) }
}

/** As lines, under the whole arena's size. */
export const showFullest = (arenaBytes: number, f: Fullest): string => {
  const mb = (n: number): string => (n / 1e6).toFixed(1)
  return [
    `temporaries take ${mb(arenaBytes)} MB; most are there at once (${mb(f.bytes)} MB) in ${f.kernel.slice(0, 100)}`,
    ...f.tenants.map((t) => `${mb(t.bytes).padStart(8)} MB  ${`${t.count}`.padStart(3)} x ${t.name}`),
  ].join('\n')
}
