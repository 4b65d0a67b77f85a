/**
 * Random well-typed graphs that mix every kind of primitive. A graph is grown from a list of steps, each of which picks
 * what it works on by number, so that a failing graph shrinks to a short list.
 *
 * Values stay of the order of 1. What jumps (comparisons, floor, argmax, kinks of gradients) is only asked of values that
 * every precision holds exactly, so that two targets never differ by a jump.
 */
import fc from 'fast-check'
import type { Expr } from '../../core/expr.ts'
import { leaf, table } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { range, sizeOf, tensorType } from '../../core/type.ts'
import { broadcastTo, commonShape } from '../../ops/broadcast.ts'
import { dot } from '../../ops/contract.ts'
import * as e from '../../ops/elementwise.ts'
import { gather, iota, scatterAdd } from '../../ops/gather.ts'
import { gelu, logSumExp, sigmoid, softmax, topK } from '../../ops/nn.ts'
import { argmax, max, mean, sum } from '../../ops/reduce.ts'
import { expandDims, reshape, transpose } from '../../ops/reshape.ts'
import { concat, flip, pad, slice } from '../../ops/window.ts'
import type { Tensor } from './tensor.ts'
import { input, tensor, waves } from './tensor.ts'

export interface RandomGraph {
  readonly graph: Graph
  /** The float inputs and params, to differentiate by. */
  readonly floats: ReadonlyArray<Expr>
  /** Values of all inputs and params by path. */
  readonly values: ReadonlyMap<string, Tensor>
}

/** What has been made so far, by kind; `exact` floats are the same number in every precision. */
interface Pool {
  readonly smooth: ReadonlyArray<Expr>
  readonly exact: ReadonlyArray<Expr>
  readonly ints: ReadonlyArray<Expr>
  readonly bools: ReadonlyArray<Expr>
}

/** Hands out members of the pool, and small numbers. */
interface Supply {
  readonly smooth: () => Expr
  readonly exact: () => Expr
  readonly int: () => Expr
  readonly bool: () => Expr
  /** 0 .. n-1 */
  readonly nat: (n: number) => number
  readonly axis: (x: Expr) => number
}

const supply = (pool: Pool, choices: ReadonlyArray<number>): Supply => {
  let next = 0
  const nat = (n: number): number => choices[next++ % choices.length] % n
  // one of the latest, so that graphs grow deep
  const from = (xs: ReadonlyArray<Expr>) => (): Expr => xs[xs.length - 1 - nat(Math.min(xs.length, 6))]
  return {
    smooth: nat(3) === 0 ? from(pool.exact) : from(pool.smooth),
    exact: from(pool.exact),
    int: from(pool.ints),
    bool: from(pool.bools),
    nat,
    axis: (x) => nat(Math.max(1, x.type.shape.length)),
  }
}

const dims = (x: Expr): ReadonlyArray<number> => x.type.shape

/** `y` brought to a shape that broadcasts with that of `x`. */
const beside = (x: Expr, y: Expr): Expr => (commonShape(dims(x), dims(y))._tag === 'Some' ? y : mean()(y))
/** The same for what has no mean: its first entry. */
const firstBeside = (x: Expr, y: Expr): Expr =>
  commonShape(dims(x), dims(y))._tag === 'Some' ? y : reshape([])(dims(y).reduce((z, _, a) => slice(a, 0, 1)(z), y))

/** Keeps ranks and sizes small. */
const trimmed = (x: Expr): Expr => {
  const cut = dims(x).reduce((y, d, a) => (d > 6 ? slice(a, 1, 6)(y) : y), x)
  return dims(cut).length > 3 ? reshape([sizeOf(dims(cut).slice(0, -2)), ...dims(cut).slice(-2)])(cut) : cut
}

/** Contracts the last axis of `x` with an axis of `y` of one extent; with itself where there is none. */
const contracted = (x: Expr, y: Expr): Expr => {
  const a = dims(x).length === 0 ? expandDims(0)(x) : x
  const last = dims(a).length - 1
  const found = dims(y).indexOf(dims(a)[last])
  const [b, axis] = found >= 0 ? [y, found] : [a, last]
  return e.mul(dot({ leftBatch: [], rightBatch: [], left: [last], right: [axis] })(a, b), 0.25)
}

/** Rows multiplied pairwise: the first axis is a batch. */
const batched = (x: Expr): Expr => {
  const a = dims(x).length < 2 ? reshape([1, -1])(x) : x
  const last = dims(a).length - 1
  return e.mul(dot({ leftBatch: [0], rightBatch: [0], left: [last], right: [last] })(a, e.sin(a)), 0.5)
}

/** A list of `n` positions below `size`. */
const positions = (n: number, size: number, shift: number): Expr => e.mod(e.add(e.mul(iota([n]), 3), shift), size)

const atLeastOneAxis = (x: Expr): Expr => (dims(x).length === 0 ? expandDims(0)(x) : x)

