/** Numbers below 0 that files call unsigned, and elements of DICOM that contradict each other: what is said, and what restores them. */
import { join } from 'node:path'
import type { Sharp } from 'sharp'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { oddValues } from '../../data/loading/odd-values.ts'
import { summarize } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { looksWrapped } from '../../data/readers/sign.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { dicomBytes, folderOf, slice, words } from './dicom-files.ts'
import { left, right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

/** A NIfTI-1 file of one slice of 16 x 16 numbers of 16 bits, of a type. */
const volume = (type: number, numbers: ReadonlyArray<number>): Buffer => {
  const b = Buffer.alloc(352 + 512)
  b.writeInt32LE(348, 0)
  ;[3, 16, 16, 1, 1, 1, 1, 1].forEach((d, i) => b.writeInt16LE(d, 40 + 2 * i))
  b.writeInt16LE(type, 70)
  b.writeInt16LE(16, 72)
  b.writeFloatLE(352, 108)
  b.write('n+1\0', 344, 'latin1')
  numbers.forEach((v, i) => b.writeInt16LE(v, 352 + 2 * i))
  return b
}

const uint16 = 512
const int16 = 4
/** Hounsfield units: air to bone. */
const body = Array.from({ length: 256 }, (_, i) => 8 * i - 1000)

const seen = async (files: Readonly<Record<string, Uint8Array>>, o: OpenOptions = {}) => {
  const opened = right(await openData(await folderOf(files), { channels: 'stored', values: 'stored', ...o })())
  const d = right(datasetOf(opened))
  return {
    values: (await itemsOf(d)).map((x) => [...x.image.data]),
    said: [...opened.notes, ...oddValues(await summarize(d, 9, () => undefined))],
    range: d.range,
    units: d.units,
  }
}

describe('numbers below 0 that a file calls unsigned', () => {
  test('a volume says so, and the setting reads them as they were', async () => {
    const files = { 'a.nii': volume(uint16, body), 'b.nii': volume(int16, body) }
    const { said, values } = await seen(files)
    expect(values).toEqual([body.map((v) => (v < 0 ? v + 65536 : v)), body])
    expect(said).toEqual([
      '1 file has numbers at the top of their range beside small ones and none between, as numbers below 0 that are called unsigned: a.nii (--set data.sign=signed reads them so)',
    ])
    const signed = await seen(files, { sign: 'signed' })
    expect([signed.values, signed.said, signed.range]).toEqual([[body, body], [], [-32768, 32767]])
    expect((await seen({ 'b.nii': files['b.nii'] }, { sign: 'unsigned' })).values).toEqual([values[0]])
  })

  test('a DICOM file says so, and the setting reads them as they were', async () => {
    const wrong = { '00280103 US': [0], '00281052 DS': '0', '7FE00010 OW': words(body) }
    const files = { 'a.dcm': dicomBytes(slice(0, wrong)) }
    expect((await seen(files)).said).toEqual([expect.stringMatching(/below 0 that are called unsigned: a\.dcm \(--set data\.sign=signed/)])
    const signed = await seen(files, { sign: 'signed' })
    expect([signed.values, signed.said]).toEqual([[body], []])
  })

  const gray = (): Sharp =>
    sharp(
      Uint16Array.from(body, (v) => v & 0xffff),
      { raw: { width: 16, height: 16, channels: 1 } },
    ).toColourspace('grey16')
  const pgm = (): Buffer => {
    const b = Buffer.alloc(512)
    body.forEach((v, i) => b.writeUInt16BE(v & 0xffff, 2 * i))
    return Buffer.concat([Buffer.from('P5 16 16 65535\n'), b])
  }
  test.each([
    ['a.png', () => gray().png().toBuffer()],
    ['a.tif', () => gray().tiff({ compression: 'none' }).toBuffer()],
    ['packed.tif', () => gray().tiff({ compression: 'lzw', predictor: 'horizontal' }).toBuffer()],
    ['a.pgm', () => Promise.resolve(pgm())],
  ] as const)('a gray picture of 16 bits says so, and the setting reads it as it was: %s', async (name, bytes) => {
    const files = { [name]: await bytes() }
    const wrong = await seen(files)
    expect(wrong.said).toEqual([
      expect.stringContaining(`below 0 that are called unsigned: ${name} (--set data.sign=signed reads them so)`),
    ])
    expect(wrong.values).toEqual([body.map((v) => (v < 0 ? v + 65536 : v))])
    const signed = await seen(files, { sign: 'signed' })
    expect([signed.values, signed.said, signed.range, signed.units]).toEqual([[body], [], [-32768, 32767], 'stored'])
    // as a run opens it
    const usual = right(datasetOf(right(await openData(await folderOf(files), { sign: 'signed' })())))
    expect([usual.channels, usual.range, [...(await itemsOf(usual))[0].image.data]]).toEqual([1, [-32768, 32767], body])
  })

  test('colours, pictures of 8 bits, and gray ones with alpha have no sign', async () => {
    const bytes = Uint8Array.from({ length: 768 }, (_, i) => (i % 2 === 0 ? 250 : 3))
    const files = {
      'a.png': await sharp(bytes, { raw: { width: 16, height: 16, channels: 3 } })
        .png()
        .toBuffer(),
      'b.tif': await sharp(bytes, { raw: { width: 16, height: 16, channels: 3 } })
        .tiff({ compression: 'none' })
        .toBuffer(),
    }
    expect((await seen(files, { sign: 'signed' })).values).toEqual((await seen(files)).values)
    const both = Uint16Array.from(body.flatMap((v) => [v & 0xffff, 65535]))
    const alpha = await sharp(both, { raw: { width: 16, height: 16, channels: 2 } })
      .toColourspace('grey16')
      .png()
      .toBuffer()
    for (const channels of [1, 'stored'] as const) {
      const [plain, signed] = [await seen({ 'c.png': alpha }, { channels }), await seen({ 'c.png': alpha }, { channels, sign: 'signed' })]
      expect([signed.values, signed.range]).toEqual([plain.values, [0, 65535]])
    }
  })

  test('what reaches the middle, or the top alone, is not meant', () => {
    expect(looksWrapped([0, 64512, 65000], 16)).toBe(true)
    expect(looksWrapped([0, 30000, 64512], 16)).toBe(false)
    expect(looksWrapped([0, 100, 65535], 16)).toBe(false)
    expect(looksWrapped([64512, 64600], 16)).toBe(false)
    expect(looksWrapped([0, 64512], 16, Uint8Array.from([0, 1]))).toBe(false)
    expect(looksWrapped([0, 3000, 4000], 12)).toBe(false)
    expect(looksWrapped([0, 250], 8)).toBe(false)
  })
})

describe('elements of DICOM that contradict each other', () => {
  const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => i % 251)
  const eight = { '00280100 US': [8], '00280101 US': [8], '00280102 US': [7], '00280103 US': [0], '00281052 DS': '0' }

  test('samples and colours: as many as the pixels have room for', async () => {
    const three = { ...eight, '00280002 US': [3], '00280004 CS': 'MONOCHROME2', '00280006 US': [0], '7FE00010 OW': bytes(768) }
    const colour = await seen({ 'a.dcm': dicomBytes(slice(0, three)) })
    expect(colour.values).toEqual([[0, 1, 2].flatMap((c) => Array.from({ length: 256 }, (_, i) => (3 * i + c) % 251))])
    expect(colour.said[0]).toContain(
      '3 samples per pixel with the photometric interpretation MONOCHROME2, where the pixels have room for 3: RGB is taken',
    )
    const one = { ...eight, '00280002 US': [1], '00280004 CS': 'RGB', '7FE00010 OW': bytes(256) }
    const gray = await seen({ 'a.dcm': dicomBytes(slice(0, one)) })
    expect(gray.values).toEqual([Array.from({ length: 256 }, (_, i) => i % 251)])
    expect(gray.said[0]).toContain('1 sample per pixel with the photometric interpretation RGB')
    const unsaid = { ...eight, '00280002 US': [1], '00280004 CS': 'RGB', '00280006 US': [0], '7FE00010 OW': bytes(768) }
    expect((await seen({ 'a.dcm': dicomBytes(slice(0, unsaid)) })).values).toEqual(colour.values)
  })

  test('where the pixels do not tell, the remedy is one that can be followed', async () => {
    const neither = { ...eight, '00280002 US': [4], '00280004 CS': 'RGB', '7FE00010 OW': bytes(1024) }
    const root = await folderOf({ 'a.dcm': dicomBytes(slice(0, neither)), 'b.dcm': dicomBytes(slice(1)) })
    const f = left(await openData(root)())
    expect([f.place, f.found]).toEqual([join(root, 'a.dcm'), '4 samples per pixel with the photometric interpretation RGB'])
    expect(f.remedy).toContain('correct the elements (0028,0002) and (0028,0004) in the file; or skip')
    expect(right(datasetOf(right(await openData(root, { onError: 'skip' })()))).length).toBe(1)
    const corrected = { ...neither, '00280002 US': [3], '7FE00010 OW': bytes(768) }
    expect((await seen({ 'a.dcm': dicomBytes(slice(0, corrected)) })).values[0].length).toBe(768)
  })

  test('a pixel representation that is none is refused with the setting that says which', async () => {
    const files = { 'a.dcm': dicomBytes(slice(0, { '00280103 US': [2], '00281052 DS': '0', '7FE00010 OW': words(body) })) }
    const f = left(await openData(await folderOf(files))())
    expect(f.remedy).toContain('--set data.sign=unsigned or data.sign=signed')
    expect((await seen(files, { sign: 'signed' })).values).toEqual([body])
  })
})
