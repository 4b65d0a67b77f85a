/** Arithmetic of indices is that of whole numbers, at every point of the loops; and equal sums are one term. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TermTable } from '../../compiler/kernel/table.ts'
import { termTable } from '../../compiler/kernel/table.ts'
import type { Term, Var } from '../../compiler/kernel/term.ts'
import { termsOf } from '../../compiler/kernel/term.ts'
import { idiv, mod } from '../../compiler/numerics.ts'
import { runs } from '../support/arbitrary.ts'
import { evaluate } from '../support/kernels.ts'

/** Loops that often fit into each other, a sum of them, and divisors that often divide its coefficients. */
interface Sum {
  readonly extents: ReadonlyArray<number>
  readonly coefficients: ReadonlyArray<number>
  readonly constant: number
  readonly divisor: number
  readonly then: number
}

const small = fc.constantFrom(2, 3, 4, 5, 6, 7, 8, 12, 16, 24)
const sums: fc.Arbitrary<Sum> = fc
  .tuple(
    fc.array(fc.tuple(small, fc.oneof(small, fc.integer({ min: -9, max: 60 }))), { minLength: 1, maxLength: 4 }),
    fc.boolean(),
    fc.nat(3),
  )
  .chain(([loops, isNested, constant]) => {
    // nested: each coefficient is what the loops inside of it count to, as in flat positions
    const counted = loops.map((_, i) => loops.slice(i + 1).reduce((n, [extent]) => n * extent, 1))
    const coefficients = isNested ? counted : loops.map(([, k]) => k)
    const divisors = fc.oneof(small, fc.constantFrom(...counted.map((n, i) => n * loops[i][0])), fc.constantFrom(21, 30, 504))
    return fc.record({
      extents: fc.constant(loops.map(([extent]) => extent)),
      coefficients: fc.constant(coefficients),
      constant: fc.constant(isNested ? 0 : constant),
      divisor: divisors,
      then: small,
    })
  })

const termOf = (table: TermTable, s: Sum): { readonly variables: ReadonlyArray<Var>; readonly x: Term } => {
  const variables = s.extents.map((n) => table.variable(n))
  return {
    variables,
    x: table.affine(
      variables.map((v, i) => [v, s.coefficients[i]]),
      s.constant,
    ),
  }
}

/** Some points of some loops, the corners among them. */
const pointsOf = (variables: ReadonlyArray<Var>): ReadonlyArray<ReadonlyMap<Var, number>> =>
  variables.reduce<ReadonlyArray<ReadonlyMap<Var, number>>>(
    (all, v) => all.flatMap((p) => [...new Set([0, 1, Math.floor(v.extent / 2), v.extent - 1])].map((i) => new Map(p).set(v, i))),
    [new Map()],
  )

const none = (): number => NaN

describe('quotients and remainders', () => {
  it('are those of the sum, also of each other', () => {
    fc.assert(
      fc.property(sums, (s) => {
        const table = termTable()
        const { variables, x } = termOf(table, s)
        const [n, m] = [table.num('i32', s.divisor), table.num('i32', s.then)]
        const [quotient, rest] = [table.binary('idiv', x, n), table.binary('mod', x, n)]
        const terms = [quotient, rest, table.binary('mod', quotient, m), table.binary('idiv', rest, m), table.binary('mod', rest, m)]
        for (const at of pointsOf(variables)) {
          const flat = s.coefficients.reduce((sum, k, i) => sum + k * (at.get(variables[i]) ?? NaN), s.constant)
          const [q, r] = [idiv(flat, s.divisor), mod(flat, s.divisor)]
          expect(terms.map((t) => evaluate(t, at, none))).toEqual([q, r, mod(q, s.then), idiv(r, s.then), mod(r, s.then)])
        }
      }),
      runs(600),
    )
  })
  it('put together are the sum itself', () => {
    fc.assert(
      fc.property(sums, (s) => {
        const table = termTable()
        const { x } = termOf(table, s)
        const n = table.num('i32', s.divisor)
        const both: ReadonlyArray<readonly [Term, number]> = [
          [table.binary('idiv', x, n), s.divisor],
          [table.binary('mod', x, n), 1],
        ]
        expect(table.affine(both, 0)).toBe(x)
      }),
      runs(600),
    )
  })
  it('of a flat position by what its inner loops count to are its loops', () => {
    fc.assert(
      fc.property(fc.array(small, { minLength: 2, maxLength: 4 }), fc.nat(), (extents, which) => {
        const table = termTable()
        const counts = extents.map((_, i) => extents.slice(i + 1).reduce((n, e) => n * e, 1))
        const variables = extents.map((n) => table.variable(n))
        const x = table.affine(
          variables.map((v, i) => [v, counts[i]]),
          0,
        )
        const i = which % extents.length
        const digit = table.binary('mod', table.binary('idiv', x, table.num('i32', counts[i])), table.num('i32', extents[i]))
        expect(digit).toBe(variables[i])
      }),
      runs(300),
    )
  })
  it('by a multiple of what the inner loops count to do not ask for them', () => {
    const table = termTable()
    const [a, b, c] = [table.variable(6), table.variable(7), table.variable(24)]
    const x = table.affine(
      [
        [a, 168],
        [b, 24],
        [c, 1],
      ],
      0,
    )
    const quotient = table.binary('idiv', x, table.num('i32', 504))
    expect(termsOf([quotient])).not.toContain(b)
    expect(termsOf([quotient])).not.toContain(c)
    expect(quotient).toBe(table.binary('idiv', a, table.num('i32', 3)))
  })
})
