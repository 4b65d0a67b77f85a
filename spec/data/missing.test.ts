import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { decidedIntensity, withIntensity } from '../../data/loading/intensity.ts'
import { moments } from '../../data/loading/measure.ts'
import type { Nan } from '../../data/loading/missing.ts'
import { oddValues } from '../../data/loading/odd-values.ts'
import { summarize } from '../../data/loading/summary.ts'
import { openTraining } from '../../data/loading/training.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, slice, words } from './dicom-files.ts'
import type { Elements } from './dicom-files.ts'
import { left, right } from './either.ts'
import { counting } from './npy-files.ts'

const opened = async (path: string): Promise<Dataset> => right(datasetOf(right(await openData(path)())))

/** A slice in which the first 64 of 256 pixels are padding by this stored value, and the others 0 to 191. */
const padded = (stored: number, more: Elements): Elements =>
  slice(0, { '7FE00010 OW': words(Array.from({ length: 256 }, (_, i) => (i < 64 ? stored : i - 64))), ...more })

describe('padding is air, and in no statistics', () => {
  test.each<readonly [string, number, Elements]>([
    ['signed', -2000, { '00280120 SS': [-2000] }],
    ['of another sign than its VR says', -2000, { '00280120 US': [-2000] }],
    ['a range', -1990, { '00280120 SS': [-2000], '00280121 SS': [-1980] }],
    ['a range from above', -1990, { '00280120 SS': [-1980], '00280121 SS': [-2000] }],
    ['beyond the bits stored', -2000, { '00280120 SS': [-2000], '00280101 US': [12], '00280102 US': [11], '00280103 US': [0] }],
    ['unsigned', 4000, { '00280120 US': [4000], '00280103 US': [0] }],
  ])('%s', async (_, stored, more) => {
    const d = await opened(join(await folderOf({ 'a.dcm': dicomBytes(padded(stored, more)) }), 'a.dcm'))
    const item = right(await d.item(0)())
    expect([...(item.padding ?? [])]).toEqual(Array.from({ length: 256 }, (_x, i) => (i < 64 ? 1 : 0)))
    const i = right(await decidedIntensity({ kind: 'percentile', low: 0, high: 100, of: 'dataset' })(d)())
    expect(i).toEqual({ kind: 'range', low: -1000, high: -809 })
    for (const intensity of [i, { kind: 'percentile', low: 0, high: 100, of: 'image' } as const]) {
      const seen = right(await withIntensity(intensity)(d)())
      const { image } = right(await seen.item(0)())
      expect([[...new Set(image.data.slice(0, 64))], image.data[64], image.data[255]]).toEqual([[0], 0, 1])
      const { mean } = right(await moments()(seen)())
      expect(mean[0]).toBeCloseTo(0.5, 6)
    }
    const s = await summarize(d, 9, () => undefined)
    expect([s.values, s.padding, oddValues(s)]).toEqual([
      [-1000, -809],
      64,
      ['64 of 256 values are padding: they are air, and in no statistics'],
    ])
  })

  test('an image in which nothing is padding has none, and an inverted one has dark padding', async () => {
    const d = await opened(join(await folderOf({ 'a.dcm': dicomBytes(slice(0, { '00280120 SS': [-2000] })) }), 'a.dcm'))
    expect(right(await d.item(0)()).padding).toBeUndefined()
    const inverse = await opened(
      join(await folderOf({ 'b.dcm': dicomBytes(padded(-2000, { '00280120 SS': [-2000], '00280004 CS': 'MONOCHROME1' })) }), 'b.dcm'),
    )
    const { image } = right(await right(await withIntensity({ kind: 'range', low: -1000, high: 0 })(inverse)()).item(0)())
    expect([image.data[0], image.data[64]]).toEqual([0, 1])
  })
})

describe('values that are no numbers', () => {
  const path = async (): Promise<string> =>
    join(
      await folderOf({
        'a.npy': counting('<f4', [5, 8, 8], (i) =>
          i % 64 === 3 ? NaN : i % 64 === 4 ? Infinity : i % 64 === 5 ? -Infinity : 100 + (i % 64),
        ),
      }),
      'a.npy',
    )
  const train = async (nan?: Nan) => {
    const said: string[] = []
    const result = await openTraining(await path(), {
      share: 0.2,
      loading: {},
      say: (t) => {
        said.push(t)
      },
      intensity: { kind: 'range', low: -10, high: 170 },
      ...(nan === undefined ? {} : { nan }),
    })()
    return { said, result }
  }

  test('are air and told, or stop, or are 0, and the remedy of the fault works', async () => {
    const { said, result } = await train()
    const image = right(await right(result).train.item(1)()).image
    expect([...image.data.slice(2, 7)].map((v) => Math.round(v * 180))).toEqual([112, 0, 0, 0, 116])
    expect(said.join('\n')).toContain('note: 12 of 256 values are NaN or infinite')
    expect(said.join('\n')).toContain('values 100 to 163')
    const zero = right(await right((await train('zero')).result).train.item(1)()).image
    expect([...zero.data.slice(2, 7)].map((v) => Math.round(v * 180))).toEqual([112, 10, 10, 10, 116])
    const f = left(await right((await train('stop')).result).train.item(0)())
    expect([f.found, f.remedy]).toEqual([
      '3 of 64 values are NaN or infinite, or beyond 1e30 as fill values are',
      'take them as air (--set data.nan=air) or as the value 0 (--set data.nan=zero)',
    ])
  })

  test('images of one value are counted', async () => {
    const d = await opened(join(await folderOf({ 'c.npy': counting('<f4', [5, 8, 8], (i) => (i < 64 ? 7 : i)) }), 'c.npy'))
    expect(oddValues(await summarize(d, 9, () => undefined))).toEqual(['1 of 5 images has one value alone'])
  })
})
