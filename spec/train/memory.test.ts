/** Whether a run can be in memory, said from what its steps are planned to take. */
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import { reference } from '../../compiler/targets/reference.ts'
import { sizeOf } from '../../core/type.ts'
import { given } from '../../train/config/settings.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { fitting } from '../../train/run/memory.ts'
import { left, right } from '../data/either.ts'

test('state and steps beside what is taken already: refused at one byte too few, and each says what it is of', async () => {
  const device = right(await reference.open())
  const run = right(
    recipe({ name: 'small', objective: { kind: 'dinov1' }, model: { patch: 7, width: 16, depth: 1, heads: 2 }, steps: 2 }).resolve([
      given({ batch: 4, head: { prototypes: 16, hidden: 16, bottleneck: 8 } }),
    ]),
  )
  const assembled = right(run.assemble({ channels: 1, side: 32 }, device.planned))
  const state = assembled.residents.reduce((sum, r) => sum + 4 * sizeOf(r.declaration.shape), 0)
  const planned = right(device.planned(assembled.program.graph))
  expect(planned).toBeGreaterThan(2 * state)
  const [taken, needed] = [1000, 1000 + state + planned]
  right(fitting(device, assembled, { bytes: needed, taken }))
  const step = left(fitting(device, assembled, { bytes: needed - 1, taken }))
  expect([step.kind, step.place]).toEqual(['config', 'the training step'])
  expect(step.remedy).toContain('a smaller batch')
  expect(left(fitting(device, assembled, { bytes: taken + state - 1, taken })).place).toContain('the state of the run')
  // the memory of a graphics card is its driver's to give
  expect(E.isRight(fitting({ ...device, memory: 'own' }, assembled, { bytes: taken + state, taken }))).toBe(true)
})
