/** Strategies as settings: each of them changes the step that is trained, as it says. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { plannedBytes } from '../../../compiler/road.ts'
import { nativeRoad } from '../../../compiler/targets/native/road.ts'
import type { Fault } from '../../../core/fault.ts'
import { showFault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { leavesOfGraph, nodesOf } from '../../../core/graph.ts'
import { print } from '../../../core/print.ts'
import { openTarget } from '../../../compiler/targets/open.ts'
import { settingsOf } from '../../../train/config/settings.ts'
import type { Given } from '../../../train/config/section.ts'
import type { Resolved } from '../../../train/run/experiment.ts'
import type { Assembled } from '../../../train/run/assembly.ts'
import type { Config } from '../../../train/recipes/recipe.ts'
import { config, recipe } from '../../../train/recipes/recipe.ts'
import type { Strategies } from '../../../train/recipes/parts/strategies.ts'
import { right } from '../../data/either.ts'
import { cost } from '../../strategies/networks.ts'
import { live } from '../lived.ts'

const base: Given<Config> = {
  objective: { kind: 'dinov1' },
  steps: 10,
  batch: 2,
  start: { from: 'somewhere' },
  model: { patch: 14, width: 16, depth: 3, heads: 2 },
  head: { hidden: 8, bottleneck: 4, prototypes: 6 },
  augmentation: { locals: 1 },
}

const made = (strategies: Given<Strategies>, more: Given<Config> = {}): E.Either<Fault, Assembled> =>
  E.chain((r: Resolved) => r.assemble({ channels: 1, side: 28 }))(recipe({ ...base, ...more, strategies }).resolve([]))

const assembled = (strategies: Given<Strategies>, more: Given<Config> = {}): Assembled => right(made(strategies, more))

const faultOf = (strategies: Given<Strategies>, more: Given<Config> = {}): string => {
  const m = made(strategies, more)
  return E.isLeft(m) ? showFault(m.left) : 'no fault'
}

const shown = (a: Assembled): string =>
  a.phases.flatMap((p) => [p.name, String(p.from), ...p.turns.map((t) => print(t.graph)), JSON.stringify(p.turns[0].adapters)]).join('\n') +
  JSON.stringify(a.residents)

/** All that is compiled and all that it starts from, or the fault. */
const fingerprint = (m: E.Either<Fault, Assembled>): string => (E.isLeft(m) ? showFault(m.left) : shown(m.right))

const trained = (a: Assembled, phase = 0): ReadonlyArray<string> =>
  a.phases[phase].turns[0].residents.filter((r) => r.role === 'trained').map((r) => r.path)
const regions = (g: Graph): ReadonlyArray<string> =>
  [...new Set(nodesOf(g).flatMap((e) => (e._tag === 'Apply' && e.region._tag === 'Some' ? [e.region.value] : [])))].sort()
const graphOf = (a: Assembled): Graph => a.program.graph

const lora: Given<Strategies['lora']> = { targets: ['fc1', 'fc2'], rank: 2 }

