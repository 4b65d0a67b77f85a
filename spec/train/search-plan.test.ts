/** A search for settings by itself: what it tries, for how long, and what it concludes. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eta, planFor, secondsOf } from '../../train/judge/search/halving.ts'
import type { Axis } from '../../train/judge/search/space.ts'
import { changesAt, effectsOf, pointsOf } from '../../train/judge/search/space.ts'
import { runs } from '../support/arbitrary.ts'

const axes: ReadonlyArray<Axis> = [
  { name: 'rate', choices: [{}, { 'optimizer.lr': 1 }, { 'optimizer.lr': 2 }] },
  { name: 'crops', choices: [{}, { 'augmentation.locals': 0, 'augmentation.globals': 2 }] },
]

describe('what is tried', () => {
  it('begins with what stands, has no point twice, and is a function of the seed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
        const points = pointsOf(axes, count, seed)
        expect(points[0]).toEqual([0, 0])
        expect(new Set(points.map(String)).size).toBe(points.length)
        expect(points.length).toBeLessThanOrEqual(Math.min(count, 6))
        expect(pointsOf(axes, count, seed)).toEqual(points)
      }),
      runs(50),
    )
    expect(pointsOf(axes, 40, 1)).toHaveLength(6)
    expect(changesAt(axes, [2, 1])).toEqual({ 'optimizer.lr': 2, 'augmentation.locals': 0, 'augmentation.globals': 2 })
    expect(changesAt(axes, [0, 0])).toEqual({})
  })

  it('fits into the time, ends with whole runs, and has something to choose from in every round', () => {
    const cost = fc.record({ fixed: fc.double({ min: 0, max: 60, noNaN: true }), step: fc.double({ min: 1e-3, max: 1, noNaN: true }) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 36_000 }), fc.integer({ min: 1, max: 20_000 }), cost, (seconds, steps, c) => {
        const plan = planFor(seconds, steps, c, 243)
        expect(secondsOf(plan, c)).toBeLessThanOrEqual(seconds)
        if (plan.length === 0) {
          expect(2 * (c.fixed + steps * c.step)).toBeGreaterThan(seconds)
          return
        }
        expect(plan.at(-1)?.steps).toBe(steps)
        plan.slice(1).forEach((r, i) => {
          expect(plan[i].runs).toBeGreaterThan(r.runs)
          expect(r.steps / plan[i].steps).toBeCloseTo(eta, 0)
        })
      }),
      runs(200),
    )
  })

  it('what mattered most comes first', () => {
    const tried = [
      { point: [0, 0], score: 0.5 },
      { point: [1, 0], score: 0.9 },
      { point: [1, 1], score: 0.8 },
      { point: [0, 1], score: 0.6 },
    ]
    const [first, second] = effectsOf(axes, tried)
    expect(first.axis).toBe('rate')
    expect(first.spread).toBeCloseTo(0.3)
    expect(first.means[2]).toBeUndefined()
    expect(second.spread).toBeCloseTo(0)
  })
})
