/**
 * What the presets learn of real pictures other than digits: as `examples/dinov2.ts --data FOLDER` trains, with nothing else said. Beside
 * what is learned stand the untrained network, raw pixels and a histogram of colours, under one protocol; test images are looked at once.
 *
 *     npx tsx spec/bench/sets/sets.ts --at DIR [--only clothes,emoji] [--seeds 0] [--threads N] [--set PATH=VALUE …]
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import type { Dataset, Image } from '../../../data/readers/dataset.ts'
import { labelsOf } from '../../../data/readers/dataset.ts'
import { openData } from '../../../data/readers/index.ts'
import { readSafetensors } from '../../../data/formats/safetensors.ts'
import { percent } from '../../../train/run/log/numbers.ts'
import { keptAt, run, set } from '../programs.ts'
import { right } from '../../data/either.ts'
import { must } from '../session.ts'
import { table } from '../table.ts'
import type { Judged, Known } from './judged.ts'
import { histogram, judged } from './judged.ts'
import { sets } from './made.ts'

const { values } = parseArgs({
  options: {
    at: { type: 'string' },
    only: { type: 'string', default: Object.keys(sets).join() },
    seeds: { type: 'string', default: '0' },
    threads: { type: 'string', default: '0' },
    set: { type: 'string', multiple: true, default: [] },
  },
})
const root = keptAt(values.at)

type Vector = (image: Image) => Float32Array

/** Vectors made of the images themselves. */
const known = async (d: Dataset, vector: Vector): Promise<Known> => {
  const items = []
  for (let i = 0; i < d.length; i++) items.push(await must(d.item(i)))
  const vectors = items.map(({ image }) => vector(image))
  const dim = vectors[0]?.length ?? 0
  const data = new Float32Array(vectors.length * dim)
  vectors.forEach((v, i) => {
    data.set(v, i * dim)
  })
  return { data, dim, labels: Int32Array.from(right(labelsOf(d))), sources: items.map((x) => x.source) }
}

const parts = ['train', 'test'] as const

const splitsOf = async (path: string): Promise<Readonly<Record<(typeof parts)[number], Dataset>>> => {
  const found = await must(openData(path))
  const [train, test] = parts.map((part) => found.splits.get(part))
  if (train === undefined || test === undefined) throw new Error(`${path} has no train and test`)
  return { train, test }
}

/** Class tokens of a run, as the command `features` writes them. */
const features = async (
  model: string,
  path: string,
  like: Readonly<Record<(typeof parts)[number], Known>>,
  classes: number,
): Promise<Judged> => {
  const file = join(model, 'features.safetensors')
  run('train/cli/dinograph.ts', 'features', '--model', model, '--data', path, '--no-patches', '--out', file)
  const { tensors } = await must(readSafetensors(file))
  const [train, test] = parts.map((part): Known => {
    const cls = tensors.get(`${part}/cls`)
    if (cls === undefined) throw new Error(`${file} has no ${part}/cls`)
    return { ...like[part], data: Float32Array.from(cls.data), dim: cls.shape[1] }
  })
  return judged(train, test, classes)
}

const shown = (name: string, { knn, precision, across }: Judged, images = '', seconds = ''): ReadonlyArray<string> => [
  name,
  images,
  percent(knn),
  percent(precision),
  across === undefined ? '' : percent(across),
  seconds,
]

for (const name of values.only.split(',')) {
  const made = Object.entries(sets).find(([n]) => n === name)?.[1]
  if (made === undefined) throw new Error(`no set ${name}: ${Object.keys(sets).join(', ')}`)
  const path = await made(root)
  const { train, test } = await splitsOf(path)
  const of = async (vector: Vector): Promise<Readonly<Record<(typeof parts)[number], Known>>> => ({
    train: await known(train, vector),
    test: await known(test, vector),
  })
  const pixels = await of((image) => image.data)
  const colours = await of((image) => histogram(image, train.range[1]))
  const rows = [
    shown(`${name}: raw pixels`, judged(pixels.train, pixels.test, train.classes.length), `${train.length} + ${test.length}`),
    shown(`${name}: colours`, judged(colours.train, colours.test, train.classes.length)),
  ]
  for (const seed of values.seeds.split(',')) {
    const trained = async (what: string, words: ReadonlyArray<string>): Promise<void> => {
      const out = join(root, `run-${name}-${seed}-${what}`)
      const began = performance.now()
      const settings = set(['evaluation.report=false', 'evaluation.during=0', 'evaluation.before=false', ...values.set])
      const asked = ['--data', path, '--seed', seed, '--out', out, '--overwrite', ...set([`accelerator.threads=${values.threads}`])]
      if (!existsSync(join(out, 'summary.json'))) run('examples/dinov2.ts', ...asked, ...settings, ...words)
      const seconds = (performance.now() - began) / 1000
      rows.push(
        shown(`${name}: ${what}, seed ${seed}`, await features(out, path, pixels, train.classes.length), '', `${seconds.toFixed(0)} s`),
      )
    }
    await trained('untrained', ['--steps', '1'])
    await trained('trained', [])
  }
  process.stdout.write(`${table(['', 'train + test', 'k-NN', 'precision at 10', 'across vendors', 'time'], rows)}\n\n`)
}