/** A value of every setting that is not its default, beside what it needs to mean something. */
const others: Readonly<Record<string, readonly [Given<Strategies>, Given<Strategies>?]>> = {
  lora: [{ lora }],
  'lora.targets': [{ lora: { ...lora, targets: ['fc1'] } }, { lora }],
  'lora.exclude': [{ lora: { ...lora, exclude: 'backbone.blocks.0.*' } }, { lora }],
  'lora.layers': [{ lora: { ...lora, layers: [1, 2] } }, { lora }],
  'lora.layersPattern': [
    { lora: { ...lora, layers: [0], layersPattern: 'chapters' } },
    { lora: { ...lora, layers: [0], layersPattern: 'blocks' } },
  ],
  'lora.rank': [{ lora: { ...lora, rank: 3 } }, { lora }],
  'lora.alpha': [{ lora: { ...lora, alpha: 3 } }, { lora }],
  'lora.rankPattern': [{ lora: { ...lora, rankPattern: { fc1: 4 } } }, { lora }],
  'lora.alphaPattern': [{ lora: { ...lora, alphaPattern: { 'blocks\\.1\\.mlp\\.fc1': 4 } } }, { lora }],
  'lora.dropout': [{ lora: { ...lora, dropout: 0.2 } }, { lora }],
  'lora.rsLora': [{ lora: { ...lora, rsLora: true } }, { lora }],
  'lora.dora': [{ lora: { ...lora, dora: true } }, { lora }],
  'lora.init': [{ lora: { ...lora, init: 'gaussian' } }, { lora }],
  'lora.bias': [{ lora: { ...lora, bias: 'lora_only' } }, { lora }],
  'lora.save': [{ lora: { ...lora, save: ['patch_embed.proj'] } }, { lora }],
  'lora.split': [{ lora: { ...lora, targets: ['qkv'], split: false } }, { lora: { ...lora, targets: ['qkv'] } }],
  'freeze.prefix': [{ freeze: { prefix: 1 } }],
  'freeze.blocks': [{ freeze: { blocks: [1] } }],
  'freeze.patchEmbed': [{ freeze: { patchEmbed: true } }],
  'freeze.position': [{ freeze: { position: true } }],
  'freeze.tokens': [{ freeze: { tokens: true } }],
  'freeze.norms': [{ freeze: { norms: true } }],
  'freeze.paths': [{ freeze: { paths: '^head' } }],
  'freeze.until': [{ freeze: { norms: true, until: 4 } }, { freeze: { norms: true } }],
  'half.type': [{ half: { type: 'bf16', storage: true } }, { half: { storage: true } }],
  'half.contractions': [{ half: { contractions: true } }],
  'half.storage': [{ half: { storage: true } }],
  'half.lossScale.initial': [{ half: { contractions: true, lossScale: { initial: 0 } } }, { half: { contractions: true } }],
  'half.lossScale.growth': [{ half: { contractions: true, lossScale: { growth: 3 } } }, { half: { contractions: true } }],
  'half.lossScale.backoff': [{ half: { contractions: true, lossScale: { backoff: 0.25 } } }, { half: { contractions: true } }],
  'half.lossScale.interval': [{ half: { contractions: true, lossScale: { interval: 7 } } }, { half: { contractions: true } }],
  remat: [{ remat: true }],
  regions: [{ remat: true, regions: 2 }, { remat: true }],
  fit: [{ fit: 1 }],
  accumulate: [{ accumulate: 3 }],
}

test('every setting changes what is compiled, or what it starts from', () => {
  const all = settingsOf(config)
    .filter(({ path, field }) => path.startsWith('strategies.') && Object.keys(field.parts).length === 0)
    .map(({ path }) => path.slice('strategies.'.length))
  expect(
    Object.keys(others)
      .filter((path) => path !== 'lora')
      .sort(),
  ).toEqual([...all].sort())
  // a step of this size takes less than the least that may be asked for: a larger one is made to fit below
  for (const [path, [one, other = {}]] of Object.entries(others))
    if (path !== 'fit') expect(fingerprint(made(one)) === fingerprint(made(other)), path).toBe(false)
}, 120_000)

describe('freezing', () => {
  test('takes out of training what it names, and nothing else', () => {
    const whole = trained(assembled({}))
    const gone = (freeze: Given<Strategies['freeze']>): ReadonlyArray<string> => {
      const now = new Set(trained(assembled({ freeze })))
      return whole.filter((p) => !now.has(p))
    }
    expect(gone({ patchEmbed: true })).toEqual(['student.backbone.patch_embed.proj.weight', 'student.backbone.patch_embed.proj.bias'])
    expect(gone({ norms: true }).every((p) => /norm/.test(p))).toBe(true)
    expect(gone({ norms: true }).length).toBe(3 * 4 + 2)
    expect(gone({ paths: 'blocks\\.[02]\\..*bias$' }).length).toBe(2 * 6)
    expect(gone({ prefix: 2 }).some((p) => p.includes('blocks.1.')) && !gone({ prefix: 2 }).some((p) => p.includes('blocks.2.'))).toBe(true)
  })
  test('for the first steps makes a smaller step first, and the whole one later', () => {
    const a = assembled({ freeze: { paths: '^backbone', until: 4 } })
    expect(a.phases.map((p) => [p.name, p.from])).toEqual([
      ['partly frozen', 0],
      ['all moves', 4],
    ])
    expect(trained(a, 0).every((p) => p.startsWith('student.head.'))).toBe(true)
    expect(trained(a, 1)).toEqual(trained(assembled({})))
    const [early, late] = a.phases.map((p) => cost(p.turns[0].graph))
    expect(early.launches / late.launches).toBeLessThan(0.5)
    expect(early.temporaryBytes / late.temporaryBytes).toBeLessThan(0.6)
    expect(assembled({ freeze: { norms: true, until: 10 } }).phases.length).toBe(1)
  })
})

