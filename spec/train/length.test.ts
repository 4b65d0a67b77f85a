/** Runs whose length is said in epochs or minutes. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { epochsText, stepsOfEpochs, stepsWithin } from '../../train/run/length.ts'
import { right } from '../data/either.ts'
import { dinograph } from '../support/command.ts'
import { quick } from './quick.ts'
import { ranIn, tiny } from './tiny.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'length-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

test('epochs are whole batches of the images, over the batches of a step', () => {
  expect(stepsOfEpochs(3, 8000, 64, 1)).toBe(375)
  expect(epochsText(3, 8000, 375, 64)).toBe('3 epochs of 8,000 images are 375 steps of 64')
  expect(epochsText(1, 50, 25, 2)).toBe('1 epoch of 50 images are 25 steps of 2')
  const n = fc.integer({ min: 1, max: 10_000 })
  fc.assert(
    fc.property(n, n, fc.integer({ min: 1, max: 512 }), fc.integer({ min: 1, max: 8 }), (epochs, images, batch, turns) => {
      const steps = stepsOfEpochs(epochs, images, batch, turns)
      expect(steps).toBeGreaterThanOrEqual(1)
      // no image is seen more often than asked for, but for the half step that is rounded
      if (images >= batch) expect(steps * batch * turns).toBeLessThanOrEqual(epochs * images + (batch * turns) / 2 + batch * turns)
      expect(stepsOfEpochs(2 * epochs, images, batch, turns)).toBeGreaterThanOrEqual(steps)
    }),
  )
})

test('steps within some seconds take less than these', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 1e6, noNaN: true }), fc.double({ min: 1e-5, max: 1e4, noNaN: true }), (seconds, pace) => {
      const steps = stepsWithin(seconds, pace)
      expect(steps === 1 || steps * pace < seconds).toBe(true)
      expect((steps + 1) * pace).toBeGreaterThan(0.89 * Math.min(seconds, steps * pace + pace))
    }),
  )
})

/** What the steps of a run computed, without how long they took. */
const computed = async (out: string): Promise<ReadonlyArray<unknown>> =>
  (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line, (key, v: unknown) => (key === 'images_per_s' || key === 'waiting' ? undefined : v)))

const stepsIn = async (out: string): Promise<number> =>
  Number(/^steps: (\d+)$/m.exec(await readFile(join(out, 'config.yaml'), 'utf8'))?.[1])

const brief = [...quick, '--set', 'evaluation.report=false', '--set', 'evaluation.before=false', '--target', 'gpujs:webasm']

test('a command trains for minutes as for the steps that it says: schedules follow them, and what was measured is forgotten', async () => {
  const [timed, counted] = [join(root, 'timed'), join(root, 'counted')]
  const said = dinograph('train', ...brief, '--minutes', '0.02', '--out', timed)
  const steps = await stepsIn(timed)
  expect(said.code).toBe(0)
  expect(said.err).toMatch(new RegExp(`0.02 minutes are ${steps} steps of .*--steps ${steps} gives the same run again`))
  expect(dinograph('train', ...brief, '--steps', `${steps}`, '--out', counted).code).toBe(0)
  const [a, b] = [await computed(timed), await computed(counted)]
  // a slow moment may have ended the first one a little earlier
  expect(a.length).toBeGreaterThan(0)
  expect(a).toEqual(b.slice(0, a.length))
}, 120_000)

test('the rate that the live line shows of a step is that of its record', async () => {
  const out = join(root, 'rates')
  const { ticks } = right(await ranIn(out, tiny(), { steps: 3 })())
  const rates = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).match(/(?<="images_per_s":)[\d.e+-]+/g) ?? []
  expect(ticks.map((t) => t.images / (t.seconds ?? NaN))).toEqual(rates.map(Number))
})

test('a run of epochs has as many steps as its configuration says then', async () => {
  const out = join(root, 'epochs')
  const { report } = right(await ranIn(out, tiny(), { micro: 2 }, { length: { _tag: 'Epochs', epochs: 2.5 } })())
  expect([report.steps, await stepsIn(out), (await computed(out)).length]).toEqual([5, 5, 5])
}, 60_000)

test('a run that is gone on with for some minutes keeps its steps, ends whole, and is gone on with again', async () => {
  const [out, steps] = [join(root, 'resumed'), 100_000]
  right(await ranIn(out, tiny(), { steps }, { stopAfter: 2 })())
  const { report } = right(await ranIn(out, tiny(), { steps }, { resume: true, length: { _tag: 'Minutes', minutes: 0.005 } })())
  expect(report).toMatchObject({ ending: 'time', stopped: false })
  expect(report.steps).toBeGreaterThan(2)
  expect(report.steps).toBeLessThan(steps)
  expect(await readdir(join(out, 'checkpoints'))).toContain(`step-${String(report.steps).padStart(8, '0')}.dino`)
  expect(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))).toMatchObject({ ending: 'time' })
  expect(await readFile(join(out, 'report.html'), 'utf8')).toContain(`its minutes were over at step ${report.steps} of ${steps}`)
  const on = right(await ranIn(out, tiny(), { steps: report.steps + 1 }, { resume: true })())
  expect(on.report).toMatchObject({ steps: report.steps + 1, ending: 'finished' })
}, 60_000)
