/** The backbone: sizes, names, shapes and what its misuse says. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, nodesOf, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { parameterCount } from '../../models/count.ts'
import { dropPath } from '../../models/drop-path.ts'
import { bicubicTaps } from '../../models/interpolation.ts'
import type { Vit, VitFeatures, VitOptions } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'

const small: VitOptions = { patch: 4, width: 8, depth: 2, heads: 2, image: 12 }

const features = (m: Vit, shape: ReadonlyArray<number>, mode: 'train' | 'eval' = 'eval'): VitFeatures =>
  call(m, context(mode), 'vit', leavesOf('vit', m.params), input('images', shape))

const graph = (e: Expr): Graph => right(trace('vit', [value('y', e)]))

/** Values for every named leaf. */
const run = (e: Expr): Float64Array =>
  evaluate([e], new Map(leavesOfGraph(graph(e)).map((l, i) => [l.path, Float64Array.from(wave(sizeOf(l.type.shape), i))])))[0]

const faultOf = (o: VitOptions, shape: ReadonlyArray<number>): string => {
  const t = trace('vit', [value('y', features(vit(o), shape).cls)])
  return E.isLeft(t) ? showFault(t.left) : 'no fault'
}

describe('presets', () => {
  it.each([
    ['Ti/16', vit.tiny(), 5_524_416],
    ['S/16', vit.small(), 21_665_664],
    ['S/8', vit.small({ patch: 8 }), 21_670_272],
    ['B/16', vit.base(), 85_798_656],
    ['B/8', vit.base({ patch: 8 }), 85_807_872],
  ])('%s has the parameters of the paper', (_, m, n) => {
    expect(parameterCount(m.params)).toBe(n)
  })
})

describe('parameters', () => {
  it('bear the official names, in the official order', () => {
    expect(declarations(vit({ ...small, depth: 1 }).params).map(([path]) => path)).toEqual([
      'cls_token',
      'pos_embed',
      'patch_embed.proj.weight',
      'patch_embed.proj.bias',
      'blocks.0.norm1.weight',
      'blocks.0.norm1.bias',
      'blocks.0.attn.qkv.weight',
      'blocks.0.attn.qkv.bias',
      'blocks.0.attn.proj.weight',
      'blocks.0.attn.proj.bias',
      'blocks.0.norm2.weight',
      'blocks.0.norm2.bias',
      'blocks.0.mlp.fc1.weight',
      'blocks.0.mlp.fc1.bias',
      'blocks.0.mlp.fc2.weight',
      'blocks.0.mlp.fc2.bias',
      'norm.weight',
      'norm.bias',
    ])
  })
  it('have no joint bias where it is off', () => {
    expect(declarations(vit({ ...small, qkvBias: false }).params).some(([path]) => path.endsWith('qkv.bias'))).toBe(false)
  })
})

describe('features', () => {
  it('have the shapes that they say', () => {
    const f = features(vit(small), [2, 3, 12, 16])
    expect([f.cls, f.patches, f.tokens, f.prenorm, f.attention, f.position, ...f.layers].map((e) => e.type.shape)).toEqual([
      [2, 8],
      [2, 12, 8],
      [2, 13, 8],
      [2, 13, 8],
      [2, 2, 13, 13],
      [1, 13, 8],
      [2, 13, 8],
      [2, 13, 8],
    ])
  })
  it('end with the last layer', () => {
    const f = features(vit(small), [2, 3, 12, 12])
    expect(f.layers[1]).toBe(f.tokens)
  })
  it('drop what is left of a side beyond whole patches', () => {
    expect(features(vit(small), [1, 3, 15, 9]).patches.type.shape).toEqual([1, 6, 8])
  })
  it('that nothing reads are not in the graph', () => {
    const f = features(vit(small), [2, 3, 12, 12])
    expect(nodesOf(graph(f.position)).length).toBe(1)
    expect(leavesOfGraph(graph(f.prenorm)).some((l) => l.path === 'vit.norm.weight')).toBe(false)
  })
  it('look somewhere with every token', () => {
    const a = run(features(vit(small), [1, 3, 12, 12]).attention)
    const rows = Array.from({ length: 20 }, (_, r) => a.slice(r * 10, r * 10 + 10).reduce((x, y) => x + y, 0))
    expectClose(
      rows,
      rows.map(() => 1),
      1e-12,
    )
  })
})

