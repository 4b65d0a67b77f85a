import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { oddValues } from '../../data/loading/odd-values.ts'
import { summarize } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, element, folderOf, slice, words } from './dicom-files.ts'
import type { Elements } from './dicom-files.ts'
import { left, right } from './either.ts'
import { fixtures, itemsOf } from './readers-reference.ts'

/** A NIfTI-1 file of bytes 0, 1, 2, …: `dims` from x on. */
const nifti = (dims: ReadonlyArray<number>, edit: (b: Buffer) => void = () => undefined): Buffer => {
  const n = dims.reduce((a, b) => a * Math.max(1, b), 1)
  const b = Buffer.alloc(352 + n)
  b.writeInt32LE(348, 0)
  b.writeInt16LE(dims.length, 40)
  Array.from({ length: 7 }, (_, i) => b.writeInt16LE(dims[i] ?? 1, 42 + 2 * i))
  b.writeInt16LE(2, 70)
  b.writeInt16LE(8, 72)
  for (let i = 0; i < 4; i++) b.writeFloatLE(1, 76 + 4 * i)
  b.writeFloatLE(352, 108)
  b.write('n+1\0', 344, 'latin1')
  for (let i = 0; i < n; i++) b[352 + i] = i % 251
  edit(b)
  return b
}

const open = async (files: Readonly<Record<string, Uint8Array>>, name: string, o: OpenOptions = {}) => {
  const opened = right(await openData(join(await folderOf(files), name), { channels: 'stored', ...o })())
  const d = right(datasetOf(opened))
  return { d, notes: opened.notes, items: await itemsOf(d) }
}

