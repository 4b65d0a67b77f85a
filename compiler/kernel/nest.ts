/**
 * The loop nest of one point of a kernel: what is bound where. A term is computed in the innermost loop that it depends
 * on and no deeper, shared terms once; reductions over the same variable run in one loop. All targets print this.
 */
import type { TermTable } from './table.ts'
import type { Reduce, Term, Var } from './term.ts'
import { operandsOf, termsOf } from './term.ts'

export type Statement =
  | { readonly _tag: 'Let'; readonly term: Term }
  /** Runs `body` for every value of the variable, and gathers each reduction's body. */
  | { readonly _tag: 'Loop'; readonly variable: Var; readonly reductions: ReadonlyArray<Reduce>; readonly body: ReadonlyArray<Statement> }

const isTrivial = (t: Term): boolean => t._tag === 'Num' || t._tag === 'Var'

/** The reductions' variables under some terms, outer ones first: an inner one appears in the body of an outer one. */
const boundVariables = (roots: ReadonlyArray<Term>): ReadonlyArray<Var> => {
  const found = new Set<Var>()
  for (const t of [...termsOf(roots)].reverse()) if (t._tag === 'Reduce') found.add(t.variable)
  return [...found]
}

/**
 * before: offset = 64 row + 4 k + 1        (k the variable of a reduction)
 * after:  offset = base + 4 k, base = 64 row + 1, so that base is computed once, outside of the loop over k
 */
export const hoistOffsets = (table: TermTable, roots: ReadonlyArray<Term>): ReadonlyArray<Term> => {
  const order = boundVariables(roots)
  const mask = order.reduce((m, v) => m | v.vars, 0)
  const depth = (t: Term): number => order.reduce((d, v, i) => ((t.vars & v.vars) !== 0 ? i + 1 : d), 0)
  const done = new Map<Term, Term>()
  const go = (t: Term): Term => done.get(t) ?? t
  const offset = (t: Term): Term => {
    if (t._tag !== 'Affine' || (t.vars & mask) === 0) return t
    let sum: Term = table.num('i32', t.constant)
    for (let d = 0; d <= order.length; d++) {
      const here = t.terms.filter(([x]) => depth(x) === d)
      if (here.length === 0) continue
      sum = table.affine([[d === 0 ? sum : table.opaque(sum), 1], ...here.map(([x, k]): readonly [Term, number] => [go(x), k])], 0)
    }
    return sum
  }
  for (const t of termsOf(roots)) done.set(t, rebuild(table, t, go, offset))
  return roots.map(go)
}

const rebuild = (table: TermTable, t: Term, go: (t: Term) => Term, offset: (t: Term) => Term): Term => {
  switch (t._tag) {
    case 'Num':
    case 'Var':
    case 'Affine':
      return t
    case 'Read':
      return table.read(t.buffer, t.dtype, t.offset._tag === 'Affine' ? offset(t.offset) : go(t.offset))
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
    case 'Reduce':
      return table.reduce(t.op, t.variable, go(t.body))
  }
}

/**
 * Statements that make every root available, given what is bound `outside` already.
 * Terms that get a `Let`: shared ones, and those used in a deeper loop than they belong to.
 */
const block = (roots: ReadonlyArray<Term>, outside: ReadonlySet<Term>): ReadonlyArray<Statement> => {
  const mine: Array<Term> = []
  const seen = new Set<Term>(outside)
  const uses = new Map<Term, number>()
  // walk what belongs to this block; inside a reduction go on to what does not depend on its variable
  const stack: Array<{ readonly t: Term; readonly inner: number }> = roots.map((t) => ({ t, inner: 0 }))
  const foreign = new Set<string>()
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { t, inner } = top
    if (outside.has(t)) continue
    const belongs = (t.vars & inner) === 0
    if (belongs) {
      uses.set(t, (uses.get(t) ?? 0) + (inner !== 0 ? 2 : 1))
      if (seen.has(t)) continue
      seen.add(t)
      mine.push(t)
    } else {
      const key = `${t.id} ${inner}`
      if (foreign.has(key)) continue
      foreign.add(key)
    }
    const deeper = belongs ? 0 : inner
    if (t._tag === 'Reduce') stack.push({ t: t.body, inner: deeper | t.variable.vars })
    else for (const o of operandsOf(t)) stack.push({ t: o, inner: deeper })
  }
  mine.sort((a, b) => a.id - b.id)

  // the level of a term: how many rounds of loops in this block come before it
  const level = new Map<Term, number>()
  const levelOf = (t: Term): number => level.get(t) ?? 0
  const deps = (t: Term): ReadonlyArray<Term> => (t._tag === 'Reduce' ? belongingUnder(t, new Set(mine)) : operandsOf(t))
  for (const t of mine) level.set(t, deps(t).reduce((l, o) => Math.max(l, levelOf(o)), 0) + (t._tag === 'Reduce' ? 1 : 0))

  const statements: Array<Statement> = []
  const bound = new Set<Term>(outside)
  const last = mine.reduce((l, t) => Math.max(l, levelOf(t)), 0)
  for (let l = 0; l <= last; l++) {
    const reductions = mine.filter((t): t is Reduce => t._tag === 'Reduce' && levelOf(t) === l)
    for (const v of new Set(reductions.map((r) => r.variable))) {
      const group = reductions.filter((r) => r.variable === v)
      const body = block(
        group.map((r) => r.body),
        bound,
      )
      statements.push({ _tag: 'Loop', variable: v, reductions: group, body })
    }
    for (const r of reductions) bound.add(r)
    for (const t of mine) {
      if (levelOf(t) !== l || t._tag === 'Reduce' || isTrivial(t) || (uses.get(t) ?? 0) < 2) continue
      statements.push({ _tag: 'Let', term: t })
      bound.add(t)
    }
  }
  return statements
}

/** Terms of the block that a reduction's body reads. */
const belongingUnder = (r: Reduce, mine: ReadonlySet<Term>): ReadonlyArray<Term> => {
  const found: Array<Term> = []
  const seen = new Set<Term>()
  const stack: Array<Term> = [r.body]
  for (let t = stack.pop(); t !== undefined; t = stack.pop()) {
    if (seen.has(t)) continue
    seen.add(t)
    if (mine.has(t)) found.push(t)
    else stack.push(...operandsOf(t))
  }
  return found
}

/** The statements of one point of a kernel: afterwards every root can be written down from what is bound. */
export const nest = (roots: ReadonlyArray<Term>): ReadonlyArray<Statement> => block(roots, new Set())
