/**
 * What going on costs and gives: a network that knows digits goes on with their negatives, trained as a whole, by LoRA, with its first
 * block frozen, and by all that saves (`examples/lora.ts --set train=…`), each from the same base, over several seeds.
 *
 *     npx tsx spec/bench/adapt.ts --at DIR [--seeds 0,1,2] [--pretraining 1200] [--steps 400] [--threads N]
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isRecord } from '../../data/formats/codec.ts'
import { percent } from '../../train/run/log/numbers.ts'
import { started } from '../support/built.ts'
import { mostResident } from '../support/resident.ts'
import { median, table } from './table.ts'

const { values } = parseArgs({
  options: {
    at: { type: 'string' },
    seeds: { type: 'string', default: '0,1,2' },
    pretraining: { type: 'string', default: '1200' },
    steps: { type: 'string', default: '400' },
    threads: { type: 'string', default: '0' },
  },
})
if (values.at === undefined) throw new Error('--at DIR: where runs are kept')
const root = values.at
mkdirSync(root, { recursive: true })

const quiet = ['--set', 'evaluation.report=false', '--set', 'evaluation.during=0', '--overwrite', '--threads', values.threads]

interface Ran {
  readonly metrics: Readonly<Record<string, unknown>>
  readonly mib: number
  readonly stepMs: number
  readonly trained: string
}

/** Runs a program to its end, looking at its memory. */
const ran = async (out: string, words: ReadonlyArray<string>): Promise<Ran> => {
  const child = spawn(process.execPath, started([...words, '--out', out, ...quiet]), { stdio: ['ignore', 'ignore', 'pipe'] })
  let [mib, said] = [0, '']
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const looking = setInterval(() => {
    try {
      mib = Math.max(mib, child.pid === undefined ? 0 : mostResident(child.pid) / 2 ** 20)
    } catch {
      // ended just now
    }
  }, 100)
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(looking)
  if (code !== 0) throw new Error(`${words.join(' ')}: exit code ${String(code)}\n${said}`)
  const summary: unknown = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
  const metrics = isRecord(summary) && isRecord(summary['metrics']) ? summary['metrics'] : {}
  const speeds = readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
    .flatMap((m) => (isRecord(m) && typeof m['images_per_s'] === 'number' ? [m['images_per_s']] : []))
  return { metrics, mib, stepMs: (1000 * 64) / median(speeds.slice(10)), trained: /([\d,]+) of ([\d,]+) parameters/.exec(said)?.[0] ?? '' }
}

const number = (r: Ran, name: string): number => {
  const value = r.metrics[name]
  return typeof value === 'number' ? value : NaN
}

const rows: Array<ReadonlyArray<string>> = []
for (const seed of values.seeds.split(',')) {
  const base = join(root, `base-${seed}`)
  if (!existsSync(join(base, 'summary.json'))) {
    const words = [
      'examples/dinov2.ts',
      '--seed',
      seed,
      '--steps',
      values.pretraining,
      '--out',
      base,
      ...quiet,
      '--set',
      'evaluation.before=false',
    ]
    const done = spawnSync(process.execPath, started(words), { stdio: ['ignore', 'ignore', 'inherit'] })
    if (done.status !== 0) throw new Error(`the base of seed ${seed}: exit code ${String(done.status)}`)
  }
  for (const kind of ['full', 'lora', 'freeze', 'frugal']) {
    const words = ['examples/lora.ts', '--seed', seed, '--steps', values.steps, '--set', `base=${base}`, '--set', `train=${kind}`]
    const r = await ran(join(root, `${kind}-${seed}`), words)
    rows.push([
      `${kind}, seed ${seed}`,
      ...['knn_before', 'knn_after', 'knn_pixels'].map((n) => percent(number(r, n))),
      r.trained,
      r.stepMs.toFixed(0),
      r.mib.toFixed(0),
    ])
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
  }
}
process.stdout.write(`${table(['', 'before', 'after', 'raw pixels', 'trained', 'ms a step', 'MiB'], rows)}\n`)
