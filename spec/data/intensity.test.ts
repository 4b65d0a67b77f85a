import * as TE from 'fp-ts/lib/TaskEither.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arrayDataset } from '../../data/readers/array.ts'
import type { Dataset, Item } from '../../data/readers/dataset.ts'
import { showIntensity, throughWindow, usualIntensity, windowPresets, withIntensity } from '../../data/loading/intensity.ts'
import type { Intensity } from '../../data/loading/intensity.ts'
import { windowNotes } from '../../data/loading/clipping.ts'
import { moments, normalisationFor, percentilesOf } from '../../data/loading/measure.ts'
import { left, right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

const hu = [-1000, -600, 0, 40, 80, 400, 2000]

const scan = (values: ReadonlyArray<number>, extra: Partial<Item> = {}, d: Partial<Dataset> = {}): Dataset => {
  const image = { channels: 1, height: 1, width: values.length, data: Float32Array.from(values) }
  const base = right(
    arrayDataset({
      name: 'scan',
      channels: 1,
      height: 1,
      width: values.length,
      range: [-1024, 3071],
      images: image.data,
      labels: Int32Array.of(-1),
      classes: [],
    }),
  )
  return { ...base, units: 'HU', item: () => TE.right({ image: { ...image, data: image.data.slice() }, source: 's', ...extra }), ...d }
}

const values = async (i: Intensity, d: Dataset): Promise<ReadonlyArray<number>> =>
  Array.from(right(await right(await withIntensity(i)(d)()).item(0)()).image.data)

describe('windows', () => {
  test('LINEAR is as the standard defines it, with its half steps', () => {
    // PS3.3 C.11.2.1.2.1, note 4: c = 2048, w = 4096 becomes x / 4095; c = 0, w = 100 and w = 1
    const a = throughWindow({ centre: 2048, width: 4096 })
    for (const x of [0, 1, 1000, 4095]) expect(a(x)).toBeCloseTo(x / 4095, 12)
    const b = throughWindow({ centre: 0, width: 100 })
    expect([b(-50), b(-51), b(49), b(49.01)]).toEqual([0, 0, 1, 1])
    expect(b(-0.5)).toBeCloseTo(0.5, 12)
    const c = throughWindow({ centre: 0, width: 1 })
    expect([c(-0.51), c(-0.5), c(-0.49), c(0)]).toEqual([0, 0, 1, 1])
    const d = throughWindow({ centre: 40, width: 400 }, 'linear exact')
    expect([d(-160), d(40), d(240), d(-1000), d(1000)]).toEqual([0, 0.5, 1, 0, 1])
    expect([b(NaN), d(NaN)]).toEqual([0, 0])
  })

  test('that clip more than half of the values are told, and names of HU where no unit is known', async () => {
    const of = (...windows: Extract<Intensity, { readonly kind: 'windows' }>['windows']): Intensity => ({ kind: 'windows', windows })
    const notes = async (i: Intensity, d: Dataset) => right(await windowNotes(i, d)())
    const brain = 'the window brain (40/80) clips more than half of the values: 43 % are below it, 43 % above'
    expect(await notes(of('brain', { centre: 500, width: 4000 }), scan(hu))).toEqual([expect.stringContaining(brain)])
    expect(await notes(of({ centre: 500, width: 4000 }), scan(hu, {}, { units: 'stored' }))).toEqual([])
    expect(await notes(of('brain', 'bone'), scan(hu, {}, { units: 'stored' }))).toEqual([
      expect.stringContaining('taken for Hounsfield units by the windows brain (40/80), bone (400/1800) (--set data.intensity=percentiles'),
      expect.stringContaining(brain),
    ])
    // padding is no value, and what a file proposes counts as any other window
    const padded = { padding: Uint8Array.of(1, 1, 0, 0, 0, 0, 1), windows: [{ centre: 200, width: 1000 }] }
    expect(await notes(of('file'), scan(hu, padded))).toEqual([])
    expect(await notes(of('file'), scan(hu, { windows: [{ centre: 200, width: 10 }] }))).toEqual([
      expect.stringContaining('the window of each file clips more than half of the values: 71 % are below it, 29 % above'),
    ])
    // fill values are none either
    expect(await notes(of({ centre: 500, width: 4000 }), scan([...hu, ...hu.map(() => -3.4e38)], {}, { units: 'stored' }))).toEqual([])
    expect(await notes({ kind: 'full' }, scan(hu))).toEqual([])
  })

  test('with names are refused for values of no known unit that have neither fat nor air, and taken as numbers', async () => {
    const bone: Intensity = { kind: 'windows', windows: ['bone', 'file'] }
    // MR, MR that was divided by its deviation, CT of a brain alone
    for (const some of [
      [0, 300, 1200],
      [-2.5, 0, 6],
      [0, 20, 60],
    ]) {
      const f = left(await windowNotes(bone, scan(some, {}, { units: 'stored' }))())
      expect(f.found).toBe(`values of no known unit, ${some[0]} to ${some[2]}, where the window bone is in HU`)
      expect(f.remedy).toContain('data.windows=[400/1800,file]')
      const asNumbers: Intensity = { kind: 'windows', windows: [{ centre: 400, width: 1800 }] }
      right(await windowNotes(asNumbers, scan(some, {}, { units: 'stored' }))())
      right(await windowNotes(bone, scan(some))())
    }
  })

  test('any window rises from 0 to 1', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -2000, max: 3000, noNaN: true }),
        fc.double({ min: 1, max: 5000, noNaN: true }),
        fc.double({ min: -4000, max: 4000, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (centre, width, x, step) => {
          for (const shape of ['linear', 'linear exact'] as const) {
            const f = throughWindow({ centre, width }, shape)
            expect(f(x)).toBeGreaterThanOrEqual(0)
            expect(f(x + step)).toBeLessThanOrEqual(1)
            expect(f(x + step)).toBeGreaterThanOrEqual(f(x) - 1e-12)
          }
        },
      ),
    )
  })

  test("several windows become channels; the file's own window; bright and dark are turned for inverted images", async () => {
    const three: Intensity = { kind: 'windows', windows: ['lung', 'mediastinum', { centre: 400, width: 1800 }] }
    const d = right(await withIntensity(three)(scan(hu))())
    expect([d.channels, d.range, d.units]).toEqual([3, [0, 1], 'intensity'])
    const wanted = [windowPresets.lung, windowPresets.mediastinum, windowPresets.bone].flatMap((w) => hu.map(throughWindow(w)))
    expect(right(await d.item(0)()).image.data).toEqual(Float32Array.from(wanted))
    const own: Intensity = { kind: 'windows', windows: ['file'] }
    expect(await values(own, scan([0, 50, 100], { windows: [{ centre: 50, width: 101 }] }))).toEqual([0.005, 0.505, 1].map(Math.fround))
    expect(left(await right(await withIntensity(own)(scan([0]))()).item(0)()).found).toMatch(/no window/)
    expect(await values({ kind: 'range', low: 0, high: 100 }, scan([0, 25, 200], { inverted: true }))).toEqual([1, 0.75, 0])
    const turned = right(await right(await withIntensity({ kind: 'full' })(scan([0], { inverted: true }))()).item(0)())
    expect([turned.inverted, turned.windows]).toEqual([false, []])
  })
})

