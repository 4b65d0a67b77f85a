/** What a step of several ranks costs on paper, against what is counted by hand, and as the command prints it. */
import { spawnSync } from 'node:child_process'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { expect, test } from 'vitest'
import { costOfStep, nets, productFlops } from '../../compiler/distribute/cost.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { matmul } from '../../ops/contract.ts'
import { sum } from '../../ops/reduce.ts'
import { sizeOf } from '../../core/type.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { input } from '../support/tensor.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { recipesOfRanks } from '../targets/ranked.ts'
import { programOf } from './networks.ts'
import { started } from '../support/built.ts'

test('operations in products are two for each element that is summed', () => {
  const y = matmul(input('x', [8, 4]), input('w', [4, 6]))
  const g: Graph = { name: 'one', outputs: [value('y', y), value('s', sum()(y))] }
  expect(right(productFlops(g))).toBe(2 * 8 * 6 * 4)
})

const options = { images: 8, width: 32, depth: 2 }

test.each([2, 4, 8])('among %i ranks: gradients once by ddp, weights for each use by fsdp, and the rest is little', (ranks) => {
  const { graph, residents } = programOf(noStrategy, options)
  const is = (role: string) => (path: string) => residents.some((r) => r.path === path && r.role === role)
  const weights = { isTrained: is('trained'), isWeight: (path: string) => is('trained')(path) || is('average')(path) }
  const [ddp, fsdp] = (['ddp', 'fsdp'] as const).map((strategy) =>
    right(costOfStep({ strategy, ranks, images: options.images, least: 64 }, weights)(graph)),
  )
  const bytes = 4 * residents.filter((r) => r.role === 'trained').reduce((n, r) => n + sizeOf(r.declaration.shape), 0)
  expect(ddp.least).toBeCloseTo((2 * bytes * (ranks - 1)) / ranks, 3)
  for (const c of [ddp, fsdp]) {
    expect(c.sends).toBeGreaterThanOrEqual(c.least)
    expect(c.sends).toBeLessThan(1.5 * c.least)
    // of everything that is done for images a rank does its share
    expect((c.flops * ranks) / right(productFlops(graph))).toBeLessThan(1.3)
    expect((c.flops * ranks) / right(productFlops(graph))).toBeGreaterThan(0.99)
    expect(c.seconds(nets.ICI)).toBeLessThan(c.seconds(nets['10GbE']))
  }
  expect(fsdp.state).toBeLessThan(ddp.state / ranks + 0.2 * ddp.state)
  expect([...ddp.sent.keys()]).not.toContain('reduceScatter')
  expect(fsdp.sent.get('reduceScatter')?.bytes).toBeLessThanOrEqual(bytes)
})

test.each([2, 4])('among %i ranks: lists of hidden patches are shared whatever number of patches may be hidden', (ranks) => {
  // of 12 of 16 crops with 16 patches each 55 patches may be hidden
  const config = {
    ...recipesOfRanks.v2,
    batch: 8,
    objective: { kind: 'dinov2', masks: { probability: 0.75, minPatches: 1 } },
    augmentation: { globalSize: 28, localSize: 14, locals: 2 },
  } as const
  const graphFor = (parts: number): Graph =>
    right(right(recipe(config).resolve([])).assemble({ channels: 1, side: 28 }, undefined, parts)).phases[0].turns[0].graph
  const listed = (g: Graph): number => leavesOfGraph(g).find((l) => l.path === 'batch.mask_indices')?.type.shape[0] ?? 0
  const [one, graph] = [graphFor(1), graphFor(ranks)]
  expect(listed(one) % ranks).not.toBe(0)
  expect(listed(graph)).toBe(ranks * Math.ceil(listed(one) / ranks))
  const none = { isTrained: () => false, isWeight: () => false }
  const { flops } = right(costOfStep({ strategy: 'ddp', ranks, images: 8 }, none)(graph))
  expect((flops * ranks) / right(productFlops(one))).toBeLessThan(1.15)
})

const told = t.type({
  flop: t.number,
  costs: t.array(t.type({ ranks: t.number, strategy: t.string, sends: t.number, least: t.number, efficiency: t.number })),
})

test('the command prints a row for each number of ranks and strategy, and says what cannot be shared', { timeout: 240_000 }, () => {
  const ir = (...words: ReadonlyArray<string>) =>
    spawnSync('node', started(['train/cli/dinograph.ts', 'ir', 'examples/dinov1.ts', '--cost', '--target', 'reference', ...words]), {
      encoding: 'utf8',
    })
  const small = ['model.width=16', 'model.depth=1', 'model.heads=2', 'head.hidden=16', 'head.prototypes=64', 'batch=8'].flatMap((s) => [
    '--set',
    s,
  ])
  const done = ir(...small, '--ranks', '2,4', '--net', '100GbE', '--json')
  expect(done.status, done.stderr).toBe(0)
  expect(done.stdout).toContain('100GbE: 12.5 GB/s each way')
  const read = told.decode(JSON.parse(done.stdout.trim().split('\n').at(-1) ?? ''))
  const { costs } = E.isRight(read) ? read.right : expect.fail(done.stdout)
  expect(costs.map((c) => `${c.ranks} ${c.strategy}`)).toEqual(['2 ddp', '2 fsdp', '4 ddp', '4 fsdp'])
  for (const c of costs) expect(c.efficiency).toBeLessThanOrEqual(1)
  const odd = ir(...small, '--ranks', '3')
  expect(odd.status).toBe(2)
  expect(odd.stderr).toContain('8 images for 3 ranks or devices')
})
