import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { stream } from '../../core/random.ts'
import { carryBox, carryMask } from '../../data/augment/carry.ts'
import type { CropPlace } from '../../data/augment/draws.ts'
import { placeOf } from '../../data/augment/draws.ts'
import { unwarped } from '../../data/augment/warp.ts'
import { guidedPlainCrop, plainCrop } from '../../data/augment/geometry.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import type { Augmentation, CropGroup } from '../../data/augment/augmentation.ts'
import { augmentationNames, augmentationOf, augmentations } from '../../data/augment/presets.ts'
import type { Box } from '../../data/readers/dataset.ts'
import { right } from './either.ts'

const side = 48
const box: Box = { x: 11, y: 19, width: 13, height: 9 }
const inside = (x: number, y: number): boolean => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height
const canvas = Float32Array.from({ length: side * side }, (_, i) => Number(inside(i % side, Math.floor(i / side))))
const mask = Uint8Array.from(canvas)
const subject = { size: { height: side, width: side }, regions: [box] }

/** A recipe's geometry alone: nothing changes the value of a pixel. */
const uncoloured = (r: Augmentation): Augmentation => {
  const plain = (g: CropGroup): CropGroup => ({ ...g, blur: g.blur.map(() => 0), solarise: g.solarise.map(() => 0) })
  return { ...r, global: plain(r.global), local: plain(r.local), jitter: { ...r.jitter, probability: 0 }, grayscale: 0 }
}

/** The crops of the image with a white box on black, in 0..1, and where they lie. */
const cropsOf = (name: 'v2' | 'unresized', seed: number) => {
  const c = right(
    multiCrop(
      uncoloured(
        augmentations[name]({
          globalSize: 24,
          locals: 4,
          localSize: 16,
          normalisation: { mean: [0], std: [1] },
          guided: { probability: 0.5, fraction: 0.5 },
        }),
      ),
      { batch: 1, channels: 1, side },
    ),
  )
  const out = evaluate(
    right(c.graph).outputs.map((o) => o.expr),
    right(c.feed(seed, { first: 0, canvases: canvas, subjects: [subject] })),
  )
  return c.plan.groups.flatMap((g, index) =>
    Array.from({ length: g.group.count }, (_, k) => {
      const n = g.group.size * g.group.size
      return { place: placeOf(c.plan, g, seed, k, 0, subject), pixels: Float32Array.from(out[index]).subarray(k * n, (k + 1) * n) }
    }),
  )
}

describe('boxes and masks follow the pixels of their crop', () => {
  test.each(['v2', 'unresized'] as const)('%s', (name) => {
    let seen = 0
    for (let seed = 0; seed < 8; seed++) {
      for (const { place, pixels } of cropsOf(name, seed)) {
        const carried = carryMask(place)(mask, side)
        const b = O.toUndefined(carryBox(place)(box))
        for (let i = 0; i < pixels.length; i++) {
          // pixels that the resampling leaves undecided lie on the border
          if (Math.abs(pixels[i] - 0.5) < 0.49) continue
          expect(carried[i]).toBe(Math.round(pixels[i]))
          const [x, y] = [(i % place.size) + 0.5, Math.floor(i / place.size) + 0.5]
          expect(Number(b !== undefined && x > b.x && x < b.x + b.width && y > b.y && y < b.y + b.height)).toBe(Math.round(pixels[i]))
          seen += Math.round(pixels[i])
        }
      }
    }
    expect(seen).toBeGreaterThan(100)
  })

  test('a mirrored crop mirrors them; what lies outside has no box', () => {
    const place: CropPlace = { box: { x: 10, y: 0, width: 20, height: 10 }, flip: true, size: 10, guided: false, warp: unwarped }
    expect(carryBox(place)({ x: 5, y: 2, width: 15, height: 3 })).toEqual(O.some({ x: 5, y: 2, width: 5, height: 3 }))
    expect(carryBox(place)({ x: 30, y: 2, width: 5, height: 3 })).toEqual(O.none)
    expect(carryBox(place)({ x: 0, y: 0, width: 40, height: 40 })).toEqual(O.some({ x: 0, y: 0, width: 10, height: 10 }))
  })
})

describe('crops that are not resized', () => {
  test("are the image's own pixels, wherever it is large enough", () => {
    for (const { place, pixels } of cropsOf('unresized', 9)) {
      expect([place.box.width, place.box.height]).toEqual([place.size, place.size])
      for (let y = 0; y < place.size; y++)
        for (let x = 0; x < place.size; x++)
          expect(pixels[y * place.size + (place.flip ? place.size - 1 - x : x)]).toBeCloseTo(
            canvas[(place.box.y + y) * side + place.box.x + x],
            5,
          )
    }
  })

  test("stay inside of any image; guided ones hold the region's centre and what fits of it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (height, width, crop, seed, u, v) => {
          const s = stream(seed, 'x', 0)
          const fits = (b: Box): boolean => b.x >= 0 && b.y >= 0 && b.x + b.width <= width && b.y + b.height <= height
          expect(fits(plainCrop(s, { height, width }, crop))).toBe(true)
          const x = Math.floor(u * width)
          const y = Math.floor(v * height)
          const region = { x, y, width: Math.max(1, Math.floor((width - x) * v)), height: Math.max(1, Math.floor((height - y) * u)) }
          const guided = guidedPlainCrop(s, { height, width }, crop, region, 0.5)
          expect(guided).toBeDefined()
          if (guided === undefined) return
          expect(fits(guided)).toBe(true)
          const shown = (from: number, extent: number, at: number, n: number): number =>
            Math.min(from + extent, at + n) - Math.max(from, at)
          const least = (extent: number, n: number): number => Math.min(Math.sqrt(0.5) * extent, n) - 1 - 1e-9
          expect(shown(region.x, region.width, guided.x, guided.width)).toBeGreaterThanOrEqual(least(region.width, guided.width))
          expect(shown(region.y, region.height, guided.y, guided.height)).toBeGreaterThanOrEqual(least(region.height, guided.height))
        },
      ),
    )
  })

  test('the recipe is one of those by name', () => {
    expect(augmentationNames).toContain('unresized')
    expect(right(augmentationOf('unresized')).notes.at(-1)).toMatch(/cut as they are/)
  })
})
