import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTraining } from '../../data/loading/training.ts'
import { openData } from '../../data/readers/index.ts'
import { chooseKind } from '../../data/readers/kinds.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, seriesFiles, slice, storage } from './dicom-files.ts'
import type { Elements } from './dicom-files.ts'
import { left, right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

const bare: Elements = {
  '00281052 DS': undefined,
  '00281053 DS': undefined,
  '00200032 DS': undefined,
  '00200037 DS': undefined,
  '00280030 DS': undefined,
}

/** What people have beside a CT series, and words that take it instead. */
const odd: Readonly<Record<string, readonly [more: Elements, select: string, side?: number]>> = {
  'a colour report page': [
    {
      ...bare,
      '0020000E UI': '1.2.5',
      '00080016 UI': `${storage}7`,
      '00080060 CS': 'OT',
      '00280002 US': [3],
      '00280004 CS': 'RGB',
      '00280006 US': [0],
      '00280100 US': [8],
      '00280101 US': [8],
      '00280102 US': [7],
      '00280103 US': [0],
      '7FE00010 OB': new Uint8Array(768),
      '7FE00010 OW': undefined,
    },
    'OT',
  ],
  'a gray dose sheet that says CT': [{ ...bare, '00080016 UI': `${storage}7`, '0020000E UI': '1.2.5' }, 'secondary-capture'],
  'a dose sheet by its image type': [{ '00080008 CS': 'DERIVED\\SECONDARY\\DOSE_INFO' }, 'report'],
  doses: [
    { ...bare, '00080016 UI': `${storage}481.2`, '00080060 CS': 'RTDOSE', '30040002 CS': 'GY', '3004000E DS': '0.5', '00280103 US': [0] },
    'RTDOSE',
  ],
  'a radiotherapy image': [{ '00080016 UI': `${storage}481.1`, '00080060 CS': 'RTIMAGE' }, 'RTIMAGE'],
  'a scout by its type': [{ '00080008 CS': 'ORIGINAL\\PRIMARY\\LOCALIZER' }, 'localizer'],
  'a scout by the name of its series': [{ '0008103E LO': 'Topogram 0.6' }, 'localizer'],
  'a slice of another size': [{}, '20x20', 20],
  'a slice of MR': [{ '00080016 UI': `${storage}4`, '00080060 CS': 'MR' }, 'MR'],
  'a slice of PET': [{ '00080016 UI': `${storage}128`, '00080060 CS': 'PT', '00541001 CS': 'BQML' }, 'BQML'],
  'a slice without rescale': [{ '00281052 DS': undefined, '00281053 DS': undefined }, 'unscaled'],
  'a reformatted slice': [{ '00080008 CS': 'DERIVED\\SECONDARY\\REFORMATTED' }, 'derived'],
  masks: [
    {
      ...bare,
      '00080016 UI': `${storage}66.4`,
      '00080060 CS': 'SEG',
      '00280008 IS': '8',
      '00280100 US': [1],
      '00280101 US': [1],
      '00280102 US': [0],
      '00280103 US': [0],
      '7FE00010 OW': undefined,
      '7FE00010 OB': new Uint8Array(256).fill(0x55),
    },
    'SEG',
  ],
}

const open = async (path: string, o: OpenOptions = {}) => {
  const opened = right(await openData(path, o)())
  return { d: right(datasetOf(opened)), notes: opened.notes }
}

describe('one odd file does not change what all files mean', () => {
  test.each(Object.entries(odd))('%s beside a series', async (_, [more, select, side]) => {
    const path = await folderOf({ ...seriesFiles(6), 'A-odd.dcm': dicomBytes(slice(40, more, side)) })
    const { d, notes } = await open(path)
    const plain = await open(await folderOf(seriesFiles(6)))
    expect([d.length, d.channels, d.units, d.modality, d.range]).toEqual([6, 1, 'HU', 'CT', plain.d.range])
    expect((await itemsOf(d)).map((x) => [...x.image.data])).toEqual((await itemsOf(plain.d)).map((x) => [...x.image.data]))
    expect(plain.notes).toEqual([])
    const [why] = notes.filter((n) => n.includes('are the data set'))
    expect(notes.filter((n) => n !== why)).toEqual(['not read: 1 left out by the reader, which says why: A-odd.dcm'])
    expect(why).toMatch(/^6 of \d+ images? are the data set: CT HU gray 16x16\. Left out: .*A-odd\.dcm/)
    // what the note says takes the other images does
    const word = /--set data\.select=(\S+) takes these/.exec(why)?.[1] ?? ''
    const other = await open(path, { select: [word] })
    expect([...new Set((await itemsOf(other.d)).map((x) => x.source))]).toEqual(['A-odd.dcm'])
    expect((await open(path, { select: [select] })).d.length).toBe(other.d.length)
    // training says the same, and windows of CT are what they were
    const said: string[] = []
    const train = right(
      await openTraining(path, {
        share: 0.2,
        loading: {},
        say: (t) => {
          said.push(t)
        },
        intensity: { kind: 'windows', windows: ['lung', 'bone'] },
      })(),
    ).train
    expect([said.join('\n').includes(why), train.channels]).toEqual([true, 2])
  })

  test('everything is taken where it is asked for, and a kind that is not there is a fault that names those that are', async () => {
    const path = await folderOf({ ...seriesFiles(3), 'm.dcm': dicomBytes(slice(9, { '00080060 CS': 'MR' })) })
    const all = await open(path, { select: ['all'] })
    expect([all.d.length, all.notes[0]]).toEqual([
      4,
      '4 images of 2 kinds together: 3 CT HU gray 16x16 (IM000.dcm, IM001.dcm, IM002.dcm); 1 MR gray 16x16 (m.dcm) (--set data.select=CT takes one kind)',
    ])
    const f = left(await openData(path, { select: ['US'] })())
    expect(f.allowed).toContain('CT HU gray 16x16; MR gray 16x16')
    expect((await open(path, { select: [/data\.select=(\w+)/.exec(f.remedy)?.[1] ?? ''] })).d.length).toBe(3)
  })

  test('doses are in their units; alone in a folder they are read, with a note', async () => {
    const { d, notes } = await open(join(await folderOf({ 'd.dcm': dicomBytes(slice(0, odd.doses[0])) }), 'd.dcm'))
    const [item] = await itemsOf(d)
    expect([d.units, item.image.data[0], item.image.data[7]]).toEqual(['Gy', 0, 3.5])
    expect(notes[0]).toMatch(/RTDOSE dose Gy gray, which is seldom meant to be trained on: d\.dcm/)
  })

  test('every file is taken or named', () => {
    const all = Array.from({ length: 40 }, (_, i) => ({
      file: i,
      path: `f${i}`,
      images: 1 + (i % 3),
      kind: { words: [`k${i % 7}`, `q${i % 2}`], claim: i % 5 === 0 ? 0 : 1 },
    }))
    const { files, notes } = right(chooseKind('x')(all))
    const left = all.filter((a) => !files.includes(a.file))
    expect(files.length + left.length).toBe(40)
    expect(notes[0]).toContain(`${files.reduce((n, f) => n + all[f].images, 0)} of ${all.reduce((n, a) => n + a.images, 0)} images`)
    expect(new Set(files.map((f) => all[f].kind.words.join(' '))).size).toBe(1)
  })
})
