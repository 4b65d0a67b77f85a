/** Turns and slants of crops: the pixels, the draws, and what is carried along. */
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { stream } from '../../core/random.ts'
import { carryBox, carryMask } from '../../data/augment/carry.ts'
import { placeOf } from '../../data/augment/draws.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import { augmentationOf, augmentations } from '../../data/augment/presets.ts'
import { inputLeaf } from '../../data/augment/program.ts'
import type { Warping } from '../../data/augment/warp.ts'
import { drawWarp, inverse, movedTo, readFrom, unwarped, warped } from '../../data/augment/warp.ts'
import { tensorType } from '../../core/type.ts'
import { wholeImage } from '../../train/run/assembly.ts'
import { left, right } from './either.ts'

/** Crops `[1, maps, 1, side, side]` of one picture, one for each map. */
const crops = (picture: ReadonlyArray<number>, side: number, maps: ReadonlyArray<Warping>): ReadonlyArray<Float32Array> => {
  const [x, m] = [
    inputLeaf(tensorType('f32', [1, maps.length, 1, side, side]), 'x'),
    inputLeaf(tensorType('f32', [1, maps.length, 4 + maps[0].moves.length]), 'm'),
  ]
  const values = new Map([
    ['x', Float32Array.from(maps.flatMap(() => picture))],
    ['m', Float32Array.from(maps.flatMap((w) => [...w.linear, ...w.moves]))],
  ])
  const out = Float32Array.from(evaluate([warped(x, m)], values)[0])
  return maps.map((_, k) => out.subarray(k * side * side, (k + 1) * side * side))
}

/** One pixel as torchvision's `affine` reads it: bilinear, zeros beyond the edges. */
const between = (picture: ReadonlyArray<number>, side: number, y: number, x: number): number => {
  const at = (i: number, j: number): number => (i < 0 || j < 0 || i >= side || j >= side ? 0 : picture[i * side + j])
  const [i, j] = [Math.floor(y), Math.floor(x)]
  const [u, v] = [y - i, x - j]
  return (1 - u) * ((1 - v) * at(i, j) + v * at(i, j + 1)) + u * ((1 - v) * at(i + 1, j) + v * at(i + 1, j + 1))
}

describe('the pixels of a warp', () => {
  test('nothing changes without one; a quarter of a turn moves whole pixels', () => {
    const picture = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    const [same, turned] = crops(picture, 3, [unwarped, { linear: [0, -1, 1, 0], moves: [] }])
    expect([...same]).toEqual(picture)
    expect([...turned]).toEqual([7, 4, 1, 8, 5, 2, 9, 6, 3])
  })

  test('are read between four, and are black beyond the edges', () => {
    const number = fc.double({ min: -1.5, max: 1.5, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 7 }), fc.tuple(number, number, number, number), fc.nat(), (side, map, seed) => {
        const s = stream(seed, 'picture', 0)
        const picture = Array.from({ length: side * side }, (_, i) => Math.fround(s.unit(i)))
        const [a, b, c, d] = map.map(Math.fround)
        // half of them bend, by up to a fifth of the side
        const moves = Array.from({ length: seed % 2 === 0 ? 0 : 50 }, (_, i) => Math.fround(0.4 * s.unit(side * side + i) - 0.2))
        const warping: Warping = { linear: [a, b, c, d], moves }
        const [out] = crops(picture, side, [warping])
        out.forEach((value, i) => {
          const [row, column] = readFrom(warping, side)(Math.floor(i / side), i % side)
          // where rounding decides whether a pixel lies beyond the edge, both are right
          const edge = (p: number): boolean => Math.min(Math.abs(p + 1), Math.abs(p - side), Math.abs(p), Math.abs(p - side + 1)) < 1e-4
          if (!edge(row) && !edge(column)) expect(Math.abs(value - between(picture, side, row, column))).toBeLessThan(1e-4)
        })
      }),
      { numRuns: 60 },
    )
  })
})