describe('drop path', () => {
  const draws = (o: VitOptions, mode: 'train' | 'eval'): ReadonlyArray<string> =>
    leavesOfGraph(graph(features(vit(o), [2, 3, 12, 12], mode).cls))
      .filter((l) => l.source._tag === 'Draw')
      .map((l) => l.path)
  it('draws for each branch of the blocks with a rate, in training alone', () => {
    expect(draws({ ...small, depth: 3, dropPath: 0.2 }, 'train')).toEqual([
      'vit.blocks.1.drop_path1',
      'vit.blocks.1.drop_path2',
      'vit.blocks.2.drop_path1',
      'vit.blocks.2.drop_path2',
    ])
    expect(draws({ ...small, depth: 3, dropPath: 0.2 }, 'eval')).toEqual([])
    expect(draws(small, 'train')).toEqual([])
  })
  it('divides what is kept by the probability, so that the expectation stays', () => {
    const branch = input('branch', [2, 2])
    const [y] = evaluate(
      [dropPath(0.75, context('train', 'b'), 'd')(branch)],
      new Map([
        ['branch', Float64Array.of(1, 2, 3, 4)],
        ['b.d', Float64Array.of(1, 0)],
      ]),
    )
    expect([...y]).toEqual([4, 8, 0, 0])
    expect(dropPath(0.75, context('eval'), 'd')(branch)).toBe(branch)
  })
})

describe('position embeddings', () => {
  it('are the stored ones for the images that they were made for', () => {
    const f = features(vit(small), [1, 3, 12, 12])
    expect(f.position._tag === 'Leaf' && f.position.source).toEqual({ _tag: 'Param', path: 'vit.pos_embed' })
  })
  it('are resized for any other size, a rectangle of as many patches and a larger square of as many among them', () => {
    expect(features(vit(small), [1, 3, 12, 13]).position._tag).toBe('Apply')
    expect(features(vit({ ...small, image: 16 }), [1, 3, 8, 32]).position.type.shape).toEqual([1, 17, 8])
    expect(features(vit(small), [1, 3, 13, 13]).position._tag).toBe('Leaf')
  })
  it('mix stored rows with weights that sum to one', () => {
    for (const [from, to, offset] of [
      [3, 5, 0.1],
      [14, 6, 0.1],
      [4, 4, 0],
      [1, 3, 0.1],
    ] as const) {
      const taps = bicubicTaps({ from, to, scale: (to + offset) / from })
      const rows = Array.from({ length: to }, (_, r) => taps.slice(r * from, r * from + from).reduce((x, y) => x + y, 0))
      expectClose(
        rows,
        rows.map(() => 1),
        1e-12,
      )
    }
    expect(bicubicTaps({ from: 3, to: 3, scale: 1 })).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1])
  })
})

describe('misuse', () => {
  it('of heads names the scope, both numbers and the remedy', () => {
    expect(faultOf({ ...small, heads: 3 }, [1, 3, 12, 12])).toMatch(
      /attention .* in vit\.blocks\.0\.attn\n.*\n.*width 8, 3 heads.*\n.*whole number/,
    )
  })
  it('of images names what the model takes', () => {
    expect(faultOf(small, [1, 1, 12, 12])).toMatch(
      /patchEmbed .* in vit\.patch_embed\n {2}found: {3}f32\[1, 1, 12, 12\]\n {2}allowed: images \[B, 3, H, W\]/,
    )
    expect(faultOf(small, [3, 12, 12])).toContain('images [B, 3, H, W]')
    expect(faultOf(small, [1, 3, 12, 3])).toContain('H and W of at least 4')
  })
  it('of sizes names the options', () => {
    expect(faultOf({ ...small, depth: 1.5 }, [1, 3, 12, 12])).toContain('"depth":1.5')
    expect(faultOf({ ...small, depth: 0 }, [1, 3, 12, 12])).toContain('correct the options of the backbone')
    expect(faultOf({ ...small, image: 3 }, [1, 3, 12, 12])).toContain('"image":3')
    expect(faultOf({ ...small, dropPath: 1.5 }, [1, 3, 12, 12])).toContain('a rate in [0, 1) (asked: 1.5)')
    expect(faultOf(small, [1, 3, 12, 12])).toBe('no fault')
  })
})

it('begins the matrices of its blocks, and its learned positions, with the deviations asked for, and nothing else', () => {
  const stds = (o: VitOptions) =>
    new Map(declarations(vit(o).params).flatMap(([path, d]) => (d.init._tag === 'TruncNormal' ? [[path, d.init.std] as const] : [])))
  const [usual, asked] = [stds(small), stds({ ...small, initStd: 0.3 })]
  expect([...usual.values()].every((s) => s === 0.02)).toBe(true)
  expect([...asked].filter(([, s]) => s === 0.3).map(([path]) => path)).toEqual(
    [...usual.keys()].filter((path) => path.startsWith('blocks.')),
  )
  expect([...asked.keys()]).toEqual([...usual.keys()])
  const placed = stds({ ...small, positionStd: 0.5 })
  expect([...placed].filter(([path, s]) => s !== usual.get(path))).toEqual([['pos_embed', 0.5]])
})
