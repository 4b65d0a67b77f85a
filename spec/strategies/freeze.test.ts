/** Freezing: what does not move, what is no longer computed or kept, and by how much that makes a step smaller. */
import { describe, expect, it, test } from 'vitest'
import { leavesOfGraph } from '../../core/graph.ts'
import { blockOf, isFrozen } from '../../models/freeze.ts'
import { adamw } from '../../train/step/optimizer.ts'
import { dora, lora } from '../../train/step/strategies/lora.ts'
import { freeze, freezeUntil } from '../../train/step/strategies/freeze.ts'
import { strategies, noStrategy } from '../../train/step/strategies/strategy.ts'
import { chain } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { cost, count, faultOf, firstValues, losses, paths, plain, programOf, run } from './networks.ts'

test('what is frozen is named by its place, or by its path', () => {
  const names = [
    'backbone.cls_token',
    'backbone.pos_embed',
    'backbone.patch_embed.proj.weight',
    'backbone.blocks.0.norm1.weight',
    'backbone.blocks.2.attn.qkv.bias',
    'backbone.norm.bias',
    'head.mlp.0.weight',
    'head.last_layer.weight_v',
  ]
  const of = (o: Parameters<typeof isFrozen>[0]): ReadonlyArray<number> => names.flatMap((n, i) => (isFrozen(o)(n) ? [i] : []))
  expect([
    of({ prefix: 1 }),
    of({ blocks: [2] }),
    of({ blocks: { before: 3 } }),
    of({ norms: true }),
    of({ tokens: true, position: true }),
    of({ patchEmbed: true }),
    of({ paths: /^head\.mlp/g }),
    of({}),
  ]).toEqual([[0, 1, 2, 3], [4], [3, 4], [3, 5], [0, 1], [2], [6], []])
  expect([
    blockOf('backbone.blocks.1.7.norm1.weight'),
    blockOf('student.global.backbone.blocks.11.drop_path1'),
    blockOf('head.mlp.0.weight'),
  ]).toEqual([7, 11, undefined])
})

describe('a frozen prefix', () => {
  const o = { dropPath: 0.3 }
  const p = programOf(freeze({ prefix: 2 }), o)
  it('does not move, is stored once, and has no optimizer state', async () => {
    const r = await run(p, 3, o)
    const first = firstValues(p)
    const frozen = paths(p, 'fixed').filter((x) => x.startsWith('student.backbone.'))
    expect(frozen).toContain('student.backbone.blocks.1.mlp.fc2.bias')
    expect(frozen).not.toContain('student.backbone.blocks.2.norm1.weight')
    for (const path of frozen) {
      expect(r.state.get(path), path).toEqual(first.get(path))
      expect(
        [...r.state.keys()].some((x) => x.endsWith(path.slice('student.'.length)) && x !== path),
        path,
      ).toBe(false)
    }
    expect(r.state.get('student.backbone.blocks.2.norm1.weight')).not.toEqual(first.get('student.backbone.blocks.2.norm1.weight'))
    expect(losses(r).every(Number.isFinite)).toBe(true)
  })
  it('drops no paths; later blocks do', () => {
    const drawn = (q: typeof p): ReadonlyArray<string> =>
      leavesOfGraph(q.graph)
        .filter((l) => l.source._tag === 'Draw')
        .map((l) => l.path)
    expect(drawn(programOf(noStrategy, o)).filter((x) => x.includes('blocks.1.')).length).toBe(4)
    expect(drawn(p).every((x) => x.includes('blocks.2.'))).toBe(true)
  })
})

