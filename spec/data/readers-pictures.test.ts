import { mkdir, mkdtemp, readFile, writeFile, copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { folder, readPicture } from '../../data/readers/pictures/folder.ts'
import { datasetOf, trainAndTest } from '../../data/readers/split.ts'
import { openData } from '../../data/readers/index.ts'
import { left, right } from './either.ts'
import { splitmix } from './random.ts'
import { expectReference, fixtures, itemsOf, reference } from './readers-reference.ts'

const names = Object.keys(reference).filter((n) => n.startsWith('pictures/'))

describe('pictures are as Pillow and tifffile see them', () => {
  test.each(names)('%s', async (name) => {
    await expectReference(name, right(await folder(join(fixtures, name), { channels: 'stored', values: 'stored' })()))
  })

  test('any number of channels is made of any other', async () => {
    const path = join(fixtures, 'pictures/colour_alpha.png')
    const stored = right(await readPicture(path, { channels: 'stored', values: 'stored' })())
    const planes = (c: number): ReadonlyArray<number> => Array.from(stored.data.subarray(c * 30, (c + 1) * 30))
    for (const channels of [1, 2, 3, 4] as const) expect(right(await readPicture(path, { channels })()).data.length).toBe(30 * channels)
    expect(Array.from(right(await readPicture(path, { channels: 2, values: 'stored' })()).data.subarray(30))).toEqual(planes(3))
    const opaque = right(await readPicture(join(fixtures, 'pictures/gray16.png'), { channels: 4, values: 'stored' })())
    expect(Array.from(opaque.data.subarray(90))).toEqual(Array.from({ length: 30 }, () => 65535))
    const gray = right(await readPicture(join(fixtures, 'pictures/gray_alpha.png'), { channels: 1 })())
    expect(gray.data.every((v) => v >= 0 && v <= 1)).toBe(true)
  })

  test.each(['gray.png', 'colour16.tif', 'lossless.webp', 'gray.tif'])('%s, cut and flipped: a fault or a picture', async (name) => {
    const bytes = await readFile(join(fixtures, 'pictures', name))
    const path = join(await mkdtemp(join(tmpdir(), 'dinograph-')), name)
    for (let cut = 0; cut < bytes.length - 12; cut += Math.max(1, Math.floor(bytes.length / 40))) {
      await writeFile(path, bytes.subarray(0, cut))
      const e = await readPicture(path)()
      if (E.isLeft(e)) expect(e.left.place).toBe(path)
    }
    const random = splitmix(3)
    for (let k = 0; k < 60; k++) {
      const changed = Uint8Array.from(bytes)
      changed[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8)
      await writeFile(path, changed)
      const e = await readPicture(path)()
      if (E.isLeft(e)) expect(e.left.place).toBe(path)
    }
  })
})

describe('openData tells what a path is', () => {
  test('folders of pictures: channels from what is there, classes, splits by name', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
    for (const [split, c, n] of [
      ['train', 'cat', 3],
      ['train', 'dog', 2],
      ['val', 'dog', 1],
    ] as const) {
      await mkdir(join(dir, split, c), { recursive: true })
      for (let k = 0; k < n; k++) await copyFile(join(fixtures, 'pictures/gray16.png'), join(dir, split, c, `${k}.png`))
    }
    const opened = right(await openData(dir)())
    expect([opened.kind, [...opened.splits.keys()]]).toEqual(['pictures', ['train', 'val']])
    const { train, test: held } = right(trainAndTest(opened))
    expect([train.length, held.length, train.channels, train.range]).toEqual([5, 1, 1, [0, 1]])
    expect([train.classes, right(await held.item(0)()).label]).toEqual([['cat', 'dog'], 1])
    expect(left(datasetOf(opened, 'test')).allowed).toBe('train, val')
    const whole = right(await openData(join(dir, 'train'))())
    const split = right(trainAndTest(whole, 0.5))
    expect([split.train.length + split.test.length, right(datasetOf(whole)).classes]).toEqual([5, ['cat', 'dog']])
    const mixed = right(await openData(join(fixtures, 'pictures'), { values: 'stored' })())
    expect([right(datasetOf(mixed)).channels, right(datasetOf(mixed)).range]).toEqual([3, [0, 65535]])
    for (const item of await itemsOf(right(datasetOf(mixed)))) expect(item.image.channels).toBe(3)
  })

  test('every kind by its path', async () => {
    for (const [path, kind] of [
      ['pydicom', 'dicom'],
      ['pydicom/CT_small.dcm', 'dicom'],
      ['nifti', 'nifti'],
      ['nifti/scaled.nii', 'nifti'],
      ['npz/gray.npz', 'npz'],
      ['npz/bare.npy', 'npz'],
      ['pictures/gray.png', 'pictures'],
    ] as const) {
      const opened = right(await openData(join(fixtures, path), { onError: 'skip' })())
      expect(opened.kind, path).toBe(kind)
      right(await right(datasetOf(opened)).item(0)())
    }
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
    await copyFile(join(fixtures, 'pydicom/CT_small.dcm'), join(dir, 'IM0001'))
    await copyFile(join(fixtures, 'pydicom/MR_small.dcm'), join(dir, 'odd.xyz'))
    await writeFile(join(dir, 'README'), 'words')
    expect(right(datasetOf(right(await openData(dir)()))).length).toBe(1)
    expect(right(await openData(join(dir, 'odd.xyz'))()).kind).toBe('dicom')
    expect(left(await openData(join(dir, 'README'))()).found).toBe('a file that ends in nothing')
    expect(left(await openData(join(dir, 'none'))()).found).toMatch(/ENOENT/)
    expect(left(await openData(await mkdtemp(join(tmpdir(), 'dinograph-')))()).found).toBe('no file')
  })
})
