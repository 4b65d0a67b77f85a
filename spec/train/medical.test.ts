/** The two data sets of DINO-MX's paper in small: volumes are judged as wholes. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { volumesOf } from '../../train/judge/evaluate/volumes.ts'
import { dicomBytes, slice } from '../data/dicom-files.ts'
import { right } from '../data/either.ts'
import { archive, npy } from '../data/npy-files.ts'

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
  }, 300_000)

  test('ct-series.yaml: series of a table, which are judged as wholes', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-medical-'))
    const rows = ['path,label,patient']
    for (let p = 0; p < 4; p++) {
      await mkdir(join(dir, `p${p}`))
      for (let k = 0; k < 3; k++) {
        const own = { '0020000E UI': `1.2.4.${p}`, '00080018 UI': `1.2.3.${p}.${k}`, '00100020 LO': `P${p}` }
        await writeFile(join(dir, `p${p}/${k}.dcm`), dicomBytes(slice(k, own, 96)))
        rows.push(`p${p}/${k}.dcm,${p % 2},P${p}`)
      }
    }
    const table = join(dir, 'table.csv')
    await writeFile(table, `${rows.join('\n')}\n`)
    const d = right(datasetOf(right(await openData(table)())))
    expect(right(volumesOf(d))?.members.map((m) => m.length)).toEqual([3, 3, 3, 3])
  }, 300_000)
})
