/** Every composed op against plain loops. */
import { describe, expect, it } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { fill, table } from '../../core/expr.ts'
import { sizeOf } from '../../core/type.ts'
import { einsum, flattenFrom, linearMap, matmul } from '../../ops/contract.ts'
import { cast, floor, mul, sign } from '../../ops/elementwise.ts'
import {
  crossEntropy,
  gelu,
  l2Normalize,
  layerNorm,
  linear,
  logSoftmax,
  logSumExp,
  oneHot,
  relu,
  rmsNorm,
  sigmoid,
  silu,
  softmax,
  topK,
} from '../../ops/nn.ts'
import { argmax, max, mean, sum } from '../../ops/reduce.ts'
import type { Tensor } from '../support/tensor.ts'
import { expectClose, getter, indices, input, tabulate, waves } from '../support/tensor.ts'

const x = input('x', [3, 5])
const xs = waves([3, 5])
const rows = [0, 1, 2].map((r) => xs.values.slice(r * 5, r * 5 + 5))
const total = (v: ReadonlyArray<number>): number => v.reduce((a, b) => a + b, 0)

const of = (e: Expr, ...tensors: ReadonlyArray<readonly [string, Tensor]>): Float64Array =>
  evaluate([e], new Map([['x', Float64Array.from(xs.values)], ...tensors.map(([k, t]) => [k, Float64Array.from(t.values)] as const)]))[0]

const numbers = (...values: ReadonlyArray<number>): Expr => table('f32', [values.length], values)

describe('softmax and its kin', () => {
  it('has rows that sum to one, for large logits too', () => {
    const s = of(softmax()(mul(x, 1000)))
    expectClose(
      [0, 1, 2].map((r) => total([...s.slice(r * 5, r * 5 + 5)])),
      [1, 1, 1],
      1e-14,
    )
    expectClose(
      of(softmax()(x)),
      rows.flatMap((r) => r.map((v) => Math.exp(v) / total(r.map(Math.exp)))),
      1e-14,
    )
  })
  it('takes any axis', () => {
    expectClose(of(sum({ axes: [0] })(softmax(0)(x))), [1, 1, 1, 1, 1], 1e-14)
  })
  it('has the logarithm of its sum, and of itself', () => {
    expectClose(
      of(logSumExp()(x)),
      rows.map((r) => Math.log(total(r.map(Math.exp)))),
      1e-14,
    )
    expectClose(
      of(logSumExp(0)(mul(x, 900))),
      [0, 1, 2, 3, 4].map((c) => 900 * Math.max(...rows.map((r) => r[c]))),
      1e-2,
    )
    expectClose(
      of(logSoftmax()(x)),
      rows.flatMap((r) => r.map((v) => v - Math.log(total(r.map(Math.exp))))),
      1e-14,
    )
  })
  it('has a gradient that sums to zero along the row', () => {
    const g = of(grad(sum()(mul(softmax()(x), input('w', [3, 5]))), [x])[0], ['w', waves([3, 5], 2)])
    expectClose(
      [0, 1, 2].map((r) => total([...g.slice(r * 5, r * 5 + 5)])),
      [0, 0, 0],
      1e-14,
    )
  })
  it('gives the cross entropy, whose gradient is softmax less target', () => {
    const labels = table('i32', [3], [4, 0, 2])
    const loss = crossEntropy(x, oneHot(5)(labels))
    expectClose(
      of(loss),
      rows.map((r, i) => Math.log(total(r.map(Math.exp))) - r[[4, 0, 2][i]]),
      1e-14,
    )
    const softmaxes = of(softmax()(x))
    expectClose(
      of(grad(sum()(loss), [x])[0]),
      softmaxes.map((p, i) => p - Number(i % 5 === [4, 0, 2][Math.floor(i / 5)])),
      1e-14,
    )
  })
})

