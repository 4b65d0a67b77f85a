/** Terms of one kernel in another: rebuilt in the other's table, at the positions that its loops stand for. */
import type { TermTable } from './table.ts'
import type { Read, Term, Var } from './term.ts'

/** Rebuilds terms of another table in `table`: those that are known and reads as given, reductions with variables of their own. */
export const transplant = (
  table: TermTable,
  known: ReadonlyMap<Term, Term>,
  read: (r: Read, offset: Term) => Term,
): ((t: Term) => Term) => {
  const done = new Map<Term, Term>(known)
  const fresh = new Map<Var, Var>()
  const go = (t: Term): Term => {
    const found = done.get(t)
    if (found !== undefined) return found
    const made = rebuilt(t)
    done.set(t, made)
    return made
  }
  const rebuilt = (t: Term): Term => {
    switch (t._tag) {
      case 'Num':
        return table.num(t.dtype, t.value)
      case 'Var':
        return t
      case 'Affine':
        return table.affine(
          t.terms.map(([x, k]) => [go(x), k]),
          t.constant,
        )
      case 'Read':
        return read(t, go(t.offset))
      case 'Unary':
        return table.unary(t.op, go(t.x))
      case 'Binary':
        return table.binary(t.op, go(t.x), go(t.y))
      case 'Select':
        return table.select(go(t.when), go(t.x), go(t.y))
      case 'Cast':
        return table.cast(t.dtype, go(t.x))
      case 'Assume':
        return table.assume(go(t.x), t.lo, t.hi)
      case 'Reduce': {
        const v = fresh.get(t.variable) ?? table.variable(t.variable.extent)
        fresh.set(t.variable, v)
        done.set(t.variable, v)
        return table.reduce(t.op, v, go(t.body))
      }
    }
  }
  return go
}

/** The strides of an offset that counts through all points of some loops once, by loop; undefined where it does not. */
export const countingStrides = (offset: Term, loops: ReadonlyArray<Var>): ReadonlyMap<Var, number> | undefined => {
  const terms: ReadonlyArray<readonly [Term, number]> =
    offset._tag === 'Affine' ? (offset.constant === 0 ? offset.terms : []) : [[offset, 1]]
  const strides = new Map<Var, number>()
  for (const v of loops) {
    const mine = terms.find(([t]) => t === v)
    if (mine !== undefined) strides.set(v, mine[1])
  }
  if (strides.size !== terms.length || strides.size !== loops.length) return undefined
  let next = 1
  for (const [v, s] of [...strides].sort(([, a], [, b]) => a - b)) {
    if (s !== next) return undefined
    next *= v.extent
  }
  return strides
}

/** A kernel's loops at a flat position of what it writes. */
export const positionsAt = (table: TermTable, at: Term, strides: ReadonlyMap<Var, number>): ReadonlyMap<Var, Term> =>
  new Map([...strides].map(([v, s]) => [v, table.binary('mod', table.binary('idiv', at, table.num('i32', s)), table.num('i32', v.extent))]))
