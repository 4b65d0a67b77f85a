/** Parts of a schedule as shares of a run: what they come to, in examples, recipes and searches, and which numbers are lengths. */
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import * as fc from 'fast-check'
import { expect, it, test } from 'vitest'
import type { Json } from '../../data/formats/codec.ts'
import { decodeAs, valueAt } from '../../data/formats/codec.ts'
import attention from '../../examples/attention.ts'
import goesOn from '../../examples/continue.ts'
import ct from '../../examples/ct.ts'
import dinov1 from '../../examples/dinov1.ts'
import dinov2 from '../../examples/dinov2.ts'
import dinov3 from '../../examples/dinov3.ts'
import distill from '../../examples/distill.ts'
import evaluate from '../../examples/evaluate.ts'
import lora from '../../examples/lora.ts'
import { layersAt, readLayer } from '../../train/config/layers.ts'
import { stepsOf } from '../../train/config/length.ts'
import { shortened } from '../../train/judge/search/search.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { scheduleSettings, schedulesOf, optimizerSettings } from '../../train/recipes/parts/training.ts'
import { valuesOf } from '../../train/step/schedule.ts'
import type { Resolved } from '../../train/run/experiment.ts'
import { right } from '../data/either.ts'
import { runs } from '../support/arbitrary.ts'

const paths = ['warmup', 'temperatureWarmup', 'freezeLastLayer']

/** Steps of the parts of a run's schedule. */
const partsOf = ({ config, settings }: Resolved): ReadonlyArray<number> =>
  paths.map((path) => stepsOf(settings.steps)(Number(valueAt(config, 'schedule', path))))

const ofFile = async (name: string): Promise<Resolved> => {
  const file = fileURLToPath(new URL(`../../examples/recipes/${name}.yaml`, import.meta.url))
  return right(recipe().resolve([await readLayer(file)()]))
}

// the lengths with which the results in docs/figures.md were found
it.each([
  ['dinov1', dinov1, 200],
  ['dinov2', dinov2, 100],
  ['dinov3', dinov3, 120],
  ['ct', ct, 20],
  ['lora', lora, 40],
  ['distill', distill, 60],
  ['continue', goesOn, 30, 200, 10],
  ['evaluate', evaluate, 100],
  ['attention', attention, 100],
])(
  '%s has the warm-ups of its results, and at no length a schedule that does not fit',
  (_, e, warmup, temperature?: number, frozen = 0) => {
    const got = partsOf(right(e.resolve([])))
    expect([got[0], got[2]]).toEqual([warmup, frozen])
    if (temperature !== undefined) expect(got[1]).toBe(temperature)
    for (const steps of [4, 20, 150, 100_000]) expect(right(e.resolve(layersAt({ steps }, 'a test'))).foreseen).toEqual([])
  },
)

it.each([
  ['v1', 200],
  ['v2', 100],
  ['v3', 120],
  ['ct', 100, 500],
  ['ct-series', 100, 500],
  ['medmnist', 100, 500],
  ['lora', 20],
  ['distill', 20],
  ['students', 20],
])('recipe %s does, too', async (name, warmup, temperature?: number) => {
  const got = partsOf(await ofFile(name))
  expect(got[0]).toBe(warmup)
  if (temperature !== undefined) expect(got[1]).toBe(temperature)
})

test('a share is the same schedule as its steps, whatever the length of the run', () => {
  const part = fc.constantFrom(0.01, 0.1, 0.25, 0.5, 0.9)
  const optimizer = right(decodeAs(optimizerSettings, 'config', 'optimizer', 'none')({}))
  const of = (given: Readonly<Record<string, Json>>, steps: number): ReadonlyArray<ReadonlyArray<number>> => {
    const schedule = right(decodeAs(scheduleSettings, 'config', 'schedule', 'none')(given))
    return Object.values(right(schedulesOf({ steps, batch: 64, optimizer, schedule }))).map(valuesOf(steps + 1))
  }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), part, part, part, fc.constantFrom('cosine', 'warmup-decay'), (steps, a, b, c, decay) => {
      const whole = { warmup: Math.round(a * steps), temperatureWarmup: Math.round(b * steps), freezeLastLayer: Math.round(c * steps) }
      expect(of({ decay, warmup: a, temperatureWarmup: b, freezeLastLayer: c }, steps)).toEqual(of({ decay, ...whole }, steps))
    }),
    runs(50),
  )
})

test('steps and shares are lengths; other numbers are not', () => {
  const set = (warmup: number) => recipe().resolve(layersAt({ 'schedule.warmup': warmup }, 'a test'))
  for (const good of [0, 1, 100, 0.1, 0.999]) expect(E.isRight(set(good)), String(good)).toBe(true)
  for (const bad of [-1, -0.1, 1.5]) {
    const made = set(bad)
    expect(E.isLeft(made) ? made.left : undefined).toMatchObject({
      found: String(bad),
      allowed: 'a whole number of steps, or a share of the run in (0, 1)',
    })
  }
})

test('trials of a search that are shorter have shorter warm-ups: shares are so already', () => {
  const whole: Readonly<Record<string, number>> = {
    'schedule.warmup': 0.1,
    'schedule.temperatureWarmup': 500,
    'schedule.freezeLastLayer': 0,
  }
  expect(shortened((path) => whole[path], 1000, 100)).toEqual({
    steps: 100,
    'schedule.temperatureWarmup': 50,
    'schedule.freezeLastLayer': 0,
  })
})
