/** What every strategy makes of a small graph: before, and after. `vitest -u` rewrites the files. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, test } from 'vitest'
import { halfStorage } from '../../compiler/passes/precision.ts'
import { remat } from '../../compiler/passes/remat.ts'
import type { Expr } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { hyper, input, random } from '../../core/leaves.ts'
import { context, inScope, leavesOf, param, truncNormal, zeros } from '../../core/model.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { join } from '../../core/tree.ts'
import { exp, mul, square, sub } from '../../ops/elementwise.ts'
import { linear } from '../../ops/nn.ts'
import { mean } from '../../ops/reduce.ts'
import { uniformGroups } from '../../train/step/groups.ts'
import type { Objective, Resident } from '../../train/step/objective.ts'
import { scaleByRate } from '../../train/step/optimizer.ts'
import type { ForwardStage, StepStage } from '../../train/step/step.ts'
import { derive, rewriteForward, rewriteStep } from '../../train/step/step.ts'
import { accumulate } from '../../train/step/strategies/accumulate.ts'
import { distilled } from '../../train/step/strategies/distil.ts'
import { freeze } from '../../train/step/strategies/freeze.ts'
import { dora, lora } from '../../train/step/strategies/lora.ts'
import { half } from '../../train/step/strategies/precision.ts'
import type { Strategy } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'

const params = { qkv: { weight: param([6, 3], truncNormal(0.02)), bias: param([6], zeros) } }

/** One block with one layer, which samples may skip: exp(x Wᵀ + b). */
const network = (root: string, x: Expr, drops: boolean): Expr =>
  inScope(context('train', root), 'blocks.0', (c) => {
    const p = leavesOf(join(root, 'backbone.blocks.0'), params)
    const y = exp(linear(x, p.qkv.weight, p.qkv.bias))
    return drops ? mul(y, mul(random(join(c.scope, 'drop_path1'), { _tag: 'Bernoulli', p: 0.5 }, [2, 1]), 2)) : y
  })

const objective = (): Objective => {
  const x = input('x', [2, 3])
  const loss = mean()(square(sub(network('student', x, true), network('teacher', x, false))))
  const of = (root: string, role: Resident['role']): ReadonlyArray<Resident> =>
    (['weight', 'bias'] as const).map((name) => ({
      path: join(root, `backbone.blocks.0.qkv.${name}`),
      declaration: params.qkv[name],
      role,
    }))
  return { graph: right(trace('objective', [value('loss', loss)])), residents: [...of('student', 'trained'), ...of('teacher', 'average')] }
}

const stage = (): ForwardStage => ({
  stage: 'forward',
  objective: E.right(objective()),
  update: { optimizer: scaleByRate(hyper('lr'), uniformGroups) },
})

const roles = (o: { readonly residents: ReadonlyArray<Resident> }): string =>
  o.residents.map((r) => `  ${r.role.padEnd(8)}${r.path}`).join('\n')

const forward = (s: Strategy): string => {
  const [before, after] = [objective(), right(s(objective()))]
  return [print(before.graph), roles(before), '', print(after.graph), roles(after), ''].join('\n')
}

const step = (f: (s: StepStage) => StepStage): string => {
  const [before, after] = [derive(stage()), f(derive(stage()))].map((s) => right(s.program))
  return [print(before.graph), print(after.graph), roles(after), ''].join('\n')
}

const forwards: ReadonlyArray<readonly [string, Strategy]> = [
  ['lora', lora({ targets: ['blocks.0.qkv'], slices: {}, rank: 2, alpha: 4 })],
  ['lora-slices', lora({ targets: ['query'], slices: { qkv: ['query', 'key', 'value'] }, rank: 1, dropout: 0.25 })],
  ['dora', dora({ targets: ['qkv'], slices: {}, rank: 1 })],
  ['freeze', freeze({ blocks: [0] })],
  ['distil', distilled],
  ['half-contractions', half()],
]

test.each(forwards)('%s', async (name, s) => {
  await expect(forward(s)).toMatchFileSnapshot(`strategies.${name}.ir`)
})

test('shared tensors, once the step is derived', async () => {
  await expect(
    print(right(pipe(stage(), rewriteForward(lora({ targets: ['qkv'], slices: {}, rank: 1 })), derive).program).graph),
  ).toMatchFileSnapshot('strategies.shared.ir')
})

test('a scaled loss', async () => {
  const scaled: ForwardStage = { ...stage(), update: { ...stage().update, lossScale: {} } }
  await expect([derive(stage()), derive(scaled)].map((s) => print(right(s.program).graph)).join('\n')).toMatchFileSnapshot(
    'strategies.loss-scale.ir',
  )
})

const steps: ReadonlyArray<readonly [string, (s: StepStage) => StepStage]> = [
  ['remat', rewriteStep(remat())],
  ['half-storage', rewriteStep(halfStorage())],
  ['accumulate', accumulate({ steps: 2 })],
]

test.each(steps)('%s', async (name, f) => {
  await expect(step(f)).toMatchFileSnapshot(`strategies.${name}.ir`)
})
