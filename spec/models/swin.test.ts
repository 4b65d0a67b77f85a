/** Swin: sizes, names, features, masks, and that the objectives' networks take it as they take a ViT. */
import { describe, expect, it } from 'vitest'
import { gradOptions } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { fill, table } from '../../core/expr.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { parameterCount } from '../../models/count.ts'
import { dinov2 } from '../../models/dinov2.ts'
import { head } from '../../models/head.ts'
import type { SwinFeatures, SwinOptions } from '../../models/swin.ts'
import { swin } from '../../models/swin.ts'
import type { VitInput } from '../../models/vit.ts'
import { add, square } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { left, right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'

const small: SwinOptions = { width: 4, depths: [2, 2], heads: [1, 2], patch: 2, window: 3, maskToken: true }

const features = (o: SwinOptions, given: Expr | VitInput): SwinFeatures => {
  const m = swin(o)
  return call(m, context('eval'), 'swin', leavesOf('swin', m.params), given)
}

const run = (e: Expr, fixed: Readonly<Record<string, ReadonlyArray<number>>> = {}): ReadonlyArray<number> => {
  const leaves = leavesOfGraph(right(trace('swin', [value('y', e)])))
  return [
    ...evaluate(
      [e],
      new Map(leaves.map((l) => [l.path, Float64Array.from(fixed[l.path] ?? wave(sizeOf(l.type.shape), l.path.length))])),
    )[0],
  ]
}

describe('Swin-T', () => {
  it('has the parameters of the released model without its head, under the official names', () => {
    expect(parameterCount(swin.tiny().params)).toBe(27_519_354)
    expect(declarations(swin({ ...small, depths: [1, 1] }).params).map(([path]) => path)).toEqual([
      'mask_token',
      'patch_embed.proj.weight',
      'patch_embed.proj.bias',
      'patch_embed.norm.weight',
      'patch_embed.norm.bias',
      ...[0, 1].flatMap((i) => [
        ...[
          'norm1.weight',
          'norm1.bias',
          'attn.relative_position_bias_table',
          'attn.qkv.weight',
          'attn.qkv.bias',
          'attn.proj.weight',
          'attn.proj.bias',
          'norm2.weight',
          'norm2.bias',
          'mlp.fc1.weight',
          'mlp.fc1.bias',
          'mlp.fc2.weight',
          'mlp.fc2.bias',
        ].map((n) => `layers.${i}.blocks.0.${n}`),
        ...(i === 0 ? ['layers.0.downsample.reduction.weight', 'layers.0.downsample.norm.weight', 'layers.0.downsample.norm.bias'] : []),
      ]),
      'norm.weight',
      'norm.bias',
    ])
  })
})

describe('features', () => {
  it('have the shapes that they say, at sizes that nothing divides', () => {
    const f = features(small, input('x', [2, 3, 13, 18]))
    expect([f.cls, f.patches, f.attention].map((e) => e.type.shape)).toEqual([
      [2, 8],
      [2, 20, 8],
      [2, 1, 21, 21],
    ])
    expect([f.grid, swin(small).patch, swin(small).width]).toEqual([[4, 5], 4, 8])
    expect(run(f.cls).every(Number.isFinite)).toBe(true)
  })
  it('of shifted windows know their neighbours, and nothing beyond', () => {
    const f = features({ ...small, depths: [2], heads: [1], window: 2, patch: 1, channels: 1 }, input('x', [1, 1, 6, 6])).patches
    const at = (pixel: number): ReadonlyArray<number> => Array.from({ length: 36 }, (_, i) => (i === pixel ? 1 : 0.1 * ((i * 7) % 5)))
    const [a, b] = [run(f, { x: at(0) }), run(f, { x: Array.from({ length: 36 }, (_, i) => 0.1 * ((i * 7) % 5)) })]
    const moved = Array.from({ length: 36 }, (_, i) => a.slice(4 * i, 4 * i + 4).some((v, k) => Math.abs(v - b[4 * i + k]) > 1e-9))
    // the window of the corner, then the windows half a side further on that its tokens fall into
    expect(moved.map((m, i) => (m ? i : -1)).filter((i) => i >= 0)).toEqual([0, 1, 2, 6, 7, 8, 12, 13, 14])
  })
  it('of masks hide what the patches show', () => {
    const f = features(small, { images: input('x', [1, 3, 12, 12]), mask: input('mask', [1, 9]) }).patches
    const hidden = { mask: Array<number>(9).fill(1) }
    expectClose(run(f, { ...hidden, x: Array<number>(432).fill(0) }), run(f, { ...hidden, x: Array<number>(432).fill(3) }), 1e-12)
    expect(
      left(trace('x', [value('y', features(small, { images: input('x', [1, 3, 12, 12]), mask: input('mask', [1, 8]) }).cls)])).allowed,
    ).toContain('a mask [B, 9]')
  })
  it('of wrong options are named', () => {
    const fault = (o: Partial<SwinOptions>, shape = [1, 3, 12, 12]): string =>
      left(trace('x', [value('y', features({ ...small, ...o }, input('x', shape)).cls)])).allowed
    expect(fault({ heads: [1] })).toContain('heads for every stage')
    expect(fault({ heads: [3, 2] })).toContain('width 4, 3 heads')
    expect(fault({}, [1, 1, 12, 12])).toContain('[B, 3, H, W]')
  })
})

describe('objectives', () => {
  it('train every weight of it through the networks of DINOv2', () => {
    const backbone = swin(small)
    const { student } = dinov2({ backbone, head: head({ in: backbone.width, prototypes: 6, hidden: 5, bottleneck: 4 }) })
    const mask = table(
      'bool',
      [2, 9],
      Array.from({ length: 18 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
    )
    const out = call(student, context('train'), 'student', leavesOf('student', student.params), {
      global: input('global', [2, 3, 12, 12]),
      local: input('local', [2, 3, 8, 8]),
      masks: { mask, indices: table('i32', [6], [0, 3, 6, 9, 12, 15]), weights: fill('f32', [6], 1 / 3) },
    })
    const loss = add(
      sum()(square(out.masked.logits)),
      add(sum()(square(out.global.logits)), sum()(square(out.local?.logits ?? out.global.logits))),
    )
    const trained = declarations(student.params).filter(([, d]) => d.trainable)
    const gradients = gradOptions(
      loss,
      trained.map(([path, d]) => parameter(`student.${path}`, d)),
    ).map((g) => (g._tag === 'Some' ? g.value : fill('f32', [1], 0)))
    const leaves = leavesOfGraph(
      right(
        trace(
          'swin',
          gradients.map((g, i) => value(`${i}`, g)),
        ),
      ),
    )
    const values = evaluate(gradients, new Map(leaves.map((l) => [l.path, Float64Array.from(wave(sizeOf(l.type.shape), l.path.length))])))
    const still = trained.flatMap(([path], i) => (values[i].some((v) => v !== 0) ? [] : [path]))
    expect(still).toEqual([])
  })
})
