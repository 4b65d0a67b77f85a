import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gather, isConstant } from '../../../train/judge/report/curves.ts'

const gathered = (values: ReadonlyArray<number>, most?: number) => {
  const g = gather(most)
  values.forEach((v, i) => {
    g.add({ step: i + 1, x: v })
  })
  return g.curves()
}

describe('curves', () => {
  test('keep every value of a short run', () => {
    const {
      curves: [c],
      step,
      span,
    } = gathered([3, 1, 2])
    expect([step, span, c.count, c.last]).toEqual([3, 1, 3, 2])
    expect(c.bins.map((b) => [b.step, b.mean, b.low, b.high])).toEqual([
      [1, 3, 3, 3],
      [2, 1, 1, 1],
      [3, 2, 2, 2],
    ])
  })
  test('of any length have few bins, which keep counts, means and ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 20 }),
        (values, most) => {
          const {
            curves: [c],
            span,
          } = gathered(values, most)
          expect(c.bins.length).toBeLessThanOrEqual(most)
          expect(c.bins.length).toBe(Math.ceil(values.length / span))
          expect(c.bins.reduce((n, b) => n + b.count, 0)).toBe(values.length)
          expect(c.bins.reduce((s, b) => s + b.mean * b.count, 0)).toBeCloseTo(
            values.reduce((a, b) => a + b, 0),
            6,
          )
          c.bins.forEach((b, i) => {
            const own = values.slice(i * span, (i + 1) * span)
            expect([b.low, b.high]).toEqual([Math.min(...own), Math.max(...own)])
          })
        },
      ),
    )
  })
  test('leave out what is no finite number, and records without a step', () => {
    const g = gather()
    g.add({ step: 1, a: NaN, b: null, c: 'x', d: 1 })
    g.add({ a: 2 })
    g.add({ step: 'two', a: 2 })
    expect(g.curves().curves.map((c) => c.name)).toEqual(['d'])
  })
  test('may be sparse, and may begin late', () => {
    const g = gather(4)
    for (let step = 1; step <= 40; step++)
      g.add({ step, loss: 1, ...(step % 20 === 0 ? { knn: step } : {}), ...(step > 30 ? { gram: step } : {}) })
    const [loss, knn, gram] = g.curves().curves
    expect(isConstant(loss)).toBe(true)
    expect(isConstant(knn)).toBe(false)
    expect(knn.bins.map((b) => b.step)).toEqual([20, 40])
    expect([gram.count, gram.bins[0].low, gram.last]).toEqual([10, 31, 40])
  })
})
