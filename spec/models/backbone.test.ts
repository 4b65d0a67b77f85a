/** What DINOv2 and DINOv3 add to the backbone: masks, registers, norms, stochastic depth by subsets, inner layers. */
import { describe, expect, it } from 'vitest'
import { gradOptions } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { keptSamples } from '../../models/drop-path.ts'
import { antialiasedTaps } from '../../models/interpolation.ts'
import { intermediate } from '../../models/intermediate.ts'
import type { VitFeatures, VitInput, VitOptions } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { sum } from '../../ops/reduce.ts'
import { left, right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'

const small: VitOptions = { generation: 2, patch: 4, width: 8, depth: 2, heads: 2, image: 12, registers: 3, layerScale: 1, maskToken: true }
const images = input('images', [2, 3, 12, 12])

const features = (o: VitOptions, given: VitInput | Expr = images, mode: 'train' | 'eval' = 'eval'): VitFeatures => {
  const m = vit(o)
  return call(m, context(mode), 'vit', leavesOf('vit', m.params), given)
}

const leaves = (e: Expr): ReadonlyArray<{ readonly path: string; readonly type: { readonly shape: ReadonlyArray<number> } }> =>
  leavesOfGraph(right(trace('vit', [value('y', e)])))

const run = (e: Expr, fixed: Readonly<Record<string, ReadonlyArray<number>>> = {}): Float64Array =>
  evaluate([e], new Map(leaves(e).map((l, i) => [l.path, Float64Array.from(fixed[l.path] ?? wave(sizeOf(l.type.shape), i))])))[0]

describe('features', () => {
  it('have the shapes that they say', () => {
    const f = features(small, input('images', [2, 3, 12, 16]))
    expect([f.cls, f.registers, f.patches, f.tokens, f.prenorm, f.attention].map((e) => e?.type.shape)).toEqual([
      [2, 8],
      [2, 3, 8],
      [2, 12, 8],
      [2, 16, 8],
      [2, 16, 8],
      [2, 2, 16, 16],
    ])
    expect([f.prefix, f.grid]).toEqual([4, [3, 4]])
  })
  it('of rotary backbones have tables in place of an embedding', () => {
    const f = features({ ...small, generation: 3, position: { kind: 'rope' } })
    expect(f.rope?.sin.type.shape).toEqual([9, 4])
    expect(run(f.position).every((x) => x === 0)).toBe(true)
  })
  it('of inner layers are named from the last, or by their places', () => {
    const f = features(small)
    expect(intermediate(1)(f)[0].cls).toBe(f.cls)
    expect(intermediate([0, 1])(f).map((l) => l.map.type.shape)).toEqual([
      [2, 8, 3, 3],
      [2, 8, 3, 3],
    ])
    expect(intermediate([1])(f)[0].patches).toBe(f.patches)
    expect(left(trace('x', [value('y', intermediate([5])(f)[0].cls)])).allowed).toContain('blocks 0 to 1')
  })
})

describe('masks', () => {
  const mask = input('mask', [2, 9])
  it('of nothing change nothing', () => {
    const [plain, masked] = [features(small).cls, features(small, { images, mask }).cls]
    const weights = Object.fromEntries(leaves(plain).map((l, i) => [l.path, [...wave(sizeOf(l.type.shape), i)]]))
    expectClose(
      [...run(masked, { ...weights, mask: Array<number>(18).fill(0), 'vit.mask_token': Array<number>(8).fill(9) })],
      [...run(plain, weights)],
      1e-12,
    )
  })
  it('hide what a patch shows', () => {
    const y = features(small, { images, mask }).prenorm
    const everywhere = { mask: Array<number>(18).fill(1), images: Array<number>(864).fill(0) }
    expect([...run(y, everywhere)]).toEqual([...run(y, { ...everywhere, images: Array<number>(864).fill(7) })])
  })
  it('that do not fit, or that the backbone has no token for, are named', () => {
    const fault = (o: VitOptions, shape: ReadonlyArray<number>): string =>
      left(trace('x', [value('y', features(o, { images, mask: input('mask', shape) }).cls)])).remedy
    expect(fault(small, [2, 8])).toContain('patch grid')
    expect(fault({ ...small, maskToken: false }, [2, 9])).toContain('maskToken: true')
  })
})

describe('norms', () => {
  const o: VitOptions = { ...small, generation: 3, untiedNorms: true, localNorm: true, position: { kind: 'rope' } }
  const norms = (given: VitInput, mode: 'train' | 'eval'): ReadonlyArray<string> =>
    leaves(features(o, given, mode).tokens)
      .map((l) => l.path)
      .filter((p) => /^vit\.\w*norm\.weight$/.test(p))
  it('of class token and registers are their own, and of local crops in training another', () => {
    expect(norms({ images }, 'train')).toEqual(['vit.cls_norm.weight', 'vit.norm.weight'])
    expect(norms({ images, crops: 'local' }, 'eval')).toEqual(['vit.cls_norm.weight', 'vit.norm.weight'])
    expect(norms({ images, crops: 'local' }, 'train')).toEqual(['vit.local_cls_norm.weight', 'vit.norm.weight'])
  })
})

describe('biases of keys', () => {
  it('that are masked have no gradient', () => {
    const m = vit({ ...small, depth: 1, maskKeyBias: true })
    const y = sum()(call(m, context('eval'), 'vit', leavesOf('vit', m.params), images).patches)
    const [g] = gradOptions(y, [parameter('vit.blocks.0.attn.qkv.bias', m.params.blocks[0].attn.qkv.bias ?? m.params.cls_token)])
    const values = g._tag === 'Some' ? run(g.value) : new Float64Array()
    expect([...values.slice(8, 16)]).toEqual(Array(8).fill(0))
    expect(values.slice(16).some((x) => Math.abs(x) > 1e-9)).toBe(true)
  })
})

describe('stochastic depth by subsets', () => {
  const o: VitOptions = { ...small, depth: 1, dropPath: 0.5, dropPathRule: 'uniform', dropPathForm: 'subset' }
  it('keeps a fixed part of the batch, at least one', () => {
    expect([keptSamples(5, 0.4), keptSamples(8, 0.3), keptSamples(2, 0.9)]).toEqual([3, 5, 1])
  })
  it('draws an order for each branch, in training alone', () => {
    const draws = (mode: 'train' | 'eval'): ReadonlyArray<string> =>
      leaves(features(o, images, mode).cls)
        .map((l) => l.path)
        .filter((p) => p.includes('drop_path'))
    expect(draws('train')).toEqual(['vit.blocks.0.drop_path1', 'vit.blocks.0.drop_path2'])
    expect(draws('eval')).toEqual([])
  })
  it('leaves the others as they were, and doubles the branch of half a batch', () => {
    const [train, plain, before] = [
      features(o, images, 'train').prenorm,
      features(o).prenorm,
      features({ ...o, depth: 1, layerScale: 1 }, images).prenorm,
    ]
    const weights = Object.fromEntries(leaves(before).map((l, i) => [l.path, [...wave(sizeOf(l.type.shape), i)]]))
    const silent = { ...weights, 'vit.blocks.0.ls2.gamma': Array<number>(8).fill(0) }
    const none = [...run(plain, { ...silent, 'vit.blocks.0.ls1.gamma': Array<number>(8).fill(0) })]
    const once = [...run(plain, silent)]
    const y = [...run(train, { ...silent, 'vit.blocks.0.drop_path1': [1, 0], 'vit.blocks.0.drop_path2': [0, 1] })]
    const half = y.length / 2
    expectClose(y.slice(0, half), none.slice(0, half), 1e-12)
    expectClose(
      y.slice(half),
      once.slice(half).map((v, i) => 2 * v - none[half + i]),
      1e-9,
    )
  })
  it('of a batch of one is the plain block, and a wrong rate is named', () => {
    const one = input('images', [1, 3, 12, 12])
    expect(features(o, one, 'train').cls).toBe(features(o, one).cls)
    expect(left(trace('x', [value('y', features({ ...o, dropPath: 1 }, images, 'train').cls)])).allowed).toContain('a rate in [0, 1)')
  })
})

describe('sizes', () => {
  it('of antialiased taps: rows sum to one, and the same grid is the identity', () => {
    for (const [from, to] of [
      [6, 3],
      [4, 9],
      [37, 16],
      [2, 5],
    ] as const) {
      const taps = antialiasedTaps({ from, to, scale: to / from })
      const rows = Array.from({ length: to }, (_, r) => taps.slice(r * from, r * from + from).reduce((x, y) => x + y, 0))
      expectClose(
        rows,
        rows.map(() => 1),
        1e-12,
      )
    }
    expectClose(antialiasedTaps({ from: 3, to: 3, scale: 1 }), [1, 0, 0, 0, 1, 0, 0, 0, 1], 1e-12)
  })
  it('that are no whole patches are refused where asked, and named', () => {
    expect(left(trace('x', [value('y', features({ ...small, wholePatches: true }, input('images', [1, 3, 13, 12])).cls)])).allowed).toBe(
      'images whose sides 4 divides',
    )
  })
})
