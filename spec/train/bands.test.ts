/** Thirteen bands, as satellites have, on the whole road: a folder, training, features, attention, Hugging Face, ONNX. Each a process. */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { floatsOf } from '../../data/formats/tensor.ts'
import { right } from '../data/either.ts'
import { counting } from '../data/npy-files.ts'
import { tiff } from '../data/tiff-files.ts'
import { agrees, networkAt } from '../exchange/agreement.ts'
import { quickOn } from './quick.ts'
import { dinograph as started } from '../support/command.ts'

const [bands, side] = [13, 64]

/** Compiling C takes longer than all of it. */
const portable = ['--target', 'gpujs:cpu']

const dinograph = (...words: ReadonlyArray<string>): string => {
  const { code, out, err } = started(...words)
  expect(code, `${words.join(' ')}\n${err}`).toBe(0)
  return err + out
}

/** Reflectances of image k at a band and a pixel: waves whose lengths differ by band, brighter in every other image. */
const reflectance = (k: number, band: number, pixel: number): number =>
  Math.round(1500 + 900 * Math.sin(((pixel % side) + band * Math.floor(pixel / side)) / (3 + band) + k) + 700 * (k % 2))

/** The same images as TIFF files and as arrays, a folder for each of two classes. */
const folders = async (): Promise<{ readonly pictures: string; readonly arrays: string }> => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-bands-'))
  const [pictures, arrays] = [join(dir, 'pictures'), join(dir, 'arrays')]
  for (const kind of ['field', 'water']) for (const root of [pictures, arrays]) await mkdir(join(root, kind), { recursive: true })
  for (let k = 0; k < 10; k++) {
    const file = `${k % 2 === 0 ? 'field' : 'water'}/${Math.floor(k / 2)}`
    await writeFile(
      join(pictures, `${file}.tif`),
      tiff([{ side, bands, photometric: 1, bits: 16, values: (i) => reflectance(k, i % bands, Math.floor(i / bands)) }]),
    )
    await writeFile(
      join(arrays, `${file}.npy`),
      counting('<u2', [bands, side, side], (i) => reflectance(k, Math.floor(i / side ** 2), i % side ** 2)),
    )
  }
  return { pictures, arrays }
}

const clsIn = async (path: string): Promise<Float32Array> => {
  const cls = right(await readSafetensors(path)()).tensors.get('cls')
  expect(cls?.shape).toEqual([10, 16])
  return cls === undefined ? new Float32Array() : right(floatsOf('cls')(cls))
}

describe('images of thirteen bands', () => {
  test('train, show where the network looks, and are handed on: what other programs compute is what this one does', async () => {
    const { pictures, arrays } = await folders()
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-bands-'))
    const [run, looks, exported, onnx] = ['run', 'looks', 'exported', 'x.onnx'].map((name) => join(dir, name))
    const said = dinograph('train', ...quickOn(pictures, run, 2))
    expect(said).toMatch(/8 images, 13 x 64 x 64/)
    expect(await readdir(run)).toEqual(expect.arrayContaining(['attention.png', 'report.html']))

    // arrays of the same numbers have the same features, each file by its own name
    for (const [data, out] of [
      [pictures, 'a.safetensors'],
      [arrays, 'b.safetensors'],
    ])
      dinograph('features', '--model', run, '--data', data, '--out', join(dir, out), ...portable)
    const features = await clsIn(join(dir, 'a.safetensors'))
    expect(await clsIn(join(dir, 'b.safetensors'))).toEqual(features)
    const { metadata } = right(await readSafetensors(join(dir, 'b.safetensors'))())
    const names: unknown = JSON.parse(metadata['files'] ?? '[]')
    expect(Array.isArray(names) ? new Set(names).size : 0).toBe(10)

    dinograph('attention', '--model', run, '--image', join(arrays, 'water/1.npy'), '--out', looks, ...portable)
    expect(await readdir(looks)).toEqual(expect.arrayContaining(['attention-mean.png', 'pca.png', 'image.png']))

    dinograph('hf', 'export', '--run', run, '--out', exported)
    expect(JSON.parse(readFileSync(join(exported, 'config.json'), 'utf8'))).toMatchObject({ num_channels: bands })
    dinograph('features', '--model', exported, '--data', pictures, '--out', join(dir, 'c.safetensors'), ...portable)
    expect(await clsIn(join(dir, 'c.safetensors'))).toEqual(features)

    dinograph('export', '--model', exported, '--onnx', onnx)
    await agrees(onnx, await networkAt(exported), [
      [2, 28, 28],
      [1, 35, 42],
    ])
  }, 300_000)
})
