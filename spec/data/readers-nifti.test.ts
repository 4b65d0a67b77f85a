import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import * as reader from 'nifti-reader-js'
import { describe, expect, test } from 'vitest'
import type { Dataset } from '../../data/readers/dataset.ts'
import { nifti } from '../../data/readers/nifti/nifti.ts'
import type { NiftiOptions } from '../../data/readers/nifti/nifti.ts'
import { niftiHeader } from '../../data/readers/nifti/header.ts'
import { left, right } from './either.ts'
import { splitmix } from './random.ts'
import { expectReference, fixtures, itemsOf, reference } from './readers-reference.ts'

const open = async (path: string, options: NiftiOptions = {}): Promise<Dataset> =>
  right(await nifti(basename(path), dirname(path), [path], options)()).dataset

const names = Object.keys(reference).filter((n) => /^(nifti|nibabel)\//.test(n))

describe('NIfTI volumes are as nibabel sees them', () => {
  test.each(names)('%s', async (name) => {
    const [file, axis] = name.split('@')
    await expectReference(name, await open(join(fixtures, file), { axis: axis === '0' ? 0 : axis === '1' ? 1 : 2, channels: 'stored' }))
  })

  test('headers are as nifti-reader-js sees them', async () => {
    for (const file of [
      'nifti/n1_u1.nii',
      'nifti/n1_be_i2.nii',
      'nifti/n2_u4.nii',
      'nifti/n2_be_i2.nii',
      'nibabel/anatomical.nii',
      'nibabel/functional.nii',
      'nifti/scaled.nii',
    ]) {
      const bytes = await readFile(join(fixtures, file))
      const theirs = reader.readHeader(Uint8Array.from(bytes).buffer)
      const mine = niftiHeader(bytes)
      if (E.isLeft(mine)) throw new Error(mine.left)
      const { size, volumes, offset, little, slope, intercept } = mine.right
      expect([...size, volumes], file).toEqual([...theirs.dims.slice(1, 4), Math.max(1, theirs.dims[4])])
      expect([offset, little], file).toEqual([theirs.vox_offset, theirs.littleEndian])
      if (theirs.scl_slope > 0) expect([slope, intercept], file).toEqual([theirs.scl_slope, theirs.scl_inter])
    }
  })

  test('spacing follows the axis; frames count slices, then time points', async () => {
    const path = join(fixtures, 'nifti/n1_u1.nii')
    expect((await itemsOf(await open(path))).map((i) => [i.frame, i.spacing])).toEqual([0, 1, 2, 3, 4, 5].map((k) => [k, [2, 1.5, 3]]))
    expect((await itemsOf(await open(path, { axis: 0 })))[0].spacing).toEqual([3, 2, 1.5])
    expect((await itemsOf(await open(path, { axis: 1 })))[0].spacing).toEqual([3, 1.5, 2])
    const d = await open(join(fixtures, 'nifti/scaled.nii'))
    expect(d.range[0]).toBeLessThan(-200)
    expect((await open(join(fixtures, 'nifti/n1_f4.nii'))).range).toEqual([-Infinity, Infinity])
  })

  test('several volumes are one dataset, read through a small memory too', async () => {
    const paths = ['n1_i2.nii.gz', 'n2_be_f8.nii.gz', 'n1_u1.nii'].map((f) => join(fixtures, 'nifti', f))
    const all = right(await nifti('all', join(fixtures, 'nifti'), paths, { axis: 1 })()).dataset
    const few = right(await nifti('all', join(fixtures, 'nifti'), paths, { axis: 1, cacheBytes: 0 })()).dataset
    expect(all.length).toBe(3 * 8)
    const at = [23, 0, 9, 1, 17, 8]
    for (const i of at) expect(right(await few.item(i)())).toEqual(right(await all.item(i)()))
    expect(right(await all.item(9)()).source).toBe('n2_be_f8.nii.gz')
    left(await all.item(24)())
  })
})

describe('damaged NIfTI files', () => {
  test.each(['nibabel/functional.nii', 'nibabel/example_nifti2.nii.gz', 'nifti/n1_be_f8.nii.gz', 'nifti/n2_u1.nii'])(
    '%s, cut and flipped',
    async (name) => {
      const bytes = await readFile(join(fixtures, name))
      const path = join(await mkdtemp(join(tmpdir(), 'dinograph-')), basename(name))
      const readAll = async (): Promise<void> => {
        const opened = await nifti('x', dirname(path), [path], {})()
        if (E.isLeft(opened)) {
          expect([opened.left.place, opened.left.found !== '']).toEqual([path, true])
          return
        }
        const d = opened.right.dataset
        for (const i of [0, d.length - 1]) {
          const item = await d.item(i)()
          if (E.isLeft(item)) expect(item.left.place).toBe(path)
        }
      }
      const isWhole = async (): Promise<boolean> => {
        const opened = await nifti('x', dirname(path), [path], {})()
        return E.isRight(opened) && E.isRight(await opened.right.dataset.item(opened.right.dataset.length - 1)())
      }
      for (const cut of [
        ...Array.from({ length: Math.ceil(bytes.length / 1024) }, (_, k) => 1024 * k),
        bytes.length - 1,
        bytes.length - 9,
        100,
        347,
        350,
      ]) {
        await writeFile(path, bytes.subarray(0, cut))
        expect(await isWhole(), `cut at ${cut}`).toBe(false)
      }
      const random = splitmix(5)
      for (let k = 0; k < 150; k++) {
        const changed = Uint8Array.from(bytes)
        changed[Math.floor(random() * (k % 2 === 0 ? 600 : bytes.length)) % bytes.length] ^= 1 << Math.floor(random() * 8)
        await writeFile(path, changed)
        await readAll()
      }
    },
    60_000,
  )

  test('a gzipped file with a wrong checksum, an endless one, and a header alone', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dinograph-')), 'x.nii.gz')
    const plain = await readFile(join(fixtures, 'nifti/n1_u1.nii'))
    const zipped = gzipSync(plain)
    zipped[zipped.length - 6] ^= 1
    await writeFile(path, zipped)
    expect(left(await nifti('x', dirname(path), [path], {})()).found).toMatch(/incorrect data check/)
    await writeFile(path, gzipSync(Buffer.concat([plain, Buffer.alloc(50_000_000)])))
    right(await (await open(path)).item(0)())
    await writeFile(path, gzipSync(plain.subarray(0, 352)))
    expect(left(await (await open(path)).item(0)()).found).toMatch(/where/)
    await writeFile(path, plain)
    // the name does not decide: what is not packed is read as it is
    expect(right(await nifti('x', dirname(path), [path], {})()).dataset.length).toBe((await open(join(fixtures, 'nifti/n1_u1.nii'))).length)
    expect(left(await nifti('x', '/nowhere', ['/nowhere/x.nii'], {})()).found).toMatch(/ENOENT/)
  })
})
