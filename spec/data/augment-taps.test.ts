import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { BlurKind } from '../../data/augment/blur.ts'
import { blurPasses, blurTaps, writeBlur } from '../../data/augment/blur.ts'
import type { Resampling, Span } from '../../data/augment/taps.ts'
import { tapCount, writeTaps } from '../../data/augment/taps.ts'
import { blur } from '../../data/augment/program.ts'
import { expectClose, input, wave } from '../support/tensor.ts'

const resamplings: ReadonlyArray<Resampling> = [
  { filter: 'bicubic', antialias: true },
  { filter: 'bicubic', antialias: false },
  { filter: 'bilinear', antialias: true },
  { filter: 'bilinear', antialias: false },
  { filter: 'nearest', antialias: false },
]

/** A canvas, a span inside of it, and the longest length that the taps are counted for. */
const spans = fc
  .tuple(
    fc.integer({ min: 1, max: 90 }),
    fc.integer({ min: 1, max: 40 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.boolean(),
  )
  .map(([limit, outputs, a, b, c, flip]) => {
    const longest = 1 + Math.floor(a * (limit - 1))
    const length = 1 + Math.floor(b * (longest - 1))
    const span: Span = { start: Math.floor(c * (limit - length)), length, outputs, flip }
    return { limit, longest, span }
  })

const tables = (r: Resampling, span: Span, longest: number, limit: number) => {
  const taps = tapCount(r, longest, span.outputs, limit)
  // a guard row on both sides shows writes that stray
  const first = new Int32Array(span.outputs + 2).fill(-9)
  const weights = new Float32Array((span.outputs + 2) * taps).fill(NaN)
  writeTaps(r, span, { first, weights, at: 1, taps, limit })
  return { taps, first, weights }
}

describe('tap tables', () => {
  test.each(resamplings)('$filter, antialias $antialias: inside of the box, summing to one, mirrored by flip', (r) => {
    fc.assert(
      fc.property(spans, ({ limit, longest, span }) => {
        const { taps, first, weights } = tables(r, span, longest, limit)
        expect([first[0], first[span.outputs + 1]]).toEqual([-9, -9])
        expect(weights.subarray(0, taps).every(Number.isNaN) && weights.subarray((span.outputs + 1) * taps).every(Number.isNaN)).toBe(true)
        for (let o = 1; o <= span.outputs; o++) {
          expect(first[o] >= 0 && first[o] + taps <= limit).toBe(true)
          let sum = 0
          for (let t = 0; t < taps; t++) {
            const w = weights[o * taps + t]
            sum += w
            if (w !== 0) expect(first[o] + t >= span.start && first[o] + t < span.start + span.length).toBe(true)
          }
          expect(Math.abs(sum - 1)).toBeLessThan(1e-5)
        }
        const other = tables(r, { ...span, flip: !span.flip }, longest, limit)
        for (let o = 1; o <= span.outputs; o++) expect(other.first[o]).toBe(first[span.outputs + 1 - o])
      }),
      { numRuns: 400 },
    )
  })

  test('keep an image of the same size as it is', () => {
    for (const r of resamplings) {
      const { taps, first, weights } = tables(r, { start: 3, length: 8, outputs: 8, flip: false }, 8, 16)
      for (let o = 1; o <= 8; o++)
        for (let t = 0; t < taps; t++) expect(weights[o * taps + t]).toBeCloseTo(first[o] + t === 3 + o - 1 ? 1 : 0, 12)
    }
  })

  test('only as many as the scale needs', () => {
    expect(tapCount({ filter: 'bicubic', antialias: true }, 28, 28, 32)).toBe(4)
    expect(tapCount({ filter: 'bicubic', antialias: true }, 56, 28, 64)).toBe(8)
    expect(tapCount({ filter: 'bilinear', antialias: true }, 28, 28, 32)).toBe(2)
    expect(tapCount({ filter: 'bicubic', antialias: false }, 512, 28, 512)).toBe(4)
    expect(tapCount({ filter: 'nearest', antialias: false }, 512, 28, 512)).toBe(1)
  })
})

describe.each<BlurKind>(['gaussian', 'pillow'])('%s blur', (kind) => {
  const taps = blurTaps(kind, 2)
  const kernel = (sigma: number | undefined): Float32Array => {
    const k = new Float32Array(taps)
    writeBlur(kind, sigma, taps, k, 0)
    return k
  }

  test('kernels are symmetric and sum to one; without sigma the identity', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 2, noNaN: true }), (sigma) => {
        const k = kernel(sigma)
        expect(Math.abs(k.reduce((a, b) => a + b, 0) - 1)).toBeLessThan(1e-6)
        for (let i = 0; i < taps; i++) expect(k[i]).toBe(k[taps - 1 - i])
        expect(k.every((w) => w >= 0)).toBe(true)
      }),
    )
    expect([...kernel(undefined)]).toEqual(Array.from({ length: taps }, (_, i) => Number(i === (taps - 1) / 2)))
  })

  test('a blurred batch is each image with its own sigma, and a constant stays constant', () => {
    const x = Float32Array.from([...wave(60), ...wave(60, 2), ...Array.from({ length: 60 }, () => 0.25)])
    const ks = [kernel(0.3), kernel(undefined), kernel(1.7)]
    const all = blur(kind)(input('x', [3, 1, 6, 10]), input('k', [3, taps]))
    const [got] = evaluate(
      [all],
      new Map([
        ['x', x],
        ['k', Float32Array.from(ks.flatMap((k) => [...k]))],
      ]),
    )
    for (let b = 0; b < 3; b++) {
      const [alone] = evaluate(
        [blur(kind)(input('x1', [1, 1, 6, 10]), input('k1', [1, taps]))],
        new Map([
          ['x1', x.slice(b * 60, b * 60 + 60)],
          ['k1', ks[b]],
        ]),
      )
      expect([...got.slice(b * 60, b * 60 + 60)]).toEqual([...alone])
    }
    expect([...got.slice(60, 120)]).toEqual([...x.slice(60, 120)])
    expectClose(
      got.slice(120),
      Array.from({ length: 60 }, () => 0.25),
      1e-6,
    )
  })

  test('has the variance of the Gaussian', () => {
    for (const sigma of [0.8, 1.3, 2]) {
      const variance = blurPasses(kind) * kernel(sigma).reduce((sum, w, i) => sum + w * (i - (taps - 1) / 2) ** 2, 0)
      // a Gaussian sampled at whole pixels is not exact, and nine taps cut one of sigma 2 at two deviations
      expect(Math.abs(variance / sigma ** 2 - 1)).toBeLessThan(kind === 'pillow' ? 1e-5 : sigma < 1.2 ? 0.02 : 0.2)
    }
  })
})

test("Pillow's boxes of radius up to 2 need five taps, a Gaussian nine", () => {
  expect([blurTaps('pillow', 2), blurTaps('pillow', 0.1), blurTaps('gaussian', 2)]).toEqual([5, 3, 9])
})
