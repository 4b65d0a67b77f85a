/** Each kind of collapse on few images in small batches: a run tells it, and does not collapse once all that it advises is followed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { isRecord } from '../../data/formats/codec.ts'
import { dinograph } from '../support/command.ts'

const root = mkdtempSync(join(tmpdir(), 'mended-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

const steps = 200

writeFileSync(
  join(root, 'small.yaml'),
  stringify({
    name: 'small',
    // what suits digits does not collapse
    preset: 'none',
    ...{ steps, batch: 8, data: { train: 200, test: 500 } },
    objective: { kind: 'dinov1', centring: 'centre', koleo: 0 },
    model: { patch: 7, width: 64, depth: 3, heads: 4, initStd: 0.125, positionStd: 1 },
    head: { hidden: 128, bottleneck: 64, prototypes: 256 },
    augmentation: { recipe: 'digits', globalScale: [0.6, 1], locals: 2, localSize: 21, localScale: [0.5, 0.9] },
    optimizer: { lr: 2e-3, minLr: 1e-5, clip: 3 },
    schedule: { warmup: 0.1, momentum: 0.98, temperatureFrom: 0.04, temperature: 0.04 },
    evaluation: { report: false, during: 0 },
  }),
)

interface Ran {
  readonly ending: unknown
  readonly warnings: ReadonlyArray<string>
  /** k-NN after training less that before. */
  readonly gained: number
}

const run = (name: string, settings: Readonly<Record<string, string>>): Ran => {
  const out = join(root, name)
  const set = Object.entries(settings).flatMap(([path, value]) => ['--set', `${path}=${value}`])
  const done = dinograph('train', '--config', join(root, 'small.yaml'), '--out', out, ...set)
  expect(done.code, done.err).toBe(0)
  const summary: unknown = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
  const metrics = isRecord(summary) && isRecord(summary['metrics']) ? summary['metrics'] : {}
  const number = (key: string): number => (typeof metrics[key] === 'number' ? metrics[key] : NaN)
  return {
    ending: isRecord(summary) ? summary['ending'] : undefined,
    warnings: done.err.split('\n').filter((line) => line.startsWith('warning')),
    gained: number('knn_after') - number('knn_before'),
  }
}

/** What advice without a value comes to. */
const own: Readonly<Record<string, (now: number) => string>> = {
  'raise batch': (n) => `${2 * n}`,
  'lower optimizer.lr': (n) => `${n / 10}`,
  'raise optimizer.lr': (n) => `${3 * n}`,
  'take fewer head.prototypes': (n) => `${n / 4}`,
  'take more head.prototypes': (n) => `${4 * n}`,
  'widen augmentation.globalScale': () => '[0.4,1]',
}

/** The settings that a warning names, as it says. */
const followed = (warning: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [
      ...warning.matchAll(
        /(raise|lower|set|take fewer|take more|widen) ([\w.]+)(?: to (a tenth of the run|[\w.-]+))?[^(]*\(it is ([^)]*)\)/g,
      ),
    ].map(([text, verb, path, to, now]) => {
      const value = to === 'a tenth of the run' ? `${steps / 10}` : (to ?? own[`${verb} ${path}`]?.(Number(now)))
      if (value === undefined) throw new Error(`what is to be done: ${text}?`)
      return [path, value]
    }),
  )

const provoked = {
  flat: ['nearly on a line', {}],
  alike: ['nearly the same', { 'optimizer.lr': '0.3' }],
  uniform: [
    'equally likely',
    { 'schedule.temperature': '0.2', 'schedule.temperatureFrom': '0.2', 'schedule.momentum': '0.9995', 'objective.koleo': '0.1' },
  ],
  certain: [
    'certain of one prototype',
    { 'objective.centreMomentum': '1', 'schedule.temperature': '0.005', 'schedule.temperatureFrom': '0.005', 'optimizer.lr': '0.01' },
  ],
} as const

test.each(Object.entries(provoked))('%s', (name, [sign, settings]) => {
  const first = run(name, settings)
  expect(first.ending).toBe('collapsed')
  expect(first.warnings.join('\n')).toContain(sign)
  const mended = run(
    `${name}-mended`,
    first.warnings.reduce((all, w) => ({ ...all, ...followed(w) }), settings),
  )
  expect(mended.warnings).toEqual([])
  expect(mended.ending).toBe('finished')
  expect(mended.gained).toBeGreaterThan(0)
  expect(mended.gained).toBeGreaterThan(first.gained)
})
