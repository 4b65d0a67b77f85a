/** Folders of small files of any kind, for the tests of one file, which take them away again. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll } from 'vitest'
import { counting } from './npy-files.ts'
import { fixtures } from './readers-reference.ts'

const picture = await sharp({ create: { width: 6, height: 5, channels: 3, background: { r: 200, g: 30, b: 90 } } })
  .png()
  .toBuffer()

/** What makes a new folder with these files: pictures, copies of fixtures where they end as those do, else any text. */
export const folders = (): ((...paths: ReadonlyArray<string>) => Promise<string>) => {
  let dir = ''
  let number = 0
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dinograph-folders-'))
  })
  afterAll(async () => {
    await rm(dir, { recursive: true })
  })
  return async (...paths) => {
    const root = join(dir, String(number++))
    await mkdir(root)
    for (const p of paths) {
      const path = join(root, p)
      await mkdir(dirname(path), { recursive: true })
      if (/\.(png|jpg)$/i.test(p)) await writeFile(path, picture)
      else if (p.endsWith('.dcm')) await copyFile(join(fixtures, 'pydicom/MR_small.dcm'), path)
      else if (p.endsWith('.nii')) await copyFile(join(fixtures, 'nifti/n1_u1.nii'), path)
      else if (p.endsWith('.npy'))
        await writeFile(
          path,
          counting('|u1', [2, 5, 6], () => 7),
        )
      else await writeFile(path, 'x')
    }
    return root
  }
}

/** Names with numbers. */
export const names = (prefix: string, n: number, ending: string): ReadonlyArray<string> =>
  Array.from({ length: n }, (_, i) => `${prefix}${i}${ending}`)
