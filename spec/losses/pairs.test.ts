/** Sums over pairs of crops against plain loops, and the parts of the DINO loss. */
import { describe, expect, it } from 'vitest'
import { input } from '../../core/leaves.ts'
import { dino } from '../../losses/dino.ts'
import { total } from '../../losses/loss.ts'
import type { SamePairs } from '../../losses/pairs.ts'
import { meanOfPairs, pairSum } from '../../losses/pairs.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { number, outcomeOf, values } from './support.ts'

const [b, k] = [3, 4]

const loops = (t: ReadonlyArray<number>, s: ReadonlyArray<number>, same: SamePairs): readonly [number, number] => {
  const size = b * k
  let [sum, pairs] = [0, 0]
  for (let i = 0; i < t.length / size; i++) {
    for (let j = 0; j < s.length / size; j++) {
      if (same === 'skip' && i === j) continue
      pairs++
      for (let n = 0; n < size; n++) sum += t[i * size + n] * s[j * size + n]
    }
  }
  return [sum, pairs]
}

describe('pairs', () => {
  it.each([
    [2, 2],
    [2, 5],
    [1, 4],
    [3, 2],
    [3, 1],
    [2, 1],
  ])('of %i teacher and %i student crops are added up as by loops', (t, s) => {
    for (const same of ['keep', 'skip'] as const) {
      const [ts, ss] = [wave(t * b * k, 1), wave(s * b * k, 2)]
      const [sum, pairs] = loops(ts, ss, same)
      const p = pairSum(input('t', [t, b, k]), input('s', [s, b, k]), same)
      const v = values({ t: ts, s: ss })
      expect(p.pairs).toBe(pairs)
      expectClose(p.sum === undefined ? [0] : [number(p.sum, v)], [sum], 1e-12)
      const mean = meanOfPairs(p, b)
      if (mean !== undefined) expectClose([number(mean, v)], [-sum / (b * pairs)], 1e-12)
    }
  })
  it('of a single crop with itself are none', () => {
    expect(pairSum(input('t', [1, b, k]), input('s', [1, b, k]), 'skip')).toEqual({ sum: undefined, pairs: 0 })
  })
})

describe('the parts of the DINO loss', () => {
  const [global, local, teacher] = [input('g', [2 * b, k]), input('l', [3 * b, k]), input('t', [2 * b, k])]
  const v = values({
    g: wave(2 * b * k, 1),
    l: wave(3 * b * k, 2),
    t: wave(2 * b * k, 3),
    'dino.center': wave(k, 4),
    'hyper.teacher_temp': [0.07],
    'hyper.w': [0.5],
  })
  const features = {
    images: b,
    student: { global: { logits: global }, local: { logits: local } },
    teacher: { global: { logits: teacher } },
  }
  it.each(['skip', 'keep'] as const)('add up to the whole (%s)', (same) => {
    const [whole, split] = [
      outcomeOf(dino({ prototypes: k, same }), features),
      outcomeOf(dino({ prototypes: k, same, split: true }), features),
    ]
    expect(split.terms.map((t) => t.name)).toEqual(['dino.global', 'dino.local'])
    expectClose([number(total(split), v)], [number(total(whole), v)], 1e-12)
  })
  it('weigh as many times as they have pairs', () => {
    expect(outcomeOf(dino({ prototypes: k, split: true }), features).terms.map((t) => t.scale)).toEqual([2 / 8, 6 / 8])
    expect(outcomeOf(dino({ prototypes: k, split: true, same: 'keep' }), features).terms.map((t) => t.scale)).toEqual([4 / 10, 6 / 10])
  })
  it('may be weighed again by a hyper, which leaves the shares as they are', () => {
    const [g, l] = outcomeOf(dino({ prototypes: k, split: true }), features).terms.map((t) => number(t.value, v) * t.scale)
    expectClose([number(total(outcomeOf(dino({ prototypes: k, localWeight: 'w' }), features)), v)], [g + 0.5 * l], 1e-12)
  })
})
