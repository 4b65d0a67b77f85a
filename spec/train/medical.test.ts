/** The two data sets of DINO-MX's paper in small: volumes are judged as wholes. */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { showIntensity } from '../../data/loading/intensity.ts'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { volumesOf } from '../../train/judge/evaluate/volumes.ts'
import { dicomBytes, slice } from '../data/dicom-files.ts'
import { right } from '../data/either.ts'
import { archive, npy } from '../data/npy-files.ts'
import { dinograph } from '../support/command.ts'
import { set, small } from './quick.ts'

const volumes = (n: number, depth: number, side: number): Buffer =>
  npy(
    '|u1',
    [n, depth, side, side],
    Uint8Array.from({ length: n * depth * side * side }, (_, i) =>
      Math.floor(i / (depth * side * side)) % 2 === 0 ? i % 90 : 160 + (i % 90),
    ),
  )

const labels = (n: number): Buffer =>
  npy(
    '|u1',
    [n, 1],
    Uint8Array.from({ length: n }, (_, i) => i % 2),
  )

const onCpu = ['--target', 'gpujs:cpu']

/** A recipe as a process, for a few steps, into the folder `run`: its report has accuracy and AUC. */
const trained = (recipe: string, data: string, dir: string, more: Readonly<Record<string, string | number>>): void => {
  const words = ['--config', join('examples/recipes', recipe), '--data', data, '--steps', '3', '--out', join(dir, 'run')]
  const said = dinograph('train', ...words, ...onCpu, ...set({ ...small, 'data.workers': 0, ...more }))
  expect([said.code, said.err]).toEqual([0, expect.not.stringContaining('fault')])
  expect(readFileSync(join(dir, 'run/report.html'), 'utf8')).toMatch(/AUC/)
}

/** What an evaluation of that run says. */
const judged = (evaluation: string, data: string, dir: string): { readonly table: unknown; readonly said: string } => {
  const said = dinograph('evaluate', evaluation, '--model', join(dir, 'run'), '--data', data, '--json', ...onCpu)
  expect([said.code, said.err]).toEqual([0, expect.not.stringContaining('fault')])
  const table: unknown = JSON.parse(said.out.trim().split('\n').at(-1) ?? '')
  return { table, said: said.err }
}

describe('recipes of medical data', () => {
  test('medmnist.yaml: one of 3-D, given the file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-medical-'))
    const path = join(dir, 'nodulemnist3d.npz')
    const parts = ['train', 'val', 'test'].flatMap((s, k) => [
      [`${s}_images`, volumes(k === 0 ? 6 : 4, 28, 28)] as const,
      [`${s}_labels`, labels(k === 0 ? 6 : 4)] as const,
    ])
    await writeFile(path, archive(Object.fromEntries(parts)))
    const d = right(datasetOf(right(await openData(path)())))
    expect(right(volumesOf(d))?.members.map((m) => m.length)).toEqual(new Array<number>(6).fill(28))
    trained('medmnist.yaml', path, dir, { 'augmentation.globalSize': 14, 'augmentation.localSize': 7 })
    const { table, said } = judged('medmnist', path, dir)
    // bright and dark volumes, which even a network that has learned nothing tells apart; each is one of 4, not 28 of 112
    expect(table).toMatchObject({ acc: 1, auc: 1, val_acc: 1, val_auc: 1, task: 'binary-class' })
    expect(said).toContain('nodulemnist3d/train: 6 volumes')
    expect(said).toContain('nodulemnist3d/test: 4 volumes')
  }, 300_000)

  /** A table of series of three slices, one of each patient. */
  const seriesOf = async (dir: string, patients: number): Promise<string> => {
    const rows = ['path,label,patient']
    for (let p = 0; p < patients; p++) {
      await mkdir(join(dir, `p${p}`))
      for (let k = 0; k < 3; k++) {
        const own = { '0020000E UI': `1.2.4.${p}`, '00080018 UI': `1.2.3.${p}.${k}`, '00100020 LO': `P${p}` }
        await writeFile(join(dir, `p${p}/${k}.dcm`), dicomBytes(slice(k, own, 96)))
        rows.push(`p${p}/${k}.dcm,${p % 2},P${p}`)
      }
    }
    await writeFile(join(dir, `${patients}.csv`), `${rows.join('\n')}\n`)
    return join(dir, `${patients}.csv`)
  }

  test('ct-series.yaml: series of a table, which are judged as wholes', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-medical-'))
    const table = await seriesOf(dir, 8)
    const d = right(datasetOf(right(await openData(table)())))
    expect(right(volumesOf(d))?.members.map((m) => m.length)).toEqual(new Array<number>(8).fill(3))
    trained('ct-series.yaml', table, dir, { 'augmentation.globalSize': 32, 'augmentation.localSize': 16 })
    const { table: numbers, said } = judged('logistic', table, dir)
    expect(numbers).toMatchObject({ evaluation: 'logistic', train: 18, test: 6 })
    expect(said).toContain('8/train: 6 volumes')
    expect(said).toContain('8/test: 2 volumes')
    // as the run saw them
    const windows = (names: ReadonlyArray<'lung' | 'mediastinum' | 'bone'>): string =>
      `images through ${showIntensity({ kind: 'windows', windows: names })}\n`
    expect(said).toContain(windows(['lung', 'mediastinum', 'bone']))
    const reported = dinograph('report', '--run', join(dir, 'run'), '--data', table, '--evaluate', 'none', ...onCpu)
    expect([reported.code, reported.err]).toEqual([0, expect.stringContaining(windows(['lung', 'mediastinum', 'bone']).trim())])
    // one patient of each class is left to train with: nothing to choose a classifier by
    await mkdir(join(dir, 'few'))
    const few = dinograph('evaluate', 'logistic', '--model', join(dir, 'run'), '--data', await seriesOf(join(dir, 'few'), 4), ...onCpu)
    expect([few.code, few.err]).toEqual([1, expect.stringContaining('no class of two images, volumes or patients among the 2')])
    const words = ['evaluate', 'knn', '--k', '1', '--model', join(dir, 'run'), '--data', join(dir, 'few/4.csv')]
    const knn = dinograph(...words, ...set({ 'data.windows': '[mediastinum]', 'data.intensity': 'windows' }), ...onCpu)
    expect([knn.code, knn.err]).toEqual([0, expect.stringContaining('4/test: 2 volumes')])
    expect(knn.err).toContain(windows(['mediastinum']))
  }, 300_000)
})
