/** Sinkhorn's targets: sums of rows and columns, the official iteration word for word, padding, and logits of any size. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gradOptions } from '../../compiler/grad.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { hyper, input } from '../../core/leaves.ts'
import { trace } from '../../core/trace.ts'
import { sinkhorn } from '../../losses/sinkhorn.ts'
import { greater } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'
import { anything, floats, numbers, rowOf, total, values } from './support.ts'

const [r, k] = [6, 4]

const targets = (logits: ReadonlyArray<number>, iterations = 3, temperature = 0.5): ReadonlyArray<number> => {
  const [t] = sinkhorn({ iterations }).run(input('z', [logits.length / k, k]), hyper('tau'))(new Map())
  return numbers(t.probabilities, values({ z: logits, 'hyper.tau': [temperature] }))
}

const column = (xs: ReadonlyArray<number>, j: number): ReadonlyArray<number> => xs.filter((_, i) => i % k === j)

/** sinkhorn_knopp_teacher, word for word: Q [K, B]. */
const official = (logits: ReadonlyArray<number>, iterations: number, temperature: number): ReadonlyArray<number> => {
  const samples = logits.length / k
  let q = logits.map((z) => Math.exp(z / temperature))
  q = q.map((x) => x / total(q))
  for (let n = 0; n < iterations; n++) {
    const prototypes = Array.from({ length: k }, (_, j) => total(column(q, j)))
    q = q.map((x, i) => x / prototypes[i % k] / k)
    const columns = Array.from({ length: samples }, (_, i) => total(rowOf(q, k, i)))
    q = q.map((x, i) => x / columns[Math.floor(i / k)] / samples)
  }
  return q.map((x) => x * samples)
}

describe('targets', () => {
  it('are those of the official iteration', () => {
    fc.assert(
      fc.property(floats(r * k), fc.integer({ min: 1, max: 5 }), (z, n) => {
        expectClose(targets(z, n), official(z, n, 0.5), 1e-9)
      }),
      runs(30),
    )
  })
  it('of every sample sum to one', () => {
    fc.assert(
      fc.property(floats(r * k), fc.integer({ min: 1, max: 4 }), (z, n) => {
        const p = targets(z, n, 0.05)
        for (let i = 0; i < r; i++) expectClose([total(rowOf(p, k, i))], [1], 1e-12)
      }),
      runs(30),
    )
  })
  it('share the samples evenly among prototypes in the end', () => {
    fc.assert(
      fc.property(floats(r * k), (z) => {
        const p = targets(z, 60, 2)
        for (let j = 0; j < k; j++) expectClose([total(column(p, j))], [r / k], 1e-6)
      }),
      runs(20),
    )
  })
  it('do not change when one number is added to all logits', () => {
    fc.assert(
      fc.property(floats(r * k), fc.double({ min: -100, max: 100, noNaN: true }), (z, c) => {
        expectClose(targets(z.map((x) => x + c)), targets(z), 1e-9)
      }),
      runs(30),
    )
  })
  it('are finite for logits of any size, and no prototype is without a sample', () => {
    fc.assert(
      fc.property(floats(r * k), (z) => {
        const p = targets(
          z.map((x) => x * 1e4),
          3,
          0.04,
        )
        expect(p.every(Number.isFinite)).toBe(true)
        for (let i = 0; i < r; i++) expectClose([total(rowOf(p, k, i))], [1], 1e-9)
      }),
      runs(20),
    )
  })
  it('do not know what stands in rows that do not count', () => {
    const [t] = sinkhorn().run(input('z', [r + 2, k]), hyper('tau'), greater(input('w', [r + 2]), 0))(new Map())
    fc.assert(
      fc.property(floats(r * k), anything(2 * k), (z, rest) => {
        // one row of padding stands in the middle, as it never does
        const padded = [...z.slice(0, 2 * k), ...rest.slice(0, k), ...z.slice(2 * k), ...rest.slice(k)]
        const p = numbers(t.probabilities, values({ z: padded, w: [1, 1, 0, 1, 1, 1, 1, 0], 'hyper.tau': [0.5] }))
        expectClose([...p.slice(0, 2 * k), ...p.slice(3 * k, (r + 1) * k)], targets(z), 1e-12)
      }),
      runs(30),
    )
  })
  it('are finite where no row counts', () => {
    const [t] = sinkhorn().run(input('z', [2, k]), hyper('tau'), greater(input('w', [2]), 0))(new Map())
    expect(
      numbers(t.probabilities, values({ z: Array.from({ length: 2 * k }, () => NaN), w: [0, 0], 'hyper.tau': [0.5] })).every(
        Number.isFinite,
      ),
    ).toBe(true)
  })
  it('send no gradient to the teacher', () => {
    const z = input('z', [r, k])
    const [t] = sinkhorn().run(z, hyper('tau'))(new Map())
    expect(gradOptions(sum()(t.probabilities), [z])[0]._tag).toBe('None')
  })
  it('of no round are a misuse', () => {
    const [t] = sinkhorn({ iterations: 0 }).run(input('z', [r, k]), hyper('tau'))(new Map())
    const g = trace('targets', [value('p', t.probabilities)])
    expect(E.isLeft(g) ? showFault(g.left) : '').toContain('at least 1 (asked: 0)')
  })
})
