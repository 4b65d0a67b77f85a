/** Rows that nobody reads are left out, and what is left computes what was written: values and gradients. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import { describe, expect, it } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { recogniseAttention } from '../../compiler/passes/attention.ts'
import { narrow } from '../../compiler/passes/narrow.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { scopeOf, table } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, nodesOf, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { apply, primitive } from '../../core/primitive.ts'
import * as S from '../../core/scalar.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import type { TensorType } from '../../core/type.ts'
import { range, sizeOf } from '../../core/type.ts'
import type { VitFeatures, VitOptions } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { contracting } from '../../ops/contract.ts'
import { add, minimum, not, square } from '../../ops/elementwise.ts'
import { gather } from '../../ops/gather.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { slice } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { samples } from '../rules/samples.ts'
import { runs } from '../support/arbitrary.ts'
import { graphs } from '../support/graphs.ts'
import { expectClose, input as typed, wave } from '../support/tensor.ts'
import { doubles } from '../support/values.ts'

const valuesOf = (g: Graph): ReadonlyMap<string, Float64Array> =>
  new Map(leavesOfGraph(g).map((l, i) => [l.path, Float64Array.from(wave(sizeOf(l.type.shape), i))]))

/** Elements of all products whose operand is a weight of the second block. */
const elementsOfProducts = (g: Graph): number =>
  nodesOf(g).reduce(
    (n, e) => (e._tag === 'Apply' && O.isSome(contracting.dot.match(e)) && scopeOf(e).includes('blocks.1.') ? n + sizeOf(e.type.shape) : n),
    0,
  )

/** A scalar and its gradients by every leaf, as written and narrowed, with attention found before and without; the narrowed graph. */
const agrees = (y: Expr): Graph => {
  const before = right(trace('some', [value('y', y)]))
  const leaves = leavesOfGraph(before).map((l) => l.leaf)
  const of = (g: Graph): Graph =>
    right(trace('gradients', [...g.outputs, ...grad(g.outputs[0].expr, leaves).map((d, i) => value(`d${i}`, d))]))
  const values = valuesOf(before)
  const results = (g: Graph): ReadonlyArray<Float64Array> =>
    evaluate(
      of(g).outputs.map((o) => o.expr),
      values,
    )
  const expected = results(before)
  const found = right(recogniseAttention.run(before))
  for (const g of [before, found]) {
    const after = right(narrow.run(g))
    results(after).forEach((x, i) => {
      expectClose(x, expected[i], 1e-10, i === 0 ? 'value' : `gradient of ${leavesOfGraph(before)[i - 1].path}`)
    })
    expect(print(right(narrow.run(after)))).toBe(print(after))
  }
  return right(narrow.run(found))
}

const small: VitOptions = { patch: 4, width: 8, depth: 2, heads: 2, image: 12, mlpRatio: 2 }
const features = (o: Partial<VitOptions> = {}): VitFeatures => {
  const m = vit({ ...small, ...o })
  return call(m, context('train'), 'vit', leavesOf('vit', m.params), input('images', [2, 3, 12, 12]))
}

/** Width 8, T tokens of 2 images, 2 heads: what the second block's products give for `rows` of them; keys and values are of all. */
const expected = (tokens: number, rows: number, scores: number): number => 2 * tokens * 24 + scores + rows * (8 + 16 + 8)
const ofQueries = (tokens: number, queries: number): number => 2 * 2 * queries * (tokens + 4)

describe('a network', () => {
  it.each<[string, Partial<VitOptions>, number]>([
    ['plain', {}, 10],
    ['registers', { registers: 2 }, 12],
    ['LayerScale and drop-path', { layerScale: 0.1, dropPath: 0.3 }, 10],
    ['rotary positions and masked key biases', { position: { kind: 'rope', rescale: 2 }, maskKeyBias: true }, 10],
    ['untied norms', { untiedNorms: true }, 10],
  ])('of which class tokens are read: %s', { timeout: 60000 }, (_, o, tokens) => {
    const g = agrees(sum()(square(features(o).cls)))
    expect(elementsOfProducts(g)).toBe(expected(tokens, 2, ofQueries(tokens, 1)))
  })
  it('of which registers are read too', { timeout: 60000 }, () => {
    const f = features({ registers: 2 })
    const g = agrees(add(sum()(square(f.cls)), sum()(square(f.registers ?? f.cls))))
    expect(elementsOfProducts(g)).toBe(expected(12, 6, ofQueries(12, 3)))
  })
  it.each<[string, Partial<VitOptions>, number]>([
    ['plain', {}, 10],
    ['registers', { registers: 2 }, 12],
    ['LayerScale', { layerScale: 0.1 }, 10],
  ])('of which class tokens and some patches are read: %s', { timeout: 60000 }, (_, o, tokens) => {
    const f = features(o)
    const listed = gather(0)(reshape([18, 8])(f.patches), table('i32', [5], [1, 4, 5, 11, 17]))
    const g = agrees(add(sum()(square(f.cls)), sum()(square(listed))))
    // attention stays whole, a region
    expect(elementsOfProducts(g)).toBe(expected(tokens, 7, 0))
  })
  it('of which all patches are read stays as it is', { timeout: 60000 }, () => {
    const f = features()
    const before = right(trace('some', [value('y', add(sum()(square(f.cls)), sum()(square(f.patches))))]))
    expect(right(narrow.run(before))).toEqual(before)
  })
})

