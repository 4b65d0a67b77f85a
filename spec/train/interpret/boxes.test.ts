/** Boxes of attention, how good they are, and boxes that lie in an image as a network sees it. */
import { fileURLToPath } from 'node:url'
import { pipe } from 'fp-ts/lib/function.js'
import fc from 'fast-check'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { describe, expect, test } from 'vitest'
import type { Box, Image } from '../../../data/readers/dataset.ts'
import { openData } from '../../../data/readers/index.ts'
import type { Preprocess } from '../../../train/exchange/preprocess.ts'
import { framed, framedBoxes } from '../../../train/exchange/preprocess.ts'
import { attentionBoxes, averagePrecision, iou, pointsAt, regions } from '../../../train/judge/interpret/boxes.ts'
import { detectionNumbers, detectionScores, showDetection } from '../../../train/judge/interpret/detection.ts'
import { clsMaps, massMask, meanMap } from '../../../train/judge/interpret/maps.ts'
import { right } from '../../data/either.ts'

const box = (x: number, y: number, width: number, height: number): Box => ({ x, y, width, height })

const anyBox = fc.record({
  x: fc.integer({ min: 0, max: 20 }),
  y: fc.integer({ min: 0, max: 20 }),
  width: fc.integer({ min: 1, max: 20 }),
  height: fc.integer({ min: 1, max: 20 }),
})

const covers = (b: Box, x: number, y: number): boolean => x >= b.x && x < b.x + b.width && y >= b.y && y < b.y + b.height

describe('overlap', () => {
  test('is the share of pixels that both have among those that one has', () => {
    fc.assert(
      fc.property(anyBox, anyBox, (a, b) => {
        let [both, one] = [0, 0]
        for (let y = 0; y < 40; y++)
          for (let x = 0; x < 40; x++)
            [both, one] = [both + (covers(a, x, y) && covers(b, x, y) ? 1 : 0), one + (covers(a, x, y) || covers(b, x, y) ? 1 : 0)]
        expect(iou(a, b)).toBeCloseTo(both / one, 12)
        expect(iou(a, a)).toBe(1)
      }),
    )
  })
})

/** Attention over a grid that lies in boxes given in patches, and next to nothing elsewhere. */
const mapOf = (grid: readonly [number, number], boxes: ReadonlyArray<readonly [Box, number]>): Float32Array =>
  Float32Array.from({ length: grid[0] * grid[1] }, (_, i) =>
    boxes.reduce((v, [b, weight]) => (covers(b, i % grid[1], Math.floor(i / grid[1])) ? weight : v), 1e-4),
  )

describe('boxes of attention', () => {
  test('lie around each region, the surest first', () => {
    const found = attentionBoxes({ mass: 0.95 }, { height: 160, width: 200 })(
      mapOf(
        [16, 20],
        [
          [box(2, 3, 4, 5), 1],
          [box(12, 8, 5, 4), 2],
        ],
      ),
      [16, 20],
    )
    expect(found).toHaveLength(2)
    expect(iou(found[0], box(120, 80, 50, 40))).toBeGreaterThan(0.75)
    expect(iou(found[1], box(20, 30, 40, 50))).toBeGreaterThan(0.75)
    expect(found[0].score).toBeGreaterThan(found[1].score)
  })
  test('leave out regions that are too small', () => {
    const map = mapOf(
      [10, 10],
      [
        [box(1, 1, 5, 5), 1],
        [box(9, 9, 1, 1), 1],
      ],
    )
    expect(attentionBoxes({ mass: 0.99, least: 0.1 }, { height: 50, width: 50 })(map, [10, 10])).toHaveLength(1)
    expect(attentionBoxes({ mass: 0.99, least: 0 }, { height: 50, width: 50 })(map, [10, 10])).toHaveLength(2)
  })
  test('regions are what touches along edges, however a mask winds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.infiniteStream(fc.boolean()),
        (height, width, bits) => {
          const mask = Uint8Array.from({ length: height * width }, () => (bits.next().value === true ? 1 : 0))
          const { label, count } = regions(mask, { height, width })
          expect(new Set(label.filter((l) => l > 0)).size).toBe(count)
          label.forEach((l, i) => {
            expect(l > 0).toBe(mask[i] === 1)
            if (i % width < width - 1 && mask[i] === 1 && mask[i + 1] === 1) expect(label[i + 1]).toBe(l)
            if (i + width < mask.length && mask[i] === 1 && mask[i + width] === 1) expect(label[i + width]).toBe(l)
          })
        },
      ),
    )
  })
})

