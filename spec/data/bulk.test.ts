/** Where most values lie, and what is said of pictures that use little of what their numbers could say. */
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { bulkOf } from '../../data/loading/bulk.ts'
import { withIntensity } from '../../data/loading/intensity.ts'
import { oddValues } from '../../data/loading/odd-values.ts'
import { summarize } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { folderOf } from './dicom-files.ts'
import { right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

test('the bulk ends where half a percent of the values lie beyond, to within a step', () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -3, max: 5, noNaN: true }), { minLength: 1, maxLength: 900 }),
      fc.tuple(fc.integer({ min: -4, max: 0 }), fc.integer({ min: 1, max: 6 })),
      (values, [low, high]) => {
        const bulk = bulkOf([low, high])
        for (const v of values) bulk.add(v)
        const inside = values.map((v) => Math.min(high, Math.max(low, v))).sort((a, b) => a - b)
        const beyond = Math.floor(0.005 * inside.length)
        const [first, last] = bulk.ends() ?? expect.fail('nothing was counted')
        const step = (high - low) / 1024
        expect(Math.abs(first - inside[beyond])).toBeLessThanOrEqual(step)
        expect(Math.abs(last - inside[inside.length - 1 - beyond])).toBeLessThanOrEqual(step)
      },
    ),
  )
  expect(bulkOf([0, 1]).ends()).toBeUndefined()
})

/** A gray picture of 16 bits, 64 x 64. */
const picture = (at: (i: number) => number): Promise<Buffer> =>
  sharp(
    Uint16Array.from({ length: 4096 }, (_, i) => at(i)),
    { raw: { width: 64, height: 64, channels: 1 } },
  )
    .toColourspace('grey16')
    .png()
    .toBuffer()

const said = async (files: Readonly<Record<string, Buffer>>, o: OpenOptions): Promise<ReadonlyArray<string>> =>
  oddValues(await summarize(right(datasetOf(right(await openData(await folderOf(files), o)()))), 9, () => undefined))

describe('pictures that use little of their range', () => {
  // as DeepLesion has them: Hounsfield units, 32768 added, and some values far away
  const offset = async () => ({ 'a.png': await picture((i) => (i % 900 === 0 ? 0 : 32768 - 1000 + ((i * 37) % 1400))) })
  const remedy = '(--set data.intensity=percentiles sees them in the range of their values)'

  test('in its middle: it is said where, as a run reads them and as they are stored', async () => {
    expect(await said(await offset(), {})).toEqual([
      `99 % of the values lie from 0.4844 to 0.5068, where 0 to 1 are possible: the images have hardly any contrast ${remedy}`,
    ])
    expect(await said(await offset(), { values: 'stored' })).toEqual([
      `99 % of the values lie from 31740 to 33220, where 0 to 65535 are possible: the images have hardly any contrast ${remedy}`,
    ])
  })

  test('and the setting sees them', async () => {
    const d = right(datasetOf(right(await openData(await folderOf(await offset()))())))
    const seen = right(await withIntensity({ kind: 'percentile', low: 1, high: 99, of: 'image' })(d)())
    const [{ image }] = await itemsOf(seen)
    const inside = [...image.data].filter((v) => v > 0.05 && v < 0.95).length
    expect(inside).toBeGreaterThan(0.8 * image.data.length)
  })

  test('nothing is said of those that use it, of one value, and of dark ones beyond that they are', async () => {
    expect(await said({ 'a.png': await picture((i) => 16 * i) }, {})).toEqual([])
    expect(await said({ 'a.png': await picture(() => 30000) }, {})).toEqual(['1 of 1 image has one value alone'])
    expect(await said({ 'a.png': await picture((i) => i) }, {})).toEqual([expect.stringContaining('the images are dark')])
  })
})
