/**
 * What kernels take for granted of whole numbers: comparisons that ranges decide, remainders, sums that wrap around, positions that data
 * give. Each case lies at the edge of a range, where a range that is too narrow by one gives another value.
 */
import { describe, expect, it } from 'vitest'
import { followKernels } from '../../compiler/road.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { range } from '../../core/type.ts'
import { add, cast, floorDiv, less, lessEqual, mod, mul, sub, where } from '../../ops/elementwise.ts'
import { gather, iota } from '../../ops/gather.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { concat, flip, pad, slice } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { interpreted } from '../support/kernels.ts'
import { input, tensor, waves } from '../support/tensor.ts'
import { hostArrays } from '../support/values.ts'

/** An expression of `x`, `y`, and the positions `i`, of `n` entries: what every road makes of it is what it is. */
const agrees = (n: number, positions: ReadonlyArray<number>, make: (x: Expr, y: Expr, i: Expr) => Expr): void => {
  const out = make(input('x', [n]), input('y', [1]), input('i', [positions.length], 'i32'))
  const graph = right(trace('edge', [value('out', out.type.dtype === 'bool' ? cast('i32')(out) : out)]))
  const given = hostArrays(
    new Map([
      ['x', waves([n], 1)],
      ['y', waves([1], 2)],
      ['i', tensor('i32', [positions.length], positions)],
    ]),
  )
  const [expected] = evaluate([graph.outputs[0].expr], given)
  for (const road of [gpujsRoad({ maxInputs: 7, packs: true }), nativeRoad()])
    expect([...interpreted(right(followKernels(road)(graph)), given)[0]]).toEqual([...expected])
}

/** 1 where it holds, 0 elsewhere. */
const indicator = (b: Expr): Expr => where(b, 1, 0)

describe('ranges of whole numbers', () => {
  const sizes = [2, 3, 5, 7]
  it.each(sizes)('of an axis of %i', (n) => {
    for (const c of range(n + 2).map((k) => k - 1)) {
      agrees(n, [0], () => indicator(less(iota([n]), c)))
      agrees(n, [0], () => indicator(less(c, iota([n]))))
      agrees(n, [0], () => indicator(lessEqual(iota([n]), c)))
      agrees(n, [0], () => indicator(lessEqual(c, iota([n]))))
    }
  })

  it.each(sizes)('of remainders and quotients by %i', (m) => {
    for (const n of [m - 1, m, m + 1, 2 * m, 3 * m + 1].filter((k) => k > 0))
      for (const c of [0, 1, m - 2, m - 1, m]) {
        agrees(n, [0], () => indicator(less(mod(iota([n]), m), c)))
        agrees(n, [0], () => indicator(less(floorDiv(iota([n]), m), c)))
        agrees(n, [0], () => indicator(less(mod(sub(iota([n]), 3), m), c)))
        agrees(n, [0], () => indicator(less(floorDiv(sub(iota([n]), 3), m), c)))
      }
  })

  it('of sums and products that wrap around', () => {
    const billion = 1_000_000_000
    for (const c of [-billion, -1, 0, billion]) {
      agrees(4, [0], () => indicator(less(add(mul(iota([4]), billion), billion), c)))
      agrees(4, [0], () => indicator(less(sub(mul(iota([4]), -billion), billion), c)))
      agrees(4, [0], () => indicator(less(mul(add(iota([4]), billion), 3), c)))
      agrees(4, [0], () => floorDiv(add(mul(iota([4]), billion), billion), 7))
    }
  })

  it.each(sizes)('of positions that data give, in %i and one', (n) => {
    const every = range(n + 1)
    agrees(n, every, (x, y, i) => gather(0)(concat(0)([x, y]), i))
    agrees(n, every, (x, y, i) => gather(0)(concat(0)([y, x]), i))
    agrees(n, every, (x, _, i) => gather(0)(pad(0, 0, 1)(x), i))
    agrees(n, every, (x, _, i) => gather(0)(pad(0, 1, 0)(x), i))
    agrees(n, range(n), (x, _, i) => gather(0)(flip([0])(x), i))
    agrees(n, range(n), (x, _, i) => gather(0)(mul(x, indicator(less(iota([n]), n - 1))), i))
  })

  it.each(sizes)('of loops: sums, parts and shapes of %i', (n) => {
    agrees(n, [0], (x, y) => sum()(mul(concat(0)([x, y]), indicator(less(iota([n + 1]), n)))))
    agrees(n, [0], (x) => sum({ axes: [0] })(reshape([2, -1])(concat(0)([x, x]))))
    agrees(n, [0], (x) => slice(0, n - 1)(concat(0)([x, x])))
    agrees(n, [0], (x) => reshape([n, 2])(pad(0, n, 0)(flip([0])(x))))
    agrees(n, [0], (x) => sum({ axes: [1] })(mul(reshape([n, 1])(x), reshape([1, n])(indicator(less(mod(iota([n]), 2), 1))))))
  })
})
