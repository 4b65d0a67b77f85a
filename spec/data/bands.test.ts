import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { openTraining } from '../../data/loading/training.ts'
import { oddValues } from '../../data/loading/odd-values.ts'
import { summarize } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { unpackBits } from '../../data/readers/pictures/unpack.ts'
import { folderOf } from './dicom-files.ts'
import { right } from './either.ts'
import { itemsOf } from './readers-reference.ts'
import type { Page } from './tiff-files.ts'
import { side, tiff } from './tiff-files.ts'

const open = async (files: Readonly<Record<string, Uint8Array>>, o: OpenOptions = { channels: 'stored', values: 'stored' }) => {
  const path = await folderOf(files)
  const opened = right(await openData(path, o)())
  const d = right(datasetOf(opened))
  return { path, d, notes: opened.notes, items: await itemsOf(d) }
}

/** Plane c of interleaved samples. */
const plane = (p: Page, c: number): ReadonlyArray<number> => Array.from({ length: side * side }, (_, i) => p.values(i * p.bands + c))

describe('bands, signs and pages of TIFF', () => {
  test.each<readonly [string, Page]>([
    ['thirteen bands of 16 bits', { bands: 13, photometric: 1, bits: 16, values: (i) => (i * 37) % 4000 }],
    ['the same, packed', { bands: 13, photometric: 1, bits: 16, values: (i) => (i * 37) % 4000, packed: true }],
    ['three gray bands', { bands: 3, photometric: 1, bits: 8, values: (i) => i % 251 }],
    ['four bands of 8 bits', { bands: 4, photometric: 1, bits: 8, values: (i) => i % 251 }],
    ['RGB and near infrared', { bands: 4, photometric: 2, bits: 8, extra: [0], values: (i) => (i % 4 === 3 ? 7 : 200) }],
    ['floats', { bands: 1, photometric: 1, bits: 32, kind: 3, values: (i) => i * 8 - 100 }],
    ['signed numbers', { bands: 1, photometric: 1, bits: 16, kind: 2, values: (i) => i * 8 - 100 }],
  ])('%s: each value where it belongs, by inspect and in training', async (_, page) => {
    const files = Object.fromEntries([0, 1, 2, 3, 4].map((k) => [`${k}.tif`, tiff([page])] as const))
    const { path, d, items } = await open(files)
    expect([d.length, d.channels, d.units]).toEqual([5, page.bands, 'stored'])
    for (let c = 0; c < page.bands; c++)
      expect([...items[2].image.data.slice(c * side * side, (c + 1) * side * side)]).toEqual(plane(page, c))
    const { train } = right(await openTraining(path, { share: 0.2, loading: {}, say: () => undefined })())
    const { image } = right(await train.item(0)())
    expect([train.channels, image.channels]).toEqual([page.bands, page.bands])
    // bytes are intensities; wider numbers are seen between the percentiles of their values, in every band
    if (page.bits === 8)
      image.data.forEach((v, i) => {
        expect(v).toBeCloseTo(items[0].image.data[i] / 255, 6)
      })
    else expect([Math.min(...image.data), Math.max(...image.data)]).toEqual([0, 1])
  })

  test('pages are images, smaller copies are not, and both are reported', async () => {
    const page = (v: number, more: Partial<Page> = {}): Page => ({ bands: 1, photometric: 1, bits: 8, values: () => v, ...more })
    const { d, items, notes } = await open({ 's.tif': tiff([page(5), page(30), page(55), page(9, { side: 3 })]) })
    expect([d.length, items.map((x) => [x.source, x.frame, x.image.data[0]])]).toEqual([
      3,
      [
        ['s.tif', 0, 5],
        ['s.tif', 1, 30],
        ['s.tif', 2, 55],
      ],
    ])
    expect(notes).toEqual([
      '1 file of several pages is read as 3 images: s.tif',
      'pages that are smaller copies or of another size are not read in 1 file: s.tif',
    ])
  })

  test('white that is zero, declared alpha, and YCbCr are the colours that they stand for', async () => {
    const { items } = await open({
      'a.tif': tiff([{ bands: 1, photometric: 0, bits: 8, values: (i) => i }]),
    })
    expect([...items[0].image.data.slice(0, 3)]).toEqual([255, 254, 253])
    const rgba = await open(
      { 'b.tif': tiff([{ bands: 4, photometric: 2, bits: 8, extra: [2], values: (i) => [200, 100, 50, 0][i % 4] }]) },
      {},
    )
    expect([rgba.d.channels, ...[0, 40, 80].map((i) => Math.round(rgba.items[0].image.data[i] * 255))]).toEqual([3, 200, 100, 50])
  })

  test('a few 12-bit values in 16-bit pictures are reported, and what the note says sees them', async () => {
    const dark = await sharp(
      Uint16Array.from({ length: 256 }, (_, i) => i * 16),
      { raw: { width: 16, height: 16, channels: 1 } },
    )
      .toColourspace('grey16')
      .png()
      .toBuffer()
    const { d } = await open({ 'a.png': dark })
    expect(oddValues(await summarize(d, 9, () => undefined))).toEqual([
      expect.stringMatching(/the largest value is at 6\.2 % of the range.* \(--set data\.intensity=percentiles/),
    ])
  })

  test('measurements beside pictures are not mixed with them', async () => {
    const png = await sharp({ create: { width: 6, height: 6, channels: 3, background: '#ff0000' } })
      .png()
      .toBuffer()
    const float: Page = { bands: 1, photometric: 1, bits: 32, kind: 3, values: (i) => i }
    const { d, notes } = await open({ 'a.png': png, 'b.png': png, 'c.tif': tiff([float]) }, {})
    expect([d.length, d.channels, d.units]).toEqual([2, 3, undefined])
    expect(notes.join('\n')).toMatch(/Left out: 1 image measured 1-band float-32 \(c\.tif; --set data\.select=measured takes these\)/)
  })

  test("PackBits: the example of Apple's note", () => {
    expect([...unpackBits(Uint8Array.of(0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa), 10)]).toEqual([
      0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa,
    ])
  })
})
