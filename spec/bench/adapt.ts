/**
 * What going on costs and gives: a network that knows digits goes on with their negatives, trained as a whole, by LoRA, with its first
 * block frozen, and by all that saves (`examples/lora.ts --set train=…`), each from the same base, over several seeds.
 *
 *     npx tsx spec/bench/adapt.ts --at DIR [--seeds 0,1,2] [--pretraining 1200] [--steps 400] [--threads N]
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { percent } from '../../train/run/log/numbers.ts'
import { keptAt, metricIn, run, set, speedsOf, summaryOf, watched } from './programs.ts'
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
const root = keptAt(values.at)

const quiet = [...set(['evaluation.report=false', 'evaluation.during=0', `accelerator.threads=${values.threads}`]), '--overwrite']

const rows: Array<ReadonlyArray<string>> = []
for (const seed of values.seeds.split(',')) {
  const base = join(root, `base-${seed}`)
  if (!existsSync(join(base, 'summary.json')))
    run('examples/dinov2.ts', '--seed', seed, '--steps', values.pretraining, '--out', base, ...quiet, ...set(['evaluation.before=false']))
  for (const kind of ['full', 'lora', 'freeze', 'frugal']) {
    const out = join(root, `${kind}-${seed}`)
    const asked = ['--seed', seed, '--steps', values.steps, '--out', out, ...set([`base=${base}`, `train=${kind}`])]
    const { mib, said } = await watched(['examples/lora.ts', ...asked, ...quiet])
    const summary = summaryOf(out)
    rows.push([
      `${kind}, seed ${seed}`,
      ...['knn_before', 'knn_after', 'knn_pixels'].map((n) => percent(metricIn(summary, n))),
      /([\d,]+) of ([\d,]+) parameters/.exec(said)?.[0] ?? '',
      ((1000 * 64) / median(speedsOf(out).slice(10))).toFixed(0),
      mib.toFixed(0),
    ])
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
  }
}
process.stdout.write(`${table(['', 'before', 'after', 'raw pixels', 'trained', 'ms a step', 'MiB'], rows)}\n`)
