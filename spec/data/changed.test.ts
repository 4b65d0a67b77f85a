/** Files that become others between being listed and being read: bytes that lie elsewhere by then are never taken for pixels. */
import { copyFile, mkdtemp, readFile, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import { npz } from '../../data/readers/npz/npz.ts'
import { datasetOf } from '../../data/readers/split.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { left, right } from './either.ts'
import { archive, counting } from './npy-files.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-changed-'))

const opened = async (path: string): Promise<Dataset> => right(datasetOf(right(await openData(path)())))

/** Another file of the same length in its place, as a copy brings it. */
const replaced = async (path: string): Promise<void> => {
  const bytes = await readFile(path)
  await writeFile(
    path,
    bytes.map((b, i) => (i < bytes.length / 2 ? b : 255 - b)),
  )
  await utimes(path, 1, 1)
}

const fixtures = 'spec/data/fixtures'

describe('a file that becomes another one is refused', () => {
  test.each([
    ['dicom/signed12.dcm', 'x.dcm'],
    ['nifti/n1_u1.nii', 'x.nii'],
    ['nifti/n1_i2.nii.gz', 'x.nii.gz'],
  ])('%s', async (fixture, name) => {
    const path = join(await folder(), name)
    await copyFile(join(fixtures, fixture), path)
    const d = await opened(path)
    await replaced(path)
    const f = left(await d.item(0)())
    expect(f.found).toBe('a file that has changed since it was listed')
    expect(f.place).toContain(path)
    // as the remedy says: with the files as they are now
    const again = await openData(path)()
    if (E.isRight(again)) await right(datasetOf(again.right)).item(0)()
  })

  test('an array that is read in place', async () => {
    const path = join(await folder(), 'x.npy')
    await writeFile(path, counting('|u1', [3, 4, 5]))
    const d = await opened(path)
    right(await d.item(0)())
    await writeFile(path, counting('|u1', [3, 5, 4]))
    await utimes(path, 1, 1)
    expect(left(await d.item(1)()).found).toContain('has changed')
    expect(right(await (await opened(path)).item(1)()).image.height).toBe(5)
  })

  test('an archive whose members are read in place', async () => {
    const path = join(await folder(), 'x.npz')
    await writeFile(path, archive({ images: counting('|u1', [3, 4, 5]) }))
    const d = right(datasetOf(right(await npz(path, { memoryBytes: 16 })())))
    right(await d.item(0)())
    await replaced(path)
    expect(left(await d.item(1)()).found).toContain('has changed')
  })
})