describe('normalisation', () => {
  const [w, b] = [waves([5], 1), waves([5], 2)]
  it('layerNorm is (x - mean) / sqrt(var + eps) * weight + bias', () => {
    const expected = rows.flatMap((r) => {
      const m = total(r) / 5
      const variance = total(r.map((v) => (v - m) ** 2)) / 5
      return r.map((v, i) => ((v - m) / Math.sqrt(variance + 1e-6)) * w.values[i] + b.values[i])
    })
    expectClose(of(layerNorm(1e-6)(x, input('w', [5]), input('b', [5])), ['w', w], ['b', b]), expected, 1e-13)
  })
  it('rmsNorm is x / sqrt(mean x^2 + eps) * weight', () => {
    const expected = rows.flatMap((r) => r.map((v, i) => (v / Math.sqrt(total(r.map((u) => u * u)) / 5 + 1e-6)) * w.values[i]))
    expectClose(of(rmsNorm(1e-6)(x, input('w', [5])), ['w', w]), expected, 1e-13)
  })
  it('l2Normalize gives rows of length one, and a row of zeros a finite gradient', () => {
    expectClose(
      of(l2Normalize()(x)),
      rows.flatMap((r) => r.map((v) => v / Math.hypot(...r))),
      1e-14,
    )
    const y = input('y', [2, 3])
    const some = { type: y.type, values: [0, 0, 0, 3, 0, 4] }
    expectClose(of(l2Normalize()(y), ['y', some]), [0, 0, 0, 0.6, 0, 0.8], 1e-14)
    const g = of(grad(sum()(l2Normalize()(y)), [y])[0], ['y', some])
    expect(g.every(Number.isFinite)).toBe(true)
    expectClose(g.slice(3), [1 / 5 - (3 * 7) / 125, 1 / 5, 1 / 5 - (4 * 7) / 125], 1e-14)
  })
})

describe('activations', () => {
  it('gelu is the exact form', () => {
    expectClose(of(gelu(numbers(1, -3, 0, 10))), [0.8413447460685429, -0.00404969409489031, 0, 10], 1e-14)
  })
  it('sigmoid, silu and relu', () => {
    expectClose(of(sigmoid(numbers(0, 2, -40))), [0.5, 1 / (1 + Math.exp(-2)), Math.exp(-40)], 1e-14)
    expectClose(of(silu(numbers(0, 2, -1))), [0, 2 / (1 + Math.exp(-2)), -1 / (1 + Math.E)], 1e-14)
    expect([...of(relu(numbers(-1, 0, 2)))]).toEqual([0, 0, 2])
  })
  it('sign and floor', () => {
    expect([...of(sign(numbers(-2.5, 0, 7)))]).toEqual([-1, 0, 1])
    expect([...of(floor(numbers(-2.5, 0, 7.9)))]).toEqual([-3, 0, 7])
  })
})

describe('selection', () => {
  it('oneHot marks each label', () => {
    expect([...of(oneHot(3)(table('i32', [2, 2], [0, 2, 1, 1])))]).toEqual([1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0])
  })
  it('topK gives the largest first, ties by position, and the gradient to what it chose', () => {
    const y = input('y', [2, 4])
    const values: Tensor = { type: y.type, values: [1, 4, 4, -2, 0, -1, 7, 3] }
    const top = topK(3)(y)
    expect([...of(top.values, ['y', values])]).toEqual([4, 4, 1, 7, 3, 0])
    expect([...of(top.indices, ['y', values])]).toEqual([1, 2, 0, 2, 3, 0])
    expect([...of(grad(sum()(mul(top.values, table('f32', [3], [1, 2, 3]))), [y])[0], ['y', values])]).toEqual([3, 1, 2, 0, 3, 0, 1, 2])
  })
})

describe('reductions', () => {
  it('over all axes, some, and none', () => {
    expectClose(of(sum()(x)), [total(xs.values)], 1e-14)
    expectClose(
      of(mean({ axes: [0] })(x)),
      [0, 1, 2, 3, 4].map((c) => total(rows.map((r) => r[c])) / 3),
      1e-14,
    )
    expectClose(
      of(max({ axes: [-1], keep: true })(x)),
      rows.map((r) => Math.max(...r)),
      0,
    )
    for (const f of [sum, mean, max]) expect(f({ axes: [] })(x)).toBe(x)
    expect(max({ axes: [0, 1], keep: true })(x).type.shape).toEqual([1, 1])
  })
  it('argmax counts row-major in the axes it reduces, and is zero over none', () => {
    expect(of(argmax()(x))[0]).toBe(xs.values.indexOf(Math.max(...xs.values)))
    expect([...of(argmax({ axes: [0] })(x))]).toEqual(
      [0, 1, 2, 3, 4].map((c) => rows.map((r) => r[c]).indexOf(Math.max(...rows.map((r) => r[c])))),
    )
    expect([...of(argmax({ axes: [] })(fill('f32', [2], 3)))]).toEqual([0, 0])
  })
  it('max hands a NaN on', () => {
    expect(of(max()(numbers(1, NaN, 2)))[0]).toBeNaN()
  })
})

