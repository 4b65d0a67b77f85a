/**
 * What presets cost on this machine: images a second of training, minutes of one pass over 1,000 images, hours of the whole run by the
 * number of images, peak memory. Each kind of images is made, and trained on as `examples/dinov2.ts --data FOLDER` does, in a process of
 * its own.
 *
 *     npx tsx spec/bench/presets.ts [--images 2000] [--steps 12] [--target T]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { stream } from '../../core/random.ts'
import type { Choice } from '../../train/config/layers.ts'
import type { PresetName } from '../../train/config/preset.ts'
import { presets } from '../../train/config/preset.ts'
import { speedsOf, watched } from './programs.ts'
import { median, table } from './table.ts'

const { values } = parseArgs({
  options: { images: { type: 'string', default: '2000' }, steps: { type: 'string', default: '12' }, target: { type: 'string' } },
})
const [images, steps] = [Number(values.images), Number(values.steps)]

interface Sample {
  readonly preset: PresetName
  readonly what: string
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  readonly as: 'png' | 'jpeg'
}

const samples: ReadonlyArray<Sample> = [
  { preset: 'digits', what: 'gray, 32 px', width: 32, height: 32, channels: 1, as: 'png' },
  { preset: 'natural', what: 'colour, 64 px', width: 64, height: 64, channels: 3, as: 'png' },
  { preset: 'natural', what: 'photographs, 500 x 375', width: 500, height: 375, channels: 3, as: 'jpeg' },
  { preset: 'ct', what: 'slices, 512 px', width: 512, height: 512, channels: 1, as: 'png' },
]

const random = stream(0, 'pictures of the bench', 0)

/** Smooth pictures, no two alike. */
const fill = async (dir: string, s: Sample): Promise<void> => {
  mkdirSync(dir)
  const [w, h] = [7, 5]
  for (let i = 0; i < images; i++) {
    const raw = Uint8Array.from({ length: w * h * s.channels }, (_, k) => 256 * random.unit(i * 128 + k))
    const picture = sharp(raw, { raw: { width: w, height: h, channels: s.channels } }).resize(s.width, s.height, { fit: 'fill' })
    const gray = s.channels === 1 ? picture.toColourspace('b-w') : picture
    writeFileSync(join(dir, `${i}.${s.as}`), await (s.as === 'png' ? gray.png() : gray.jpeg({ quality: 90 })).toBuffer())
  }
}

interface Measured {
  readonly perSecond: number
  readonly mib: number
}

const measured = async (dir: string, out: string, preset: string): Promise<Measured> => {
  const target = values.target === undefined ? [] : ['--target', values.target]
  const quiet = ['--set', 'evaluation.before=false', '--set', 'evaluation.during=0', '--set', 'evaluation.report=false', '--quiet']
  const words = ['examples/dinov2.ts', '--data', dir, '--preset', preset, '--out', out, '--steps', `${steps}`, ...target, ...quiet]
  const { mib } = await watched(words)
  // the first steps compile, and fill the loader's queue
  return { perSecond: median(speedsOf(out).slice(3)), mib }
}

const counts = [200, 1000, 10_000, 100_000]

const hours = (seconds: number): string => (seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`)

const root = mkdtempSync(join(tmpdir(), 'dinograph-presets-'))
const rows: Array<ReadonlyArray<string>> = []
for (const [i, s] of samples.entries()) {
  const dir = join(root, `${i}`)
  await fill(dir, s)
  const { perSecond, mib } = await measured(dir, join(root, `run-${i}`), s.preset)
  const machine = { cores: availableParallelism(), accelerated: false }
  const choiceOf = (n: number): Choice => presets[s.preset].settings({ images: n, channels: s.channels, side: s.height }, machine)
  const c = choiceOf(images)
  rows.push([
    `${s.preset}: ${s.what}`,
    `${String(c['model.width'])} x ${String(c['model.depth'])}, patch ${String(c['model.patch'])}`,
    `${String(c['augmentation.globalSize'])}, ${String(c['augmentation.localSize'])}`,
    String(c['batch']),
    perSecond.toFixed(0),
    (1000 / perSecond / 60).toFixed(2),
    mib.toFixed(0),
    ...counts.map((n) => {
      const own = choiceOf(n)
      return hours((Number(own['steps']) * Number(own['batch'])) / perSecond)
    }),
  ])
  process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
}
rmSync(root, { recursive: true, force: true })
process.stdout.write(
  `${table(['images', 'network', 'crops', 'batch', 'images/s', 'min per 1,000', 'MiB', ...counts.map((n) => `whole run of ${n}`)], rows)}\n`,
)
