/**
 * Any strategies together, drawn by chance, on two ranks: ddp and fsdp take the steps that one rank takes, and both to the bit the same.
 * Ranks stand side by side on the reference, over phases, micro-batches and all that moves between them.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DistributionName } from '../../compiler/distribute/strategy.ts'
import { distribute, distributionNames } from '../../compiler/distribute/strategy.ts'
import { stack } from '../../compiler/distribute/stack.ts'
import { reference } from '../../compiler/targets/reference.ts'
import type { Graph } from '../../core/graph.ts'
import type { Given } from '../../train/config/section.ts'
import type { Config } from '../../train/recipes/recipe.ts'
import type { Assembled, AssembledPhase } from '../../train/run/assembly.ts'
import { partOf } from '../../train/run/share.ts'
import { right } from '../data/either.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'
import type { Stepped } from './assembled.ts'
import { assembledBy, stepped } from './assembled.ts'

const [batch, ranks, steps] = [2, 2, 3]

/** The part of the run that all have; each network is as small as a strategy can tell. */
const base = (kind: 'dinov1' | 'dinov2'): Given<Config> => ({
  objective: kind === 'dinov1' ? { kind, centring: 'sinkhorn' } : { kind, masks: { probability: 1, minPatches: 1 } },
  steps,
  batch,
  model: { patch: 7, width: 8, depth: 2, heads: 2, mlpRatio: 1 },
  head: { hidden: 8, bottleneck: 4, prototypes: 6 },
  augmentation: { globalSize: 14, localSize: 7, locals: 1 },
  schedule: { warmup: 0 },
})

type Some = Partial<
  Record<'lora' | 'dora' | 'freeze' | 'thaw' | 'remat' | 'accumulate' | 'half' | 'clip' | 'decay' | 'frozenLast', boolean>
>

const configOf = (kind: 'dinov1' | 'dinov2', s: Some): Given<Config> => ({
  ...base(kind),
  // what is adapted; its values are initial ones here
  start: { from: 'somewhere' },
  strategies: {
    ...(s.lora === true ? { lora: { targets: ['qkv', 'fc1'], rank: 2, dora: s.dora === true } } : {}),
    ...(s.freeze === true ? { freeze: { prefix: 1, until: s.thaw === true ? 1 : 0 } } : {}),
    remat: s.remat === true,
    accumulate: s.accumulate === true ? 2 : 1,
    half: { type: 'bf16', contractions: s.half === true },
  },
  optimizer: {
    clip: s.clip === true ? 0.01 : 0,
    clipBy: s.decay === true ? 'network' : 'tensor',
    groups: 'v2',
    layerDecay: s.decay === true ? 0.7 : 1,
  },
  ...(s.frozenLast === true ? { schedule: { warmup: 0, freezeLastLayer: 1 } } : {}),
})

/** The graph of a step as all ranks of a strategy together. */
const among =
  (strategy: DistributionName) =>
  (g: Graph, { crops }: AssembledPhase): Graph => {
    const share = { rank: 0, ranks, exchange: () => () => Promise.reject(new Error('nobody to speak to')) }
    const { own } = right(partOf(share, crops)).compile
    return right(stack(right(distribute({ strategy, ranks, images: batch, least: 12, ...(own === undefined ? {} : { own }) })(g))))
  }

const ran = async (a: Assembled, strategy: DistributionName | undefined): Promise<Stepped> => {
  const device = right(await reference.open())
  const done = await stepped(device, a, steps, strategy === undefined ? undefined : among(strategy))
  device.close()
  return done
}

const checked = async (kind: 'dinov1' | 'dinov2', s: Some): Promise<void> => {
  const a = assembledBy(configOf(kind, s))
  const one = await ran(a, undefined)
  const all = new Map<DistributionName, Stepped>()
  for (const name of distributionNames) all.set(name, await ran(a, name))
  const [loss, values] = s.half === true ? [2e-2, 2e-2] : [1e-8, 1e-6]
  for (const [name, r] of all) {
    expectClose(r.losses, one.losses, loss, `losses by ${name}`)
    for (const [path, v] of one.state) expectClose(r.state.get(path) ?? [], v, values, `${path} by ${name}`)
  }
  const [ddp, fsdp] = distributionNames.map((name) => all.get(name))
  expect(fsdp?.losses).toEqual(ddp?.losses)
  for (const [path, v] of ddp?.state ?? []) expect(fsdp?.state.get(path), path).toEqual(v)
}

const flag = fc.boolean()
const subsets: fc.Arbitrary<Some> = fc.record({
  lora: flag,
  dora: flag,
  freeze: flag,
  thaw: flag,
  remat: flag,
  accumulate: flag,
  half: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  clip: flag,
  decay: flag,
  frozenLast: flag,
})

test('subsets of strategies', { timeout: 600_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom('dinov1' as const, 'dinov2' as const), subsets, checked), runs(6))
})

test('all of them at once', { timeout: 300_000 }, async () => {
  const all: Some = { lora: true, freeze: true, thaw: true, remat: true, accumulate: true, clip: true, decay: true, frozenLast: true }
  await checked('dinov2', all)
})