describe('contractions', () => {
  const plain = (
    a: Tensor,
    b: Tensor,
    out: ReadonlyArray<number>,
    K: number,
    at: (i: ReadonlyArray<number>, k: number) => readonly [ReadonlyArray<number>, ReadonlyArray<number>],
  ): ReadonlyArray<number> =>
    indices(out).map((i) =>
      total(
        Array.from({ length: K }, (_, k) => {
          const [p, q] = at(i, k)
          return getter(a)(p) * getter(b)(q)
        }),
      ),
    )

  it('matmul broadcasts its batch', () => {
    const [a, b] = [waves([2, 1, 3, 4]), waves([5, 4, 2], 1)]
    const y = matmul(input('a', a.type.shape), input('b', b.type.shape))
    expect(y.type.shape).toEqual([2, 5, 3, 2])
    expectClose(
      of(y, ['a', a], ['b', b]),
      plain(a, b, y.type.shape, 4, ([n, m, r, c], k) => [
        [n, 0, r, k],
        [m, k, c],
      ]),
      1e-14,
    )
  })
  it('matmul with one matrix on either side', () => {
    const [a, b] = [waves([2, 3, 4]), waves([4, 2], 1)]
    expectClose(
      of(matmul(input('a', a.type.shape), input('b', b.type.shape)), ['a', a], ['b', b]),
      plain(a, b, [2, 3, 2], 4, ([n, r, c], k) => [
        [n, r, k],
        [k, c],
      ]),
      1e-14,
    )
    const [c, d] = [waves([3, 4]), waves([2, 4, 5], 1)]
    expectClose(
      of(matmul(input('c', c.type.shape), input('d', d.type.shape)), ['c', c], ['d', d]),
      plain(c, d, [2, 3, 5], 4, ([n, r, k2], k) => [
        [r, k],
        [n, k, k2],
      ]),
      1e-14,
    )
  })
  it('linear is x W^T + b', () => {
    const [a, w, b] = [waves([2, 3, 4]), waves([5, 4], 1), waves([5], 2)]
    const expected = plain(a, w, [2, 3, 5], 4, ([n, r, o], k) => [
      [n, r, k],
      [o, k],
    ])
    expectClose(of(linearMap(input('a', [2, 3, 4]), input('w', [5, 4])), ['a', a], ['w', w]), expected, 1e-14)
    expectClose(
      of(linear(input('a', [2, 3, 4]), input('w', [5, 4]), input('b', [5])), ['a', a], ['w', w], ['b', b]),
      expected.map((v, i) => v + b.values[i % 5]),
      1e-14,
    )
  })
  it.each([
    ['bqhd,bkhd->bhqk', [2, 3, 2, 4], [2, 5, 2, 4]],
    ['bhqk,bkhd->bqhd', [2, 2, 3, 5], [2, 5, 2, 4]],
    ['ij,jk->ki', [2, 3], [3, 4]],
    ['ij,ij->', [2, 3], [2, 3]],
    ['i,j->ji', [2], [3]],
    ['ab, ab -> ba', [2, 3], [2, 3]],
  ])('einsum %s', (spec, left, right) => {
    const [a, b] = [waves(left), waves(right, 1)]
    const y = einsum(spec)(input('a', left), input('b', right))
    const [l, r, out] = spec
      .replaceAll(' ', '')
      .split(/,|->/)
      .map((s) => s.split(''))
    const extent = (c: string): number => (l.includes(c) ? left[l.indexOf(c)] : right[r.indexOf(c)])
    const summed = l.filter((c) => !out.includes(c))
    const expected = tabulate({ dtype: 'f32', shape: out.map(extent) }, (i) =>
      total(
        indices(summed.map(extent)).map((k) => {
          const place = (c: string): number => (out.includes(c) ? i[out.indexOf(c)] : k[summed.indexOf(c)])
          return getter(a)(l.map(place)) * getter(b)(r.map(place))
        }),
      ),
    )
    expect(y.type).toEqual(expected.type)
    expectClose(of(y, ['a', a], ['b', b]), expected.values, 1e-14)
  })
  it('flattenFrom joins what follows an axis', () => {
    expect(flattenFrom(1)(input('a', [2, 3, 4])).type.shape).toEqual([2, 12])
    expect(sizeOf(flattenFrom(0)(x).type.shape)).toBe(15)
  })
})

describe('precision', () => {
  it('gradients pass through casts in the precision of what they belong to', () => {
    const g = grad(sum()(mul(cast('f32')(cast('f16')(x)), 3)), [x])[0]
    expect(g.type.dtype).toBe('f32')
    expect(new Set(of(g))).toEqual(new Set([3]))
  })
})
