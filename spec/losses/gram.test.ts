/** Gram anchoring against plain loops, its invariances, and which patches it looks at. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Expr } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { trace } from '../../core/trace.ts'
import type { GramOptions } from '../../losses/gram.ts'
import { gram } from '../../losses/gram.ts'
import { total as totalOf } from '../../losses/loss.ts'
import { greater } from '../../ops/elementwise.ts'
import { divisor, runs } from '../support/arbitrary.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { gradientOf, number, outcomeOf, rowOf, total, values } from './support.ts'

const [crops, patches, width] = [2, 3, 4]
const n = crops * patches * width
const [student, teacher, hidden] = [input('s', [crops, patches, width]), input('g', [crops, patches, width]), input('m', [crops, patches])]

const lossOf = (o: GramOptions): Expr =>
  totalOf(
    outcomeOf(gram(o), {
      student: { global: { patches: student }, masked: { mask: greater(hidden, 0) } },
      teacher: { gram: { patches: teacher } },
    }),
  )

const of = (o: GramOptions, s: ReadonlyArray<number>, g: ReadonlyArray<number>, mask: ReadonlyArray<number> = [0, 0, 0, 0, 0, 0]): number =>
  number(lossOf(o), values({ s, g, m: mask }))

const unit = (x: ReadonlyArray<number>): ReadonlyArray<number> => x.map((v) => v / Math.hypot(...x))
const dot = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => total(a.map((x, i) => x * b[i]))

/** gram_loss.py by loops, over the patches that `keep` names. */
const loops = (o: GramOptions, s: ReadonlyArray<number>, g: ReadonlyArray<number>, keep: (p: number) => boolean): number => {
  const squares: Array<number> = []
  for (let i = 0; i < crops * patches; i++) {
    for (let j = 0; j < crops * patches; j++) {
      if ((o.level ?? 'image') === 'image' && Math.floor(i / patches) !== Math.floor(j / patches)) continue
      if (!keep(i) || !keep(j)) continue
      const entry = (x: ReadonlyArray<number>): number =>
        o.normalize === false ? dot(rowOf(x, width, i), rowOf(x, width, j)) : dot(unit(rowOf(x, width, i)), unit(rowOf(x, width, j)))
      let [a, b] = [entry(s), entry(g)]
      const zeroed = o.negatives ?? 'keep'
      if ((zeroed === 'remove' && a < 0) || (zeroed === 'remove-teacher-intended' && a < 0 && b < 0)) a = 0
      if (zeroed !== 'keep' && b < 0) b = 0
      squares.push((a - b) ** 2)
    }
  }
  return squares.length === 0 ? 0 : total(squares) / squares.length
}

const some = fc.array(divisor, { minLength: n, maxLength: n })
const masks = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: crops * patches, maxLength: crops * patches })

describe('Gram anchoring', () => {
  it('is the mean of squared differences of products, with every option', () => {
    const options = fc.record({
      normalize: fc.boolean(),
      level: fc.constantFrom('image' as const, 'batch' as const),
      negatives: fc.constantFrom('keep' as const, 'remove' as const, 'remove-teacher' as const, 'remove-teacher-intended' as const),
    })
    fc.assert(
      fc.property(options, some, some, (o, s, g) => {
        expectClose([of(o, s, g)], [loops(o, s, g, () => true)], 1e-9)
      }),
      runs(60),
    )
  })
  it('of hidden or of visible patches alone is that over the pairs of them', () => {
    fc.assert(
      fc.property(some, some, masks, (s, g, m) => {
        for (const tokens of ['masked', 'unmasked'] as const)
          expectClose(
            [of({ level: 'batch', tokens }, s, g, m)],
            [loops({ level: 'batch' }, s, g, (p) => (m[p] === 1) === (tokens === 'masked'))],
            1e-9,
          )
      }),
      runs(30),
    )
  })
  it('is 0 for equal features, and does not see their lengths, nor a turn of all of them', () => {
    fc.assert(
      fc.property(some, some, (s, g) => {
        expectClose([of({}, s, s)], [0], 1e-12)
        expectClose(
          [
            of(
              {},
              s.map((x, i) => x * (1 + Math.floor(i / width))),
              g,
            ),
          ],
          [of({}, s, g)],
          1e-9,
        )
        // the components in another order, one of them with its sign changed
        expectClose(
          [
            of(
              {},
              s.map((_, i) => (i % width === 0 ? -1 : 1) * s[i - (i % width) + (((i % width) + 1) % width)]),
              g,
            ),
          ],
          [of({}, s, g)],
          1e-9,
        )
      }),
      runs(30),
    )
  })
  it("sends no gradient to the teacher, and none through the student's negatives where they are removed", () => {
    const v = values({ s: wave(n, 1), g: wave(n, 2), m: [0, 0, 0, 0, 0, 0] })
    expect(gradientOf(lossOf({}), teacher, v)).toEqual([])
    // two opposite patches where the teacher has two at right angles: all other products are equal
    const [s, g] = [
      [1, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0],
      [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
    ]
    const opposite = values({ s: [...s, ...s], g: [...g, ...g], m: [0, 0, 0, 0, 0, 0] })
    const moved = (o: GramOptions): number =>
      gradientOf(lossOf({ normalize: false, ...o }), student, opposite).filter((x) => x !== 0).length
    expect([moved({ negatives: 'remove' }), moved({ negatives: 'remove-teacher' }), moved({})]).toEqual([0, 4, 4])
  })
  it.each([
    [{ tokens: 'masked' as const }, 'level batch'],
    [{ level: 'batch' as const, tokens: 'unmasked' as const }, 'the mask [R, N]'],
  ])('with %o and no mask is a misuse', (o, allowed) => {
    const loss = totalOf(outcomeOf(gram(o), { student: { global: { patches: student } }, teacher: { gram: { patches: teacher } } }))
    const g = trace('loss', [value('loss', loss)])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain(allowed)
  })
  it('of another grid is a misuse', () => {
    const loss = totalOf(
      outcomeOf(gram(), { student: { global: { patches: student } }, teacher: { gram: { patches: input('big', [crops, 5, width]) } } }),
    )
    const g = trace('loss', [value('loss', loss)])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain('on one grid')
  })
})