describe('adapters', () => {
  const modules = (l: Given<Strategies['lora']>): ReadonlyArray<string> =>
    assembled({ lora: l }).program.adapters.map((x) => `${x.module.replace('backbone.blocks.', '')} ${x.rank} ${x.scale}`)
  test('are where lists, expressions, layers and exclusions say, with ranks and alphas by pattern', () => {
    expect(modules({ targets: ['fc1'], rank: 4, alpha: 8 })).toEqual(['0.mlp.fc1 4 2', '1.mlp.fc1 4 2', '2.mlp.fc1 4 2'])
    expect(modules({ targets: '.*\\.(fc1|qkv)', exclude: ['qkv'], layers: [2], rank: 4, alpha: 8, rankPattern: { fc1: 2 } })).toEqual([
      '2.mlp.fc1 2 4',
    ])
    expect(modules({ targets: ['query', 'attn.proj'], layers: [1], rank: 1, alpha: 3, alphaPattern: { proj: 5 } })).toEqual([
      '1.attn.qkv.query 1 3',
      '1.attn.proj 1 5',
    ])
    expect(modules({ targets: ['qkv'], layers: [0], split: false, rank: 4, alpha: 8, rsLora: true })).toEqual(['0.attn.qkv 4 4'])
  })
  test('are trained beside what bias and save name', () => {
    const backbone = (l: Given<Strategies['lora']>): ReadonlyArray<string> =>
      trained(assembled({ lora: l }))
        .filter((p) => p.includes('backbone') && !p.includes('.lora_'))
        .map((p) => p.replace('student.backbone.', ''))
    expect(backbone({ targets: ['fc1'] })).toEqual([])
    expect(backbone({ targets: ['fc1'], layers: [0], bias: 'lora_only' })).toEqual(['blocks.0.mlp.fc1.bias'])
    expect(backbone({ targets: ['fc1'], bias: 'all' }).length).toBe(3 * 6 + 1 + 1)
    expect(backbone({ targets: ['fc1'], save: ['patch_embed.proj'] })).toEqual(['patch_embed.proj.weight', 'patch_embed.proj.bias'])
    expect(trained(assembled({ lora: { targets: ['fc1'], dora: true } })).filter((p) => p.endsWith('lora_magnitude_vector')).length).toBe(3)
    expect(
      leavesOfGraph(graphOf(assembled({ lora: { targets: ['fc1'], dropout: 0.5 } }))).filter((l) => l.path.includes('lora_dropout')).length,
    ).toBe(6)
  })
  test('that nothing gets are a fault with what there is', () => {
    expect(faultOf({ lora: { targets: ['fc3'] } })).toMatch(
      /lora: targets\n {2}found: {3}nothing of this kind: fc3\n {2}allowed: .*mlp\.fc1/,
    )
    expect(faultOf({ lora: { targets: ['fc1'], layers: [7] } })).toContain('lora: targets')
    expect(faultOf({ lora: { targets: '(' } })).toContain('a regular expression, or a list')
    expect(faultOf({ freeze: { prefix: 3 }, lora: { targets: ['fc1'] } })).toContain('lora: targets')
  })
})

