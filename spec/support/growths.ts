/** The ops that random graphs are made of, by the kind of what they make. */
import type { Expr } from '../../core/expr.ts'
import { range, sizeOf } from '../../core/type.ts'
import { broadcastTo, commonShape } from '../../ops/broadcast.ts'
import { dot } from '../../ops/contract.ts'
import * as e from '../../ops/elementwise.ts'
import { gather, iota, scatterAdd } from '../../ops/gather.ts'
import { gelu, logSumExp, sigmoid, softmax, topK } from '../../ops/nn.ts'
import { argmax, max, mean, sum } from '../../ops/reduce.ts'
import { expandDims, reshape, transpose } from '../../ops/reshape.ts'
import { concat, flip, pad, slice } from '../../ops/window.ts'
import type { Supply } from './supply.ts'

const dims = (x: Expr): ReadonlyArray<number> => x.type.shape

/** `y` brought to a shape that broadcasts with that of `x`. */
const beside = (x: Expr, y: Expr): Expr => (commonShape(dims(x), dims(y))._tag === 'Some' ? y : mean()(y))
/** The same for what has no mean: its first entry. */
const firstBeside = (x: Expr, y: Expr): Expr =>
  commonShape(dims(x), dims(y))._tag === 'Some' ? y : reshape([])(dims(y).reduce((z, _, a) => slice(a, 0, 1)(z), y))

/** Keeps ranks and sizes small. */
export const trimmed = (x: Expr): Expr => {
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

export const smooth: ReadonlyArray<(s: Supply) => Expr> = [
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

export const exact: ReadonlyArray<(s: Supply) => Expr> = [
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

export const ints: ReadonlyArray<(s: Supply) => Expr> = [
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

export const bools: ReadonlyArray<(s: Supply) => Expr> = [
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
