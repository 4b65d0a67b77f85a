/** Half-precision storage: nearly the same values, less memory, and a fault where a target has no f16. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, test } from 'vitest'
import { openTarget } from '../../compiler/targets/open.ts'
import { showFault } from '../../core/fault.ts'
import { nodesOf } from '../../core/graph.ts'
import { writeResidents } from '../../train/initialize.ts'
import type { Program } from '../../train/step.ts'
import { derive, rewriteForward } from '../../train/step.ts'
import { lora } from '../../train/strategies/lora.ts'
import { half } from '../../train/strategies/precision.ts'
import type { Strategy } from '../../train/strategies/strategy.ts'
import { all, none } from '../../train/strategies/strategy.ts'
import { left, right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import type { SmallOptions } from './networks.ts'
import { cost, feed, firstValues, plain, programOf, run, stage } from './networks.ts'

const scaled = (s: Strategy, lossScale: number, o: SmallOptions = {}): Program => {
  const first = stage(o)
  return right(pipe({ ...first, update: { ...first.update, lossScale } }, rewriteForward(s), derive).program)
}

test('a loss that is scaled has the same gradients', async () => {
  const [one, large] = [await run(scaled(none, 1), 2), await run(scaled(none, 1024), 2)]
  for (const [path, v] of one.state) expectClose(large.state.get(path) ?? [], v, 1e-6, path)
})

test.each([['full', none], ['lora', lora({ targets: ['qkv', 'fc1'], rank: 2 })]] as const)('values change by what f16 rounds: %s', async (_, s) => {
  const [full, stored] = [await run(scaled(s, 1), 3), await run(scaled(all([s, half()]), 1024), 3)]
  full.values.forEach((v, i) => { expectClose(stored.values[i].get('loss') ?? [], v.get('loss') ?? [], 5e-3) })
  expect(stored.values[0].get('loss')?.[0]).not.toBe(full.values[0].get('loss')?.[0])
})

test('planned memory falls', () => {
  const o = { depth: 4, width: 16, images: 4, image: 16 }
  const [full, stored] = [cost(programOf(none, o).graph), cost(programOf(half(), o).graph)]
  expect(stored.temporaryBytes).toBeLessThan(full.temporaryBytes * 0.9)
  expect(stored.bytes).toBeLessThan(full.bytes)
}, 60_000)

test('a target without f16 says so, and does not run', async () => {
  const p = programOf(half())
  expect(nodesOf(p.graph).some((e) => e.type.dtype === 'f16')).toBe(true)
  const device = right(await openTarget('gpujs:webasm')())
  right(await writeResidents(device, p.residents)(firstValues(p))())
  const f = left(await device.compile(p.graph)())
  expect(showFault(f)).toContain('f16')
  device.close()
})

test('a target with f16 agrees with the reference', async (context) => {
  const opened = await openTarget('native')()
  if (E.isLeft(opened)) { context.skip(); return }
  const device = opened.right
  const p = programOf(half())
  right(await writeResidents(device, p.residents)(firstValues(p))())
  const compiled = await device.compile(p.graph)()
  const loss = right(await right(compiled).run({ values: feed(), seed: 1, step: 0 })()).get('loss')?.[0] ?? NaN
  expect(loss).toBeCloseTo((await run(p, 1)).values[0].get('loss')?.[0] ?? 0, 3)
  device.close()
}, 60_000)

test('regions are named by scopes that are there', () => {
  expect(left(half({ where: (scope) => scope === 'nowhere' })(plain())).remedy).toContain('scope')
})
