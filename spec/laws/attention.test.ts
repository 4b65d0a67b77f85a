/**
 * Attention is found whatever stands around it, and what is found computes what was written: values and gradients. What is missed is named.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { takeApart } from '../../compiler/passes/apart.ts'
import { attentionsOf, missedAttention, recogniseAttention, showAttention } from '../../compiler/passes/attention.ts'
import { remat } from '../../compiler/passes/remat.ts'
import { followKernels } from '../../compiler/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { attentionOf } from '../../compiler/targets/native/attention.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { fill } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, nodesOf, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { swin } from '../../models/swin.ts'
import type { VitOptions } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { attending } from '../../ops/attention.ts'
import { dot, einsum } from '../../ops/contract.ts'
import { add, div, exp, less, mul, square, sub, where } from '../../ops/elementwise.ts'
import { softmax } from '../../ops/nn.ts'
import { max, sum } from '../../ops/reduce.ts'
import { slice } from '../../ops/window.ts'
import type { Program } from '../../train/step/step.ts'
import { derive, rewriteForward, rewriteStep } from '../../train/step/step.ts'
import { freeze } from '../../train/step/strategies/freeze.ts'
import { dora, lora } from '../../train/step/strategies/lora.ts'
import { half } from '../../train/step/strategies/precision.ts'
import { strategies, noStrategy } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { programOf, run, stage } from '../strategies/networks.ts'
import { expectClose, wave } from '../support/tensor.ts'

const graphOf = (y: Expr): Graph => right(trace('some', [value('y', y)]))
const found = (g: Graph): Graph => right(recogniseAttention.run(g))
const valuesOf = (g: Graph): ReadonlyMap<string, Float64Array> =>
  new Map(leavesOfGraph(g).map((l, i) => [l.path, Float64Array.from(wave(sizeOf(l.type.shape), i))]))

/** The value and its gradients by every leaf, as written, as found, and taken apart again. */
const agrees = (y: Expr, regions: number): void => {
  const before = graphOf(sum()(square(y)))
  const after = found(before)
  expect(attentionsOf(after).length).toBe(regions)
  expect(missedAttention(before)).toEqual([])
  const leaves = leavesOfGraph(before).map((l) => l.leaf)
  const of = (g: Graph): Graph =>
    right(trace('gradients', [...g.outputs, ...grad(g.outputs[0].expr, leaves).map((d, i) => value(`d${i}`, d))]))
  const values = valuesOf(before)
  const results = (g: Graph): ReadonlyArray<Float64Array> =>
    evaluate(
      g.outputs.map((o) => o.expr),
      values,
    )
  const expected = results(of(before))
  for (const g of [of(after), right(takeApart(() => false).run(of(after)))])
    results(g).forEach((x, i) => {
      expectClose(x, expected[i], 1e-10, `output ${i}`)
    })
}

const small: VitOptions = { patch: 4, width: 8, depth: 2, heads: 2, image: 8, mlpRatio: 2 }
const tokens = (o: Partial<VitOptions>): Expr => {
  const m = vit({ ...small, ...o })
  return call(m, context('train'), 'vit', leavesOf('vit', m.params), input('images', [2, 3, 8, 8])).tokens
}

describe('networks', () => {
  it.each<[string, Partial<VitOptions>]>([
    ['plain', {}],
    ['no bias', { qkvBias: false }],
    ['registers', { registers: 4 }],
    ['LayerScale and drop-path', { layerScale: 0.1, dropPath: 0.3 }],
    ['rotary positions and masked key biases', { position: { kind: 'rope', rescale: 2 }, maskKeyBias: true, registers: 2 }],
    ['one head', { heads: 1 }],
  ])('%s', { timeout: 60000 }, (_, o) => {
    agrees(tokens(o), 2)
  })

  it('with windows are missed, and named', () => {
    const m = swin({ width: 4, depths: [2, 2], heads: [1, 2], patch: 2, window: 3 })
    const g = graphOf(call(m, context('eval'), 'swin', leavesOf('swin', m.params), input('images', [1, 3, 16, 16])).cls)
    expect(missedAttention(g).map((x) => x.why)).toEqual(Array.from({ length: 4 }, () => 'something is added to its scores'))
    expect(showAttention(g).split('\n').slice(0, 2)).toEqual([
      '# attention: 0 regions, 4 missed',
      '#   missed swin.layers.0.blocks.0.attn: something is added to its scores',
    ])
  })
})

