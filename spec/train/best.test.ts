/** Runs that retain their best checkpoint, and runs that end when a number improves no more. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Aim, Seen } from '../../train/run/best.ts'
import { looked, tracked } from '../../train/run/best.ts'
import { codeOf, resultText } from '../../train/cli/command.ts'
import { checkpointOf } from '../../train/run/resumption.ts'
import { expired } from '../../train/run/checkpoints.ts'
import { left, right } from '../data/either.ts'
import { dinograph } from '../support/command.ts'
import { quick } from './quick.ts'
import { ranIn, tiny } from './tiny.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'best-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 40 })

test('what a run came to is said in the numbers of its live line, and of k-NN what was asked for', () => {
  const r = {
    steps: 1,
    loss: 1.5,
    metrics: { knn_after: 0.5 },
    images_per_s: 0.6,
    target: 'native',
    out: 'runs/x',
    stopped: false,
    ending: 'finished',
  } as const
  expect(resultText('npx tsx x.ts', r, 20).split('\n')).toEqual([
    '1 step, loss 1.500, 0.600 images/s on native',
    'k-NN (k = 20) 50.0 % after training',
    'results in runs/x',
  ])
  // of a run of one step no pace is known
  expect(resultText('npx tsx x.ts', { ...r, images_per_s: 0 }, 20)).toContain('1 step, loss 1.500 on native\n')
  const more = { ...r, steps: 20, metrics: { knn_before: 0.25, knn_after: 0.5, knn_pixels: 0.75 } }
  expect(resultText('npx tsx x.ts', more, 5)).toContain('20 steps,')
  expect(resultText('npx tsx x.ts', more, 5)).toContain('k-NN (k = 5) 25.0 % before, 50.0 % after training (raw pixels 75.0 %)')
})

describe('a number that is looked at', () => {
  test('is known by its best, which the looks since then have not reached', () => {
    fc.assert(
      fc.property(values, fc.constantFrom('higher' as const, 'lower' as const), (all, better) => {
        const aim: Aim = { metric: 'x', better, least: 0 }
        let s: Seen = { metric: 'x', best: null, stale: 0, sum: 0, count: 0 }
        all.forEach((v, i) => {
          s = looked(aim, i + 1)({ ...s, sum: v, count: 1 })
        })
        const best = better === 'higher' ? Math.max(...all) : Math.min(...all)
        const at = all.indexOf(best)
        expect(s).toMatchObject({ best: { value: best, step: at + 1 }, stale: all.length - 1 - at })
      }),
    )
  })
  test('is the mean of what steps said since the last look, without what is no number; without any, nothing is known', () => {
    const aims = { best: { metric: 'loss', better: 'lower', least: 0 } } as const
    const said = (step: number, loss: number | undefined, look: boolean) =>
      tracked(aims, step, new Map(loss === undefined ? [] : [['loss', loss]]), look)
    let t = said(1, undefined, true)({ best: { metric: 'loss', best: null, stale: 0, sum: 0, count: 0 } })
    expect(t.best).toMatchObject({ best: null, stale: 0 })
    for (const f of [said(2, 3, false), said(3, NaN, false), said(4, 5, true)]) t = f(t)
    expect(t.best).toEqual({ metric: 'loss', best: { step: 4, value: 4 }, stale: 0, sum: 0, count: 0 })
    expect(said(5, 4.5, true)(t).best).toMatchObject({ best: { step: 4 }, stale: 1 })
  })
  test('stays in its checkpoint, whatever else goes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200), { minLength: 1 }), fc.nat(5), fc.nat(20), (all, last, every) => {
        const files = [...all].sort((a, b) => b - a).map((step) => ({ step, path: `${step}` }))
        const best = all[0]
        const gone = expired({ keepLast: 1 + last, keepEvery: every, best }, files[0].step)(files)
        expect(gone.map((f) => f.step)).not.toContain(best)
      }),
    )
  })
})

/** Never better than at the first look, whatever it says. */
const never = { metric: 'entropy', patience: 2, better: 'higher', least: 1e9 } as const

const names = async (out: string): Promise<ReadonlyArray<string>> => (await readdir(join(out, 'checkpoints'))).sort()

test('a run ends early with its best checkpoint beside the newest, and goes on as it is told', async () => {
  const out = join(root, 'early')
  const change = { steps: 10, evaluation: { during: 4 }, runtime: { stopping: never, checkpoints: { every: 1, keepLast: 1 } } }
  const { report } = right(await ranIn(out, tiny(), change)())
  const best = { metric: 'entropy', step: 2 }
  expect(report).toMatchObject({ steps: 6, ending: 'early', stopped: false })
  expect(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))).toMatchObject({ ending: 'early' })
  // of every gain the best is retained, of least=1e9 none but the first is one
  expect(report.best?.step).toBeGreaterThanOrEqual(best.step)
  expect(await names(out)).toEqual([...new Set([`step-${String(report.best?.step).padStart(8, '0')}.dino`, 'step-00000006.dino'])].sort())
  const page = await readFile(join(out, 'report.html'), 'utf8')
  expect(page).toContain('ended early at step 6 of 10: no longer improving')
  expect(page).toContain(report.best?.checkpoint)
  // patience that was lost stays lost, and without it all steps are done
  expect(right(await ranIn(out, tiny(), change, { resume: true })()).report).toMatchObject({ steps: 7, ending: 'early' })
  const on = right(await ranIn(out, tiny(), { ...change, runtime: { ...change.runtime, stopping: null } }, { resume: true })())
  expect(on.report).toMatchObject({ steps: 10, ending: 'finished' })
}, 60_000)

