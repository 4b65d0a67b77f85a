/** What evaluation and pictures make of settings that do not quite fit is said before step 1; following the note ends it. */
import { expect, test } from 'vitest'
import { reference } from '../../compiler/targets/reference.ts'
import { layersAt } from '../../train/config/layers.ts'
import { given } from '../../train/config/settings.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { foreseen } from '../../train/run/imagery.ts'
import { right } from '../data/either.ts'

const small = { patch: 7, width: 16, depth: 1, heads: 2 }

const told = async (augmentation: Readonly<Record<string, number>>, k: number, compared: number | undefined) => {
  const device = right(await reference.open())
  const run = right(
    recipe({ name: 'small', objective: { kind: 'dinov1' }, model: small, steps: 2 }).resolve([
      given({ augmentation: { ...augmentation } }),
    ]),
  )
  return foreseen(right(run.assemble({ channels: 1, side: 32 }, device.planned)), k, compared)
}

test('crops that are no whole patches, and neighbours that there are not', async () => {
  expect(await told({ globalSize: 30, localSize: 16 }, 20, 8)).toEqual([
    'crops of 30 and 16 pixels are no whole patches of 7: their last 2 and 2 rows and columns are not seen (--set augmentation.globalSize (or localSize) of a multiple of 7 sees all)',
    '20 neighbours are asked for and there are 8 images to compare with: all of them vote (--set evaluation.k=2 asks for the nearest)',
  ])
  expect(await told({ globalSize: 28, localSize: 14 }, 8, 8)).toEqual([])
  expect(await told({ globalSize: 28, localSize: 14 }, 200, 150)).toEqual([expect.stringContaining('(--set evaluation.k=20 asks')])
  expect(await told({ globalSize: 28, localSize: 14 }, 20, 3)).toEqual([expect.stringContaining('(--set evaluation.k=1 asks')])
  // without labels there is nothing to compare
  expect(await told({ globalSize: 28, localSize: 14 }, 20, undefined)).toEqual([])
  // local crops that are not made are not spoken of
  expect(await told({ globalSize: 28, localSize: 16, locals: 0 }, 20, 20)).toEqual([])
})

test('a run that is too short for parts of its schedule names them; with the lengths that fit, as the note sets them, nothing is said', () => {
  const noted = (set: Readonly<Record<string, number>>) =>
    right(
      recipe({
        name: 'short',
        objective: { kind: 'dinov1' },
        model: small,
        schedule: { warmup: 20, temperatureFrom: 0.04, temperature: 0.05, temperatureWarmup: 500, freezeLastLayer: 40 },
      }).resolve(layersAt(set, 'a test')),
    ).foreseen
  const [told = '', ...more] = noted({ steps: 20 })
  expect(more).toEqual([])
  expect(told).toMatch(
    /the run of 20 steps is too short .*schedule.warmup is 20: .*; schedule.temperatureWarmup is 500: .*; schedule.freezeLastLayer is 40: /,
  )
  const fits = [...told.matchAll(/--set (\S+)=([\d.]+\d)/g)].map(([, path, n]) => [path, Number(n)] as const)
  expect(fits).toEqual([
    ['schedule.warmup', 0.1],
    ['schedule.temperatureWarmup', 0.33],
    ['schedule.freezeLastLayer', 0.1],
  ])
  for (const steps of [1, 2, 3, 20, 1000]) expect(noted({ steps, ...Object.fromEntries(fits) })).toEqual([])
  // a share that is all of a run is told as it is set
  expect(noted({ steps: 20, ...Object.fromEntries(fits), 'schedule.warmup': 0.99 })).toEqual([
    expect.stringContaining('schedule.warmup is 0.99: '),
  ])
  expect(noted({ steps: 501 })).toEqual([])
  // a temperature that stays has no warm-up, whatever its length
  expect(noted({ steps: 100, 'schedule.temperatureFrom': 0.05, 'schedule.temperature': 0.05 })).toEqual([])
})