const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, [2, 5, 3, 4]))
const scores = mul(einsum('bihd,bjhd->bhij')(q, k), 0.5)

describe('forms', () => {
  it('any order of axes, either side, no batch or one', () => {
    agrees(einsum('bjhd,bhij->bihd')(v, softmax(-1)(mul(0.5, einsum('bihd,bjhd->bhij')(q, k)))), 1)
    agrees(einsum('bhji,bjhd->hdib')(softmax(2)(einsum('bjhd,bihd->bhji')(k, q)), v), 1)
    agrees(einsum('hbij,bjhd->bhid')(softmax(-1)(einsum('bihd,bjhd->hbij')(q, k)), v), 1)
    const [x, y, z] = ['x', 'y', 'z'].map((name) => input(name, [5, 4]))
    agrees(einsum('ij,jd->id')(softmax(-1)(einsum('id,jd->ij')(x, y)), z), 1)
    const [r, s, t] = ['r', 's', 't'].map((name) => input(name, [3, 5, 4]))
    agrees(einsum('bij,bjd->bid')(softmax(-1)(mul(einsum('bid,bjd->bij')(r, s), 0.3)), t), 1)
  })

  it('queries, keys and values that are the same', () => {
    agrees(einsum('bhij,bjhd->bihd')(softmax(-1)(einsum('bihd,bjhd->bhij')(q, q)), q), 1)
  })

  const why = (y: Expr): ReadonlyArray<string> => missedAttention(graphOf(y)).map((m) => m.why)
  const mix = (s: Expr, values = v): Expr => einsum('bhij,bjhd->bihd')(softmax(-1)(s), values)

  it('what is missed says why', () => {
    expect(why(mix(add(scores, fill('f32', [5], 1))))).toEqual(['something is added to its scores'])
    expect(why(mix(where(less(scores, 0.1), scores, -100)))).toEqual(['its scores are masked'])
    expect(why(mix(square(scores)))).toEqual(['its scores are no scaled products of queries and keys'])
    expect(why(add(sum()(softmax(-1)(scores)), sum()(mix(scores))))).toEqual(['its probabilities are read by others too'])
    expect(why(mix(scores, input('wide', [2, 5, 3, 6])))).toEqual(['its queries, keys and values are not of one shape'])
    expect(why(mix(mul(einsum('bihd,bjhd->bhij')(slice(1, 0, 4)(q), k), 0.5)))).toEqual([
      'its queries, keys and values are not of one shape',
    ])
    expect(
      why(dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [2, 3], right: [1, 3] })(softmax(-1)(scores), input('odd', [2, 5, 3, 5]))),
    ).toEqual(['its products sum over several axes, or have several axes of tokens'])
  })

  it('scores that are divided by a constant', () => {
    agrees(mix(div(einsum('bihd,bjhd->bhij')(q, k), 3)), 1)
    agrees(mix(div(mul(einsum('bihd,bjhd->bhij')(q, k), 2), 5)), 1)
  })

  it('what is nearly a softmax is none: exponentials over the sum of others, or below the largest of others', () => {
    const others = mul(scores, 2)
    const largest = (s: Expr): Expr => max({ axes: [3], keep: true })(s)
    const exponentials = exp(sub(scores, largest(scores)))
    const total = (e: Expr): Expr => sum({ axes: [3], keep: true })(e)
    const nearly = [
      div(exponentials, total(exp(sub(others, largest(others))))),
      div(exp(sub(scores, largest(others))), total(exp(sub(scores, largest(others))))),
      div(exponentials, sum({ axes: [2], keep: true })(exponentials)),
    ]
    for (const p of nearly) {
      const g = graphOf(einsum('bhij,bjhd->bihd')(p, v))
      expect(attentionsOf(found(g))).toEqual([])
    }
    const whole = div(exponentials, total(exponentials))
    expect(attentionsOf(found(graphOf(einsum('bhij,bjhd->bihd')(whole, v))))).toHaveLength(1)
  })

  it('what does not look like attention is not spoken of', () => {
    expect(why(mul(softmax(-1)(scores), 2))).toEqual([])
    expect(why(einsum('bhij,bihd->bjhd')(softmax(-1)(scores), v))).toEqual([])
  })
})