describe('NIfTI: what the data show is believed over what a header says twice', () => {
  test.each<readonly [string, (b: Buffer) => void, RegExp | undefined]>([
    ['bits per voxel', (b) => b.writeInt16LE(32, 72), /32 bits per voxel are said of type uint8: 8/],
    ['no bits per voxel', (b) => b.writeInt16LE(0, 72), /0 bits/],
    ['no size of the header', (b) => b.writeInt32LE(0, 0), /size of the header is said to be 0: 348/],
    ['a broken offset', (b) => b.writeFloatLE(352.5, 108), /byte 352\.5: 352/],
    ['no offset', (b) => b.writeFloatLE(0, 108), undefined],
    [
      'an axis of none',
      (b) => {
        b.writeInt16LE(4, 40)
        b.writeInt16LE(0, 48)
      },
      /4 x 3 x 2 x 0: 0 is taken as 1/,
    ],
    ['the mark of a pair', (b) => b.write('ni1\0', 344, 'latin1'), /mark/],
    ['no mark', (b) => b.fill(0, 344, 348), /mark/],
  ])('%s', async (_, edit, note) => {
    const { items, notes } = await open({ 'a.nii': nifti([4, 3, 2], edit) }, 'a.nii')
    expect(items.map((x) => [...x.image.data])).toEqual([0, 12].map((from) => Array.from({ length: 12 }, (_x, i) => from + i)))
    expect(notes).toEqual(note === undefined ? [] : [expect.stringMatching(note)])
  })

  test('volumes that the header does not count are told, and slices that were acquired along another axis', async () => {
    const more = Buffer.concat([nifti([4, 4, 2]), Buffer.alloc(70)])
    const { d, notes } = await open({ 'a.nii': more }, 'a.nii')
    expect([d.length, notes]).toEqual([2, ['voxels of 2 more volumes than the header counts are not read: a.nii']])
    const sagittal = nifti([2, 4, 5], (b) => b.writeFloatLE(3, 80))
    const across = await open({ 'a.nii': sagittal }, 'a.nii')
    expect([across.d.length, across.notes]).toEqual([
      5,
      [
        'voxels lie 3 mm apart along axis 0 and 1 and 1 mm along the others in 1 file, as slices along axis 0 do, and are cut along axis 2: a.nii (--set data.axis=0 takes the slices that they were acquired in)',
      ],
    ])
    const along = await open({ 'a.nii': sagittal }, 'a.nii', { axis: 0 })
    expect([along.d.length, along.items[1].image.height, along.items[1].image.width, along.notes]).toEqual([2, 5, 4, []])
  })

  test('a name does not decide whether a file is packed, or which of a pair is named', async () => {
    const whole = nifti([4, 3, 2])
    const header = Buffer.from(whole.subarray(0, 348))
    header.writeFloatLE(0, 108)
    header.write('ni1\0', 344, 'latin1')
    const analyze = Buffer.from(header)
    analyze.fill(0, 344, 348)
    const voxels = whole.subarray(352)
    const wanted = (await open({ 'a.nii': whole }, 'a.nii')).items.map((x) => [...x.image.data])
    for (const [files, name] of [
      [{ 'a.nii.gz': whole }, 'a.nii.gz'],
      [{ 'a.nii': gzipSync(whole) }, 'a.nii'],
      [{ 'p.hdr': header, 'p.img': voxels }, 'p.hdr'],
      [{ 'p.hdr': header, 'p.img': voxels }, 'p.img'],
      [{ 'p.hdr': header, 'p.img.gz': gzipSync(voxels) }, 'p.hdr'],
      [{ 'p.hdr.gz': gzipSync(header), 'p.img.gz': gzipSync(voxels) }, 'p.img.gz'],
      [{ 'p.hdr': analyze, 'p.img': voxels }, 'p.img'],
      [{ 'p.hdr': analyze, 'p.img': voxels }, ''],
    ] as const) {
      const { items } = await open(files, name)
      expect(
        items.map((x) => [...x.image.data]),
        name,
      ).toEqual(wanted)
    }
    expect(left(await openData(join(await folderOf({ 'q.hdr': header }), 'q.hdr'))()).found).toMatch(/without its voxels/)
  })

  test('colours are channels, contrasts a choice, times all, vectors no image', async () => {
    const intent =
      (code: number) =>
      (b: Buffer): void => {
        b.writeInt16LE(code, 68)
      }
    for (const [dims, code] of [
      [[2, 2, 1, 1, 3], 2003],
      [[2, 2, 1, 1, 3], 0],
      [[2, 2, 1, 3], 2003],
    ] as const) {
      const { d, items, notes } = await open({ 'c.nii': nifti(dims, intent(code)) }, 'c.nii')
      expect([d.length, d.channels, [...items[0].image.data]]).toEqual([1, 3, Array.from({ length: 12 }, (_, i) => i)])
      expect(notes).toEqual([expect.stringMatching(/taken as channels/)])
    }
    const contrasts = { 'b.nii': nifti([2, 2, 1, 4]) }
    const all = await open(contrasts, 'b.nii')
    expect([all.d.length, [...all.items[3].image.data]]).toEqual([4, [12, 13, 14, 15]])
    expect(all.notes).toEqual([
      '4 volumes each in 1 file are all read as one kind, though they may be contrasts: b.nii (--set data.volume=0 reads the first alone)',
    ])
    expect([...(await open(contrasts, 'b.nii', { volume: 0 })).items[0].image.data]).toEqual([0, 1, 2, 3])
    expect([...(await open(contrasts, 'b.nii', { volume: 1 })).items[0].image.data]).toEqual([4, 5, 6, 7])
    expect(
      (
        await open(
          {
            't.nii': nifti([2, 2, 1, 4], (b) => {
              b[123] = 2 | 8
            }),
          },
          't.nii',
        )
      ).notes,
    ).toEqual([expect.stringMatching(/as they follow each other in time/)])
    const f = left(await openData(join(await folderOf(contrasts), 'b.nii'), { volume: 6 })())
    expect([f.allowed, (await open(contrasts, 'b.nii', { volume: Number(/data\.volume=(\d)/.exec(f.remedy)?.[1]) })).d.length]).toEqual([
      'volumes 0 to 3',
      1,
    ])
    expect(left(await openData(join(await folderOf({ 'v.nii': nifti([2, 2, 1, 1, 3], intent(1007)) }), 'v.nii'))()).found).toMatch(
      /vectors/,
    )
  })
})

