/**
 * What digits are learned by in the same time: our `dinov1` and `dinov2`, lightly-train's DINO and DINOv2, and DINO of the official code,
 * each by its own defaults and by the settings of our examples, one after the other on all cores. The sizes of network and crops are the
 * same. Every trainer is first asked for its rate, and then trains for as many steps as fit into the seconds; judging does not count.
 *
 *     python3 -m venv lt && lt/bin/pip install lightly-train==0.18.0 torch==2.15.0; git clone https://github.com/facebookresearch/dino
 *     npx tsx spec/bench/beside/beside.ts --at DIR --python lt/bin/python --dino dino [--seconds 90] [--seeds 0,1,2] [--only ours,official]
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as O from 'fp-ts/lib/Option.js'
import { compile } from 'vega-lite'
import * as vega from 'vega'
import { mnist } from '../../../data/index.ts'
import { percent } from '../../../train/run/log/numbers.ts'
import { keptAt, linesOf, metricIn, metricsOf, run, set, summaryOf } from '../programs.ts'
import { must } from '../session.ts'
import { table } from '../table.ts'

const { values } = parseArgs({
  options: {
    at: { type: 'string' },
    python: { type: 'string' },
    dino: { type: 'string' },
    seconds: { type: 'string', default: '90' },
    seeds: { type: 'string', default: '0' },
    only: { type: 'string' },
  },
})
const root = keptAt(values.at)
const looks = 9

/** A look at a network: k-NN after so many seconds of training. */
interface Look {
  readonly step: number
  readonly seconds: number
  readonly knn: number
}

/** Trains for so many steps, and looks now and then. */
type Trainer = (steps: number, seed: string, looks: number) => ReadonlyArray<Look>

/** Images that a step of every trainer sees. */
const batch = 64

/** One of our examples: the time of its steps is what its log says of their rate. */
const ours =
  (example: string): Trainer =>
  (steps, seed, looks) => {
    const out = join(root, 'ours')
    rmSync(out, { recursive: true, force: true })
    const settings = set([`evaluation.during=${looks - 1}`, 'evaluation.report=false'])
    run(`examples/${example}.ts`, '--seed', seed, '--steps', `${steps}`, '--out', out, ...settings)
    let seconds = 0
    const during = metricsOf(out).flatMap((m) => {
      seconds += batch / Number(m['images_per_s'])
      return typeof m['knn'] === 'number' ? [{ step: Number(m['step']), seconds, knn: m['knn'] }] : []
    })
    return [{ step: 0, seconds: 0, knn: metricIn(summaryOf(out), 'knn_before') }, ...during]
  }

const peer =
  (script: string, ...words: ReadonlyArray<string>): Trainer =>
  (steps, seed, looks) => {
    const file = fileURLToPath(new URL(script, import.meta.url))
    const done = spawnSync(values.python ?? 'python3', [file, ...words, root, `${steps}`, seed, `${looks}`], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    if (done.status !== 0) throw new Error(done.stderr)
    return linesOf(done.stdout).map((m) => ({ step: Number(m['step']), seconds: Number(m['seconds']), knn: Number(m['knn']) }))
  }

const official = values.dino ?? join(root, 'dino')
const trainers: Readonly<Record<string, Trainer>> = {
  'ours, dinov2': ours('dinov2'),
  'ours, dinov1': ours('dinov1'),
  ...Object.fromEntries(
    ['defaults', 'ours'].flatMap((settings) => [
      [`lightly-train DINOv2, ${settings}`, peer('lightly_peer.py', 'dinov2', settings)],
      [`lightly-train DINO, ${settings}`, peer('lightly_peer.py', 'dino', settings)],
      [`official DINO, ${settings}`, peer('official_peer.py', official, settings)],
    ]),
  ),
}

/** The digits as bytes, for those who are not of this house. */
const writeDigits = async (): Promise<void> => {
  const d = await must(mnist())
  const [images, labels] = [new Uint8Array(d.length * 784), new Uint8Array(d.length)]
  for (let i = 0; i < d.length; i++) {
    const { image } = await must(d.item(i))
    images.set(
      image.data.map((x) => Math.round(255 * x)),
      784 * i,
    )
    labels[i] = O.getOrElse(() => 0)(d.label(i))
  }
  writeFileSync(join(root, 'images.u8'), images)
  writeFileSync(join(root, 'labels.u8'), labels)
}

/** Steps that fit into the seconds: by what twenty take after forty. */
const fitting = (train: Trainer): number => {
  const [first, second] = train(60, '0', 3).filter((l) => l.step > 20)
  return Math.round((Number(values.seconds) * (second.step - first.step)) / (second.seconds - first.seconds))
}

if (!existsSync(join(root, 'labels.u8'))) await writeDigits()
const kept = join(root, 'looks.jsonl')
const seen: Array<Readonly<Record<string, unknown>>> = existsSync(kept) ? [...linesOf(readFileSync(kept, 'utf8'))] : []
const wanted = values.only?.split(',')
for (const [name, train] of Object.entries(trainers)) {
  if (wanted !== undefined && !wanted.some((w) => name.startsWith(w))) continue
  const todo = values.seeds.split(',').filter((seed) => !seen.some((l) => l['trainer'] === name && l['seed'] === seed))
  if (todo.length === 0) continue
  const steps = fitting(train)
  for (const seed of todo) {
    for (const look of train(steps, seed, looks)) seen.push({ trainer: name, seed, ...look })
    writeFileSync(kept, seen.map((l) => `${JSON.stringify(l)}\n`).join(''))
    process.stderr.write(`${name}, seed ${seed}: ${JSON.stringify(seen.at(-1))}\n`)
  }
}

/** The last looks of all seeds of a trainer. */
const rows = Object.keys(trainers).flatMap((name) => {
  const last = values.seeds.split(',').flatMap((seed) => seen.filter((l) => l['trainer'] === name && l['seed'] === seed).slice(-1))
  return last.length === 0
    ? []
    : [[name, ...['step', 'seconds'].map((k) => Number(last[0][k]).toFixed(0)), ...last.map((l) => percent(Number(l['knn'])))]]
})
process.stdout.write(`${table(['', 'steps', 'seconds', ...values.seeds.split(',').map((s) => `seed ${s}`)], rows)}\n`)

const { spec } = compile({
  data: { values: seen.map((l) => ({ ...l, percent: 100 * Number(l['knn']) })) },
  width: 560,
  height: 320,
  mark: { type: 'line', point: true },
  encoding: {
    x: { field: 'seconds', type: 'quantitative', title: 'seconds of training' },
    y: { field: 'percent', type: 'quantitative', aggregate: 'mean', scale: { zero: false }, title: 'k-NN, %' },
    color: { field: 'trainer', type: 'nominal', title: null, legend: { labelLimit: 300 } },
    detail: { field: 'seed' },
  },
})
writeFileSync(join(root, 'beside.svg'), await new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG())
