/** Channels on pages of their own, as microscopes write them: what the description says, and what is said where it is not followed. */
import { describe, expect, test } from 'vitest'
import { openTraining } from '../../data/loading/training.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { folderOf } from './dicom-files.ts'
import { right } from './either.ts'
import { itemsOf } from './readers-reference.ts'
import type { Page } from './tiff-files.ts'
import { side, tiff } from './tiff-files.ts'

const page = (v: number): Page => ({ bands: 1, photometric: 1, bits: 16, values: () => v })

const ome = (order: string, c: number, z: number, t: number, inner = ''): string =>
  `<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XY${order}" Type="uint16" SizeX="${side}" SizeY="${side}" SizeC="${c}" SizeZ="${z}" SizeT="${t}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>${inner}</Pixels></Image></OME>`

const imagej = (c: number, z: number, t: number): string =>
  `ImageJ=1.54f\nimages=${c * z * t}\nchannels=${c}\nslices=${z}\nframes=${t}\nhyperstack=true\nmode=composite\n`

const open = async (files: Readonly<Record<string, Uint8Array>>, o: OpenOptions) => {
  const path = await folderOf(files)
  const opened = right(await openData(path, o)())
  const d = right(datasetOf(opened))
  return { path, d, notes: opened.notes, items: await itemsOf(d) }
}

/** The first pixel of each channel. */
const firsts = (items: Awaited<ReturnType<typeof open>>['items']): ReadonlyArray<ReadonlyArray<number>> =>
  items.map(({ image }) => Array.from({ length: image.channels }, (_, c) => image.data[c * image.height * image.width]))

/** Pages of two channels and three slices: 100 c + z. */
const byChannel = [0, 100, 1, 101, 2, 102].map(page)
const bySlice = [0, 1, 2, 100, 101, 102].map(page)
const wanted = [
  [0, 100],
  [1, 101],
  [2, 102],
]

describe('pages that are channels', () => {
  test.each<readonly [string, Buffer]>([
    ["ImageJ's hyperstack", tiff(byChannel, imagej(2, 3, 1))],
    ['OME, channels first', tiff(byChannel, ome('CZT', 2, 3, 1))],
    ['OME, slices first', tiff(bySlice, ome('ZCT', 2, 3, 1))],
    ['OME, slices and times first', tiff(bySlice, ome('ZTC', 2, 1, 3))],
    [
      'OME, each page with its place',
      tiff(
        bySlice,
        ome(
          'CZT',
          2,
          3,
          1,
          [0, 1, 2, 3, 4, 5]
            .map((i) => `<TiffData IFD="${i}" FirstC="${Math.floor(i / 3)}" FirstZ="${i % 3}" FirstT="0" PlaneCount="1"/>`)
            .join(''),
        ),
      ),
    ],
  ])('%s: each value in its channel', async (_, bytes) => {
    const { path, d, notes, items } = await open({ 'a.tif': bytes }, { pages: 'channels', channels: 'stored', values: 'stored' })
    expect([d.length, d.channels, firsts(items)]).toEqual([3, 2, wanted])
    expect(notes).toEqual([
      'pages of 1 file are read as 3 images of 2 channels, as its description says: a.tif (--set data.pages=images reads each page as an image)',
    ])
    const { train } = right(await openTraining(path, { share: 0.4, loading: {}, say: () => undefined, pages: 'channels' })())
    expect([train.channels, right(await train.item(0)()).image.channels]).toEqual([2, 2])
  })

  test('where it is not asked for, pages are images, and the note names the setting', async () => {
    const { d, notes } = await open({ 'a.ome.tif': tiff(byChannel, ome('CZT', 2, 3, 1)) }, {})
    expect([d.length, d.channels, notes]).toEqual([
      6,
      1,
      [
        '1 file has 2 channels on pages of their own, as its description says: the pages are read as 6 images: a.ome.tif (--set data.pages=channels reads them as channels)',
      ],
    ])
  })

  test('without a description, or with one of other pages, all pages are channels of one image', async () => {
    for (const description of [undefined, ome('CZT', 2, 5, 1), 'ImageJ=1.54f\nimages=9\nchannels=3\nslices=3\n']) {
      const { items, notes } = await open({ 'a.tif': tiff([7, 8, 9].map(page), description) }, { pages: 'channels' })
      expect(firsts(items)).toEqual([[7, 8, 9]])
      expect(notes.join()).toContain('1 image of 3 channels: no description says otherwise')
    }
  })

  test('colours of one page are no channels on pages of their own', async () => {
    const rgb: Page = { bands: 3, photometric: 2, bits: 8, values: (i) => i % 3 }
    const text = ome('CZT', 3, 2, 1).replace('SamplesPerPixel="1"', 'SamplesPerPixel="3"')
    const { d, notes } = await open({ 'a.tif': tiff([rgb, rgb], text) }, {})
    expect([d.length, d.channels, notes]).toEqual([2, 3, ['1 file of several pages is read as 2 images: a.tif']])
  })
})