describe('the draws of a warp', () => {
  const w = { probability: 0.7, rotation: 15, shear: 0.3 }

  test('keep areas, turn and slant by at most what is asked, and leave the rest as it is', () => {
    const drawn = Array.from({ length: 400 }, (_, i) => drawWarp(stream(3, 'x', i), 0, w))
    const changed = drawn.filter((m) => m !== unwarped)
    expect(changed.length / drawn.length).toBeGreaterThan(0.6)
    expect(changed.length / drawn.length).toBeLessThan(0.8)
    for (const {
      linear: [a, b, c, d],
    } of changed) {
      expect(a * d - b * c).toBeCloseTo(1, 12)
      const angle = Math.atan2(-b, a)
      expect(Math.abs(angle)).toBeLessThanOrEqual((15 * Math.PI) / 180)
      // what is left when the turn is undone
      expect(Math.abs(c * Math.cos(angle) - d * Math.sin(angle) + 0)).toBeLessThanOrEqual(0.3 + 1e-12)
    }
    const [{ linear: m }] = changed
    const [e, f, g, h] = inverse(m)
    expect(
      [m[0] * e + m[1] * g, m[0] * f + m[1] * h, m[2] * e + m[3] * g, m[2] * f + m[3] * h].map((x) => Math.round(x * 1e9) / 1e9 + 0),
    ).toEqual([1, 0, 0, 1])
  })

  test('move each point of a grid within what is asked, never fold, and are undone', () => {
    const gentle = fc.record({
      rotation: fc.integer({ min: 0, max: 180 }),
      shear: fc.double({ min: 0, max: 1, noNaN: true }),
      points: fc.integer({ min: 4, max: 9 }),
      share: fc.double({ min: 0.01, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(gentle, fc.integer({ min: 5, max: 64 }), fc.nat(), ({ rotation, shear, points, share }, side, seed) => {
        const elastic = (share * 0.45) / (points - 3)
        expect(augmentationOf('digits', { warp: { probability: 1, rotation, shear, elastic, points } })._tag).toBe('Right')
        const drawn = drawWarp(stream(seed, 'x', 0), 0, { probability: 1, rotation, shear, elastic, points })
        expect(drawn.moves.length).toBe(2 * points * points)
        for (const move of drawn.moves) expect(Math.abs(move)).toBeLessThanOrEqual(elastic)
        const bend: Warping = { linear: unwarped.linear, moves: drawn.moves }
        const [from, to] = [readFrom(bend, side), movedTo(bend, side)]
        const middle = (side - 1) / 2
        // spline weights sum to one: no pixel moves further than its points
        const [row, column] = from(middle, 1)
        expect(Math.max(Math.abs(row - middle), Math.abs(column - 1))).toBeLessThanOrEqual(side * elastic + 1e-9)
        const [y, x] = to(row, column)
        expect(Math.hypot(y - middle, x - 1)).toBeLessThan(0.02)
      }),
      { numRuns: 100 },
    )
  })

  test('are fed where an augmentation has them alone, to a Gram teacher too', () => {
    const paths = (probability: number): ReadonlyArray<string> =>
      [
        ...right(
          multiCrop(augmentations.digits({ gramSize: 14, warp: { ...w, probability } }), { batch: 1, channels: 1, side: 28 }),
        ).inputs.keys(),
      ].filter((p) => p.endsWith('.warp'))
    expect(paths(0)).toEqual([])
    expect(paths(0.5)).toEqual(['augment.global.warp', 'augment.local.warp', 'augment.gram.warp'])
  })

  test('out of range is a fault', () => {
    expect(left(augmentationOf('digits', { warp: { ...w, shear: 2 } })).place).toBe('augmentation digits: warp.shear')
    expect(left(augmentationOf('digits', { warp: { ...w, rotation: -1 } })).place).toBe('augmentation digits: warp.rotation')
    expect(left(augmentationOf('digits', { warp: { ...w, probability: 2 } })).place).toBe('augmentation digits: warp.probability')
    expect(left(augmentationOf('digits', { warp: { ...w, points: 3 } })).place).toBe('augmentation digits: warp.points')
    const folded = left(augmentationOf('digits', { warp: { ...w, elastic: 0.3 } }))
    expect([folded.place, folded.found, folded.allowed]).toEqual([
      'augmentation digits: warp.elastic',
      '0.3',
      'a number in [0, 0.23]: with 5 points along a side, crops could fold beyond',
    ])
  })
})

test.each([0, 0.15])('boxes and masks turn and bend with the pixels: elastic %d', (elastic) => {
  const side = 48
  const box = { x: 11, y: 19, width: 13, height: 9 }
  const canvas = Float32Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)]
    return Number(x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height)
  })
  const warp = { probability: 1, rotation: 25, shear: 0.3, elastic }
  const c = right(
    multiCrop(augmentations.digits({ globalSize: 24, locals: 0, warp, normalisation: { mean: [0], std: [1] } }), {
      batch: 1,
      channels: 1,
      side,
    }),
  )
  const subject = { size: { height: side, width: side }, regions: [] }
  let [seen, decided] = [0, 0]
  for (let seed = 0; seed < 12; seed++) {
    const [out] = evaluate(
      right(c.graph).outputs.map((o) => o.expr),
      right(c.feed(seed, { first: 0, canvases: canvas, subjects: [subject] })),
    )
    for (let k = 0; k < 2; k++) {
      const place = placeOf(c.plan, c.plan.groups[0], seed, k, 0, subject)
      const mask = carryMask(place)(Uint8Array.from(canvas), side)
      const b = O.toUndefined(carryBox(place)(box))
      for (let i = 0; i < 24 * 24; i++) {
        const pixel = out[k * 24 * 24 + i]
        if (pixel > 0.02 && pixel < 0.98) continue
        decided++
        expect(mask[i]).toBe(Math.round(pixel))
        if (pixel < 0.98) continue
        seen++
        const [x, y] = [(i % 24) + 0.5, Math.floor(i / 24) + 0.5]
        expect(b !== undefined && x > b.x && x < b.x + b.width && y > b.y && y < b.y + b.height).toBe(true)
      }
    }
  }
  expect(decided).toBeGreaterThan(9000)
  expect(seen).toBeGreaterThan(500)
})

test('an image that is evaluated is seen whole and unchanged, whatever its crops are', () => {
  const busy = { probability: 1, brightness: 1, contrast: 1, saturation: 1, hue: 0.5 }
  for (const make of Object.values(augmentations)) {
    const r = wholeImage({
      ...make({ warp: { probability: 1, rotation: 90, shear: 1 }, gramSize: 14 }),
      jitter: busy,
      grayscale: 1,
      flip: 1,
    })
    const c = right(multiCrop(r, { batch: 1, channels: 3, side: 32 }))
    expect([...c.inputs.keys()]).toEqual(['augment.canvas', 'augment.global.first', 'augment.global.weights'])
    const drawn = (seed: number) => right(c.draw(seed, 0, [{ size: { height: 32, width: 32 }, regions: [] }])).values
    expect(drawn(1)).toEqual(drawn(2))
  }
})
