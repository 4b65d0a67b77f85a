/** Plans run in memory that they share, point by point in any order: a kernel that writes over what it still reads gives itself away. */
import type { Place, Plan } from '../../compiler/memory/plan.ts'
import type { Var } from '../../compiler/kernel/term.ts'
import { evaluate, points, stored } from './kernels.ts'

type Values = ReadonlyMap<string, ArrayLike<number>>

/** The order in which a kernel's points run; all that one point writes is computed before it is stored. */
export type PointOrder = (points: ReadonlyArray<ReadonlyMap<Var, number>>) => ReadonlyArray<ReadonlyMap<Var, number>>

/** The outputs of one run by path, of a graph without constants: values, and the new states where the old ones were. */
export const ran =
  (order: PointOrder) =>
  (p: Plan, values: Values): ReadonlyMap<string, ReadonlyArray<number>> => {
    const memory = new Map<string, Float64Array>()
    const at = (x: Place): Float64Array => {
      const key = 'path' in x ? x.path : JSON.stringify(x)
      const found = memory.get(key) ?? Float64Array.from('path' in x ? (values.get(x.path) ?? []) : [])
      memory.set(key, found)
      return found
    }
    for (const s of p.steps) {
      if (s._tag === 'Update') {
        memory.set(s.path, Float64Array.from(at(s.from)))
        continue
      }
      const { kernel } = p.kernels[s.fused]
      const reads = s.reads.map(at)
      const writes = s.writes.map((place, i) => {
        if (place._tag === 'Temporary') memory.set(JSON.stringify(place), new Float64Array(kernel.writes[i].length))
        return at(place)
      })
      for (const point of order(points(kernel.loops))) {
        const made = kernel.writes.map((w) => [
          evaluate(w.offset, point, () => NaN),
          stored(
            w.dtype,
            evaluate(w.value, point, (b, o) => reads[b][o] ?? NaN),
          ),
        ])
        made.forEach(([offset, x], i) => {
          writes[i][offset] = x
        })
      }
    }
    return new Map([
      ...p.values.map((v) => [v.path, [...at(v.place)]] as const),
      ...p.graph.outputs.flatMap((o) => (o.role === 'state' ? [[o.path, [...at({ _tag: 'Resident', path: o.path })]] as const] : [])),
    ])
  }
