import { describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, seriesFiles, slice, words } from './dicom-files.ts'
import type { Elements } from './dicom-files.ts'
import { right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

const open = async (files: Readonly<Record<string, Uint8Array>>) => {
  const opened = right(await openData(await folderOf(files))())
  const items = await itemsOf(right(datasetOf(opened)))
  return { sources: items.map((x) => x.source), items, notes: opened.notes }
}

const at = (z: number): Elements => ({ '00200032 DS': `0\\0\\${z}` })
const other: Elements = { '00200037 DS': '1\\0\\0\\0\\0\\-1' }

describe('places of slices are checked', () => {
  test.each(['IM000.dcm', 'IM003.dcm'])('the slice %s of another plane costs the others nothing', async (name) => {
    const { items, notes } = await open({ ...seriesFiles(6), [name]: dicomBytes(slice(9, other)) })
    expect(items.filter((x) => x.source !== name).map((x) => x.spacing)).toEqual(Array.from({ length: 5 }, () => [0.8, 0.8, 5]))
    expect(items.at(-1)?.source).toBe(name)
    expect(notes[0]).toContain(`1 image of a series lies in another plane than its other 5, or nowhere: ${name}`)
  })

  test('a slice without a place costs the others nothing', async () => {
    const { items, notes } = await open({ ...seriesFiles(5), 'IM002.dcm': dicomBytes(slice(2, { '00200032 DS': undefined })) })
    expect([items[0].spacing, items.at(-1)?.source]).toEqual([[0.8, 0.8, 5], 'IM002.dcm'])
    expect(notes[0]).toContain('or nowhere: IM002.dcm')
  })

  test('missing slices and uneven steps are reported with the files beside them', async () => {
    const gap = Object.fromEntries(Object.entries(seriesFiles(9)).filter((_, k) => k < 4 || k > 5))
    expect((await open(gap)).notes).toEqual([
      'slices are 5 mm apart, but 1 of the steps is 15 mm: slices are missing, or steps are uneven: IM003.dcm, IM006.dcm',
    ])
    const uneven = await open(seriesFiles(7, (k) => at(3 * k + 3 * Math.floor(k / 2))))
    expect(uneven.notes).toEqual([expect.stringMatching(/slices are [36] mm apart, but 3 of the steps are [36] mm/)])
  })

  test('copies of one object are one image, and are named', async () => {
    const files = seriesFiles(4)
    const { sources, notes } = await open({ ...files, 'copy.dcm': files['IM002.dcm'] })
    expect(sources).toEqual(['IM000.dcm', 'IM001.dcm', 'IM002.dcm', 'IM003.dcm'])
    expect(notes.at(-1)).toBe('1 file is a copy of an object that is read already, and is left out: copy.dcm')
  })

  test('two acquisitions at the same places are a stack each', async () => {
    const files = seriesFiles(8, (k) => ({ ...at(5 * (k % 4)), '00200012 IS': String(1 + Math.floor(k / 4)) }))
    const { sources, items, notes } = await open(files)
    expect([sources, items[5].spacing]).toEqual([Object.keys(files), [0.8, 0.8, 5]])
    expect(notes).toEqual([expect.stringMatching(/2 acquisitions or echoes of a series lie at the same places/)])
  })

  test('echoes at the same places are a stack each', async () => {
    const mr = { '00080016 UI': '1.2.840.10008.5.1.4.1.1.4', '00080060 CS': 'MR' }
    const files = seriesFiles(6, (k) => ({ ...mr, ...at(5 * Math.floor(k / 2)), '00180081 DS': k % 2 === 0 ? '10' : '80' }))
    const { sources, items } = await open(files)
    expect(sources.map((s) => Number(s.slice(4, 5)))).toEqual([0, 2, 4, 1, 3, 5])
    expect(items[1].spacing).toEqual([0.8, 0.8, 5])
  })

  test('directions that are not of length 1 stretch no distance, and part no plane', async () => {
    const { items, notes } = await open(seriesFiles(4, (k) => ({ '00200037 DS': k < 2 ? '2\\0\\0\\0\\2\\0' : '1\\0\\0\\0\\1\\0' })))
    expect([items.map((x) => x.spacing), notes]).toEqual([Array.from({ length: 4 }, () => [0.8, 0.8, 5]), []])
  })

  test('without positions, slice locations are the order and the distance, and that is said', async () => {
    const nowhere = { '00200032 DS': undefined, '00200013 IS': undefined }
    const { sources, items, notes } = await open(seriesFiles(4, (k) => ({ ...nowhere, '00201041 DS': String([6, 2, 4, 0][k]) })))
    expect([sources.map((s) => Number(s.slice(4, 5))), items[0].spacing]).toEqual([
      [3, 1, 2, 0],
      [0.8, 0.8, 2],
    ])
    expect(notes).toEqual([
      expect.stringContaining('4 images of a series without positions are sorted by their slice locations (0020,1041)'),
    ])
  })

  test('frames of one file come in the order of their places; of a second pass as they are stored', async () => {
    const frames = (z: ReadonlyArray<number>): Elements => ({
      '00080016 UI': '1.2.840.10008.5.1.4.1.1.2.1',
      '00280008 IS': String(z.length),
      '00200032 DS': undefined,
      '00200037 DS': undefined,
      '52009229 SQ': { items: [{ '00209116 SQ': { items: [{ '00200037 DS': '1\\0\\0\\0\\1\\0' }] } }] },
      '52009230 SQ': { items: z.map((k) => ({ '00209113 SQ': { items: [{ '00200032 DS': `0\\0\\${5 * k}` }] } })) },
      '7FE00010 OW': words(z.flatMap((k) => Array.from({ length: 256 }, () => 100 * k))),
    })
    const mixed = await open({ 'a.dcm': dicomBytes(slice(0, frames([2, 0, 3, 1]))) })
    expect(mixed.items.map((x) => [x.frame, x.image.data[0]])).toEqual([
      [1, -1000],
      [3, -900],
      [0, -800],
      [2, -700],
    ])
    const twice = await open({ 'a.dcm': dicomBytes(slice(0, frames([0, 1, 0, 1]))) })
    expect(twice.items.map((x) => x.frame)).toEqual([0, 1, 2, 3])
  })
})
