import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cropStream, drawBox } from '../../data/augment/draws.ts'
import { centreCrop, guidedCrop, longestSide, randomResizedCrop, roundEven } from '../../data/augment/geometry.ts'
import { augmentations } from '../../data/augment/presets.ts'

const ratio = [3 / 4, 4 / 3] as const
const size = fc.record({ height: fc.integer({ min: 1, max: 600 }), width: fc.integer({ min: 1, max: 600 }) })
const scale = fc
  .tuple(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.double({ min: 0.01, max: 1, noNaN: true }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)

describe('RandomResizedCrop', () => {
  test('golden boxes', () => {
    const boxes = [0, 1, 2, 3].map((i) =>
      randomResizedCrop(cropStream(7, 'local', 2, i), { height: 100, width: 140 }, { scale: [0.05, 0.4], ratio }),
    )
    expect(boxes.map((b) => [b.y, b.x, b.height, b.width])).toMatchInlineSnapshot(`
      [
        [
          1,
          20,
          40,
          33,
        ],
        [
          59,
          75,
          29,
          27,
        ],
        [
          10,
          41,
          74,
          62,
        ],
        [
          39,
          16,
          45,
          44,
        ],
      ]
    `)
  })

  test('stays inside of any image, and within the longest side that the taps were counted for', () => {
    fc.assert(
      fc.property(size, scale, fc.nat(), (s, sc, seed) => {
        const group = { scale: sc, ratio }
        const b = randomResizedCrop(cropStream(seed, 'global', 0, 0), s, group)
        expect(b.x >= 0 && b.y >= 0 && b.width >= 1 && b.height >= 1 && b.x + b.width <= s.width && b.y + b.height <= s.height).toBe(true)
        expect(Math.max(b.width, b.height)).toBeLessThanOrEqual(longestSide(Math.max(s.width, s.height), group))
      }),
      { numRuns: 2000 },
    )
  })

  test('the centre crop of long images keeps the limits of the ratio', () => {
    expect(centreCrop({ height: 100, width: 400 }, ratio)).toEqual({ x: 133, y: 0, width: 133, height: 100 })
    expect(centreCrop({ height: 400, width: 90 }, ratio)).toEqual({ x: 0, y: 140, width: 90, height: 120 })
    expect(centreCrop({ height: 50, width: 60 }, ratio)).toEqual({ x: 0, y: 0, width: 60, height: 50 })
  })

  test('rounds halves to even, as Python does', () => {
    expect([0.5, 1.5, 2.5, 2.4, 2.6].map(roundEven)).toEqual([0, 2, 2, 2, 3])
  })
})

describe('guided crops', () => {
  const region = { x: 40, y: 12, width: 20, height: 14 }
  const image = { height: 96, width: 128 }
  const group = { scale: [0.05, 0.4] as const, ratio }

  test("hold the region's centre and the asked share of it", () => {
    for (let i = 0; i < 500; i++) {
      const b = guidedCrop(cropStream(1, 'local', 0, i), image, group, region, 0.5)
      if (b === undefined) continue
      expect(b.x <= 50 && 50 < b.x + b.width && b.y <= 19 && 19 < b.y + b.height).toBe(true)
      expect(b.x >= 0 && b.y >= 0 && b.x + b.width <= 128 && b.y + b.height <= 96).toBe(true)
      const overlap = (Math.min(b.x + b.width, 60) - Math.max(b.x, 40)) * (Math.min(b.y + b.height, 26) - Math.max(b.y, 12))
      expect(overlap).toBeGreaterThanOrEqual(0.5 * 20 * 14)
    }
  })

  test('are as frequent as the recipe says, and fall back where no place fits', () => {
    const local = augmentations.v2({ guided: { probability: 0.5, fraction: 0.5 } }).local
    const guided = Array.from({ length: 1000 }, (_, i) =>
      drawBox(cropStream(3, 'local', 0, i), local, { size: image, regions: [region] }),
    ).filter((b) => b.guided).length
    expect(guided / 1000).toBeGreaterThan(0.44)
    expect(guided / 1000).toBeLessThan(0.56)
    const none = drawBox(
      cropStream(3, 'local', 0, 0),
      { ...local, guided: { probability: 1, fraction: 1 } },
      { size: image, regions: [{ x: 0, y: 0, width: 128, height: 96 }] },
    )
    expect(none.guided).toBe(false)
    expect(drawBox(cropStream(3, 'local', 0, 0), local, { size: image, regions: [] }).guided).toBe(false)
  })
})