describe('memory', () => {
  const larger: Given<Config> = { batch: 32, model: { patch: 7, width: 32, depth: 4, heads: 2 } }
  const planned = plannedBytes(nativeRoad())
  test('that a step may take is kept by computing as few blocks again as that takes', () => {
    const [plain, all] = [assembled({}, larger), assembled({ remat: true }, larger)]
    const [most, least] = [plain, all].map((a) => right(planned(graphOf(a))) / 2 ** 20)
    const asked = Math.floor((most + least) / 2)
    const fitted = assembled({ fit: asked }, larger)
    expect(right(planned(graphOf(fitted))) / 2 ** 20).toBeLessThanOrEqual(asked)
    expect(regions(graphOf(fitted)).length).toBeLessThan(regions(graphOf(all)).length)
    expect(regions(graphOf(fitted)).length).toBeGreaterThan(0)
    expect(faultOf({ fit: 1 }, larger)).toMatch(/fit\n {2}found: {3}1\.00 MiB\n {2}allowed: at least \d+\.\d\d MiB/)
    expect(regions(graphOf(assembled({ remat: true, regions: 2 }, larger))).every((r) => /\dx2$/.test(r))).toBe(true)
  }, 120_000)
  test('is what the target plans', async () => {
    const device = right(await openTarget('gpujs:cpu')())
    const g = graphOf(assembled({}, larger))
    const bytes = right(device.planned(g))
    expect(bytes).not.toBe(right(planned(g)))
    const r = right(recipe({ ...base, ...larger, strategies: { fit: Math.floor((0.8 * bytes) / 2 ** 20) } }).resolve([]))
    const again = right(r.assemble({ channels: 1, side: 28 }, device.planned))
    expect(right(device.planned(again.program.graph))).toBeLessThanOrEqual(0.8 * bytes)
    device.close()
  }, 120_000)
})

describe('half precision', () => {
  const halves = (a: Assembled): number => nodesOf(graphOf(a)).filter((e) => e.type.dtype === 'f16').length
  test('is of contractions, of what is kept, or of both, and scales the loss where gradients are f16', () => {
    const [contractions, storage, both] = [
      assembled({ half: { contractions: true } }),
      assembled({ half: { storage: true } }),
      assembled({ half: { contractions: true, storage: true } }),
    ]
    expect(halves(assembled({}))).toBe(0)
    expect([halves(contractions) > 0, halves(storage) > 0, halves(both) > halves(contractions)]).toEqual([true, true, true])
    const scaled = (a: Assembled): boolean => a.residents.some((r) => r.path === 'optimizer.loss_scale')
    expect([contractions, storage, both, assembled({ half: { contractions: true, lossScale: { initial: 0 } } })].map(scaled)).toEqual([
      true,
      false,
      true,
      false,
    ])
  })
  test('of bf16 needs no scaled loss, and has no f16 in it', () => {
    const a = assembled({ half: { type: 'bf16', contractions: true, storage: true } })
    expect(halves(a)).toBe(0)
    expect(nodesOf(graphOf(a)).some((e) => e.type.dtype === 'bf16')).toBe(true)
    expect(a.residents.some((r) => r.path === 'optimizer.loss_scale')).toBe(false)
  })
  test('is refused by a target without f16, before anything is trained', async () => {
    const r = await live([
      '--target',
      'gpujs:cpu',
      '--steps',
      '2',
      '--set',
      'strategies.half.storage=true',
      '--set',
      'batch=2',
      '--set',
      'model.width=16',
      '--set',
      'model.heads=2',
      '--set',
      'data.train=8',
      '--set',
      'data.test=4',
      '--out',
      join(tmpdir(), `dinograph-half-${process.pid}`),
    ])
    expect(r.code).toBe(1)
    expect(r.stderr).toMatch(/target fault at gpujs:cpu\n[^]*f16[^]*remedy: /)
    expect(r.stderr).not.toMatch(/step +1\/2/)
  }, 60_000)
})

test('what does not go together is a fault with the reason', () => {
  expect(faultOf({ remat: true, fit: 4 })).toContain('remat, which computes all blocks again')
  expect(faultOf({ remat: true, half: { storage: true } })).toContain('what is computed again is not kept')
  expect(faultOf({ freeze: { until: 3 } })).toContain('0 where nothing is frozen')
  expect(faultOf({ freeze: { blocks: [9] } })).toContain('blocks 0 .. 2')
  expect(faultOf({ freeze: { prefix: 9 } })).toContain('freeze.prefix\n  found:   the first 9 blocks of 3')
  expect(faultOf({ freeze: { paths: 'nothing' } })).toContain('nothing of this kind')
  expect(faultOf({ freeze: { paths: '[' } })).toContain('a regular expression')
  expect(faultOf({ lora: { rank: 0 } })).toContain('a whole number of at least 1')
})
