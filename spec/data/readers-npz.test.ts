import { mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, test } from 'vitest'
import type { Dataset, SplitName } from '../../data/readers/dataset.ts'
import { npz } from '../../data/readers/npz/npz.ts'
import type { NpzOptions } from '../../data/readers/npz/npz.ts'
import { left, right } from './either.ts'
import { splitmix } from './random.ts'
import { expectReference, fixtures, itemsOf, reference } from './readers-reference.ts'

const open = async (file: string, split: SplitName, options: NpzOptions = {}): Promise<Dataset> => {
  const d = right(await npz(join(fixtures, 'npz', file), options)()).splits.get(split)
  if (d === undefined) throw new Error(`no ${split}`)
  return d
}

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-'))

describe('arrays of images are as NumPy sees them', () => {
  for (const name of ['gray', 'colour', 'volume', 'several']) {
    for (const split of ['train', 'val', 'test'] as const) {
      test(`${name}, ${split}`, async () => {
        const d = await open(`${name}.npz`, split)
        const items = await expectReference(`npz/${name}/${split}`, d)
        const labels = reference[`npz/${name}/${split}`].labels ?? []
        const depth = d.length / labels.length
        expect(items.map((x) => (name === 'several' ? x.labels : [x.label]))).toEqual(
          labels.flatMap((l) => Array.from({ length: depth }, () => l)),
        )
        expect(d.label(0)).toEqual(name === 'several' ? O.none : O.some(labels[0][0]))
        expect([d.range, d.label(d.length)]).toEqual([[0, 255], O.none])
      })
    }
  }

  test('column-major, big-endian and single arrays', async () => {
    await expectReference('npz/turned', await open('turned.npz', 'all'))
    await expectReference('npz/bare', await open('bare.npy', 'all'))
    expect((await open('turned.npz', 'all')).range).toEqual([-Infinity, Infinity])
  })

  test('classes are counted over all splits, frames are slices, other axes give other slices', async () => {
    const [train, test] = [await open('gray.npz', 'train'), await open('gray.npz', 'test')]
    expect(train.classes).toEqual(test.classes)
    expect((await open('several.npz', 'train')).classes.length).toBe(14)
    const volumes = await open('volume.npz', 'train')
    const across = await open('volume.npz', 'train', { axis: 2 })
    expect([volumes.length, across.length]).toEqual([30, 36])
    const slices = await itemsOf(volumes)
    const other = right(await across.item(7)())
    expect([other.frame, other.source, other.image.height, other.image.width]).toEqual([1, 'volume/train/1', 5, 4])
    for (let k = 0; k < 5; k++) for (let y = 0; y < 4; y++) expect(other.image.data[k * 4 + y]).toBe(slices[5 + k].image.data[y * 6 + 1])
  })

  test('large arrays are not held in memory: packed ones go to a file once, plain ones are read in place', async () => {
    const folder = await scratch()
    const packed = await open('gray.npz', 'train', { memoryBytes: 10, folder })
    await expectReference('npz/gray/train', packed)
    const [file] = await readdir(folder)
    const { mtimeMs } = await stat(join(folder, file))
    await expectReference('npz/gray/train', await open('gray.npz', 'train', { memoryBytes: 10, folder }))
    expect((await stat(join(folder, file))).mtimeMs).toBe(mtimeMs)
    const before = (await readdir(folder)).length
    await expectReference('npz/several/test', await open('several.npz', 'test', { memoryBytes: 10, folder }))
    expect((await readdir(folder)).length).toBe(before)
  })
})

describe('damaged archives', () => {
  test.each(['gray.npz', 'several.npz', 'bare.npy'])(
    '%s, cut and flipped',
    async (name) => {
      const bytes = await readFile(join(fixtures, 'npz', name))
      const path = join(await scratch(), name)
      const whole = right(await npz(join(fixtures, 'npz', name))())
      const readAll = async (): Promise<string> => {
        const opened = await npz(path)()
        if (E.isLeft(opened)) {
          expect([opened.left.place.startsWith(path), opened.left.found !== '']).toEqual([true, true])
          return 'fault'
        }
        for (const [split, d] of opened.right.splits) {
          for (let i = 0; i < d.length; i++) {
            const item = await d.item(i)()
            if (E.isLeft(item)) {
              expect(item.left.place.startsWith(path)).toBe(true)
              return 'fault'
            }
            const same = whole.splits.get(split)
            if (
              same !== undefined &&
              i < same.length &&
              JSON.stringify([...item.right.image.data]) !== JSON.stringify([...right(await same.item(i)()).image.data])
            )
              return 'changed'
          }
        }
        return 'same'
      }
      for (const cut of [
        ...Array.from({ length: Math.ceil(bytes.length / 256) }, (_, k) => 256 * k),
        bytes.length - 1,
        bytes.length - 22,
        4,
      ]) {
        await writeFile(path, bytes.subarray(0, cut))
        expect(await readAll(), `cut at ${cut}`).toBe('fault')
      }
      const random = splitmix(11)
      for (let k = 0; k < 100; k++) {
        const changed = Uint8Array.from(bytes)
        changed[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8)
        await writeFile(path, changed)
        const found = await readAll()
        // the checksum of an archive finds every change of its pixels; a bare array has none
        if (name.endsWith('.npz')) expect(found).not.toBe('changed')
      }
    },
    60_000,
  )

  test('what is wrong is said', async () => {
    const path = join(await scratch(), 'x.npz')
    await writeFile(path, 'no archive')
    expect(left(await npz(path)()).found).toMatch(/cannot be unpacked/)
    expect(left(await npz('/nowhere.npz')()).found).toMatch(/ENOENT/)
    const bare = join(await scratch(), 'x.npy')
    const header = (text: string): Buffer =>
      Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY\x01\x00'), Buffer.from([text.length, 0]), Buffer.from(text)])
    for (const [text, found] of [
      ["{'descr': '|O', 'fortran_order': False, 'shape': (1, 2, 2), }", /type O/],
      ["{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", /0 bytes/],
      ["{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740993, 2, 2), }", /shape/],
      ['nonsense', /nonsense/],
    ] as const) {
      await writeFile(bare, header(text))
      expect(left(await npz(bare)()).found).toMatch(found)
    }
    await writeFile(bare, Buffer.concat([header("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }"), Buffer.alloc(4)]))
    expect(left(await npz(bare)()).found).toMatch(/holds no images/)
  })
})
