/** What folders, identifiers and units mean, where they can mean several things: the safe reading is taken, and it is said. */
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { reopen } from '../../data/loading/reopen.ts'
import { recounted, showOpened, summarize } from '../../data/loading/summary.ts'
import { openTraining } from '../../data/loading/training.ts'
import { severalUnits } from '../../data/readers/dataset.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf, trainAndTest } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, seriesFiles, slice, storage } from './dicom-files.ts'
import type { Elements } from './dicom-files.ts'
import { right } from './either.ts'

const picture = await sharp({ create: { width: 6, height: 5, channels: 3, background: { r: 200, g: 30, b: 90 } } })
  .png()
  .toBuffer()
const clear = await sharp({ create: { width: 6, height: 5, channels: 4, background: { r: 200, g: 30, b: 90, alpha: 0.5 } } })
  .png()
  .toBuffer()

const open = async (path: string, o: OpenOptions = {}) => {
  const opened = right(await openData(path, o)())
  return { opened, d: right(datasetOf(opened)), said: opened.notes.join('\n') }
}

const labels = (d: Dataset): ReadonlyArray<string | undefined> =>
  Array.from({ length: d.length }, (_, i) =>
    O.match(
      () => undefined,
      (k: number): string | undefined => d.classes[k],
    )(d.label(i)),
  )

/** A slice of a patient, with numbers of its own. */
const of = (patient: string, k: number, more: Elements = {}): Uint8Array =>
  dicomBytes(slice(k, { '00100020 LO': patient, '0020000E UI': `1.2.4.${patient}`, '00080018 UI': `1.2.3.${patient}.${k}`, ...more }))

describe('folders of scans', () => {
  test('are classes where they are called so, in this thread and in others', async () => {
    const root = await folderOf({ 'covid/a.dcm': of('1', 0), 'covid/b.dcm': of('2', 0), 'normal/c.dcm': of('3', 0) })
    const { d, said } = await open(root)
    expect([d.classes, labels(d)]).toEqual([
      ['covid', 'normal'],
      ['covid', 'covid', 'normal'],
    ])
    expect(said).toContain('folders are taken for classes: covid, normal (--set data.folders=none reads them without labels)')
    expect(right(await d.item(2)()).label).toBe(1)
    const again = right(await reopen(right(await (d.origin ?? (() => Promise.reject(new Error('none'))))()))())
    expect([labels(again), right(await again.item(2)()).label]).toEqual([labels(d), 1])
    expect((await open(root, { folders: 'none' })).d.classes).toEqual([])
  })

  test('are patients, studies and series where they are called so; that is said, and can be changed', async () => {
    const root = await folderOf({ 'LIDC-0001/a.dcm': of('1', 0), 'LIDC-0002/b.dcm': of('2', 0) })
    const { d, said } = await open(root)
    expect([d.classes, said]).toEqual([[], expect.stringContaining('no classes: LIDC-0001, LIDC-0002 (--set data.folders=classes')])
    expect(labels((await open(root, { folders: 'classes' })).d)).toEqual(['LIDC-0001', 'LIDC-0002'])
  })

  test('of patients are no classes for pictures either', async () => {
    const root = await folderOf({ 'patient00001/study1/a.png': picture, 'patient00002/study1/a.png': picture })
    const { d, said } = await open(root)
    expect([d.classes, said]).toEqual([[], expect.stringContaining('2 folders are patients, and no classes: patient00001, patient00002')])
  })
})

describe('units', () => {
  test('of several kinds together are no range: each image is seen by its own values, and no window in HU is taken', async () => {
    const units = (u: string): Elements => ({ '00080016 UI': `${storage}128`, '00080060 CS': 'PT', '00541001 CS': u })
    const root = await folderOf({
      'a.dcm': of('1', 0),
      'b.dcm': of('1', 1),
      'c.dcm': of('2', 0, units('BQML')),
      'd.dcm': of('3', 0, units('CNTS')),
    })
    const { d, said } = await open(root, { select: ['all'] })
    expect([d.units, d.length, said.includes('4 images of 3 kinds together')]).toEqual([severalUnits, 4, true])
    const own: Array<string | undefined> = []
    for (let i = 0; i < 4; i++) own.push(right(await d.item(i)()).units)
    expect(own).toEqual(['HU', 'HU', 'BQML', 'CNTS'])
    const lines: string[] = []
    const say = (t: string): void => {
      lines.push(t)
    }
    right(await openTraining(root, { select: ['all'], share: 0.25, loading: {}, say })())
    expect(lines).toContain('intensity: the percentiles 0.5 to 99.5 of each image')
    const windows = { kind: 'windows', windows: ['lung'] } as const
    const { train } = right(await openTraining(root, { select: ['all'], share: 0.25, loading: {}, intensity: windows, say })())
    const seen = await Promise.all(Array.from({ length: train.length }, (_, i) => train.item(i)()))
    expect(seen.flatMap((e) => (e._tag === 'Left' ? [e.left.found] : []))).toContain('an image in BQML, where the window lung is in HU')
  })

  test('that a CT says are unspecified are taken as HU, and it is said', async () => {
    const root = await folderOf(seriesFiles(3, (k) => (k === 1 ? { '00281054 LO': 'US' } : {})))
    const { d, said } = await open(root)
    expect([d.units, said]).toEqual(['HU', expect.stringContaining('unspecified (US), and taken as HU; read as it is written: IM001.dcm')])
  })
})

