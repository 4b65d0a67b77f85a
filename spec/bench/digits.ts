/**
 * What an example learns of digits with its own settings over several seeds, one after the other, judged by k-NN before and after
 * training under one protocol. `npx tsx spec/bench/digits.ts [--example dinov1|dinov2|dinov3] [--seeds 0,1,2] [--threads N] [--out DIR]`
 */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { fault } from '../../core/fault.ts'
import dinov1 from '../../examples/dinov1.ts'
import dinov2 from '../../examples/dinov2.ts'
import dinov3 from '../../examples/dinov3.ts'
import { given } from '../../train/config/settings.ts'
import { percent } from '../../train/run/log/numbers.ts'
import { startProgress } from '../../train/run/log/progress.ts'
import type { Report } from '../../train/run/run.ts'
import { judge } from '../../train/judge/judge.ts'
import { runExperiment } from '../../train/run/run.ts'
import { must, stop } from './session.ts'
import { table } from './table.ts'

const { values } = parseArgs({
  options: {
    example: { type: 'string', default: 'dinov1' },
    seeds: { type: 'string', default: '0,1,2' },
    threads: { type: 'string', default: '0' },
    out: { type: 'string' },
  },
})

const examples = [dinov1, dinov2, dinov3]
const example = examples.find((e) => e.name === values.example)
if (example === undefined) throw new Error(`no example ${values.example}: ${examples.map((e) => e.name).join(', ')}`)

interface Row {
  readonly seed: number
  readonly before: number
  readonly after: number
  readonly pixels: number
  readonly seconds: number
}

/** A number that every labelled run reports. */
const reported = (r: Report, name: string): number =>
  r.metrics[name] ??
  stop(
    fault('data', {
      place: `the report of ${r.out}`,
      found: `no ${name}`,
      allowed: 'numbers of an evaluation with labels',
      remedy: 'evaluate with labelled images',
    }),
  )

/** Wrong answers after training for each wrong answer before it. */
const ratio = ({ before, after }: Pick<Row, 'before' | 'after'>): number => (1 - after) / (1 - before)

const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length

const root = values.out ?? (await mkdtemp(join(tmpdir(), 'digits-')))
const progress = startProgress()
const rows: Row[] = []
for (const seed of values.seeds.split(',').map(Number)) {
  const out = join(root, `seed-${seed}`)
  await mkdir(join(out, 'checkpoints'), { recursive: true })
  const run = await must(
    TE.fromEither(example.resolve([given({ seed, accelerator: { target: 'native', threads: Number(values.threads) } })])),
  )
  const began = performance.now()
  const report = await must(runExperiment(run, { name: example.name, out, resume: false, judge, progress, stopping: () => false }))
  const [before, after, pixels] = ['knn_before', 'knn_after', 'knn_pixels'].map((name) => reported(report, name))
  rows.push({ seed, before, after, pixels, seconds: (performance.now() - began) / 1000 })
}
const shown = (name: string, r: Omit<Row, 'seed'>): ReadonlyArray<string> => [
  name,
  percent(r.before),
  percent(r.after),
  percent(r.pixels),
  ratio(r).toFixed(3),
  `${r.seconds.toFixed(0)} s`,
]
const all = {
  before: mean(rows.map((r) => r.before)),
  after: mean(rows.map((r) => r.after)),
  pixels: mean(rows.map((r) => r.pixels)),
  seconds: mean(rows.map((r) => r.seconds)),
}
process.stdout.write(
  `${table(['seed', 'untrained', 'trained', 'raw pixels', 'error ratio', 'time'], [...rows.map((r) => shown(`${r.seed}`, r)), shown('mean', all)])}\n`,
)