describe('what a frozen prefix saves', { timeout: 60_000 }, () => {
  const o = { depth: 4, width: 16, images: 4, image: 16, locals: 2, whole: true }
  const [full, half, most] = [noStrategy, freeze({ prefix: 2 }), freeze({ prefix: 4 })].map((s) => programOf(s, o))
  const [a, b, c] = [full, half, most].map((p) => cost(p.graph))
  it('kernels, arithmetic and planned memory, by as much as theory says', () => {
    // a trained block costs a forward pass of the teacher and three passes of the student, forward and twice back (local crops add a
    // little); a frozen one costs one pass, which student and teacher have in common
    const shares = (x: (t: typeof a) => number): ReadonlyArray<number> => [b, c].map((t) => x(t) / x(a))
    const about = (found: ReadonlyArray<number>, expected: ReadonlyArray<number>): void => {
      found.forEach((f, i) => {
        expect(Math.abs(f - expected[i]), `${f}`).toBeLessThan(0.02)
      })
    }
    about(
      shares((t) => t.launches),
      [0.63, 0.31],
    )
    about(
      shares((t) => t.flops),
      [0.61, 0.26],
    )
    about(
      shares((t) => t.temporaryBytes),
      [0.5, 0.14],
    )
    expect(b.updates).toBeLessThan(a.updates)
  })
  it('trained parameters', () => {
    const block = 16 * 48 + 48 + 16 * 16 + 16 + 2 * 16 * 32 + 48 + 4 * 16
    expect(count(full, 'trained') - count(half, 'trained')).toBe(2 * block + 16 + 17 * 16 + 16 * 48 + 16)
  })
})

test('a frozen prefix is computed once for student and teacher', () => {
  const teacher = (s: typeof noStrategy): number => paths(programOf(s), 'average').filter((x) => x.includes('blocks.0')).length
  expect([teacher(noStrategy), teacher(freeze({ prefix: 1 }))]).toEqual([12, 0])
})

test('freezing on a schedule: nothing moves until its step, and then it does', async () => {
  const { transform, hyper } = freezeUntil('backbone', 2, { paths: /^backbone\./ })
  const o = { optimizer: chain([transform, adamw()]) }
  const p = programOf(noStrategy, o)
  const at = async (steps: number): Promise<ReadonlyMap<string, Float32Array>> =>
    (await run(p, steps, o, new Map([['hyper.backbone', Float32Array.of(hyper(steps - 1))]]))).state
  const first = firstValues(p)
  const [early, late] = [await at(2), await at(3)]
  for (const path of ['student.backbone.cls_token', 'optimizer.exp_avg.backbone.cls_token']) {
    expect(early.get(path), path).toEqual(first.get(path))
    expect(late.get(path), path).not.toEqual(first.get(path))
  }
  expect(early.get('student.head.mlp.0.weight')).not.toEqual(first.get('student.head.mlp.0.weight'))
  expect([early.get('optimizer.step.backbone')?.[0], early.get('optimizer.step')?.[0]]).toEqual([0, 2])
})

describe('with LoRA', () => {
  it('modules that were frozen get no adapters', () => {
    const adapters = right(strategies([freeze({ prefix: 2 }), lora({ targets: ['qkv', 'fc1'], rank: 2 })])(plain())).adapters ?? []
    expect([...new Set(adapters.map((a) => blockOf(a.module)))]).toEqual([2])
  })
  it('adapters that are frozen afterwards are fixed and shared too', () => {
    const p = programOf(strategies([dora({ targets: ['qkv', 'fc1'], rank: 2 }), freeze({ prefix: 2 })]))
    expect(paths(p, 'trained').every((x) => !/blocks\.[01]\./.test(x))).toBe(true)
    expect(p.residents.some((r) => /^teacher\..*blocks\.[01]\./.test(r.path))).toBe(false)
  })
})

test('faults say what there is', () => {
  expect(faultOf(freeze({ prefix: 4 }))).toContain('the first 4 blocks of 3; set freeze.prefix to 3 or less')
  expect(faultOf(freeze({ blocks: [1, 7] }))).toContain('block 7')
  expect(faultOf(freeze({ paths: /nothing/ }))).toContain('nothing of this kind')
})