describe('maps', () => {
  test('are the first row of attention without the tokens before the patches', () => {
    // 2 heads of 1 + 2 registers + 2 x 3 patches
    const tokens = 9
    const data = Float32Array.from({ length: 2 * tokens * tokens }, (_, i) => i)
    const [a, b] = clsMaps({ data, heads: 2, prefix: 3, grid: [2, 3] })
    expect([...a]).toEqual([3, 4, 5, 6, 7, 8])
    expect([...b]).toEqual([84, 85, 86, 87, 88, 89])
    expect([...meanMap([a, b])][0]).toBe(43.5)
  })
  test('masks hold at least their share, and less without the least of what they keep', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        (values, mass) => {
          const mask = massMask(mass)(Float32Array.from(values))
          const kept = values.filter((_, i) => mask[i] === 1)
          const total = values.reduce((a, b) => a + b, 0)
          const sum = kept.reduce((a, b) => a + b, 0)
          expect(sum / total).toBeGreaterThanOrEqual(mass - 1e-9)
          expect((sum - Math.min(...kept)) / total).toBeLessThan(mass + 1e-9)
        },
      ),
    )
  })
})

describe('average precision', () => {
  const detection = (b: Box, score: number) => ({ ...b, score })
  const [a, b] = [box(0, 0, 10, 10), box(30, 30, 10, 10)]
  test('is 1 where every box is found and nothing else, 0 where nothing is right', () => {
    expect(averagePrecision([{ found: [detection(a, 2), detection(b, 1)], truth: [a, b] }])).toBe(1)
    expect(averagePrecision([{ found: [detection(box(60, 60, 5, 5), 1)], truth: [a] }])).toBe(0)
    expect(averagePrecision([{ found: [], truth: [] }])).toBeNaN()
  })
  test('counts a true box once, and what comes before a hit lowers it', () => {
    // wrong, right, the same again: precision 1/2 at recall 1/2, nothing beyond
    expect(averagePrecision([{ found: [detection(box(60, 60, 5, 5), 3), detection(a, 2), detection(a, 1)], truth: [a, b] }])).toBeCloseTo(
      0.25,
      12,
    )
    // right, wrong, right: 1 at recall 1/2, 2/3 at recall 1
    expect(
      averagePrecision([
        { found: [detection(a, 3)], truth: [a] },
        { found: [detection(a, 2), detection(b, 1)], truth: [b] },
      ]),
    ).toBeCloseTo((1 + 2 / 3) / 2, 12)
  })
})

