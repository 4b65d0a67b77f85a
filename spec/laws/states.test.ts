/** New states take the place of old ones: whoever reads an old state has read it before, in whatever order a kernel's points run. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KernelRoad } from '../../compiler/road.ts'
import { follow } from '../../compiler/road.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { roots, state, value } from '../../core/graph.ts'
import { parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { range } from '../../core/type.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { add, mul, sin, sub } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { flip } from '../../ops/window.ts'
import { right } from '../data/either.ts'
import { permutation, runs } from '../support/arbitrary.ts'
import type { PointOrder } from '../support/plans.ts'
import { ran } from '../support/plans.ts'
import { expectClose, waves } from '../support/tensor.ts'
import { hostArrays } from '../support/values.ts'

const roads: ReadonlyArray<readonly [string, KernelRoad]> = [
  ['gpujs', gpujsRoad({ maxInputs: 7, packs: true })],
  ['native', nativeRoad()],
  ['native, recomputing whatever it can', nativeRoad(0)],
]

/** Orders in which threads and lanes may run. */
const orders: ReadonlyArray<PointOrder> = [
  (ps) => ps,
  (ps) => [...ps].reverse(),
  (ps) => [...ps.filter((_, i) => i % 2 === 1), ...ps.filter((_, i) => i % 2 === 0)],
]

/** Kernels of fewer rows are not merged. */
const side = 8
const square = [side, side]
const squares = range(3).map((i) => parameter(`w${i}`, param(square, zeros)))
const rows = range(2).map((i) => parameter(`r${i}`, param([side], zeros)))
const states = [...squares, ...rows]
const pathOf = (i: number): string => (i < squares.length ? `w${i}` : `r${i - squares.length}`)
const given = hostArrays(new Map(states.map((e, i) => [pathOf(i), waves(e.type.shape, i)])))

const isSquare = (e: Expr): boolean => e.type.shape.length === 2
/** A row for every row, or for every column. */
const down = (r: Expr): Expr => broadcastTo(square)(reshape([side, 1])(r))
const along = broadcastTo(square)

const ofSquares: ReadonlyArray<(x: Expr) => Expr> = [
  sin,
  transpose([1, 0]),
  flip([0]),
  sum({ axes: [0] }),
  sum({ axes: [1] }),
  (x) => mul(x, along(sum({ axes: [0] })(x))),
  (x) => sub(x, down(sum({ axes: [1] })(x))),
]
const ofRows: ReadonlyArray<(x: Expr) => Expr> = [sin, flip([0]), down, along, (r) => mul(r, 2)]
const ofTwo: ReadonlyArray<(x: Expr, y: Expr) => Expr> = [add, mul, sub]

/** What is made of the old states, one after the other; then which of it each new state is, and what is handed back. */
interface Steps {
  readonly made: ReadonlyArray<readonly [number, number, number]>
  readonly news: ReadonlyArray<number | null>
  readonly values: ReadonlyArray<number>
  readonly order: ReadonlyArray<number>
}

const steps: fc.Arbitrary<Steps> = fc.record({
  made: fc.array(fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999)), { minLength: 1, maxLength: 8 }),
  news: fc.array(fc.option(fc.nat(999)), { minLength: states.length, maxLength: states.length }),
  values: fc.array(fc.nat(999), { minLength: 1, maxLength: 2 }),
  order: permutation(states.length + 2),
})

const outputsOf = (s: Steps): ReadonlyArray<Output> => {
  const pool: Array<Expr> = [...states]
  for (const [f, a, b] of s.made) {
    const [x, y] = [pool[a % pool.length], pool[b % pool.length]]
    const single = isSquare(x) ? ofSquares : ofRows
    const which = f % (single.length + ofTwo.length)
    const like = isSquare(x) === isSquare(y) ? y : isSquare(x) ? down(y) : sum({ axes: [1] })(y)
    pool.push(which < single.length ? single[which](x) : ofTwo[which - single.length](x, like))
  }
  const news = s.news.map((n, i): Output | undefined => {
    const fitting = pool.filter((e) => isSquare(e) === isSquare(states[i])).slice(-6)
    return n === null ? undefined : state(pathOf(i), fitting[fitting.length - 1 - (n % fitting.length)])
  })
  const all = [...news, ...s.values.map((n, i) => value(`v${i}`, pool[n % pool.length]))]
  return s.order.flatMap((i) => all[i] ?? [])
}

/** What a plan leaves, in every order of points, is what the reference says. */
const leavesWhatItShould = (road: KernelRoad, outputs: ReadonlyArray<Output>): void => {
  const graph = right(trace('states', outputs))
  const expected = evaluate(roots(graph), given)
  const plan = right(follow(road)(graph))
  for (const order of orders) {
    const got = ran(order)(plan, given)
    graph.outputs.forEach((o, i) => {
      expectClose(got.get(o.path) ?? [], expected[i], 1e-9, o.path)
    })
  }
}

test.each(roads)('a plan of %s leaves what the reference says', (_, road) => {
  fc.assert(
    fc.property(steps, (s) => {
      leavesWhatItShould(road, outputsOf(s))
    }),
    runs(120),
  )
})

test.each(roads)('a row that is written over is not read again for its other elements: %s', (_, road) => {
  const [[w], [r]] = [squares, rows]
  const total = add(r, sum({ axes: [1] })(w))
  leavesWhatItShould(road, [state('r0', total), value('v0', sub(w, down(total)))])
  leavesWhatItShould(road, [state('r0', total), value('v0', mul(sub(w, down(total)), down(r)))])
})

test('a state is written over in place where each of its elements is read by what replaces it alone', () => {
  const [w, v] = squares
  const updates = (e: Expr): number =>
    right(follow(nativeRoad())(right(trace('one', [state('w0', e)])))).steps.filter((s) => s._tag === 'Update').length
  expect(updates(sub(w, mul(v, 0.5)))).toBe(0)
  expect(updates(add(w, transpose([1, 0])(w)))).toBe(1)
})