/** Regions of a step by network, and parts of attention that run natively. */
const regions = (p: Program): number => nodesOf(p.graph).filter((e) => O.isSome(attending.attention.match(e))).length
const partsOf = (p: Program): ReadonlyArray<string> =>
  right(followKernels(nativeRoad())(p.graph)).kernels.flatMap((f) => attentionOf(f.kernel)?.parts ?? [])
const count = (all: ReadonlyArray<string>): Readonly<Record<string, number>> =>
  Object.fromEntries(['output', 'rows', 'gradient'].map((part) => [part, all.filter((x) => x === part).length]))

describe('strategies', () => {
  const adapters = lora({ targets: ['qkv', 'proj'], rank: 2 })
  // three blocks, in the student's global and local crops and in the teacher
  it.each([
    ['none', noStrategy, 6],
    ['lora', adapters, 6],
    ['dora', dora({ targets: ['qkv'], rank: 2 }), 6],
    ['half', half(), 6],
    ['lora in half', strategies([adapters, half()]), 6],
  ] as const)('%s', { timeout: 60000 }, (_, s, gradients) => {
    const p = programOf(s, { whole: true })
    expect(regions(p)).toBe(9)
    expect(count(partsOf(p))).toEqual({ output: 9, rows: gradients, gradient: gradients })
  })

  it('of a last block of which class tokens alone are read, one query looks at the keys: products, no region', () => {
    const p = programOf(noStrategy)
    expect(regions(p)).toBe(6)
    expect(count(partsOf(p))).toEqual({ output: 6, rows: 4, gradient: 4 })
  })

  it('frozen blocks have no gradient of attention, nor save rows', () => {
    const parts = count(partsOf(programOf(freeze({ prefix: 2 }), { whole: true })))
    expect([parts.rows, parts.gradient]).toEqual([2, 2])
  })

  it('recomputation computes outputs and rows again, and gives the same', { timeout: 60000 }, async () => {
    const [plain, again] = [
      programOf(noStrategy, { whole: true }),
      right(pipe(stage({ whole: true }), rewriteForward(noStrategy), derive, rewriteStep(remat())).program),
    ]
    expect(count(partsOf(again))).toEqual({ output: 15, rows: 6, gradient: 6 })
    const [a, b] = [await run(plain, 2), await run(again, 2)]
    for (const [path, x] of a.state) expect([...(b.state.get(path) ?? [])]).toEqual([...x])
  })

  it('a step has as many gradients as regions that are trained, and is taken apart whole', () => {
    const apart = right(pipe(takeApart(() => false).run(programOf(noStrategy).graph), E.map(nodesOf)))
    expect(apart.some((e) => Object.values(attending).some((p) => O.isSome(p.match(e))))).toBe(false)
  })
})

describe('a gradient that is taken apart', () => {
  const [q, k, v, other, g] = ['q', 'k', 'v', 'other', 'g'].map((path) => input(path, [2, 3, 2, 4]))
  const of = (scale: number, a: Expr, b: Expr, c: Expr): Expr => attending.attention({ scale }, a, b, c)
  const rowsOf = (scale: number, a: Expr, b: Expr): Expr => attending.attentionRows({ scale }, a, b)
  /** Saved rows, and a saved output: those of its own arguments, and those that differ from them in one thing. */
  const rows = { own: rowsOf(0.5, q, k), queries: rowsOf(0.5, other, k), keys: rowsOf(0.5, q, other), scale: rowsOf(0.25, q, k) }
  const outputs = {
    own: of(0.5, q, k, v),
    queries: of(0.5, other, k, v),
    keys: of(0.5, q, other, v),
    values: of(0.5, q, k, other),
    scale: of(0.25, q, k, v),
  }
  it.each(Object.keys(rows).flatMap((r) => Object.keys(outputs).map((y) => [r, y] as const)))(
    'is what its own formulas say, with rows of other %s, and an output of other %s',
    (r, y) => {
      const [saved] = Object.entries(rows).flatMap(([name, e]) => (name === r ? [e] : []))
      const [output] = Object.entries(outputs).flatMap(([name, e]) => (name === y ? [e] : []))
      const before = graphOf(attending.attentionGradient({ scale: 0.5 }, q, k, v, saved, output, g))
      const after = right(takeApart(() => false).run(before))
      expect(attentionsOf(after)).toEqual([])
      const values = valuesOf(before)
      expectClose(evaluate([after.outputs[0].expr], values)[0], evaluate([before.outputs[0].expr], values)[0], 1e-10)
    },
  )
})
