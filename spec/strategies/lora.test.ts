/** LoRA and DoRA: what they leave as it was, what they train, and that merging is the same function. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { HostArray } from '../../compiler/target.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { adaptersFor } from '../../models/lora.ts'
import { merge, mergedNetwork, unmerge } from '../../train/exchange/merge.ts'
import { byPattern, layerOf, matches } from '../../models/target.ts'
import type { Program } from '../../train/step/step.ts'
import { networkValues } from '../../train/step/values.ts'
import { dora, lora } from '../../train/step/strategies/lora.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { backbone, faultOf, firstValues, losses, paths, plain, programOf, run } from './networks.ts'

const everywhere = ['qkv', 'proj', 'fc1', 'fc2']
const strategies = {
  lora: lora({ targets: everywhere, rank: 2, alpha: 6 }),
  rslora: lora({ targets: ['attn.qkv'], rank: 4, alpha: 4, rsLora: true, init: 'gaussian' }),
  slices: lora({ targets: ['query', 'value'], rank: 2 }),
  dora: dora({ targets: everywhere, rank: 2, alpha: 4 }),
  'dora on slices': dora({ targets: ['qkv.key', 'mlp.fc1'], rank: 2 }),
  'with biases and a saved module': lora({ targets: ['mlp.fc1'], rank: 2, bias: 'lora_only', save: ['blocks.1.norm1'] }),
}

describe.each(Object.entries(strategies))('%s', (name, strategy) => {
  const base = programOf(noStrategy)
  const p = programOf(strategy)
  it('leaves every value as it was at initialisation', async () => {
    const [before, after] = [await run(base, 1), await run(p, 1)]
    const tolerance = name.startsWith('dora') ? 1e-6 : 0
    for (const [path, v] of before.values[0]) expectClose(after.values[0].get(path) ?? [], v, tolerance, path)
  })
  it('keeps one base, which the teacher shares; averages adapters and what lies outside of the base', () => {
    const fixed = paths(p, 'fixed')
    expect(fixed.some((x) => x.startsWith('teacher.'))).toBe(false)
    expect(fixed).toContain('student.backbone.blocks.0.attn.qkv.weight')
    expect(p.residents.some((r) => r.path === 'teacher.backbone.blocks.0.attn.qkv.weight')).toBe(false)
    const own = paths(p, 'average').map((x) => x.slice('teacher.'.length))
    expect([...own].sort()).toEqual([...paths(p, 'trained').map((x) => x.slice('student.'.length)), 'head.last_layer.weight_g'].sort())
  })
  it('keeps optimizer state for what is trained alone', () => {
    const moments = p.residents.flatMap((r) => (r.path.startsWith('optimizer.exp_avg.') ? [r.path.slice('optimizer.exp_avg.'.length)] : []))
    expect([...moments].sort()).toEqual(
      paths(p, 'trained')
        .map((x) => x.slice('student.'.length))
        .sort(),
    )
  })
  it('trains the adapters and leaves the base, and a merged network is the adapted one', async () => {
    const r = await run(p, 4)
    const first = firstValues(p)
    for (const path of paths(p, 'fixed')) expect(r.state.get(path), path).toEqual(first.get(path))
    for (const path of paths(p, 'trained').filter((x) => x.includes('lora_'))) expect(r.state.get(path), path).not.toEqual(first.get(path))
    expect(losses(r).every(Number.isFinite)).toBe(true)
    for (const root of ['student', 'teacher']) {
      const [adapted, merged] = features(p, root, r.state)
      expectClose(merged, adapted, 2e-6, root)
      const untouched = evaluate(
        [plainFeatures(root)],
        new Map<string, HostArray>([
          ...[...networkValues(root)(r.state)].map(([path, v]) => [`${root}.${path}`, v] as const),
          ['x', pixels],
        ]),
      )[0]
      expect(Math.max(...untouched.map((v, i) => Math.abs(v - adapted[i])))).toBeGreaterThan(1e-4)
    }
  })
  it('gives the base back when it is unmerged', async () => {
    const { state } = await run(p, 3)
    const before = networkValues('teacher')(state)
    const back = right(unmerge(p.adapters)(right(merge(p.adapters)(before))))
    expect([...back.keys()].sort()).toEqual([...before.keys()].sort())
    for (const [path, v] of before) expectClose(back.get(path) ?? [], v, 1e-6, path)
  })
})

const pixels: HostArray = Float32Array.from(wave(2 * 3 * 64, 9))
const plainFeatures = (root: string) =>
  call(backbone(), context('eval'), 'features', leavesOf(`${root}.backbone`, backbone().params), input('x', [2, 3, 8, 8])).cls

/** The class tokens of an adapted network, and of the network that merging makes of it. */
const features = (p: Program, root: string, state: ReadonlyMap<string, Float32Array>): readonly [Float64Array, Float64Array] => {
  const g = right(trace('features', [value('cls', plainFeatures(root))]))
  const seen = right(p.view(g))
  const merged = right(mergedNetwork(p.adapters, root)(state))
  const values = (m: Iterable<readonly [string, HostArray]>): ReadonlyMap<string, HostArray> =>
    new Map<string, HostArray>([...m, ['x', pixels]])
  return [
    evaluate([seen.outputs[0].expr], values(state))[0],
    evaluate([g.outputs[0].expr], values([...merged].map(([path, v]) => [`${root}.${path}`, v] as const)))[0],
  ]
}

