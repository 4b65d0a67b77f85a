/** A search for settings: what it tries, for how long, what it concludes; and one as a process, whose answer is trained with. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eta, planFor, secondsOf } from '../../train/judge/search/halving.ts'
import type { Axis } from '../../train/judge/search/space.ts'
import { changesAt, effectsOf, pointsOf } from '../../train/judge/search/space.ts'
import { withoutTest } from '../../train/judge/search/trial.ts'
import { recipe } from '../../train/index.ts'
import { right } from '../data/either.ts'
import { writePng } from '../../data/readers/pictures/picture.ts'
import { runs } from '../support/arbitrary.ts'
import { wave } from '../support/tensor.ts'
import { live } from './lived.ts'
import { quick } from './quick.ts'
import type { Said } from '../support/command.ts'
import { dinograph } from '../support/command.ts'

const axes: ReadonlyArray<Axis> = [
  { name: 'rate', choices: [{}, { 'optimizer.lr': 1 }, { 'optimizer.lr': 2 }] },
  { name: 'crops', choices: [{}, { 'augmentation.locals': 0, 'augmentation.globals': 2 }] },
]

describe('what is tried', () => {
  it('begins with what stands, has no point twice, and is a function of the seed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
        const points = pointsOf(axes, count, seed)
        expect(points[0]).toEqual([0, 0])
        expect(new Set(points.map(String)).size).toBe(points.length)
        expect(points.length).toBeLessThanOrEqual(Math.min(count, 6))
        expect(pointsOf(axes, count, seed)).toEqual(points)
      }),
      runs(50),
    )
    expect(pointsOf(axes, 40, 1)).toHaveLength(6)
    expect(changesAt(axes, [2, 1])).toEqual({ 'optimizer.lr': 2, 'augmentation.locals': 0, 'augmentation.globals': 2 })
    expect(changesAt(axes, [0, 0])).toEqual({})
  })

  it('fits into the time, ends with whole runs, and has something to choose from in every round', () => {
    const cost = fc.record({ fixed: fc.double({ min: 0, max: 60, noNaN: true }), step: fc.double({ min: 1e-3, max: 1, noNaN: true }) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 36_000 }), fc.integer({ min: 1, max: 20_000 }), cost, (seconds, steps, c) => {
        const plan = planFor(seconds, steps, c, 243)
        expect(secondsOf(plan, c)).toBeLessThanOrEqual(seconds)
        if (plan.length === 0) {
          expect(2 * (c.fixed + steps * c.step)).toBeGreaterThan(seconds)
          return
        }
        expect(plan.at(-1)?.steps).toBe(steps)
        plan.slice(1).forEach((r, i) => {
          expect(plan[i].runs).toBeGreaterThan(r.runs)
          expect(r.steps / plan[i].steps).toBeCloseTo(eta, 0)
        })
      }),
      runs(200),
    )
  })

  it('what mattered most comes first', () => {
    const tried = [
      { point: [0, 0], score: 0.5 },
      { point: [1, 0], score: 0.9 },
      { point: [1, 1], score: 0.8 },
      { point: [0, 1], score: 0.6 },
    ]
    const [first, second] = effectsOf(axes, tried)
    expect(first.axis).toBe('rate')
    expect(first.spread).toBeCloseTo(0.3)
    expect(first.means[2]).toBeUndefined()
    expect(second.spread).toBeCloseTo(0)
  })
})

it('judges by images that training would see, and never by those of the test', async () => {
  const whole = right(recipe().resolve([{ tree: { data: { train: 60, test: 20 } }, origins: new Map(), faults: [] }]))
  const all = right(await whole.data(() => undefined)())
  const cut = right(await withoutTest(whole).data(() => undefined)())
  expect(cut.train.length + cut.test.length).toBe(all.train.length)
  expect(cut.test.length).toBeGreaterThan(0)
  const pixels = async (d: typeof all.train): Promise<ReadonlyArray<string>> =>
    Promise.all(Array.from({ length: d.length }, async (_, i) => right(await d.item(i)()).image.data.join()))
  const seen = new Set([...(await pixels(cut.train)), ...(await pixels(cut.test))])
  for (const x of await pixels(all.test)) expect(seen.has(x)).toBe(false)
})

const searched = (...words: ReadonlyArray<string>): Said => dinograph('search', ...words)

describe('as a process', () => {
  it('writes what it found, and a configuration that trains', { timeout: 300_000 }, async () => {
    const out = join(await mkdtemp(join(tmpdir(), 'dinograph-search-')), 'found')
    const vary = 'optimizer.lr=0.5;augmentation.locals=0,2'
    const found = searched(...quick, '--steps', '3', '--minutes', '1', '--vary', vary, '--out', out, '--json')
    expect(found.code, found.err).toBe(0)
    expect(found.out).toContain('what mattered')
    expect(found.err).toMatch(/plan: \d+ runs of 3 steps/)
    expect(found.out).toContain(join(out, 'best.yaml'))
    expect(JSON.parse(await readFile(join(out, 'search.json'), 'utf8'))).toMatchObject({ axes: [{ name: 'optimizer.lr' }, {}], unfit: 0 })
    const trained = await live(['--config', join(out, 'best.yaml'), '--out', join(out, 'run')])
    expect(trained.code, trained.stderr).toBe(0)
    expect((await readFile(join(out, 'run', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(3)
  })

  it('says what is wrong: time for no two runs, values of no setting, no time', { timeout: 300_000 }, () => {
    const short = searched(...quick, '--steps', '100000', '--minutes', '0.3')
    expect(short.code).toBe(2)
    expect(short.err).toMatch(/--minutes[\s\S]*remedy: {2}give it more minutes/)
    const shape = searched(...quick, '--minutes', '1', '--vary', 'optimizer.lr')
    expect(shape.code).toBe(2)
    expect(shape.err).toContain('PATH=V,V')
    expect(searched(...quick).err).toContain('--minutes with a value')
    const unknown = searched(...quick, '--steps', '3', '--minutes', '0.5', '--vary', 'optimizer.rl=1')
    expect(unknown.code).toBe(2)
    expect(unknown.err).toContain('optimizer.lr')
  })

  it('images without labels judge nothing', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dinograph-unlabelled-'))
    for (let i = 0; i < 8; i++)
      right(await writePng(join(folder, `${i}.png`))({ channels: 1, height: 28, width: 28, data: Float32Array.from(wave(784)) })())
    const none = searched(...quick, '--data', folder, '--steps', '3', '--minutes', '1')
    expect(none.code).toBe(2)
    expect(none.err).toContain('images without labels')
  })
})
