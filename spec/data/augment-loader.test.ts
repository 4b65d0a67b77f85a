import * as TE from 'fp-ts/lib/TaskEither.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lay, resizeImage, sideFor, sizeOnCanvas } from '../../data/augment/canvas.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import { ahead, loader } from '../../data/loading/loader.ts'
import { expectClose } from '../support/tensor.ts'
import { left, right } from './either.ts'

const [C, H, W] = [1, 4, 5]

/** n images, image i filled with i, in units of 0 .. 100. */
const counting = (n: number): Dataset =>
  right(
    arrayDataset({
      name: 'counting',
      channels: C,
      height: H,
      width: W,
      range: [0, 100],
      images: Float32Array.from({ length: n * C * H * W }, (_, i) => Math.floor(i / (C * H * W))),
      labels: Int32Array.from({ length: n }, (_, i) => (i % 3) - 1),
      classes: ['a', 'b'],
    }),
  )

describe('the loader', () => {
  const d = counting(11)
  const l = right(loader(d, { seed: 5, batch: 3, side: 8 }))

  test('visits every item at most once an epoch, in an order of its own', async () => {
    expect(l.stepsPerEpoch).toBe(3)
    const epochs: Array<ReadonlyArray<number>> = []
    for (let e = 0; e < 4; e++) {
      const seen: Array<number> = []
      for (let s = 0; s < 3; s++) seen.push(...right(await l.batch(3 * e + s)()).indices)
      expect(new Set(seen).size).toBe(9)
      epochs.push(seen)
    }
    expect(new Set(epochs.map((e) => e.join())).size).toBe(4)
  })

  test('a step is a function of seed and step alone', async () => {
    const fresh = right(loader(d, { seed: 5, batch: 3, side: 8, cacheBytes: 0 }))
    for (const step of [7, 0, 3, 7, 100000]) {
      const [a, b] = [right(await l.batch(step)()), right(await fresh.batch(step)())]
      expect(a).toEqual(b)
      expect(a.first).toBe(3 * step)
      expect(a.epoch).toBe(Math.floor(step / 3))
    }
    expect(right(await right(loader(d, { seed: 6, batch: 3, side: 8 })).batch(7)()).indices).not.toEqual(right(await l.batch(7)()).indices)
  })

  test('has what is left of a pass in a last batch, where that is asked for, and reads no image twice', async () => {
    const read: number[] = []
    const counted: Dataset = { ...d, item: (i) => (read.push(i), d.item(i)) }
    const whole = right(loader(counted, { seed: 5, batch: 4, side: 8, ordered: true, whole: true, cacheBytes: 0 }))
    expect(whole.stepsPerEpoch).toBe(3)
    const last = right(await whole.batch(2)())
    expect([...last.indices]).toEqual([8, 9, 10])
    expect([last.subjects.length, last.canvases.length]).toEqual([4, 4 * 64])
    expect(last.canvases.subarray(3 * 64).every((v) => v === 0)).toBe(true)
    expect(read).toEqual([8, 9, 10])
    // a batch larger than the data set is a last one
    const larger = right(loader(counting(2), { seed: 5, batch: 4, side: 8, ordered: true, whole: true }))
    expect([...right(await larger.batch(0)()).indices]).toEqual([0, 1])
    expect(left(loader(counting(2), { seed: 5, batch: 4, side: 8, ordered: true })).found).toBe('a batch of 4 from 2 images')
  })

  test('reads ahead to where it is told to end', async () => {
    const asked: number[] = []
    const one = right(loader(d, { seed: 5, batch: 3, side: 8 }))
    const l2 = ahead(2, 3)({ ...one, batch: (step) => (asked.push(step), one.batch(step)) })
    for (const step of [0, 1, 2]) right(await l2.batch(step)())
    expect(asked.sort()).toEqual([0, 1, 2])
  })

  test('lays images in [0, 1] into the upper left corner', async () => {
    const b = right(await l.batch(2)())
    b.indices.forEach((index, k) => {
      expect(b.labels[k]).toBe((index % 3) - 1)
      expect(b.subjects[k].size).toEqual({ height: H, width: W })
      for (let y = 0; y < 8; y++)
        for (let x = 0; x < 8; x++) expect(b.canvases[(k * 8 + y) * 8 + x]).toBeCloseTo(y < H && x < W ? index / 100 : 0, 6)
    })
  })

  test('ranks load parts of the same batch', async () => {
    const whole = right(await l.batch(4)())
    const part = right(await right(loader(d, { seed: 5, batch: 3, side: 8, rows: { from: 1, to: 3 } })).batch(4)())
    expect([...part.indices]).toEqual([...whole.indices.slice(1)])
    expect(part.first).toBe(whole.first + 1)
    expect(part.canvases).toEqual(whole.canvases.slice(64))
  })

  test('reading ahead changes nothing but the time at which items are read', async () => {
    const read: Array<number> = []
    const watched: Dataset = {
      ...d,
      item: (i) => {
        read.push(i)
        return d.item(i)
      },
    }
    const a = ahead(2)(right(loader(watched, { seed: 5, batch: 3, side: 8, cacheBytes: 0 })))
    for (const step of [0, 1, 2, 9, 9, 0]) expect(right(await a.batch(step)())).toEqual(right(await l.batch(step)()))
    expect(read.length).toBe(3 * (3 + 1 + 1 + 3 + 1 + 3))
  })

  test('decoded images are kept while there is room', async () => {
    const read: Array<number> = []
    const watched: Dataset = {
      ...d,
      item: (i) => {
        read.push(i)
        return d.item(i)
      },
    }
    const a = right(loader(watched, { seed: 5, batch: 11, side: 8, cacheBytes: 4 * 64 * 4 }))
    for (let step = 0; step < 3; step++) right(await a.batch(step)())
    expect(read.length).toBe(11 + 7 + 7)
  })

  test('faults say what to do', async () => {
    expect(left(loader(counting(0), { seed: 0, batch: 1, side: 8 })).found).toBe('an empty data set')
    expect(left(loader(d, { seed: 0, batch: 12, side: 8 })).found).toBe('a batch of 12 from 11 images')
    expect(left(loader(d, { seed: 0, batch: 0, side: 8 })).allowed).toMatch(/at least 1/)
    expect(left(loader(d, { seed: 0, batch: 4, side: 8, rows: { from: 2, to: 5 } })).found).toBe('rows 2 to 5')
    expect(left(await l.batch(-1)()).found).toBe('step -1')
    const broken: Dataset = {
      ...d,
      item: () => TE.right({ image: { channels: 3, height: 2, width: 2, data: new Float32Array(12) }, source: 'x.png' }),
    }
    expect(left(await right(loader(broken, { seed: 0, batch: 2, side: 8 })).batch(0)()).place).toBe('counting: x.png')
  })

  test('regions of interest travel with the image, also where it is shrunk', async () => {
    const mask = new Uint8Array(16 * 12)
    mask[3 * 12 + 4] = mask[8 * 12 + 9] = 1
    const image = { channels: 1, height: 16, width: 12, data: new Float32Array(192).fill(7) }
    const one = (extra: object): Dataset => ({ ...counting(1), range: [0, 7], item: () => TE.right({ image, source: 'i', ...extra }) })
    const subjectOf = async (x: Dataset) => {
      const b = right(await right(loader(x, { seed: 0, batch: 1, side: 8 })).batch(0)())
      return { subject: b.subjects[0], notes: b.notes }
    }
    expect(await subjectOf(one({ mask }))).toEqual({
      subject: { size: { height: 8, width: 6 }, regions: [{ x: 2, y: 1.5, width: 3, height: 3 }] },
      notes: ['i: 16 x 12 shrunk to 8 x 6'],
    })
    expect((await subjectOf(one({ box: { x: 2, y: 4, width: 6, height: 8 } }))).subject.regions).toEqual([
      { x: 1, y: 2, width: 3, height: 4 },
    ])
    expect((await subjectOf(one({}))).subject.regions).toEqual([])
  })
})

