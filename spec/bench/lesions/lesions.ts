/**
 * Whether crops that are guided by boxes help to find and to tell small lesions (DINO-LG and DINO-MX say so of calcium in CT): the same
 * run with and without guidance, over several seeds, on slices made for it (slices.ts). Localisation is that of attention, without any
 * detection head; classification that of logistic regression on frozen class tokens, both on slices that training has not seen.
 *
 *     npx tsx spec/bench/lesions/lesions.ts --at DIR [--seeds 0,1,2] [--train 2000] [--test 400] [--guided 0,0.5] [--set PATH=VALUE …]
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { percent } from '../../../train/run/log/numbers.ts'
import { keptAt, metricIn, set, told } from '../programs.ts'
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
const root = keptAt(values.at)

/** What a slice is seen as: 8 bits, one gray. */
const seenAs = ['data.intensity=full', 'data.windows=[]']
/** Crops that keep the size of structures. */
const crops = ['augmentation.globalSize=112', 'augmentation.localSize=48', 'model.patch=8']
/** How it is learned; `--set` says otherwise. */
const learning = ['batch=32', 'steps=500', 'data.normalisation=computed']

const rows: Array<ReadonlyArray<string>> = []
for (const seed of values.seeds.split(',')) {
  const dir = join(root, `slices-${seed}`)
  const path = existsSync(join(dir, 'images.csv'))
    ? join(dir, 'images.csv')
    : await must(write(dir, Number(seed), Number(values.train), Number(values.test)))
  const settings = set([...seenAs, ...crops, ...learning, ...values.set])
  for (const guided of values.guided.split(',')) {
    const out = join(root, `run-${seed}-${guided}`)
    const began = performance.now()
    if (!existsSync(join(out, 'summary.json'))) {
      const quiet = [
        ...set(['evaluation.report=false']),
        '--overwrite',
        '--preset',
        'none',
        ...set([`accelerator.threads=${values.threads}`]),
      ]
      const asked = ['--seed', seed, '--out', out, ...set([`augmentation.guided.probability=${guided}`])]
      told('examples/ct.ts', '--data', path, ...quiet, ...settings, ...asked)
    }
    const seconds = (performance.now() - began) / 1000
    const model = ['--model', out, '--data', path]
    const seen = told('spec/bench/lesions/look.ts', ...model, '--out', join(out, 'look'), ...set(seenAs))
    const classified = told('train/cli/dinograph.ts', 'evaluate', 'logistic', ...model)
    rows.push([
      `seed ${seed}, guided ${guided}`,
      ...['pointing', 'iou', 'ap50'].map((n) => metricIn(seen, n).toFixed(3)),
      ...['auc', 'sensitivity', 'specificity'].map((n) => percent(metricIn(classified, n))),
      `${seconds.toFixed(0)} s`,
    ])
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
  }
}
const text = table(['', 'pointing', 'IoU', 'AP50', 'AUC', 'sensitivity', 'specificity', 'time'], rows)
process.stdout.write(`${text}\n`)
