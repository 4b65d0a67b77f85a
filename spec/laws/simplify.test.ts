/**
 * Simplification on what its rules look for, and on what is nearly that: sums of sums, permutations of permutations, parts of
 * concatenations, parts of one tensor that are added. Random graphs meet such pairs too rarely.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { simplify } from '../../compiler/passes/simplify.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { nodesOf, roots, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import type { Shape } from '../../core/type.ts'
import { broadcasting, sumAxes } from '../../ops/broadcast.ts'
import { add, elementwise, less, mul, neg, sub } from '../../ops/elementwise.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { concat, windowing } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { axesOf, permutation, runs, shapes } from '../support/arbitrary.ts'
import { expectClose, input, waves } from '../support/tensor.ts'
import { doubles } from '../support/values.ts'

/** A result, and the shapes of the inputs that it has, by their paths. */
interface Case {
  readonly y: Expr
  readonly inputs: Readonly<Record<string, Shape>>
}

/** Whether a case became smaller; it gives what it gave. */
const simplified = ({ y, inputs }: Case): boolean => {
  const graph = right(trace('case', [value('y', y)]))
  const simple = right(simplify.run(graph))
  const given = doubles(new Map(Object.entries(inputs).map(([path, shape], i) => [path, waves(shape, i)] as const)))
  const [before, after] = [evaluate(roots(graph), given), evaluate(roots(simple), given)]
  expectClose(after[0], before[0], 1e-12)
  expect(roots(simple)[0].type).toEqual(y.type)
  return nodesOf(simple).length < nodesOf(graph).length
}

const of = (shape: Shape, y: Expr): Case => ({ y, inputs: { x: shape } })

const sums = shapes(1, 4).chain((shape) =>
  axesOf(shape, 1).chain((axes) => {
    const inner = sumAxes(input('x', shape), axes)
    return axesOf(inner.type.shape, Math.min(1, inner.type.shape.length)).map((outer) => of(shape, sumAxes(inner, outer)))
  }),
)

const permutations = shapes(2, 4).chain((shape) =>
  fc.tuple(permutation(shape.length), permutation(shape.length)).map(([p, q]) => of(shape, transpose(p)(transpose(q)(input('x', shape))))),
)

/** A tensor repeated along new axes, and that along further ones. */
const repetitions = shapes(1, 2).chain((shape) =>
  fc.tuple(fc.integer({ min: 0, max: shape.length }), fc.integer({ min: 0, max: shape.length + 1 })).map(([a, b]) => {
    const repeated = (x: Expr, at: number, n: number): Expr => {
      const { shape: own } = x.type
      return broadcasting.broadcast({ shape: [...own.slice(0, at), n, ...own.slice(at)], axes: own.map((_, i) => (i < at ? i : i + 1)) }, x)
    }
    return of(shape, repeated(repeated(input('x', shape), a, 2), b, 3))
  }),
)

const reshapes = shapes(1, 3).chain((shape) =>
  permutation(shape.length).map((p) => of(shape, reshape(p.map((a) => shape[a]))(reshape([-1])(input('x', shape))))),
)

/** A start and a size along each axis. */
const boxIn = (shape: Shape): fc.Arbitrary<ReadonlyArray<readonly [number, number]>> =>
  fc.tuple(
    ...shape.map((n) =>
      fc.nat(n - 1).chain((start) => fc.integer({ min: 1, max: n - start }).map((size): [number, number] => [start, size])),
    ),
  )

const cut = (box: ReadonlyArray<readonly [number, number]>, x: Expr): Expr =>
  windowing.slice({ start: box.map(([start]) => start), size: box.map(([, size]) => size) }, x)

/** A part of a concatenation of two or three tensors. */
const parts = shapes(1, 3).chain((shape) =>
  fc.tuple(fc.nat(shape.length - 1), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 3 })).chain(([axis, lengths]) => {
    const own = lengths.map((n) => shape.map((d, a) => (a === axis ? n : d)))
    const whole = concat(axis)(own.map((s, i) => input(`x${i}`, s)))
    return boxIn(whole.type.shape).map((box) => ({
      y: cut(box, whole),
      inputs: Object.fromEntries(own.map((s, i) => [`x${i}`, s])),
    }))
  }),
)

/** Two parts of one tensor or of two, each among zeros where it was or elsewhere, added. */
const added = shapes(1, 3).chain((shape) =>
  fc.tuple(boxIn(shape), boxIn(shape), fc.nat(shape.length - 1), fc.nat(9)).map(([one, other, axis, kind]) => {
    // mostly neighbours along one axis, as slices of gradients are
    const rest = shape[axis] - one[axis][0] - one[axis][1]
    const neighbour = one.map(([start, size], a): readonly [number, number] =>
      a === axis ? [start + size, Math.max(1, Math.min(rest, other[a][1]))] : [start, size],
    )
    const second = kind < 7 && rest > 0 ? neighbour : other
    const among = (box: typeof one, x: Expr, moved: boolean): Expr => {
      const low = box.map(([start, size], a) => (moved && a === axis ? shape[a] - start - size : start))
      const high = box.map(([, size], a) => shape[a] - low[a] - size)
      return windowing.pad({ low, high }, cut(box, x))
    }
    const x = input('x', shape)
    const terms = [among(one, x, kind === 1), among(second, kind === 2 ? input('z', shape) : x, kind === 3)]
    return { y: add(terms[kind % 2], terms[1 - (kind % 2)]), inputs: { x: shape, z: shape } }
  }),
)

/** Signs and constants. */
const scaled = shapes(0, 2).chain((shape) =>
  fc.tuple(fc.nat(8), fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 })).map(([kind, c, d]) => {
    const [x, z] = [input('x', shape), input('z', shape)]
    const made: ReadonlyArray<() => Expr> = [
      () => mul(mul(x, c), d),
      () => mul(d, mul(c, x)),
      () => neg(neg(x)),
      () => add(z, neg(x)),
      () => add(neg(x), z),
      () => sub(mul(x, c), 0),
      () => add(mul(x, c), d),
      () => sub(0, mul(x, c)),
      () => elementwise.select(null, less(x, z), x, x),
    ]
    return { y: made[kind](), inputs: { x: shape, z: shape } }
  }),
)

describe('simplify', () => {
  const kinds: Readonly<Record<string, readonly [fc.Arbitrary<Case>, number]>> = {
    'sums of sums': [sums, 100],
    'permutations of permutations': [permutations, 100],
    'repetitions of repetitions': [repetitions, 200],
    'shapes of shapes': [reshapes, 100],
    'parts of concatenations': [parts, 60],
    'parts that are added': [added, 40],
    'signs and constants': [scaled, 80],
  }
  it.each(Object.entries(kinds))('preserves %s, and takes many of them together', (_, [cases, least]) => {
    let smaller = 0
    fc.assert(
      fc.property(cases, (c) => {
        if (simplified(c)) smaller++
      }),
      runs(300),
    )
    expect(smaller).toBeGreaterThanOrEqual(least)
  })
})