describe('targets', () => {
  const made = (o: Parameters<typeof lora>[0]): ReadonlyArray<string> => (right(lora(o)(plain())).adapters ?? []).map((a) => a.module)
  it('are suffixes of whole parts, expressions for the whole name, predicates, or all linear layers', () => {
    expect(made({ targets: ['mlp.fc1'] })).toEqual([0, 1, 2].map((i) => `backbone.blocks.${i}.mlp.fc1`))
    expect(made({ targets: 'backbone\\.blocks\\.[02]\\.mlp\\.fc.' }).length).toBe(4)
    expect(made({ targets: (m) => m.endsWith('patch_embed.proj') })).toEqual(['backbone.patch_embed.proj'])
    expect(made({ targets: 'all-linear' }).length).toBe(3 * 6)
    expect(matches(['kv'])('blocks.0.attn.qkv')).toBe(false)
  })
  it('leave out modules and layers', () => {
    expect(made({ targets: ['fc1', 'fc2'], exclude: ['blocks.0.mlp.fc1'], layers: [0, 2] })).toEqual([
      'backbone.blocks.0.mlp.fc2',
      'backbone.blocks.2.mlp.fc1',
      'backbone.blocks.2.mlp.fc2',
    ])
    expect([layerOf('backbone.blocks.11.attn.qkv'), layerOf('backbone.norm'), layerOf('a.layers.3.b', 'layers')]).toEqual([
      11,
      undefined,
      3,
    ])
  })
  it('may name slices of a fused layer, which get rows of their own', () => {
    const all = right(lora({ targets: ['query', 'value'], layers: [1], rank: 2 })(plain())).adapters ?? []
    expect(all.map((a) => [a.module, a.rows])).toEqual([
      ['backbone.blocks.1.attn.qkv.query', [0, 8]],
      ['backbone.blocks.1.attn.qkv.value', [16, 24]],
    ])
    expect(adaptersFor({ targets: ['qkv'], slices: {} })({ path: 'a.qkv.weight', out: 24, inputs: [8] }).map((a) => a.rows)).toEqual([
      [0, 24],
    ])
  })
  it('have ranks and alphas by pattern, the first that fits', () => {
    const all =
      right(
        lora({
          targets: ['fc1', 'fc2'],
          layers: [0],
          rank: 4,
          alpha: 8,
          rankPattern: { fc1: 2, 'blocks.0.mlp.fc.': 3 },
          alphaPattern: { 'mlp.fc2': 12 },
        })(plain()),
      ).adapters ?? []
    expect(all.map((a) => [a.rank, a.scale])).toEqual([
      [2, 4],
      [3, 4],
    ])
    expect(byPattern({ 'k.*': 5 }, 1)('a.kv')).toBe(5)
  })
  it("of a convolution have PEFT's shapes", () => {
    const [a] = right(lora({ targets: ['patch_embed.proj'], rank: 2 })(plain())).adapters ?? []
    expect([a.params.lora_A.weight.shape, a.params.lora_B.weight.shape]).toEqual([
      [2, 3, 4, 4],
      [8, 2, 1, 1],
    ])
  })
})

test('dropout is drawn for the student while it trains, once for each layer that sees it', () => {
  const p = programOf(lora({ targets: ['mlp.fc1'], layers: [0], dropout: 0.25 }))
  const draws = leavesOfGraph(p.graph)
    .filter((l) => l.source._tag === 'Draw')
    .map((l) => l.path)
  expect(draws.sort()).toEqual([
    'student.global.backbone.blocks.0.mlp.fc1.lora_dropout',
    'student.local.backbone.blocks.0.mlp.fc1.lora_dropout',
  ])
  const seen = right(p.view(right(trace('f', [value('cls', plainFeatures('student'))]))))
  expect(leavesOfGraph(seen).some((l) => l.source._tag === 'Draw')).toBe(false)
})

test('dropout of DoRA follows PEFT: the change of the base sees the dropped input', async () => {
  const p = programOf(dora({ targets: ['mlp.fc1'], rank: 2, dropout: 0.5 }))
  expect(losses(await run(p, 3)).every(Number.isFinite)).toBe(true)
})

test('a convolution is adapted, and merges', async () => {
  const p = programOf(lora({ targets: ['patch_embed.proj'], rank: 2 }))
  const [adapted, merged] = features(p, 'student', (await run(p, 3)).state)
  expectClose(merged, adapted, 2e-6)
})

describe('faults', () => {
  it('name what is near', () => {
    expect(faultOf(lora({ targets: ['mlp.fc3'] }))).toContain('did you mean mlp.fc1')
    expect(faultOf(lora({ targets: '(' }))).toContain('the expression (')
    expect(faultOf(lora({ targets: ['fc1'], rank: 0 }))).toContain('a rank of 0')
    expect(faultOf(lora({ targets: ['fc1'], dropout: 1 }))).toContain('dropout of 1')
  })
  it('refuse a second LoRA, and weights that are not finite', async () => {
    const once = right(lora({ targets: ['fc1'] })(plain()))
    expect(E.isLeft(lora({ targets: ['fc2'] })(once))).toBe(true)
    const p = programOf(lora({ targets: ['fc1'], rank: 2 }))
    const { state } = await run(p, 1)
    const broken = new Map([
      ...networkValues('student')(state),
      ['backbone.blocks.0.mlp.fc1.lora_B.weight', new Float32Array(32).fill(NaN)] as const,
    ])
    expect(E.isLeft(merge(p.adapters)(broken))).toBe(true)
  })
})
