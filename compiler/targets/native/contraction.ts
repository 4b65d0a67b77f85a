/**
 * Contractions by structure: a sum (of sums) of a product whose factors fall into two sides. Loops that only one side
 * has are rows (m) or columns (n); those of both are batches. What is done with the sum afterwards may be anything.
 *
 * ```
 * out[b, m, n] = f(sum over k of x[b, m, k] y[b, k, n], m, n, …)
 * ```
 */
import type { Kernel } from '../../kernel.ts'
import type { Reduce, Term, Var } from '../../term.ts'
import { termsOf } from '../../term.ts'
import { strideAlong } from './print.ts'

export interface Contraction {
  readonly sum: Reduce
  readonly batch: ReadonlyArray<Var>
  readonly rows: ReadonlyArray<Var>
  readonly columns: ReadonlyArray<Var>
  readonly summed: ReadonlyArray<Var>
  /** The factors of each side. */
  readonly left: ReadonlyArray<Term>
  readonly right: ReadonlyArray<Term>
}

export const extentOf = (vs: ReadonlyArray<Var>): number => vs.reduce((n, v) => n * v.extent, 1)

/** The variables and the body of a sum of sums. */
const chainOf = (r: Reduce): { readonly summed: ReadonlyArray<Var>; readonly body: Term } => {
  const summed: Array<Var> = []
  let t: Term = r
  while (t._tag === 'Reduce' && t.op === 'sum') {
    summed.push(t.variable)
    t = t.body
  }
  return { summed, body: t }
}

const factorsOf = (t: Term): ReadonlyArray<Term> => (t._tag === 'Binary' && t.op === 'mul' && t.dtype === 'f32' ? [...factorsOf(t.x), ...factorsOf(t.y)] : [t])

const maskOf = (ts: ReadonlyArray<{ readonly vars: number }>): number => ts.reduce((m, t) => m | t.vars, 0)

/** Multiply-adds, at least, before packing pays. */
const least = 8192

/** The one contraction that a kernel stands for, if any. */
export const contractionOf = (k: Kernel): Contraction | undefined => {
  const [write] = k.writes
  const all = k.loops.reduce((m, v) => m | v.vars, 0)
  if (k.writes.some((w) => w.mode !== 'set' || (w.offset.vars & all) !== all)) return undefined
  const reduces = termsOf(k.writes.map((w) => w.value)).filter((t): t is Reduce => t._tag === 'Reduce')
  const sum = reduces[reduces.length - 1]
  if (sum === undefined || sum.dtype !== 'f32') return undefined
  const { summed, body } = chainOf(sum)
  // nothing but the chain itself may reduce
  if (summed.length !== reduces.length || termsOf([body]).some((t) => t._tag === 'Reduce')) return undefined
  const factors = factorsOf(body)
  const last = k.loops.find((v) => strideAlong(write.offset, v) === 1) ?? k.loops[k.loops.length - 1]
  if (last === undefined || factors.length < 2) return undefined
  const right = factors.filter((f) => (f.vars & last.vars) !== 0)
  const left = factors.filter((f) => (f.vars & last.vars) === 0)
  const [inLeft, inRight] = [maskOf(left), maskOf(right)]
  const has = (v: Var, mask: number): boolean => (v.vars & mask) !== 0
  if (k.loops.some((v) => !has(v, inLeft) && !has(v, inRight))) return undefined
  const batch = k.loops.filter((v) => has(v, inLeft) && has(v, inRight))
  const rows = k.loops.filter((v) => has(v, inLeft) && !has(v, inRight))
  const columns = k.loops.filter((v) => !has(v, inLeft) && has(v, inRight))
  const [m, n, depth] = [rows, columns, summed].map(extentOf)
  return m < 4 || n < 4 || depth < 4 || m * n * depth < least ? undefined : { sum, batch, rows, columns, summed, left, right }
}
