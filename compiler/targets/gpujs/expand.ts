/**
 * Functions that gpu.js does not have, written out in terms that it has. Written out, not called: WebAssembly vector lanes
 * do not go through calls, and what two functions have in common (the exponential of erf and of its derivative) is shared.
 */
import type { TermTable } from '../../kernel/table.ts'
import type { Term } from '../../kernel/term.ts'
import { termsOf } from '../../kernel/term.ts'

/**
 * erf in single precision, own least-squares fits: x P(x^2) up to 1 (relative error 2e-7), then 1 - Q(t) exp(-x^2) with
 * t = 1 / (1 + 0.4 |x|), the form of Abramowitz and Stegun 7.1.26 (absolute error 9e-8).
 */
const near = [1.12837917, -0.376126256, 0.112835822, -0.0268536911, 0.00518809889, -0.000800818933, 7.84725914e-5]
const far = [-0.00266568163, 0.257580974, 0.0623915516, 0.668467192, -0.59295805, 0.838273793, -0.231097912]

/** c0 + x (c1 + x (c2 + …)) */
const polynomial = (t: TermTable, x: Term, coefficients: ReadonlyArray<number>): Term =>
  coefficients.reduceRight<Term | undefined>(
    (sum, c) => (sum === undefined ? t.num('f32', c) : t.binary('add', t.num('f32', c), t.binary('mul', x, sum))),
    undefined,
  ) ?? t.num('f32', 0)

const erf = (t: TermTable, x: Term): Term => {
  const one = t.num('f32', 1)
  const zero = t.num('f32', 0)
  const a = t.unary('abs', x)
  const square = t.binary('mul', x, x)
  const inner = t.binary('mul', x, polynomial(t, square, near))
  const u = t.binary('div', one, t.binary('add', one, t.binary('mul', t.num('f32', 0.4), a)))
  const outer = t.binary('sub', one, t.binary('mul', polynomial(t, u, far), t.unary('exp', t.unary('neg', square))))
  return t.select(t.binary('le', a, one), inner, t.select(t.binary('lt', x, zero), t.unary('neg', outer), outer))
}

/** The first erf under some terms; its operand has none. */
const firstErf = (roots: ReadonlyArray<Term>): Extract<Term, { readonly _tag: 'Unary' }> | undefined =>
  termsOf(roots).find((t): t is Extract<Term, { readonly _tag: 'Unary' }> => t._tag === 'Unary' && t.op === 'erf')

/** The roots with every erf written out, operands first. */
export const expand = (table: TermTable, roots: ReadonlyArray<Term>): ReadonlyArray<Term> => {
  let now = roots
  for (let t = firstErf(now); t !== undefined; t = firstErf(now)) {
    const map = new Map<Term, Term>([[t, erf(table, t.x)]])
    now = now.map((r) => table.replace(map, r))
  }
  return now
}