/** Moves elements about, whatever they are. */
const movements: ReadonlyArray<(s: Supply, x: Expr) => Expr> = [
  (_, x) => reshape([-1])(x),
  (_, x) => reshape([...dims(x)].reverse())(x),
  (s, x) => expandDims(s.nat(dims(x).length + 1))(x),
  (_, x) => transpose(range(dims(x).length).map((_d, i) => dims(x).length - 1 - i))(x),
  (s, x) => flip([s.axis(atLeastOneAxis(x))])(atLeastOneAxis(x)),
  (s, x) => {
    const y = atLeastOneAxis(x)
    const a = s.axis(y)
    return slice(a, s.nat(dims(y)[a]))(y)
  },
  (s, x) => {
    const y = atLeastOneAxis(x)
    return pad(s.axis(y), s.nat(2), 1)(y)
  },
  (s, x) => {
    const y = atLeastOneAxis(x)
    return concat(s.axis(y))([y, y])
  },
  (_, x) => broadcastTo([2, ...dims(x)])(x),
  (s, x) => {
    const y = atLeastOneAxis(x)
    const a = s.axis(y)
    return gather(a)(y, positions(3, dims(y)[a], s.nat(3)))
  },
]

const smooth: ReadonlyArray<(s: Supply) => Expr> = [
  (s) => e.tanh(s.smooth()),
  (s) => e.erf(s.smooth()),
  (s) => e.sin(s.smooth()),
  (s) => e.neg(e.cos(s.smooth())),
  (s) => e.exp(e.neg(e.square(s.smooth()))),
  (s) => e.log(e.add(e.square(s.smooth()), 1)),
  (s) => e.tanh(e.sqrt(e.add(e.square(s.smooth()), 0.5))),
  (s) => e.rsqrt(e.add(e.square(s.smooth()), 0.5)),
  (s) => sigmoid(s.smooth()),
  (s) => e.tanh(gelu(s.smooth())),
  (s) => {
    const x = s.smooth()
    return e.tanh(e.add(x, beside(x, s.smooth())))
  },
  (s) => {
    const x = s.smooth()
    return e.tanh(e.sub(beside(x, s.smooth()), x))
  },
  (s) => {
    const x = e.tanh(s.smooth())
    return e.mul(x, e.tanh(beside(x, s.smooth())))
  },
  (s) => {
    const x = e.tanh(s.smooth())
    return e.div(x, e.add(e.square(beside(x, s.smooth())), 1))
  },
  (s) => {
    const x = s.smooth()
    const c = firstBeside(x, s.bool())
    const kept = e.where(c, x, 0)
    return e.where(c, kept, beside(kept, s.exact()))
  },
  (s) => {
    const x = atLeastOneAxis(s.smooth())
    return softmax(s.axis(x))(x)
  },
  (s) => {
    const x = atLeastOneAxis(s.smooth())
    return e.tanh(logSumExp(s.axis(x))(x))
  },
  (s) => {
    const x = s.smooth()
    return e.tanh(sum({ axes: dims(x).length === 0 ? [] : [s.axis(x)] })(x))
  },
  (s) => {
    const x = s.smooth()
    return mean({ axes: range(dims(x).length).filter((_, a) => a !== 1) })(x)
  },
  (s) => e.tanh(contracted(e.tanh(s.smooth()), e.tanh(s.smooth()))),
  (s) => batched(e.tanh(s.smooth())),
  (s) => {
    const x = atLeastOneAxis(s.smooth())
    return e.tanh(scatterAdd(0, 4)(x, positions(dims(x)[0], 4, s.nat(3))))
  },
  ...movements.map(
    (move) =>
      (s: Supply): Expr =>
        move(s, s.smooth()),
  ),
]

const exact: ReadonlyArray<(s: Supply) => Expr> = [
  (s) => e.abs(s.exact()),
  (s) => e.floor(s.exact()),
  (s) => {
    const x = s.exact()
    return e.maximum(x, firstBeside(x, s.exact()))
  },
  (s) => {
    const x = s.exact()
    return e.minimum(x, firstBeside(x, s.exact()))
  },
  (s) => {
    const x = atLeastOneAxis(s.exact())
    return max({ axes: [s.axis(x)], keep: s.nat(2) === 0 })(x)
  },
  (s) => topK(1)(atLeastOneAxis(s.exact())).values,
  (s) => e.cast('f32')(e.cast('f16')(s.exact())),
  (s) => e.cast('f32')(e.sub(e.mod(s.int(), 7), 3)),
  (s) => e.cast('f32')(s.bool()),
  ...movements.map(
    (move) =>
      (s: Supply): Expr =>
        move(s, s.exact()),
  ),
]

const wordOps = [e.add, e.sub, e.mul, e.and, e.or, e.xor, e.minimum, e.maximum]