describe('ranges and percentiles', () => {
  test("percentiles are NumPy's, of an image and of a dataset", async () => {
    const d = scan([0, 10, 20, 30, 40, NaN])
    const got = right(await percentilesOf([0, 10, 50, 99, 100])(d)())
    ;[0, 4, 20, 39.6, 40].forEach((v, k) => {
      expect(got[k]).toBeCloseTo(v, 5)
    })
    expect(await values({ kind: 'percentile', low: 25, high: 75, of: 'image' }, d)).toEqual([0, 0, 0.5, 1, 1, 0])
    expect(await values({ kind: 'percentile', low: 0, high: 100, of: 'dataset' }, d)).toEqual([0, 0.25, 0.5, 0.75, 1, 0])
    expect(await values({ kind: 'percentile', low: 1, high: 99, of: 'image' }, scan([7, 7]))).toEqual([0, 0])
    expect(
      left(await right(await withIntensity({ kind: 'percentile', low: 1, high: 99, of: 'image' })(scan([NaN]))()).item(0)()).found,
    ).toMatch(/finite/)
    const seen: number[] = []
    right(await percentilesOf([50], { progress: (done, total) => seen.push(done / total) })(d)())
    expect(seen).toEqual([1])
  })

  test('what suits a dataset where nobody says', async () => {
    expect(usualIntensity(scan(hu))).toEqual({ kind: 'windows', windows: ['mediastinum'] })
    expect(usualIntensity(scan(hu, {}, { units: 'stored' })).kind).toBe('percentile')
    const picture = right(
      arrayDataset({
        name: 'p',
        channels: 1,
        height: 1,
        width: 2,
        range: [0, 1],
        images: Float32Array.of(0, 1),
        labels: Int32Array.of(-1),
        classes: [],
      }),
    )
    expect(usualIntensity(picture)).toEqual({ kind: 'full' })
    expect(usualIntensity(right(await withIntensity({ kind: 'windows', windows: ['lung', 'bone'] })(scan(hu))()))).toEqual({ kind: 'full' })
    expect(usualIntensity({ ...picture, range: [-Infinity, Infinity] }).kind).toBe('percentile')
    expect(showIntensity({ kind: 'windows', windows: ['lung', 'file', { centre: 1, width: 2 }] })).toBe(
      'windows lung (-600/1500), of each file, 1/2',
    )
    expect(await values({ kind: 'full' }, picture)).toEqual([0, 1])
  })

  test('faults say what is wrong', async () => {
    const f = async (i: Intensity, d = scan(hu)): Promise<string> => left(await withIntensity(i)(d)()).found
    expect(await f({ kind: 'windows', windows: [] })).toBe('no window')
    expect(await f({ kind: 'windows', windows: [{ centre: 0, width: 0.5 }] })).toBe('centre 0, width 0.5')
    expect(await f({ kind: 'range', low: 1, high: 1 })).toBe('1 to 1')
    expect(await f({ kind: 'percentile', low: 5, high: 105, of: 'image' })).toBe('5 to 105')
    expect(await f({ kind: 'full' }, scan(hu, {}, { range: [-Infinity, 0] }))).toMatch(/without bounds/)
    expect(await f({ kind: 'windows', windows: ['lung'] }, scan(hu, {}, { channels: 3 }))).toMatch(/3 channels/)
  })
})

