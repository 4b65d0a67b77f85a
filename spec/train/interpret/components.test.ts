/** Principal components, UMAP, and how far a map can be trusted. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { componentPictures, foreground, principal, whitened } from '../../../train/judge/interpret/pca.ts'
import { trustworthiness } from '../../../train/judge/interpret/trust.ts'
import { umap } from '../../../train/judge/interpret/umap.ts'
import { left, right } from '../../data/either.ts'
import { wave } from '../../support/tensor.ts'

describe('principal components', () => {
  test('are orthonormal, ordered, and make whitened rows of variance 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 12, max: 40 }), fc.integer({ min: 2, max: 6 }), fc.integer({ min: 0, max: 99 }), (n, dim, seed) => {
        const rows = Float32Array.from(wave(n * dim, seed), (v, i) => v * (1 + (i % dim)) + Math.sin(i * i + seed))
        const c = principal(rows, dim, 3)
        expect(c.axes).toHaveLength(Math.min(3, dim))
        c.axes.forEach((a, i) => {
          c.axes.forEach((b, j) => {
            expect(a.reduce((s, v, d) => s + v * b[d], 0)).toBeCloseTo(i === j ? 1 : 0, 8)
          })
        })
        expect([...c.variance].sort((a, b) => b - a)).toEqual([...c.variance])
        const z = whitened(c, rows, dim)
        const k = c.axes.length
        for (let a = 0; a < k; a++) {
          if (c.variance[a] < 1e-6) continue
          const own = Array.from({ length: n }, (_, i) => z[i * k + a])
          expect(own.reduce((s, v) => s + v, 0) / n).toBeCloseTo(0, 5)
          expect(own.reduce((s, v) => s + v * v, 0) / (n - 1)).toBeCloseTo(1, 5)
        }
      }),
      { numRuns: 40 },
    )
  })
  /** Patches of one image: an object in the middle of a ground, with a little of everything else. */
  const scene = {
    dim: 4,
    grid: [6, 6] as const,
    rows: Float32Array.from({ length: 144 }, (_, i) => {
      const [p, d] = [Math.floor(i / 4), i % 4]
      const inside = Math.floor(p / 6) > 1 && Math.floor(p / 6) < 5 && p % 6 > 1 && p % 6 < 5
      return (inside ? 5 : -1) * (d === 0 ? 1 : 0.1) + 0.05 * Math.sin(i * i)
    }),
  }
  test('tell an object from its ground', () => {
    const mask = foreground(scene)
    expect(mask.reduce((a, b) => a + b, 0)).toBe(9)
    expect([mask[14], mask[28], mask[0], mask[35]]).toEqual([1, 1, 0, 0])
    const [front] = componentPictures(scene, mask)
    expect([front.data[0], front.data[36], front.data[72]]).toEqual([0, 0, 0])
    expect(front.data[14]).toBeGreaterThan(0)
  })
  test('are colours within range, one for what is alike', () => {
    const [all] = componentPictures(scene)
    expect(all.data.every((v) => v >= 0 && v <= 1)).toBe(true)
    expect(Math.abs(all.data[0] - all.data[5])).toBeLessThan(Math.abs(all.data[0] - all.data[14]))
  })
})

describe('UMAP', () => {
  const rows = { dim: 5, data: Float32Array.from({ length: 200 }, (_, i) => (Math.floor(i / 5) % 2) * 20 + Math.sin(i * 7.3 + i * i)) }
  test('is the same for the same seed, and keeps groups apart', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => right(umap({ seed, epochs: 150, neighbours: 8 })(rows)))
    expect([...a]).toEqual([...b])
    expect([...a]).not.toEqual([...c])
    expect(trustworthiness(rows.data, rows.dim, a, 8)).toBeGreaterThan(0.85)
  })
  test('needs a few rows', () => {
    expect(left(umap({ seed: 0 })({ dim: 2, data: new Float32Array(6) })).found).toBe('3 rows')
  })
})

describe('trustworthiness', () => {
  test('is 1 of what is a map already, and less once it is mixed up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 30 }), fc.integer({ min: 1, max: 3 }), (n, k) => {
        const rows = Float64Array.from({ length: 2 * n }, (_, i) => Math.sin(i * i + n))
        expect(trustworthiness(rows, 2, rows, k)).toBe(1)
        const mixed = Float64Array.from(rows, (_, i) => rows[(i * 2 + 1) % (2 * n)])
        expect(trustworthiness(rows, 2, mixed, k)).toBeLessThan(1)
      }),
    )
  })
  test('is that of scikit-learn 1.2', () => {
    const x = Array.from({ length: 80 }, (_, i) => Math.sin(1.7 * i ** 1.5))
    const y = Array.from({ length: 40 }, (_, i) => Math.cos(2.3 * i ** 1.3))
    const expected = [
      [3, 0.526666666667],
      [5, 0.524166666667],
      [9, 0.507407407407],
    ] as const
    for (const [k, t] of expected) expect(trustworthiness(x, 4, y, k)).toBeCloseTo(t, 10)
  })
})