describe('canvases', () => {
  test('the smallest that holds all, exact where all images are one square', () => {
    expect(sideFor([{ height: 28, width: 28 }])).toBe(28)
    expect(sideFor([{ height: 28, width: 30 }])).toBe(32)
    expect(
      sideFor([
        { height: 28, width: 28 },
        { height: 100, width: 10 },
      ]),
    ).toBe(128)
    expect(sideFor([{ height: 2000, width: 2000 }])).toBe(512)
  })

  test('larger images are shrunk until they just fit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 }), (height, width) => {
        const data = new Float32Array(height * width).fill(3)
        const { canvas, size } = lay({ channels: 1, height, width, data }, [1, 5], 32)
        expect(size).toEqual(sizeOnCanvas({ height, width }, 32))
        if (Math.max(height, width) <= 32) expect(size).toEqual({ height, width })
        else expect(Math.max(size.height, size.width)).toBe(32)
        for (let y = 0; y < 32; y++)
          for (let x = 0; x < 32; x++)
            expect(Math.abs(canvas[y * 32 + x] - (y < size.height && x < size.width ? 0.5 : 0))).toBeLessThan(1e-6)
      }),
    )
  })

  test('resizing to half averages smoothly, and stays in range', () => {
    const image = { channels: 1, height: 4, width: 4, data: Float32Array.from({ length: 16 }, (_, i) => i % 4) }
    const half = resizeImage(image, { height: 2, width: 2 }, [0, 3], { filter: 'bilinear', antialias: true })
    expectClose(half.data, [5 / 7, 16 / 7, 5 / 7, 16 / 7], 1e-6)
  })
})
