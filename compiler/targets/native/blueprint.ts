/**
 * Everything that running a graph needs besides its libraries, as plain data: what each distinct kernel costs, which kernel runs when on
 * which memory. It is made once for a graph and kept (plans.ts).
 */
import * as t from 'io-ts'
import type { Expr } from '../../../core/expr.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import { real } from '../../../core/serialize.ts'
import { bytesOf, showType, sizeOf } from '../../../core/type.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { pointsOf, workOf } from '../../kernel/kernel.ts'
import { termsOf } from '../../kernel/term.ts'
import type { Place, Plan } from '../../memory/plan.ts'
import { temporaryBytes } from '../../memory/plan.ts'
import { attentionFlops, attentionOf } from './attention.ts'
import { ranksIn } from './collective.ts'
import type { Contraction } from './contraction.ts'
import { contractionOf, extentOf } from './contraction.ts'
import type { Unit } from './source.ts'

/** A tensor's place; constants by number. */
const place = t.union([
  t.strict({ _tag: t.literal('Resident'), path: t.string }),
  t.strict({ _tag: t.literal('Given'), path: t.string }),
  t.strict({ _tag: t.literal('Constant'), constant: t.number }),
  t.strict({ _tag: t.literal('Hyper') }),
  t.strict({ _tag: t.literal('Arena'), offset: t.number }),
])
export type BlueprintPlace = t.TypeOf<typeof place>

/** A distinct kernel. */
const part = t.strict({
  /** What it computes: the ops fused in it, and the scope of its first use. */
  name: t.string,
  kind: t.keyof({ collective: null, product: null, 'batched product': null, attention: null, rows: null, elements: null }),
  /** Of a product batch, rows, depth and columns; of attention heads, tokens and width; else the number of results. */
  size: t.string,
  /** Of one run. What is done to a product's sums is not counted. */
  flops: t.number,
  bytes: t.number,
  points: t.number,
})
export type Part = t.TypeOf<typeof part>

export const blueprint = t.strict({
  /** In the order of the units' tables. */
  parts: t.readonlyArray(part),
  /** How many of them are in each unit. */
  units: t.readonlyArray(t.number),
  places: t.readonlyArray(place),
  /** A part, or -1 for a copy; the bytes of a copy; then the numbers of its places. */
  steps: t.readonlyArray(t.readonlyArray(t.number)),
  arenaBytes: t.number,
  fullest: t.strict({
    kernel: t.string,
    bytes: t.number,
    tenants: t.readonlyArray(t.strict({ name: t.string, count: t.number, bytes: t.number })),
  }),
  /** Paths of what is fed at every run, and, of those, of scalar hypers in the order of their common buffer. */
  given: t.readonlyArray(t.string),
  hypers: t.readonlyArray(t.string),
  /** Elements of constants; a single one is repeated. */
  constants: t.readonlyArray(
    t.strict({
      dtype: t.keyof({ f32: null, f16: null, bf16: null, i32: null, bool: null }),
      length: t.number,
      values: t.readonlyArray(real),
    }),
  ),
  values: t.readonlyArray(t.strict({ path: t.string, place: t.number })),
})
export type Blueprint = t.TypeOf<typeof blueprint>

const kindOf = (k: Kernel, c: Contraction | undefined): Part['kind'] =>
  c !== undefined
    ? extentOf(c.batch) > 1
      ? 'batched product'
      : 'product'
    : termsOf(k.writes.flatMap((w) => [w.offset, w.value])).some((t) => t._tag === 'Reduce')
      ? 'rows'
      : 'elements'

const sizeText = (k: Kernel, c: Contraction | undefined): string => {
  if (c === undefined) return `${pointsOf(k)}`
  const [z, m, d, n] = [c.batch, c.rows, c.summed, c.columns].map(extentOf)
  return `${z === 1 ? '' : `${z} of `}${m}x${d}x${n}`
}

const partOf = (k: Kernel): Part => {
  const [a, c] = [attentionOf(k), contractionOf(k)]
  const work = workOf(k)
  const together = k.whole?.together
  if (together !== undefined) {
    const size = `${showType(together.from)} of ${ranksIn(together)}`
    return { name: k.name, kind: 'collective', size, flops: 0, bytes: work.bytes, points: pointsOf(k) }
  }
  if (a !== undefined)
    return {
      name: k.name,
      kind: 'attention',
      size: `${a.images * a.heads} of ${a.tokens}x${a.width}`,
      bytes: work.bytes,
      points: pointsOf(k),
      flops: attentionFlops(a),
    }
  return {
    name: k.name,
    kind: kindOf(k, c),
    size: sizeText(k, c),
    bytes: work.bytes,
    points: pointsOf(k),
    flops: c === undefined ? work.flops : 2 * extentOf([...c.batch, ...c.rows, ...c.columns, ...c.summed]),
  }
}

const valuesOf = (e: Expr): ReadonlyArray<number> =>
  e._tag !== 'Leaf' ? [] : e.source._tag === 'Table' ? e.source.values : e.source._tag === 'Fill' ? [e.source.value] : []

/** The blueprint of a plan; `units` hold its kernels. */
export const blueprintOf = (plan: Plan, units: ReadonlyArray<Unit>): Blueprint => {
  const { graph, kernels } = plan
  const keys = units.flatMap((u) => u.keys)
  const first = new Map<string, Kernel>()
  for (const { kernel } of kernels) if (!first.has(kernel.key)) first.set(kernel.key, kernel)
  const number = new Map(keys.map((key, i) => [key, i]))
  const constants = new Map<Expr, number>()
  const constant = (e: Expr): number => {
    const at = constants.get(e) ?? constants.size
    constants.set(e, at)
    return at
  }
  const plain = (p: Place): BlueprintPlace =>
    p._tag === 'Constant' ? { _tag: 'Constant', constant: constant(p.expr) } : p._tag === 'Temporary' ? { _tag: 'Arena', offset: p.at } : p
  const places: Array<BlueprintPlace> = []
  const known = new Map<string, number>()
  const placed = (p: Place): number => {
    const place = plain(p)
    const key = JSON.stringify(place)
    const at = known.get(key) ?? places.push(place) - 1
    known.set(key, at)
    return at
  }
  const steps = plan.steps.map((s) =>
    s._tag === 'Update'
      ? [-1, s.length * bytesOf(s.dtype), placed(s.from), placed({ _tag: 'Resident', path: s.path })]
      : [number.get(kernels[s.fused].kernel.key) ?? -1, 0, ...[...s.reads, ...s.writes].map(placed)],
  )
  const values = plan.values.map((v) => ({ path: v.path, place: placed(v.place) }))
  return {
    parts: keys.flatMap((key) => {
      const k = first.get(key)
      return k === undefined ? [] : [partOf(k)]
    }),
    units: units.map((u) => u.keys.length),
    places,
    steps,
    arenaBytes: temporaryBytes(plan.temporaries),
    fullest: plan.fullest,
    given: leavesOfGraph(graph).flatMap((l) => (isResident(l) ? [] : [l.path])),
    hypers: plan.hypers.flatMap((e) => (e._tag === 'Leaf' && e.source._tag === 'Hyper' ? [e.source.path] : [])),
    constants: [...constants.keys()].map((e) => ({ dtype: e.type.dtype, length: sizeOf(e.type.shape), values: valuesOf(e) })),
    values,
  }
}
