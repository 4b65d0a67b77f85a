/** The random streams: the published cipher, functions of their address alone, and distributions as they say. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { draw, permutation, stream, streamKey, threefry } from '../../core/random.ts'
import { range } from '../../core/type.ts'
import { runs } from '../support/arbitrary.ts'

const hex = (words: readonly [number, number]): string => words.map((w) => (w >>> 0).toString(16).padStart(8, '0')).join(' ')

describe('Threefry-2x32-20', () => {
  it('gives the known answers of Random123 (kat_vectors)', () => {
    expect(hex(threefry([0, 0], [0, 0]))).toBe('6b200159 99ba4efe')
    expect(hex(threefry([-1, -1], [-1, -1]))).toBe('1cb996fc bb002be7')
    expect(hex(threefry([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]))).toBe('c4923a9c 483df7a0')
  })
})

const normal = { _tag: 'Normal', mean: 2, std: 3 } as const

describe('a stream', () => {
  it('is a function of seed, path, step and position: the order of asking never matters', () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.nat(), fc.shuffledSubarray([...range(40)]), (seed, path, step, order) => {
        const expected = draw(stream(seed, path, step), normal, [40])
        const other = stream(seed, path, step)
        for (const i of order) expect(2 + 3 * other.normal(i)).toBe(expected[i])
      }),
      runs(50),
    )
  })
  it('does not change when more of it is drawn', () => {
    const s = stream(7, 'dropout', 3)
    expect([...draw(s, normal, [100]).slice(0, 10)]).toEqual([...draw(s, normal, [10])])
  })
  it('has another key for every seed, path and step', () => {
    const keys = [0, 1, -1, 4294967296, 2 ** 40].flatMap((seed) =>
      ['', 'a', 'b', 'blocks.0.drop', 'blocks.1.drop'].flatMap((path) =>
        [0, 1, 2, 4294967296].map((step) => hex(streamKey(seed, path, step))),
      ),
    )
    expect(new Set(keys).size).toBe(keys.length)
  })
  it('is not correlated with its neighbours in seed, path or step', () => {
    const n = 20000
    const base = draw(stream(1, 'a', 1), normal, [n])
    for (const s of [stream(2, 'a', 1), stream(1, 'b', 1), stream(1, 'a', 2)]) {
      const other = draw(s, normal, [n])
      const covariance = base.reduce((sum, x, i) => sum + ((x - 2) / 3) * ((other[i] - 2) / 3), 0) / n
      expect(Math.abs(covariance)).toBeLessThan(4 / Math.sqrt(n))
    }
  })
})

const moments = (v: Float64Array): readonly [number, number, number, number] => {
  const n = v.length
  const mean = v.reduce((s, x) => s + x, 0) / n
  const m = (p: number): number => v.reduce((s, x) => s + (x - mean) ** p, 0) / n
  return [mean, m(2), m(3) / m(2) ** 1.5, m(4) / m(2) ** 2]
}

describe('a draw', () => {
  const n = 100000
  it('that is uniform fills its range evenly', () => {
    const v = draw(stream(5, 'uniform', 0), { _tag: 'Uniform', low: -1, high: 3 }, [n])
    expect(v.every((x) => x >= -1 && x < 3)).toBe(true)
    const [mean, variance] = moments(v)
    expect(Math.abs(mean - 1)).toBeLessThan(0.02)
    expect(Math.abs(variance - 16 / 12)).toBeLessThan(0.02)
    const bins = new Array<number>(64).fill(0)
    v.forEach((x) => {
      bins[Math.floor((x + 1) * 16)]++
    })
    // 63 degrees of freedom: the chance of more than 110 is one in 4000
    expect(bins.reduce((s, b) => s + (b - n / 64) ** 2 / (n / 64), 0)).toBeLessThan(110)
  })
  it('that is normal has the moments of the normal distribution', () => {
    const [mean, variance, skew, kurtosis] = moments(draw(stream(5, 'normal', 0), normal, [n]))
    expect(Math.abs(mean - 2)).toBeLessThan(0.04)
    expect(Math.abs(variance - 9)).toBeLessThan(0.2)
    expect(Math.abs(skew)).toBeLessThan(0.03)
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.06)
  })
  it('of Bernoulli is one as often as its probability says', () => {
    const v = draw(stream(5, 'coin', 0), { _tag: 'Bernoulli', p: 0.3 }, [n])
    expect(v.every((x) => x === 0 || x === 1)).toBe(true)
    expect(Math.abs(moments(v)[0] - 0.3)).toBeLessThan(0.006)
    for (const p of [0, 1]) expect(new Set(draw(stream(1, 'coin', 0), { _tag: 'Bernoulli', p }, [100]))).toEqual(new Set([p]))
  })
  it('that is a permutation orders each row anew', () => {
    const v = draw(stream(5, 'order', 0), { _tag: 'Permutation' }, [50, 16])
    const rows = range(50).map((r) => [...v.slice(r * 16, r * 16 + 16)])
    for (const row of rows) expect([...row].sort((a, b) => a - b)).toEqual([...range(16)])
    expect(new Set(rows.map(String)).size).toBe(50)
    expect([...draw(stream(5, 'order', 0), { _tag: 'Permutation' }, [])]).toEqual([0])
  })
  it('of permutations puts every entry everywhere equally often', () => {
    const counts = new Array<number>(25).fill(0)
    for (const step of range(5000))
      permutation(stream(3, 'order', step), 5).forEach((x, i) => {
        counts[5 * i + x]++
      })
    for (const c of counts) expect(Math.abs(c - 1000)).toBeLessThan(120)
  })
})