const ints: ReadonlyArray<(s: Supply) => Expr> = [
  (s) => {
    const x = s.int()
    return wordOps[s.nat(wordOps.length)](x, firstBeside(x, s.int()))
  },
  (s) => e.floorDiv(s.int(), 5),
  (s) => e.mod(s.int(), 11),
  (s) => e.shiftLeft(s.int(), s.nat(32)),
  (s) => e.shiftRight(s.int(), s.nat(32)),
  (s) => e.neg(s.int()),
  (s) => e.cast('i32')(s.exact()),
  (s) => {
    const x = atLeastOneAxis(s.exact())
    return argmax({ axes: [s.axis(x)] })(x)
  },
  (s) => iota([2, 3], s.nat(2)),
  (s) => {
    const x = atLeastOneAxis(s.int())
    return sum({ axes: [s.axis(x)] })(x)
  },
  ...movements.map(
    (move) =>
      (s: Supply): Expr =>
        move(s, s.int()),
  ),
]

const comparisons = [e.less, e.lessEqual, e.equal]

const bools: ReadonlyArray<(s: Supply) => Expr> = [
  (s) => {
    const x = s.exact()
    return comparisons[s.nat(3)](x, firstBeside(x, s.exact()))
  },
  (s) => {
    const x = s.int()
    return comparisons[s.nat(3)](x, firstBeside(x, s.int()))
  },
  (s) => e.not(s.bool()),
  (s) => {
    const x = s.bool()
    return [e.and, e.or, e.xor][s.nat(3)](x, firstBeside(x, s.bool()))
  },
  (s) => e.cast('bool')(e.and(s.int(), 1)),
  ...movements.slice(0, 5).map(
    (move) =>
      (s: Supply): Expr =>
        move(s, s.bool()),
  ),
]

/** Values in 256ths, which f16 holds; no two of one tensor, nor of two phases, are equal. */
const grid = (shape: ReadonlyArray<number>, phase: number): Tensor =>
  tensor(
    'f32',
    shape,
    range(sizeOf(shape)).map((i) => (2 * ((i * 37 + phase * 11) % 127) - 127) / 64 + phase / 256),
  )

const leaves: ReadonlyArray<readonly [string, Tensor]> = [
  ['x', grid([3, 4], 0)],
  ['y', grid([4], 1)],
  ['z', grid([2, 3, 4], 2)],
  ['c', grid([], 3)],
]
const weight = leaf(tensorType('f32', [4, 3]), { _tag: 'Param', path: 'w' })
const noise = leaf(tensorType('f32', [3, 4]), { _tag: 'Draw', path: 'noise', distribution: { _tag: 'Normal', mean: 0, std: 1 } })

const start: Pool = {
  smooth: [weight, noise],
  exact: leaves.map(([path, t]) => input(path, t.type.shape)),
  ints: [input('i', [3], 'i32'), iota([4]), table('i32', [2], [7, -2147483648])],
  bools: [input('b', [3, 1], 'bool')],
}

const grown = (p: Pool, [kind, which, ...choices]: ReadonlyArray<number>): Pool => {
  const s = supply(p, choices)
  const make = (kinds: ReadonlyArray<(s: Supply) => Expr>): Expr => trimmed(kinds[which % kinds.length](s))
  switch (kind % 6) {
    case 0:
      return { ...p, ints: [...p.ints, make(ints)] }
    case 1:
      return { ...p, bools: [...p.bools, make(bools)] }
    case 2:
      return { ...p, exact: [...p.exact, make(exact)] }
    default:
      return { ...p, smooth: [...p.smooth, make(smooth)] }
  }
}

/** A list of steps: what to make, and the choices to make it by. */
export type Steps = ReadonlyArray<ReadonlyArray<number>>

export const steps = (size = 24): fc.Arbitrary<Steps> =>
  fc.array(fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 }), { maxLength: size, size: 'max' })

/** The graph of a list of steps: what was made last of each kind is handed out, and the param is replaced. */
export const graphOf = (list: Steps): RandomGraph => {
  const p = list.reduce(grown, start)
  const lastOf = (xs: ReadonlyArray<Expr>): Expr => xs[xs.length - 1]
  const update = e.sub(weight, e.mul(mean()(lastOf(p.smooth)), 0.1))
  return {
    graph: {
      name: 'random',
      outputs: [
        value('smooth', lastOf(p.smooth)),
        value('before', p.smooth[p.smooth.length - 2]),
        value('exact', lastOf(p.exact)),
        value('ints', lastOf(p.ints)),
        value('bools', lastOf(p.bools)),
        state('w', update),
      ],
    },
    floats: [weight, ...start.exact],
    values: new Map([
      ...leaves,
      ['w', waves([4, 3], 5)],
      ['i', tensor('i32', [3], [-5, 2147483647, 12])],
      ['b', tensor('bool', [3, 1], [1, 0, 1])],
    ]),
  }
}

/** Random graphs of up to `size` steps. */
export const graphs = (size = 24): fc.Arbitrary<RandomGraph> => steps(size).map(graphOf)