describe('parts', () => {
  test('of anonymous patients are cut between studies or series', async () => {
    const anonymous = (series: number, k: number): Elements => ({ '0020000E UI': `1.2.4.${series}`, '00080018 UI': `1.2.3.${series}.${k}` })
    const files = [0, 1, 2, 3].flatMap((s) => [0, 1, 2].map((k) => [`${s}-${k}.dcm`, of('ANON', k, anonymous(s, k))] as const))
    const { d } = await open(await folderOf(Object.fromEntries(files)))
    expect(new Set(Array.from({ length: d.length }, (_, i) => d.group?.(i))).size).toBe(4)
  })

  test('classes that only the test has are named; so is what belongs to no part', async () => {
    const root = await folderOf({
      ...Object.fromEntries(['train/a/0', 'train/b/0', 'test/a/1', 'test/zz/0'].map((p) => [`${p}.png`, picture])),
    })
    const { opened } = await open(root)
    expect(right(trainAndTest(opened)).said).toEqual(['1 class of the test has no image that is trained on: zz'])
    const table = ['path,label,split', '0.png,a,train', '1.png,b,train', '2.png,a,test', '3.png,b,']
    const rows = await folderOf({
      't.csv': table.join('\n'),
      ...Object.fromEntries([0, 1, 2, 3].map((k) => [`${k}.png`, picture] as const)),
    })
    const split = right(trainAndTest((await open(join(rows, 't.csv'))).opened))
    expect([split.train.length, split.test.length, split.said]).toEqual([
      2,
      1,
      ['1 image of no part is neither trained on nor tested with'],
    ])
  })
})

test('frames that share a place are said to', async () => {
  const plane = (z: number): Elements => ({ '00209113 SQ': { items: [{ '00200032 DS': `0\\0\\${z}` }] } })
  const shared: Elements = {
    '00209116 SQ': { items: [{ '00200037 DS': '1\\0\\0\\0\\1\\0' }] },
    '00289110 SQ': { items: [{ '00280030 DS': '0.8\\0.8' }] },
  }
  const frames = (zs: ReadonlyArray<number>): Elements => ({
    '00080016 UI': `${storage}2.1`,
    '00200032 DS': undefined,
    '00200037 DS': undefined,
    '00280008 IS': String(zs.length),
    '52009229 SQ': { items: [shared] },
    '52009230 SQ': { items: zs.map(plane) },
    '7FE00010 OW': new Uint8Array(zs.length * 512),
  })
  const said = async (zs: ReadonlyArray<number>): Promise<string> =>
    (await open(await folderOf({ 'a.dcm': dicomBytes(slice(0, frames(zs))) }))).said
  expect(await said([0, 5, 0, 5])).toContain('several frames lie at one place')
  expect(await said([5, 0, 10, 15])).not.toContain('several frames')
})

test('transparency that is left out is said; where it is kept nothing is', async () => {
  const root = await folderOf({ 'a.png': picture, 'b.png': clear })
  expect((await open(root)).said).toContain('1 picture has transparency, which is left out: b.png (--set data.channels=4 keeps it)')
  expect((await open(root, { channels: 4 })).said).not.toContain('transparency')
})

test('files that cannot be read once they are looked at are not counted as read', async () => {
  const { opened } = await open(await folderOf({ 'a.png': picture, 'b.png': '', 'c.txt': '' }), { onError: 'skip' })
  const [d] = opened.splits.values()
  const s = await summarize(d, Infinity, () => undefined)
  expect(showOpened(recounted(opened, s.unreadFiles))[0]).toBe('read 1 of 3 files; not read: 1 .txt, 1 with a fault')
  expect(showOpened(opened)[0]).toBe('read 2 of 3 files; not read: 1 .txt')
})

test('objects of vendors that are no images are passed over', async () => {
  const raw = { '00080016 UI': '1.3.12.2.1107.5.9.1', '00080060 CS': 'MR', '00291010 OB': new Uint8Array(64) }
  const { d, said } = await open(await folderOf({ ...seriesFiles(2), 'raw.dcm': dicomBytes(raw) }))
  expect([d.length, said]).toEqual([2, expect.stringContaining('1 DICOM object without pixels passed over (MR): raw.dcm')])
})
