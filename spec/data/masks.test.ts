/** Mask samplers and their lists: counts, sizes, places, and independence. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stream } from '../../core/random.ts'
import type { MaskOptions } from '../../data/augment/masks.ts'
import { blockMask, collate, drawBlock, drawMasks, exactMask, listLength, sourceOf } from '../../data/augment/masks.ts'
import { runs } from '../support/arbitrary.ts'

const side = fc.integer({ min: 2, max: 14 })
const grids = fc.record({ height: side, width: side })
const seeds = fc.integer({ min: 0, max: 1e6 })

const hidden = (mask: Uint8Array): number => mask.reduce((n, x) => n + x, 0)

const options: fc.Arbitrary<MaskOptions> = fc.record({
  grid: grids,
  crops: fc.integer({ min: 1, max: 9 }),
  sampler: fc.constantFrom('block' as const, 'exact' as const),
  shift: fc.boolean(),
  probability: fc.constantFrom(0, 0.3, 0.5, 1),
  ratio: fc.constantFrom<readonly [number, number]>([0.1, 0.5], [0.3, 0.3], [0, 0.9]),
})

describe('samplers', () => {
  it('hide at most, or exactly, as many patches as asked', () => {
    fc.assert(
      fc.property(grids, seeds, fc.double({ min: 0, max: 1, noNaN: true }), (grid, seed, share) => {
        const count = Math.floor(share * grid.height * grid.width)
        expect(hidden(blockMask(stream(seed, 'm', 0), { grid }, count))).toBeLessThanOrEqual(count)
        expect(hidden(exactMask(stream(seed, 'm', 0), { grid }, count))).toBe(count)
      }),
      runs(200),
    )
  })
  it('agree on their blocks: an exact mask only adds', () => {
    fc.assert(
      fc.property(grids, seeds, (grid, seed) => {
        const count = Math.floor(0.4 * grid.height * grid.width)
        const [some, exact] = [blockMask(stream(seed, 'm', 0), { grid }, count), exactMask(stream(seed, 'm', 0), { grid }, count)]
        expect(some.every((x, p) => x <= exact[p])).toBe(true)
      }),
      runs(100),
    )
  })
  it('are functions of their stream', () => {
    const at = (seed: number, step: number): string => blockMask(stream(seed, 'm', step), { grid: { height: 14, width: 14 } }, 70).join('')
    expect(at(1, 2)).toBe(at(1, 2))
    expect(new Set([at(1, 2), at(1, 3), at(2, 2)]).size).toBe(3)
  })
  it('hide all when asked for all that there is, and more', () => {
    const grid = { height: 3, width: 4 }
    expect(hidden(exactMask(stream(0, 'm', 0), { grid }, 12))).toBe(12)
    expect(hidden(exactMask(stream(0, 'm', 0), { grid }, 40))).toBe(12)
  })
  it('draw blocks inside of the grid, smaller than it on both axes', () => {
    fc.assert(
      fc.property(grids, seeds, fc.integer({ min: 1, max: 98 }), (grid, seed, budget) => {
        const b = drawBlock(sourceOf(stream(seed, 'm', 0)), { grid, minPatches: 4, minAspect: 0.3 }, budget)
        if (b === undefined) return
        expect(b.height).toBeGreaterThan(0)
        expect(b.width).toBeGreaterThan(0)
        expect(b.height < grid.height && b.width < grid.width).toBe(true)
        expect(b.top >= 0 && b.left >= 0 && b.top + b.height <= grid.height && b.left + b.width <= grid.width).toBe(true)
      }),
      runs(300),
    )
  })
})

describe('lists', () => {
  const masks = fc.record({
    crops: fc.integer({ min: 1, max: 5 }),
    patches: fc.integer({ min: 1, max: 12 }),
    seed: seeds,
    padding: fc.integer({ min: 0, max: 4 }),
  })
  it('name every hidden patch once, in order, and weigh each crop as one', () => {
    fc.assert(
      fc.property(masks, ({ crops, patches, seed, padding }) => {
        const s = stream(seed, 'mask', 0)
        const mask = Uint8Array.from({ length: crops * patches }, (_, i) => s.below(i, 2))
        const lists = collate(mask, crops, hidden(mask) + padding)
        const places = [...lists.indices.slice(0, lists.count)]
        expect(places).toEqual([...mask.keys()].filter((p) => mask[p] === 1))
        expect([...lists.indices.slice(lists.count), ...lists.weights.slice(lists.count)].every((x) => x === 0)).toBe(true)
        for (let i = 0; i < crops; i++) {
          const own = places.flatMap((p, j) => (Math.floor(p / patches) === i ? [lists.weights[j]] : []))
          if (own.length > 0) expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
        }
      }),
      runs(200),
    )
  })
})

describe('batches', () => {
  it('have lists of one length that always suffices, and as many masks as asked', () => {
    fc.assert(
      fc.property(options, seeds, fc.integer({ min: 0, max: 1000 }), (o, seed, step) => {
        const b = drawMasks(o, seed, step)
        const patches = o.grid.height * o.grid.width
        const masked = Math.floor(o.crops * (o.probability ?? 0.5))
        const perCrop = Array.from({ length: o.crops }, (_, i) => hidden(b.mask.subarray(i * patches, (i + 1) * patches)))
        expect([b.mask.length, b.indices.length, b.weights.length]).toEqual([o.crops * patches, listLength(o), listLength(o)])
        expect(hidden(b.mask)).toBe(b.count)
        expect(perCrop.filter((n) => n > 0).length).toBeLessThanOrEqual(masked)
        expect(Math.max(...perCrop)).toBeLessThanOrEqual(Math.floor(Math.fround(patches * Math.fround(o.ratio?.[1] ?? 0.5))))
        // a list is never empty, also where nothing is hidden
        if (o.sampler === 'exact' && b.count > 0) expect(b.count).toBe(b.indices.length)
      }),
      runs(300),
    )
  })
  it('have lists that ranks can share, with the same patches', () => {
    fc.assert(
      fc.property(options, seeds, fc.integer({ min: 1, max: 9 }), (o, seed, shares) => {
        const [one, shared] = [drawMasks(o, seed, 1), drawMasks({ ...o, shares }, seed, 1)]
        expect(shared.indices.length % shares).toBe(0)
        expect(shared.indices.length - one.indices.length).toBeLessThan(shares)
        expect(shared.mask).toEqual(one.mask)
        expect(shared.indices.slice(0, one.indices.length)).toEqual(one.indices)
        expect([...shared.weights].slice(one.indices.length).every((w) => w === 0)).toBe(true)
      }),
      runs(100),
    )
  })
  it('have masks of every size between both ratios', () => {
    const b = drawMasks({ grid: { height: 12, width: 12 }, crops: 8, sampler: 'exact' }, 1, 1)
    const perCrop = Array.from({ length: 8 }, (_, i) => hidden(b.mask.subarray(i * 144, (i + 1) * 144))).sort((x, y) => x - y)
    expect(perCrop).toEqual([0, 0, 0, 0, 28, 43, 57, 72])
  })
  it('turn masks around their edges without changing their size', () => {
    const o: MaskOptions = { grid: { height: 6, width: 7 }, crops: 4, sampler: 'exact' }
    const [still, turned] = [drawMasks(o, 3, 1), drawMasks({ ...o, shift: true }, 3, 1)]
    expect(turned.count).toBe(still.count)
    expect(turned.mask).not.toEqual(still.mask)
  })
  it('differ by seed and by step, and mask other crops', () => {
    const o: MaskOptions = { grid: { height: 8, width: 8 }, crops: 6 }
    const at = (seed: number, step: number): string => drawMasks(o, seed, step).mask.join('')
    expect(at(1, 1)).toBe(at(1, 1))
    expect(new Set([at(1, 1), at(1, 2), at(2, 1)]).size).toBe(3)
    const everMasked = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: 30 }, (_s, step) => hidden(drawMasks(o, 1, step).mask.subarray(i * 64, (i + 1) * 64))).some((n) => n > 0),
    )
    expect(everMasked).toEqual(Array.from({ length: 6 }, () => true))
  })
})
