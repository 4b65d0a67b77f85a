/**
 * Contractions by structure: a sum (of sums) of a product whose factors fall into two sides. Loops that only one side
 * has are rows (m) or columns (n); those of both are batches. What is done with the sum afterwards may be anything.
 *
 * ```
 * out[b, m, n] = f(sum over k of x[b, m, k] y[b, k, n], m, n, …)
 * ```
 */
import type { Kernel } from '../../kernel/kernel.ts'
import type { Reduce, Term, Var } from '../../kernel/term.ts'
import { termsOf } from '../../kernel/term.ts'
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
  /** The same sum at other columns of the row, where rows are reduced afterwards: a term, and the variable that counts its columns. */
  readonly again: ReadonlyMap<Reduce, Var>
  /** Whether what comes after needs rows as a whole. */
  readonly whole: boolean
}

export const extentOf = (vs: ReadonlyArray<Var>): number => vs.reduce((n, v) => n * v.extent, 1)

/** The variables and the body of a sum of sums. */
export const chainOf = (r: Reduce): { readonly summed: ReadonlyArray<Var>; readonly body: Term } => {
  const summed: Array<Var> = []
  let t: Term = r
  while (t._tag === 'Reduce' && t.op === 'sum') {
    summed.push(t.variable)
    t = t.body
  }
  return { summed, body: t }
}

const factorsOf = (t: Term): ReadonlyArray<Term> =>
  t._tag === 'Binary' && t.op === 'mul' && t.dtype === 'f32' ? [...factorsOf(t.x), ...factorsOf(t.y)] : [t]

const maskOf = (ts: ReadonlyArray<{ readonly vars: number }>): number => ts.reduce((m, t) => m | t.vars, 0)

/** Multiply-adds, at least, before packing pays. */
const least = 8192

/** Columns, at most, of a row that is held as a whole: the runtime's NC. */
const widest = 1536

interface Head {
  readonly sum: Reduce
  readonly summed: ReadonlyArray<Var>
  readonly body: Term
}

/** Sums of products that hold no further reduction. */
const headsOf = (reduces: ReadonlyArray<Reduce>): ReadonlyArray<Head> => {
  const inChain = new Set(reduces.flatMap((r) => (r.op === 'sum' && r.body._tag === 'Reduce' ? [r.body] : [])))
  return reduces
    .filter((r) => !inChain.has(r) && r.op === 'sum' && r.dtype === 'f32')
    .flatMap((sum) => {
      const { summed, body } = chainOf(sum)
      return termsOf([body]).some((t) => t._tag === 'Reduce') || factorsOf(body).length < 2 ? [] : [{ sum, summed, body }]
    })
}

/** What reduces besides the contraction itself: the same at other columns, and reductions of rows. Undefined where it is neither. */
const othersOf = (
  k: Kernel,
  head: Head,
  column: Var,
  reduces: ReadonlyArray<Reduce>,
  heads: ReadonlyArray<Head>,
): ReadonlyMap<Reduce, Var> | undefined => {
  const again = new Map<Reduce, Var>()
  const inside = new Set<Reduce>()
  const collect = (h: Head): void => {
    for (const t of termsOf([h.sum])) if (t._tag === 'Reduce') inside.add(t)
  }
  collect(head)
  const variables = [...new Set(reduces.map((r) => r.variable))].filter((v) => v.extent === column.extent)
  for (const h of heads) {
    if (h === head || h.summed.length !== head.summed.length) continue
    const moved = variables.find(
      (v) =>
        k.table.replace(
          new Map<Term, Term>([[column, v], ...head.summed.map((s, i): readonly [Term, Term] => [s, h.summed[i]])]),
          head.body,
        ) === h.body,
    )
    if (moved === undefined) continue
    again.set(h.sum, moved)
    collect(h)
  }
  const rest = reduces.filter((r) => !inside.has(r))
  return rest.every((r) => (r.vars & column.vars) === 0 && r.variable.extent === column.extent) ? again : undefined
}

/** The one contraction that a kernel stands for, if any. */
export const contractionOf = (k: Kernel): Contraction | undefined => {
  const [write] = k.writes
  if (k.whole !== undefined) return undefined
  const all = maskOf(k.loops)
  const reduces = termsOf(k.writes.map((w) => w.value)).filter((t): t is Reduce => t._tag === 'Reduce')
  const heads = headsOf(reduces)
  // a second one would be what else reduces, and no reduction of rows
  const head = heads.find((h) => (h.sum.vars & all) === all)
  if (head === undefined) return undefined
  const main = k.writes.find((w) => (w.offset.vars & all) === all) ?? write
  const last = k.loops.find((v) => strideAlong(main.offset, v) === 1) ?? k.loops[k.loops.length - 1]
  if (last === undefined) return undefined
  const factors = factorsOf(head.body)
  const right = factors.filter((f) => (f.vars & last.vars) !== 0)
  const left = factors.filter((f) => (f.vars & last.vars) === 0)
  const [inLeft, inRight] = [maskOf(left), maskOf(right)]
  const has = (v: Var, mask: number): boolean => (v.vars & mask) !== 0
  const batch = k.loops.filter((v) => has(v, inLeft) && has(v, inRight))
  const rows = k.loops.filter((v) => has(v, inLeft) && !has(v, inRight))
  const columns = k.loops.filter((v) => !has(v, inLeft) && has(v, inRight))
  const { sum, summed } = head
  const [m, n, depth] = [rows, columns, summed].map(extentOf)
  if (m < 4 || n < 4 || depth < 4 || m * n * depth < least) return undefined
  const whole = reduces.length > summed.length || k.writes.some((w) => (w.offset.vars & all) !== all)
  if (!whole) return { sum, batch, rows, columns, summed, left, right, again: new Map(), whole }
  // every write runs over the rows; each row is stored as a whole
  const outer = maskOf([...batch, ...rows])
  if (columns.length !== 1 || n > widest || k.writes.some((w) => (w.offset.vars & outer) !== outer)) return undefined
  const again = othersOf(k, head, columns[0], reduces, heads)
  return again === undefined ? undefined : { sum, batch, rows, columns, summed, left, right, again, whole }
}
