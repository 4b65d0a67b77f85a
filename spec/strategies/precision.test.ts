/** Half-precision storage: the same loss, nearly the same gradients, less memory, and a fault where a target has no f16. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, test } from 'vitest'
import { halfStorage } from '../../compiler/rewrites/precision.ts'
import { remat } from '../../compiler/rewrites/remat.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { showFault } from '../../core/fault.ts'
import { nodesOf } from '../../core/graph.ts'
import { writeResidents } from '../../train/initialize.ts'
import type { Program } from '../../train/step.ts'
import { derive, rewriteForward, rewriteStep } from '../../train/step.ts'
import { lora } from '../../train/strategies/lora.ts'
import type { Strategy } from '../../train/strategies/strategy.ts'
import { none } from '../../train/strategies/strategy.ts'
import { left, right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import type { SmallOptions } from './networks.ts'
import { cost, feed, firstValues, programOf, run, stage } from './networks.ts'

const stored = (s: Strategy, o: SmallOptions = {}): Program => right(pipe(stage(o), rewriteForward(s), derive, rewriteStep(halfStorage())).program)

test.each([['full', none], ['lora', lora({ targets: ['qkv', 'fc1'], rank: 2 })]] as const)('the loss is the same, and training nearly: %s', async (_, s) => {
  const [full, half] = [await run(programOf(s), 3), await run(stored(s), 3)]
  expect(half.values[0].get('loss')).toEqual(full.values[0].get('loss'))
  full.values.forEach((v, i) => { expectClose(half.values[i].get('loss') ?? [], v.get('loss') ?? [], 2e-3) })
  expect(half.state.get('student.head.mlp.0.weight')).toEqual(expect.anything())
  expect(half.values[2].get('loss')).not.toEqual(full.values[2].get('loss'))
})

test('planned memory falls', () => {
  const o = { depth: 4, width: 16, images: 4, image: 16 }
  const [full, half] = [cost(programOf(none, o).graph), cost(stored(none, o).graph)]
  expect(half.temporaryBytes / full.temporaryBytes).toBeLessThan(0.85)
}, 60_000)

test('a target without f16 says so, and does not run', async () => {
  const p = stored(none)
  expect(nodesOf(p.graph).some((e) => e.type.dtype === 'f16')).toBe(true)
  const device = right(await openTarget('gpujs:webasm')())
  right(await writeResidents(device, p.residents)(firstValues(p))())
  const f = left(await device.compile(p.graph)())
  expect(showFault(f)).toContain('f16')
  device.close()
})

test('a target with f16 agrees with the reference', async (context) => {
  const opened = await openTarget('native')()
  if (E.isLeft(opened)) { context.skip(`native is not tested here: ${showFault(opened.left)}`); return }
  const device = opened.right
  const p = stored(none)
  right(await writeResidents(device, p.residents)(firstValues(p))())
  const x = right(await device.compile(p.graph)())
  const losses: Array<number> = []
  for (let step = 0; step < 3; step++) losses.push(right(await x.run({ values: feed({}, 3 * step), seed: 1, step })()).get('loss')?.[0] ?? NaN)
  expectClose(losses, (await run(p, 3)).values.map((v) => v.get('loss')?.[0] ?? NaN), 1e-3)
  device.close()
}, 120_000)

test('what is recomputed cannot be rounded too', () => {
  const s = pipe(stage(), derive, rewriteStep(remat()), rewriteStep(halfStorage()))
  expect(E.isLeft(s.program) ? s.program.left.remedy : '').toContain('one rewrite')
})