describe('random graphs', () => {
  it('of which some rows are read give what they gave', () => {
    const changed = { n: 0 }
    fc.assert(
      fc.property(graphs(), fc.array(fc.nat(), { minLength: 8, maxLength: 8 }), ({ graph, values }, numbers) => {
        const nodes = nodesOf(graph).filter((e) => e._tag === 'Apply' && e.type.shape.some((d) => d > 1))
        if (nodes.length === 0) return
        const chosen = range(2).map((i): Expr => {
          const [at, axis, row, kind] = numbers.slice(4 * i)
          const e = nodes[nodes.length - 1 - (at % Math.min(3, nodes.length))]
          const axes = e.type.shape.flatMap((d, a) => (d > 1 ? [a] : []))
          const a = axes[axis % axes.length]
          const from = row % e.type.shape[a]
          return kind % 3 === 0 ? gather(a)(e, table('i32', [1], [from])) : slice(a, from, from + 1)(e)
        })
        const before = right(
          trace(
            'rows',
            chosen.map((e, i) => value(`y${i}`, e)),
          ),
        )
        const after = right(narrow.run(before))
        if (print(after) !== print(before)) changed.n++
        const result = (g: Graph): ReadonlyArray<Float64Array> =>
          evaluate(
            g.outputs.map((o) => o.expr),
            doubles(values),
          )
        const expectedRows = result(before)
        result(after).forEach((x, i) => {
          expectClose(x, expectedRows[i], 1e-12, print(before))
        })
      }),
      runs(300),
    )
    expect(changed.n).toBeGreaterThan(50)
  })
})

/** A value that is computed, so that rows of it can be computed alone; whole numbers stay the positions that they were. */
const computed = (x: Expr): Expr => (x.type.dtype === 'bool' ? not(not(x)) : x.type.dtype === 'i32' ? minimum(x, x) : add(x, x))

describe('every primitive', () => {
  it.each(Object.entries(samples))('%s: rows of its result are rows of it', (_, { cases }) => {
    const tried = { n: 0 }
    fc.assert(
      fc.property(cases, fc.nat(), fc.nat(), fc.boolean(), ({ op, args }, axis, row, isListed) => {
        const leaves = args.map((a, k) => typed(`x${k}`, a.type.shape, a.type.dtype))
        const out = apply(op, leaves.map(computed))
        const axes = out.type.shape.flatMap((d, a) => (d > 1 ? [a] : []))
        const a = axes[axis % Math.max(1, axes.length)]
        if (out._tag === 'Invalid' || a === undefined) return
        const from = row % out.type.shape[a]
        const rows = isListed ? gather(a)(out, table('i32', [1], [from])) : slice(a, from, from + 1)(out)
        const before = right(trace('rows', [value('y', rows)]))
        const given = new Map(args.map((x, k) => [`x${k}`, Float64Array.from(x.values)]))
        const result = (g: Graph): Float64Array => evaluate([g.outputs[0].expr], given)[0]
        const after = right(narrow.run(before))
        expectClose(result(after), result(before), 1e-12, print(before))
        tried.n++
      }),
      runs(60),
    )
    expect(tried.n).toBeGreaterThan(5)
  })
})

describe("a primitive of one's own", () => {
  /** Rows of the second axis of `f` of a square, narrowed and not. */
  const rowsAgree = (f: (x: Expr) => Expr): void => {
    const x = input('x', [3, 3])
    for (const axis of [0, 1]) {
      const before = right(trace('rows', [value('y', slice(axis, 2, 3)(f(add(x, x))))]))
      const given = new Map([['x', Float64Array.from(wave(9))]])
      expectClose(evaluate([right(narrow.run(before)).outputs[0].expr], given)[0], evaluate([before.outputs[0].expr], given)[0], 1e-12)
    }
  }
  const rules = {
    params: t.type({}),
    arity: 1,
    type: (_: unknown, [x]: ReadonlyArray<TensorType>) => E.right(x),
    vjp: () => [O.none],
  } as const
  it('that knows where it is has all of its rows computed', () => {
    const ramp = primitive('ramp', {
      ...rules,
      lower: (_, [x], out) => S.binary('add', S.read(0, x, S.axesOf(out)), S.cast('f32', S.axis(1, x.shape[1]))),
    })
    rowsAgree((x) => ramp({}, x))
  })
  it('that reads its argument at two places has all of its rows computed', () => {
    const symmetric = primitive('symmetric', {
      ...rules,
      lower: (_, [x], out) => {
        const [i, j] = S.axesOf(out)
        return S.binary('add', S.read(0, x, [i, j]), S.read(0, x, [j, i]))
      },
    })
    rowsAgree((x) => symmetric({}, x))
  })
})