describe('means and deviations', () => {
  test('are those of all values of a channel, laid to 0..1', async () => {
    const images = Float32Array.from({ length: 3 * 2 * 4 }, (_, i) => (i * 37) % 11)
    const d = right(
      arrayDataset({
        name: 'd',
        channels: 2,
        height: 2,
        width: 2,
        range: [0, 10],
        images,
        labels: new Int32Array(3).fill(-1),
        classes: [],
      }),
    )
    const { mean, std } = right(await moments()(d)())
    for (const c of [0, 1]) {
      const all = (await itemsOf(d)).flatMap((i) => Array.from(i.image.data.subarray(4 * c, 4 * c + 4), (v) => v / 10))
      const m = all.reduce((a, b) => a + b) / all.length
      expect(mean[c]).toBeCloseTo(m, 12)
      expect(std[c]).toBeCloseTo(Math.sqrt(all.reduce((a, b) => a + (b - m) ** 2, 0) / all.length), 12)
    }
    expect(right(await normalisationFor('imagenet')(d)()).mean[0]).toBe(0.485)
    expect(right(await normalisationFor('computed', { items: 2 })(d)()).mean.length).toBe(2)
    expect(right(await normalisationFor({ mean: [0], std: [2] })(d)())).toEqual({ mean: [0], std: [2] })
    const flat = right(
      arrayDataset({
        name: 'f',
        channels: 1,
        height: 1,
        width: 2,
        range: [0, 1],
        images: new Float32Array(2),
        labels: Int32Array.of(0),
        classes: [],
      }),
    )
    expect(left(await moments()(flat)()).found).toMatch(/no finite value/)
    expect(left(await moments()(scan([0], {}, { range: [0, Infinity] }))()).found).toMatch(/bounds/)
  })
})