test('a run that is interrupted ends where it would have ended', async () => {
  const change = { steps: 10, evaluation: { during: 4, report: false }, runtime: { stopping: never, checkpoints: { best: 'loss' } } }
  const [whole, parted] = [join(root, 'whole'), join(root, 'parted')]
  const once = right(await ranIn(whole, tiny(), change)()).report
  right(await ranIn(parted, tiny(), change, { stopAfter: 3 })())
  const twice = right(await ranIn(parted, tiny(), change, { resume: true })()).report
  expect(twice).toMatchObject({ steps: once.steps, ending: once.ending, best: once.best })
  expect(once.best?.metric).toBe('loss')
}, 60_000)

test('a best checkpoint that somebody removed is looked for anew', async () => {
  const out = join(root, 'removed')
  const change = { steps: 6, evaluation: { during: 5, report: false }, runtime: { checkpoints: { best: 'lr', keepLast: 1, every: 1 } } }
  // a number that no step has
  expect(left(await ranIn(out, tiny(), change)())).toMatchObject({ kind: 'config', place: 'runtime.checkpoints.best', found: '"lr"' })
  await rm(out, { recursive: true })
  const kept = { ...change, runtime: { checkpoints: { best: 'entropy', keepLast: 1, every: 1 } } }
  right(await ranIn(out, tiny(), kept, { stopAfter: 4 })())
  const [first, ...others] = await names(out)
  if (others.length > 0) await rm(join(out, 'checkpoints', first))
  const { best } = right(await ranIn(out, tiny(), kept, { resume: true })()).report
  expect(await names(out)).toContain(best?.checkpoint.replace('checkpoints/', ''))
}, 60_000)

test('faults of what a run is to look at say what it has, and their remedies hold', async () => {
  const unlabelled = left(await ranIn(join(root, 'a'), tiny(), { runtime: { checkpoints: { best: 'knn' } } })())
  expect(unlabelled).toMatchObject({ kind: 'config', found: 'knn, of images without labels' })
  const near = left(await ranIn(join(root, 'b'), tiny(), { runtime: { checkpoints: { best: 'los' } } })())
  expect(near.remedy).toBe('did you mean loss?')
  const hasty = left(await ranIn(join(root, 'c'), tiny(), { runtime: { stopping: { metric: 'loss' } } })())
  expect(hasty.remedy).toBe('set evaluation.during=8')
  right(await ranIn(join(root, 'e'), tiny(), { steps: 1, evaluation: { report: false } })())
  expect(left(await checkpointOf(join(root, 'e', 'checkpoints'), 'best')()).remedy).toContain('runtime.checkpoints.best=knn')
  const followed = { steps: 9, evaluation: { during: 8, report: false }, runtime: { stopping: { metric: 'loss' } } }
  right(await ranIn(join(root, 'd'), tiny(), followed)())
}, 60_000)

test('the best checkpoint of a run is exported by a command', async () => {
  const out = join(root, 'exported')
  const run = dinograph(
    'train',
    ...quick,
    ...['evaluation.during=4', 'evaluation.report=false', 'runtime.checkpoints.best=loss', 'runtime.checkpoints.keepLast=1'].flatMap(
      (s) => ['--set', s],
    ),
    ...['--steps', '10', '--target', 'gpujs:webasm', '--out', out],
  )
  expect(run.code).toBe(0)
  const summary: unknown = JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))
  expect(summary).toMatchObject({ ending: 'finished', best: { metric: 'loss' } })
  expect(run.err).toMatch(/best by loss: step \d+, .*export --run .* --checkpoint best --out DIR/)
  const exported = (which: string) => dinograph('hf', 'export', '--run', out, '--checkpoint', which, '--out', join(root, which))
  expect([exported('best').code, exported('newest').code]).toEqual([0, 0])
  const weights = (which: string) => readFile(join(root, which, 'model.safetensors'))
  const step = /step (\d+)/.exec(/best by loss: step \d+/.exec(run.err)?.[0] ?? '')?.[1]
  expect((await weights('best')).equals(await weights('newest'))).toBe(step === '10')
}, 120_000)

test('a run that collapses says so where it ended; its exit code does where that is asked for', async () => {
  const collapsing = [
    ...quick,
    ...[
      'evaluation.before=false',
      'evaluation.report=false',
      'schedule.temperature=5',
      'schedule.temperatureFrom=5',
      'runtime.checkpoints.every=0',
    ].flatMap((s) => ['--set', s]),
    ...['--steps', '101', '--target', 'gpujs:webasm', '--quiet'],
  ]
  const asked = dinograph('train', ...collapsing, '--fail-on-collapse', '--out', join(root, 'asked'))
  expect([asked.code, asked.err]).toEqual([3, expect.stringMatching(/^warning at step \d+: [^]*the teacher still finds all[^]*collapsed/)])
  expect(JSON.parse(await readFile(join(root, 'asked', 'summary.json'), 'utf8'))).toMatchObject({ ending: 'collapsed' })
  // without it, and where it did not, the run has succeeded
  expect([codeOf({ failOnCollapse: false }, { ending: 'collapsed' }), codeOf({ failOnCollapse: true }, { ending: 'finished' })]).toEqual([
    0, 0,
  ])
}, 120_000)
