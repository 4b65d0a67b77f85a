/** ACC and AUC as MedMNIST reports them. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Targets } from '../../../train/judge/evaluate/classes.ts'
import { classesOf, oneOf, probabilities, rowsOfTargets } from '../../../train/judge/evaluate/classes.ts'
import { accuracy, auc, foundOf, rocAuc, taskOf } from '../../../train/judge/evaluate/metrics.ts'
import { left, right } from '../../data/either.ts'

const severalOf = (values: ReadonlyArray<number>, classes: number): Targets => ({
  length: values.length / classes,
  classes,
  multiLabel: true,
  values: Float32Array.from(values),
})

describe('AUC', () => {
  test('is the share of pairs in their order, equals counting half', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 5 })), { minLength: 1, maxLength: 30 }), (items) => {
        let [sum, pairs] = [0, 0]
        for (const [a, s] of items)
          for (const [b, t] of items) if (a && !b) [sum, pairs] = [sum + (s > t ? 1 : s === t ? 0.5 : 0), pairs + 1]
        const got = rocAuc(
          items.map(([a]) => (a ? 1 : 0)),
          items.map(([, s]) => s),
        )
        if (pairs === 0) expect(got).toBeNaN()
        else expect(got).toBeCloseTo(sum / pairs, 12)
      }),
    )
  })
  test('is that of scikit-learn 1.2 for each class, and their mean', () => {
    const scores = Float64Array.from({ length: 30 }, (_, e) => {
      const [i, k] = [Math.floor(e / 3), e % 3]
      const of = (c: number): number => ((i * 5 + c * 3) % 7) + 1
      return of(k) / (of(0) + of(1) + of(2))
    })
    const labels = [0, 1, 2, 0, 1, 2, 0, 1, 2, 2]
    const areas = [0.11904761904761908, 0.2857142857142857, 0.4791666666666667]
    expect(right(auc('multi-class')(oneOf(labels, 3), scores))).toBeCloseTo(areas.reduce((a, b) => a + b) / 3, 12)
    expect(right(accuracy('multi-class')(oneOf(labels, 3), scores))).toBe(0)
  })
  test('of two classes is that of the second', () => {
    expect(right(auc('binary-class')(oneOf([0, 0, 1, 1], 2), Float64Array.of(0.9, 0.1, 0.6, 0.4, 0.7, 0.3, 0.2, 0.8)))).toBe(0.75)
  })
  test('are undefined where all items are of one kind', () => {
    expect(left(auc('multi-class')(oneOf([0, 1], 3), Float64Array.of(1, 0, 0, 0, 1, 0))).place).toBe('AUC of class 2')
  })
})

describe('sensitivity and specificity', () => {
  test('are the shares of two classes that are told as what they are, where more than a half says yes', () => {
    const scores = Float64Array.of(0.4, 0.6, 0.6, 0.4, 0.1, 0.9, 0.5, 0.5, 0.2, 0.8)
    expect(foundOf('binary-class')(oneOf([0, 0, 1, 1, 1], 2), scores)).toEqual({ sensitivity: 2 / 3, specificity: 1 / 2 })
  })
  test('are of nothing where a kind is missing, and of two classes alone', () => {
    expect(foundOf('binary-class')(oneOf([1], 2), Float64Array.of(0, 1))).toEqual({ sensitivity: 1, specificity: NaN })
    expect(foundOf('multi-class')(oneOf([1], 3), Float64Array.of(0, 1, 0))).toEqual({})
  })
})

describe('ACC', () => {
  test('of labels is the share of all that are on the right side of a half', () => {
    const t = severalOf([1, 0, 0, 1, 1, 1], 3)
    expect(right(accuracy('multi-label, binary-class')(t, Float64Array.of(0.9, 0.5, 0.6, 0.2, 0.51, 1)))).toBeCloseTo(4 / 6, 12)
  })
  test('of classes takes the first of equals; of two, the second has to be more than a half', () => {
    expect(right(accuracy('multi-class')(oneOf([0, 1], 3), Float64Array.of(0.4, 0.4, 0.2, 0.5, 0.5, 0)))).toBe(0.5)
    expect(right(accuracy('binary-class')(oneOf([0, 1], 2), Float64Array.of(0.5, 0.5, 0.4, 0.6)))).toBe(1)
  })
  test('refuses scores that do not fit, or are no numbers', () => {
    expect(left(accuracy('multi-class')(oneOf([0, 1], 3), new Float64Array(5))).found).toBe('5 scores for 2 items of 3 classes')
    expect(left(accuracy('multi-class')(oneOf([0, 1], 2), Float64Array.of(1, 0, NaN, 0))).kind).toBe('numeric')
  })
})

describe('targets', () => {
  test('say what task they are of', () => {
    expect([taskOf(oneOf([0], 2)), taskOf(oneOf([0], 9)), taskOf(oneOf([0], 5), 'retinamnist.npz'), taskOf(severalOf([1, 1], 2))]).toEqual([
      'binary-class',
      'multi-class',
      'ordinal-regression',
      'multi-label, binary-class',
    ])
  })
  test('keep their rows', () => {
    const t = rowsOfTargets([2, 0])(oneOf([0, 1, 2], 3))
    expect([...classesOf(t)]).toEqual([2, 0])
  })
  test('scores become probabilities, however large', () => {
    const p = probabilities(Float64Array.of(1000, 999, -1000, 0, 0, 0), 3, false)
    expect([p[0], p[1], p[3]].map((v) => Number(v.toFixed(6)))).toEqual([0.731059, 0.268941, 0.333333])
    expect([...probabilities(Float64Array.of(0, -800), 2, true)]).toEqual([0.5, 0])
  })
})