describe('detection scores', () => {
  test('of attention that is where the boxes are, and of attention that is elsewhere', () => {
    const size = { height: 160, width: 160 }
    const grid = [16, 16] as const
    const at = (b: Box, truth: Box) => {
      const map = mapOf(grid, [[b, 1]])
      return { size, grid, map, found: attentionBoxes({ mass: 0.95 }, size)(map, grid), truth: [truth] }
    }
    const [there, away] = [at(box(4, 4, 6, 5), box(40, 40, 60, 50)), at(box(11, 11, 4, 4), box(0, 0, 50, 50))]
    expect(detectionScores([there])).toMatchObject({ images: 1, boxes: 1, pointing: 1, ap50: 1 })
    expect(detectionScores([there]).iou).toBeGreaterThan(0.75)
    expect(detectionScores([away])).toEqual({ images: 1, boxes: 1, iou: 0, pointing: 0, ap50: 0, patches: 25 })
    expect(detectionScores([there, away])).toMatchObject({ images: 2, pointing: 0.5, ap50: 0.5 })
    // 60 x 50 and 50 x 50 pixels in patches of 10 x 10, and the same image in two of them
    expect(detectionScores([there, away]).patches).toBe(27.5)
    expect(detectionScores([{ ...there, grid: [2, 1], map: Float32Array.of(1, 0) }]).patches).toBeCloseTo((2 * 3000) / 160 ** 2, 12)
    expect(detectionScores([{ ...there, truth: [] }])).toMatchObject({ images: 0, iou: NaN })
    expect(showDetection(detectionScores([there]))).toMatch(/^1 true box in 1 image, of 30 patches on average: mean best IoU 0\.\d{3}, /)
    expect(showDetection(detectionScores([{ ...there, grid: [2, 1], map: Float32Array.of(1, 0) }]))).toContain('of 0.230 patches')
    expect(detectionNumbers(detectionScores([away]))).toEqual({ iou: 0, pointing: 0, ap50: 0, box_patches: 25 })
    expect(detectionNumbers(detectionScores([{ ...there, truth: [] }]))).toEqual({})
    expect(showDetection(detectionScores([{ ...there, truth: [] }]))).toBe('no image has a true box')
  })
  test('of marked slices of a scan, for attention made of their boxes', async () => {
    const opened = right(await openData(fileURLToPath(new URL('../../../examples/ct/boxes.csv', import.meta.url)))())
    const [d] = opened.splits.values()
    const items = right(
      await pipe(
        Array.from({ length: d.length }, (_, i) => d.item(i)),
        TE.sequenceSeqArray,
      )(),
    )
    const marked = items.filter((x) => x.box !== undefined)
    expect(marked).toHaveLength(5)
    const p: Preprocess = {
      resize: { kind: 'shortest', side: 128 },
      crop: { height: 112, width: 112 },
      resampling: { filter: 'bilinear', antialias: true },
      mean: [0],
      std: [1],
      gain: 1,
      rounds: false,
    }
    const scores = detectionScores(
      marked.map(({ image, box: first, boxes }) => {
        const truth = framedBoxes(p, image)(boxes ?? (first === undefined ? [] : [first]))
        const size = { height: 112, width: 112 }
        const grid = [28, 28] as const
        const map = Float32Array.from({ length: 28 * 28 }, (_, i) => {
          const [x, y] = [4 * (i % 28) + 2, 4 * Math.floor(i / 28) + 2]
          return Math.max(
            ...truth.map((t) => Math.exp(-2 * (((x - t.x - t.width / 2) / t.width) ** 2 + ((y - t.y - t.height / 2) / t.height) ** 2))),
          )
        })
        return { size, grid, map, found: attentionBoxes({ mass: 0.5, least: 0.0005 }, size)(map, grid), truth }
      }),
    )
    expect(scores.images).toBe(5)
    expect(scores.pointing).toBe(1)
    expect(scores.iou).toBeGreaterThan(0.5)
    expect(scores.ap50).toBeGreaterThan(0.5)
  })
  test('the pointing game asks for the largest place alone', () => {
    const map = new Float32Array(100)
    map[57] = 1
    expect(pointsAt(map, { height: 10, width: 10 }, [box(7, 5, 1, 1)])).toBe(true)
    expect(pointsAt(map, { height: 10, width: 10 }, [box(8, 5, 1, 1), box(0, 0, 3, 3)])).toBe(false)
  })
})

describe('boxes of a framed image', () => {
  test('lie where their pixels do', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5 }),
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (scale, x, y, width, height) => {
          // 16 x 20 pixels, whole times larger, its middle square kept
          const own = { height: 16, width: 20 }
          const image: Image = {
            channels: 1,
            ...own,
            data: Float32Array.from({ length: 320 }, (_, i) => (covers(box(x, y, width, height), i % 20, Math.floor(i / 20)) ? 1 : 0)),
          }
          const side = 16 * scale
          const p: Preprocess = {
            resize: { kind: 'shortest', side },
            crop: { height: side - 4, width: side - 4 },
            resampling: { filter: 'nearest', antialias: false },
            mean: [0],
            std: [1],
            gain: 1,
            rounds: false,
          }
          const seen = framed(p)(image)
          const lit = Array.from(seen.data.keys()).filter((i) => seen.data[i] > 0.5)
          const boxes = framedBoxes(p, own)([box(x, y, width, height)])
          expect(boxes).toHaveLength(lit.length > 0 ? 1 : 0)
          if (lit.length === 0) return
          const [xs, ys] = [lit.map((i) => i % seen.width), lit.map((i) => Math.floor(i / seen.width))]
          const [x0, y0] = [Math.min(...xs), Math.min(...ys)]
          expect(boxes[0]).toEqual(box(x0, y0, Math.max(...xs) + 1 - x0, Math.max(...ys) + 1 - y0))
        },
      ),
    )
  })
})
