/** Distillation: zero for equals, blind to what it should not see, and explained where shapes differ. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { trace } from '../../core/trace.ts'
import { distilClass, distilLogits, distilPatches } from '../../losses/distil.ts'
import { total as totalOf } from '../../losses/loss.ts'
import { divisor, runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'
import { floats, gradientOf, number, outcomeOf, rowOf, softmax, total, values } from './support.ts'

const [rows, width] = [3, 4]
const some = fc.array(divisor, { minLength: rows * width, maxLength: rows * width })
const [s, t] = [input('s', [rows, width]), input('t', [rows, width])]

const classes = (distance: 'cosine' | 'squared') =>
  totalOf(outcomeOf(distilClass({ distance }), { student: { projected: { cls: s } }, teacher: { global: { cls: t } } }))

const logits = (temperature: number) =>
  totalOf(
    outcomeOf(distilLogits({ temperature }), { images: rows, student: { global: { logits: s } }, teacher: { global: { logits: t } } }),
  )

describe('distillation of features', () => {
  it('by angle is 0 for parallel and 2 for opposite features', () => {
    fc.assert(
      fc.property(some, fc.double({ min: 0.1, max: 10, noNaN: true }), (x, factor) => {
        expectClose([number(classes('cosine'), values({ s: x.map((v) => v * factor), t: x }))], [0], 1e-9)
        expectClose([number(classes('cosine'), values({ s: x.map((v) => -v * factor), t: x }))], [2], 1e-9)
      }),
      runs(20),
    )
  })
  it('by squares is the mean over all components', () => {
    fc.assert(
      fc.property(some, some, (a, b) => {
        expectClose([number(classes('squared'), values({ s: a, t: b }))], [total(a.map((x, i) => (x - b[i]) ** 2)) / (rows * width)], 1e-9)
      }),
      runs(20),
    )
  })
  it('goes over patches as over rows', () => {
    const [ps, pt] = [input('s', [1, rows, width]), input('t', [1, rows, width])]
    const loss = totalOf(outcomeOf(distilPatches(), { student: { projected: { patches: ps } }, teacher: { global: { patches: pt } } }))
    fc.assert(
      fc.property(some, some, (a, b) => {
        expectClose([number(loss, values({ s: a, t: b }))], [number(classes('cosine'), values({ s: a, t: b }))], 1e-12)
      }),
      runs(10),
    )
  })
  it('of another width is a misuse that names the projection', () => {
    const loss = totalOf(
      outcomeOf(distilClass(), { student: { projected: { cls: s } }, teacher: { global: { cls: input('wide', [rows, 7]) } } }),
    )
    const g = trace('loss', [value('loss', loss)])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain("project the student's features")
  })
})

describe('distillation of logits', () => {
  it('is tau² times the mean divergence, never negative, and 0 for equals', () => {
    fc.assert(
      fc.property(floats(rows * width), floats(rows * width), fc.double({ min: 0.2, max: 5, noNaN: true }), (a, b, tau) => {
        const expected =
          total(
            Array.from({ length: rows }, (_, i) => {
              const [p, q] = [softmax(rowOf(b, width, i).map((x) => x / tau)), softmax(rowOf(a, width, i).map((x) => x / tau))]
              return total(p.map((x, j) => (x === 0 ? 0 : x * Math.log(x / q[j]))))
            }),
          ) / rows
        const got = number(logits(tau), values({ s: a, t: b }))
        expectClose([got], [tau * tau * expected], 1e-9)
        expect(got).toBeGreaterThan(-1e-9)
        expectClose([number(logits(tau), values({ s: a, t: a }))], [0], 1e-12)
      }),
      runs(30),
    )
  })
  it('sends no gradient to the teacher', () => {
    expect(gradientOf(logits(1), t, values({}))).toEqual([])
    expect(gradientOf(classes('squared'), t, values({}))).toEqual([])
  })
  it('at no temperature is a misuse', () => {
    const g = trace('loss', [value('loss', logits(0))])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain('a temperature above 0 (asked: 0)')
  })
})