describe('DICOM: an element is read as it is written', () => {
  const good = dicomBytes(slice(0))
  const pixels = async (bytes: Uint8Array): Promise<readonly [ReadonlyArray<number>, ReadonlyArray<string>]> => {
    const { items, notes } = await open({ 'a.dcm': bytes }, 'a.dcm')
    return [[...items[0].image.data], notes]
  }
  const modality = element('00080060 CS', 'CT')
  const at = good.indexOf(modality)
  const patched = (to: number, bytes: ReadonlyArray<number>): Buffer => {
    const b = Buffer.from(good)
    b.set(bytes, to)
    return b
  }
  const again = (b: Buffer): Buffer => Buffer.concat([good.subarray(0, at), b, good.subarray(at + modality.length)])

  test.each<readonly [string, Buffer, RegExp | undefined]>([
    ['one element of implicit VR', patched(at + 4, [2, 0, 0, 0]), /\(0008,0060\) is not written as the others are/],
    ['one element without letters', patched(at + 4, [63, 63]), /\(0008,0060\)/],
    ['one element with blank letters', patched(at + 4, [32, 32]), /\(0008,0060\)/],
    ['one element with a VR of no meaning', patched(at + 4, [90, 90]), undefined],
    [
      'explicit VR that is declared implicit',
      dicomBytes(slice(0), '1.2.840.10008.1.2'),
      /written with explicit VR, where the transfer syntax says implicit/,
    ],
    [
      'pixels that are declared coded',
      dicomBytes(slice(0), '1.2.840.10008.1.2.4.70'),
      /pixels are not coded, where the transfer syntax says JPEG lossless/,
    ],
    ['no preamble', good.subarray(128), undefined],
    ['no preamble and no mark', good.subarray(132), undefined],
    ['a wrong high bit', dicomBytes(slice(0, { '00280102 US': [11] })), /high bit is said to be 11/],
    [
      'a window without width',
      dicomBytes(slice(0, { '00281050 DS': '40', '00281051 DS': '0' })),
      /a display window of width 0 shows nothing and is not used/,
    ],
    ['an element of the same tag again', again(Buffer.concat([modality])), undefined],
  ])('%s', async (_, bytes, note) => {
    const [wanted] = await pixels(good)
    const [got, notes] = await pixels(bytes)
    expect(got).toEqual(wanted)
    expect(notes).toEqual(note === undefined ? [] : [expect.stringMatching(note)])
  })

  test('no frames are one, and pixels of more frames than are said are told', async () => {
    const of = async (more: Elements): Promise<readonly [number, ReadonlyArray<string>]> => {
      const opened = right(await openData(await folderOf({ 'a.dcm': dicomBytes(slice(0, more)) }))())
      return [right(datasetOf(opened)).length, opened.notes]
    }
    expect(await of({ '00280008 IS': '0' })).toEqual([
      1,
      ['the number of frames is said to be 0 and is taken as 1; read as it is written: a.dcm'],
    ])
    const [count, notes] = await of({ '00280008 IS': '1', '7FE00010 OW': words(Array.from({ length: 768 }, (_, i) => i)) })
    expect([count, notes]).toEqual([
      1,
      ['pixels for 2 more than the 1 that the number of frames says are not read; read as it is written: a.dcm'],
    ])
    expect((await of({ '7FE00010 OW': words(Array.from({ length: 260 }, (_, i) => i)) }))[1]).toEqual([])
  })

  test('unsigned numbers that were meant below 0 are told: no body has such values', async () => {
    const wrapped = { '00280103 US': [0], '00281052 DS': '0', '7FE00010 OW': words(Array.from({ length: 256 }, (_, i) => i - 1000)) }
    const d = right(datasetOf(right(await openData(await folderOf({ 'a.dcm': dicomBytes(slice(0, wrapped)) }))())))
    expect(oddValues(await summarize(d, 9, () => undefined))).toEqual([
      expect.stringContaining('values up to 64791 HU, which nothing in a body has'),
    ])
  })

  test('meta information of implicit VR', async () => {
    const meta = (e: number, value: string): Buffer => {
      const v = Buffer.from(value.length % 2 === 0 ? value : `${value}\0`)
      return Buffer.concat([Buffer.from([2, 0, e, 0, v.length, 0, 0, 0]), v])
    }
    const start = good.indexOf(element('00080008 CS', 'ORIGINAL\\PRIMARY\\AXIAL'))
    const bytes = Buffer.concat([
      good.subarray(0, 132),
      meta(2, '1.2.840.10008.5.1.4.1.1.2'),
      meta(16, '1.2.840.10008.1.2.1'),
      good.subarray(start),
    ])
    expect((await pixels(bytes))[0]).toEqual((await pixels(good))[0])
  })

  test('a coded frame is decoded by what its stream is', async () => {
    const bytes = await readFile(join(fixtures, 'pydicom/MR_small_jpeg_ls_lossless.dcm'))
    const said = Buffer.from('1.2.840.10008.1.2.4.80')
    const place = bytes.indexOf(said)
    expect(place).toBeGreaterThan(0)
    const wrong = Buffer.from(bytes)
    wrong.write('1.2.840.10008.1.2.4.90', place, 'latin1')
    expect((await pixels(wrong))[0]).toEqual((await pixels(bytes))[0])
  })
})
