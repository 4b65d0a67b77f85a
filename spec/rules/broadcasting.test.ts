/** Broadcasting against NumPy's rules, by brute force over all small shapes. */
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Shape } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import { add, less, mul, where } from '../../ops/elementwise.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { grad } from '../../compiler/grad.ts'
import { sum } from '../../ops/reduce.ts'
import { expectClose, getter, indices, input, waves } from '../support/tensor.ts'

/** All shapes of rank up to 3 with dimensions 1, 2 and 3. */
const shapes: ReadonlyArray<Shape> = [0, 1, 2, 3].flatMap((rank) => indices(range(rank).map(() => 3)).map((i) => i.map((d) => d + 1)))

/** NumPy: prepend ones to the shorter, then every axis must be equal or 1. */
const numpy = (a: Shape, b: Shape): Shape | undefined => {
  const rank = Math.max(a.length, b.length)
  const [p, q] = [a, b].map((s) => [...range(rank - s.length).map(() => 1), ...s])
  return p.every((d, i) => d === q[i] || d === 1 || q[i] === 1) ? p.map((d, i) => Math.max(d, q[i])) : undefined
}

/** The place in a tensor of `shape` that stands at place `i` of what it is repeated to. */
const source = (shape: Shape, i: ReadonlyArray<number>): ReadonlyArray<number> =>
  shape.map((d, k) => (d === 1 ? 0 : i[i.length - shape.length + k]))

const valuesOf = (a: Shape, b: Shape): ReadonlyMap<string, Float64Array> =>
  new Map([
    ['a', Float64Array.from(waves(a).values)],
    ['b', Float64Array.from(waves(b, 1).values)],
  ])

describe('broadcasting', () => {
  it('gives the shape that NumPy gives, or a misuse where NumPy raises', () => {
    for (const a of shapes)
      for (const b of shapes) {
        const y = add(input('a', a), input('b', b))
        const expected = numpy(a, b)
        expect(y._tag === 'Invalid' ? undefined : y.type.shape, `${String(a)} + ${String(b)}`).toEqual(expected)
      }
  })

  it('gives the values that NumPy gives', () => {
    const pairs = shapes.flatMap((a) => shapes.map((b) => [a, b] as const)).filter(([a, b], i) => numpy(a, b) !== undefined && i % 7 === 0)
    for (const [a, b] of pairs) {
      const out = numpy(a, b) ?? []
      const [x, y] = [getter(waves(a)), getter(waves(b, 1))]
      const [sums, chosen] = evaluate(
        [add(input('a', a), input('b', b)), where(less(input('a', a), 0.2), input('b', b), input('a', a))],
        valuesOf(a, b),
      )
      expectClose(
        sums,
        indices(out).map((i) => x(source(a, i)) + y(source(b, i))),
        0,
        `${String(a)} + ${String(b)}`,
      )
      expectClose(
        chosen,
        indices(out).map((i) => (x(source(a, i)) < 0.2 ? y(source(b, i)) : x(source(a, i)))),
        0,
        `where ${String(a)}, ${String(b)}`,
      )
    }
  })

  it('sums the gradient over what it repeated', () => {
    for (const [a, out] of [
      [
        [1, 3],
        [2, 3],
      ],
      [[3], [2, 3]],
      [[], [2, 2]],
      [
        [2, 1, 1],
        [2, 3, 2],
      ],
    ] as const) {
      const [x, w] = [input('a', a), input('b', out)]
      const [g] = evaluate(grad(sum()(mul(broadcastTo(out)(x), w)), [x]), valuesOf(a, out))
      const b = getter(waves(out, 1))
      const expected = indices(a).map((i) =>
        indices(out)
          .filter((j) => String(source(a, j)) === String(i))
          .reduce((s, j) => s + b(j), 0),
      )
      expectClose(g, expected, 1e-14)
    }
  })
})
