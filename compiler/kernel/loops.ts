/**
 * Loop shapes. Both rewrites leave the values and their positions as they are.
 *
 * merge:  for i<2, j<3:  out[3i + j] = x[3i + j]        →  for f<6:  out[f] = x[f]
 * split:  for f<6:  out[f] = x[3 (f mod 2) + f div 2]   →  for i<3, j<2:  out[2i + j] = x[3j + i]
 */
import type { Kernel, Write } from './kernel.ts'
import type { TermTable } from './table.ts'
import type { Term, Var } from './term.ts'
import { operandsOf, termsOf } from './term.ts'

type Nest = Pick<Kernel, 'loops' | 'writes'>

const rootsOf = (writes: ReadonlyArray<Write>): ReadonlyArray<Term> => writes.flatMap((w) => [w.offset, w.value])

const replace = (table: TermTable, n: Nest, loops: ReadonlyArray<Var>, map: ReadonlyMap<Term, Term>): Nest => ({
  loops,
  writes: n.writes.map((w) => ({ ...w, offset: table.replace(map, w.offset), value: table.replace(map, w.value) })),
})

/** Whether neighbouring loops i (outer) and j appear only as `extent(j) i + j`, so that one loop can stand for both. */
const mergeable = (i: Var, j: Var, terms: ReadonlyArray<Term>, roots: ReadonlyArray<Term>): boolean => {
  const both = i.vars | j.vars
  if (roots.some((t) => t === i || t === j)) return false
  return terms.every((t) => {
    if ((t.vars & both) === 0 || t === i || t === j) return true
    if (t._tag === 'Affine') {
      const ki = t.terms.find(([x]) => x === i)?.[1] ?? 0
      const kj = t.terms.find(([x]) => x === j)?.[1] ?? 0
      return ki === kj * j.extent
    }
    return !operandsOf(t).some((o) => o === i || o === j)
  })
}

const mergeOnce = (table: TermTable, n: Nest): Nest | undefined => {
  const roots = rootsOf(n.writes)
  const terms = termsOf(roots)
  for (let p = 0; p + 1 < n.loops.length; p++) {
    const [i, j] = [n.loops[p], n.loops[p + 1]]
    if (!mergeable(i, j, terms, roots)) continue
    // i stands for no position of its own any more: f = extent(j) i + j
    const f = table.variable(i.extent * j.extent)
    const map = new Map<Term, Term>([
      [i, table.num('i32', 0)],
      [j, f],
    ])
    return replace(table, n, [...n.loops.slice(0, p), f, ...n.loops.slice(p + 2)], map)
  }
  return undefined
}

/** A loop that occurs under a division or remainder by a divisor of its extent, and that divisor. */
const splitOnce = (table: TermTable, n: Nest): Nest | undefined => {
  for (const t of termsOf(rootsOf(n.writes))) {
    if (t._tag !== 'Binary' || (t.op !== 'idiv' && t.op !== 'mod') || t.y._tag !== 'Num' || t.x._tag !== 'Var') continue
    const v = n.loops.find((l) => l === t.x)
    const inner = t.y.value
    if (v === undefined || v.extent % inner !== 0 || inner <= 1 || inner >= v.extent) continue
    const a = table.variable(v.extent / inner)
    const b = table.variable(inner)
    const p = n.loops.indexOf(v)
    return replace(
      table,
      n,
      [...n.loops.slice(0, p), a, b, ...n.loops.slice(p + 1)],
      new Map([
        [
          v,
          table.affine(
            [
              [a, inner],
              [b, 1],
            ],
            0,
          ),
        ],
      ]),
    )
  }
  return undefined
}

/** Loops of extent 1 are constants. */
const dropOnes = (table: TermTable, n: Nest): Nest => {
  const ones = n.loops.filter((v) => v.extent === 1)
  return ones.length === 0
    ? n
    : replace(
        table,
        n,
        n.loops.filter((v) => v.extent > 1),
        new Map(ones.map((v): readonly [Term, Term] => [v, table.num('i32', 0)])),
      )
}

/** As few loops as possible, with every offset affine in them where a split can make it so. */
export const normalise = (table: TermTable, given: Nest): Nest => {
  let n = dropOnes(table, given)
  // each split makes offsets simpler; two variables are left for the blocks of a target
  while (table.variables() + 4 <= 32) {
    const next = mergeOnce(table, n) ?? splitOnce(table, n)
    if (next === undefined) break
    n = next
  }
  return n
}
