/** Loop shapes: what is written where stays, and variables stay few enough to be told apart by the bits of a mask. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Write } from '../../compiler/kernel/kernel.ts'
import { normalise } from '../../compiler/kernel/loops.ts'
import type { TermTable } from '../../compiler/kernel/table.ts'
import { termTable } from '../../compiler/kernel/table.ts'
import type { Term, Var } from '../../compiler/kernel/term.ts'
import { range } from '../../core/type.ts'
import { runs } from '../support/arbitrary.ts'
import { evaluate, points } from '../support/kernels.ts'

interface Nest {
  readonly loops: ReadonlyArray<Var>
  readonly writes: ReadonlyArray<Write>
}

const flat = (table: TermTable, loops: ReadonlyArray<Var>): Term =>
  table.affine(
    loops.map((v, i) => [v, loops.slice(i + 1).reduce((n, w) => n * w.extent, 1)]),
    0,
  )

const written = (loops: ReadonlyArray<Var>, place: Term, value: Term): Nest => ({
  loops,
  writes: [{ dtype: 'f32', length: loops.reduce((n, v) => n * v.extent, 1), offset: place, value }],
})

/** What is at each place; what is read is its offset. */
const content = (n: Nest): ReadonlyMap<number, number> =>
  new Map(points(n.loops).flatMap((p) => n.writes.map((w) => [evaluate(w.offset, p, () => NaN), evaluate(w.value, p, (_, at) => at)])))

describe('normal loops', () => {
  it('write the same values at the same places', () => {
    const extents = fc.array(fc.constantFrom(1, 2, 3, 4, 6, 8), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(extents, fc.array(fc.constantFrom(2, 3, 4, 5, 6, 8, 12), { maxLength: 3 }), fc.nat(), (sizes, divisors, which) => {
        const table = termTable()
        const loops = sizes.map((n) => table.variable(n))
        const f = flat(table, loops)
        const digits = divisors.flatMap((d) => [table.binary('mod', f, table.num('i32', d)), table.binary('idiv', f, table.num('i32', d))])
        const at = table.affine([[f, 1], ...digits.map((t, i): readonly [Term, number] => [t, 5 * i - 3])], 40)
        const value = [table.read(0, 'f32', at), table.cast('f32', loops[which % loops.length]), table.cast('f32', at)][which % 3]
        const before = written(loops, f, value)
        const after = normalise(table, before)
        expect(content(after)).toEqual(content(before))
        expect(after.loops.length === 0 ? 1 : after.loops.reduce((n, v) => n * v.extent, 1)).toBe(sizes.reduce<number>((n, e) => n * e, 1))
      }),
      runs(400),
    )
  })
  it('are one where all count on from each other', () => {
    const table = termTable()
    const loops = [2, 3, 4].map((n) => table.variable(n))
    const f = flat(table, loops)
    expect(normalise(table, written(loops, f, table.read(0, 'f32', f))).loops.map((v) => v.extent)).toEqual([24])
  })
  it.each([3, 15, 16, 20, 27])('of %i loops have variables that masks of 32 bits tell apart', (count) => {
    const table = termTable()
    const loops = range(count).map(() => table.variable(2))
    const f = flat(table, loops)
    normalise(table, written(loops, f, table.read(0, 'f32', f)))
    expect(table.variables()).toBeLessThanOrEqual(32)
  })
})
