/**
 * Whether crops that are guided by boxes help to find and to tell small lesions (DINO-LG and DINO-MX say so of calcium in CT): the same
 * run with and without guidance, over several seeds, on slices made for it (slices.ts). Localisation is that of attention, without any
 * detection head; classification that of logistic regression on frozen class tokens, both on slices that training has not seen.
 *
 *     npx tsx spec/bench/lesions/lesions.ts --at DIR [--seeds 0,1,2] [--train 2000] [--test 400] [--guided 0,0.5] [--set PATH=VALUE …]
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { isRecord } from '../../../data/formats/codec.ts'
import { percent } from '../../../train/run/log/numbers.ts'
import { started } from '../../support/built.ts'
import { must } from '../session.ts'
import { table } from '../table.ts'
import { write } from './slices.ts'

const { values } = parseArgs({
  options: {
    at: { type: 'string' },
    seeds: { type: 'string', default: '0,1,2' },
    train: { type: 'string', default: '2000' },
    test: { type: 'string', default: '400' },
    guided: { type: 'string', default: '0,0.5' },
    threads: { type: 'string', default: '0' },
    set: { type: 'string', multiple: true, default: [] },
  },
})
if (values.at === undefined) throw new Error('--at DIR: where slices and runs are kept')
const root = values.at
mkdirSync(root, { recursive: true })

/** Runs a program, and gives the JSON of its last line. */
const run = (...words: ReadonlyArray<string>): Readonly<Record<string, unknown>> => {
  const done = spawnSync(process.execPath, started([...words, '--json']), { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${words.join(' ')}: exit code ${String(done.status)}`)
  const said: unknown = JSON.parse(done.stdout.trimEnd().split('\n').at(-1) ?? '')
  return isRecord(said) ? said : {}
}

const numberIn = (said: Readonly<Record<string, unknown>>, name: string): number => {
  const metrics = said['metrics']
  const value = isRecord(metrics) ? metrics[name] : undefined
  return typeof value === 'number' ? value : NaN
}

/** What a slice is seen as: 8 bits, one gray, and crops that keep the size of structures. */
const slices = ['data.intensity=full', 'data.windows=[]', 'augmentation.globalSize=112', 'augmentation.localSize=48', 'model.patch=8']
/** How it is learned; `--set` says otherwise. */
const learning = ['batch=32', 'steps=500', 'data.normalisation=computed']

const rows: Array<ReadonlyArray<string>> = []
for (const seed of values.seeds.split(',')) {
  const dir = join(root, `slices-${seed}`)
  const path = existsSync(join(dir, 'images.csv'))
    ? join(dir, 'images.csv')
    : await must(write(dir, Number(seed), Number(values.train), Number(values.test)))
  const settings = [...slices, ...learning, ...values.set].flatMap((s) => ['--set', s])
  for (const guided of values.guided.split(',')) {
    const out = join(root, `run-${seed}-${guided}`)
    const began = performance.now()
    if (!existsSync(join(out, 'summary.json'))) {
      const quiet = ['--set', 'evaluation.report=false', '--overwrite', '--preset', 'none', '--threads', values.threads]
      const asked = ['--seed', seed, '--out', out, '--set', `augmentation.guided.probability=${guided}`]
      run('examples/ct.ts', '--data', path, ...quiet, ...settings, ...asked)
    }
    const seconds = (performance.now() - began) / 1000
    const seen = run(
      'spec/bench/lesions/look.ts',
      '--model',
      out,
      '--data',
      path,
      '--out',
      join(out, 'look'),
      ...slices.slice(0, 2).flatMap((s) => ['--set', s]),
    )
    const told = run('train/cli/dinograph.ts', 'evaluate', 'logistic', '--model', out, '--data', path)
    rows.push([
      `seed ${seed}, guided ${guided}`,
      ...['pointing', 'iou', 'ap50'].map((n) => numberIn(seen, n).toFixed(3)),
      ...['auc', 'sensitivity', 'specificity'].map((n) => percent(numberIn(told, n))),
      `${seconds.toFixed(0)} s`,
    ])
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
  }
}
const text = table(['', 'pointing', 'IoU', 'AP50', 'AUC', 'sensitivity', 'specificity', 'time'], rows)
process.stdout.write(`${text}\n`)
