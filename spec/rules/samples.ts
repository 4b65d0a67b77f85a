/**
 * One sample for every primitive: arbitrary parameters and well-conditioned arguments, beside an independent formula of
 * one element of the result. The record is total: a primitive without its sample does not compile.
 */
import fc from 'fast-check'
import type { Json } from '../../core/expr.ts'
import type { Primitive } from '../../core/primitive.ts'
import type { DType, Shape } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import type { PrimitiveName } from '../../ops/vocabulary.ts'
import type { Element } from '../support/arbitrary.ts'
import { bit, divisor, odd, positive, shapes, small, tensors, word } from '../support/arbitrary.ts'
import { cuts, reductions, varied } from './collectives.ts'
import { attentionGradients, attentionRows, attentions } from './attentions.ts'
import { dots } from './dots.ts'
import { gathers, scatters } from './gathers.ts'
import type { Draft, Sample } from './sample.ts'
import { vocabulary as v } from '../../ops/vocabulary.ts'
import { broadcast, cast, concat, flip, pad, reshape, slice, transpose } from './movements.ts'
import { argmax, reduceMax, sum, wrap } from './sums.ts'

const sample = <P extends Json>(p: Primitive<P>, drafts: fc.Arbitrary<Draft<P>>, differentiable = true): Sample => ({
  cases: drafts.map(({ params, args, formula }) => ({ op: p.op(params), args, formula })),
  differentiable,
})

type Scalars = (...xs: ReadonlyArray<number>) => number

/** Element by element: one column of elements per argument. */
const each = (dtype: DType, elements: ReadonlyArray<Element>, f: Scalars): fc.Arbitrary<Draft<null>> =>
  shapes().chain((shape) =>
    fc.tuple(...elements.map((e) => tensors(dtype, shape, e))).map((args) => ({
      params: null,
      args,
      formula: (get, index) => f(...get.map((g) => g(index))),
    })),
  )

const floats = (elements: ReadonlyArray<Element>, f: Scalars): fc.Arbitrary<Draft<null>> => each('f32', elements, f)
const words = (elements: ReadonlyArray<Element>, f: Scalars): fc.Arbitrary<Draft<null>> => each('i32', elements, f)
const bits = (elements: ReadonlyArray<Element>, f: Scalars): fc.Arbitrary<Draft<null>> => each('bool', elements, f)

/** 32-bit arithmetic by way of whole numbers without bounds. */
const big =
  (f: (x: bigint, y: bigint) => bigint): Scalars =>
  (x, y = 0) =>
    wrap(f(BigInt(x), BigInt(y)))
const unsigned = (x: bigint): bigint => BigInt.asUintN(32, x)
const floorDiv = (x: bigint, y: bigint): bigint => (x - (((x % y) + y) % y)) / y

const shift: Element = fc.integer({ min: 0, max: 31 })
const whole: Element = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 2147483647 }))
/** Between the values of `odd`. */
const even: Element = odd.map((x) => x + 1 / 256)

/** erf by Simpson's rule. */
const integratedErf = (x: number): number => {
  const n = 2000
  const f = (k: number): number => Math.exp(-(((x * k) / n) ** 2)) * (k === 0 || k === n ? 1 : k % 2 === 1 ? 4 : 2)
  return (2 / Math.sqrt(Math.PI)) * (x / n / 3) * range(n + 1).reduce((s, k) => s + f(k), 0)
}

const both = (...drafts: ReadonlyArray<fc.Arbitrary<Draft<null>>>): fc.Arbitrary<Draft<null>> => fc.oneof(...drafts)

const numeric = (elements: readonly [Element, Element], f: Scalars, onWords: Scalars = f): fc.Arbitrary<Draft<null>> =>
  both(floats(elements, f), words([word, word], onWords))

const compared = (f: (x: number, y: number) => boolean): fc.Arbitrary<Draft<null>> => {
  const g: Scalars = (x, y) => Number(f(x, y))
  return both(floats([small, small], g), floats([odd, even], g), words([word, word], g), words([small, small], g))
}

const logic = (onBits: (x: boolean, y: boolean) => boolean, onWords: (x: bigint, y: bigint) => bigint): fc.Arbitrary<Draft<null>> =>
  both(
    bits([bit, bit], (x, y) => Number(onBits(x === 1, y === 1))),
    words([word, word], big(onWords)),
  )

const iota = shapes(1).chain((shape) =>
  fc.nat(shape.length - 1).map((axis): Draft<{ shape: Shape; axis: number }> => ({
    params: { shape, axis },
    args: [],
    formula: (_, i) => i[axis],
  })),
)

const select = shapes()
  .chain((shape) => fc.tuple(tensors('bool', shape, bit), tensors('f32', shape, odd), tensors('f32', shape, odd)))
  .map((args): Draft<null> => ({ params: null, args, formula: ([c, x, y], i) => (c(i) === 1 ? x(i) : y(i)) }))

export const samples: { readonly [K in PrimitiveName]: Sample } = {
  neg: sample(
    v.neg,
    both(
      floats([odd], (x) => -x),
      words(
        [word],
        big((x) => -x),
      ),
    ),
  ),
  exp: sample(v.exp, floats([odd], Math.exp)),
  log: sample(v.log, floats([positive], Math.log)),
  sqrt: sample(
    v.sqrt,
    floats([positive], (x) => x ** 0.5),
  ),
  rsqrt: sample(
    v.rsqrt,
    floats([positive], (x) => x ** -0.5),
  ),
  tanh: sample(
    v.tanh,
    floats([odd], (x) => 1 - 2 / (Math.exp(2 * x) + 1)),
  ),
  erf: sample(v.erf, floats([odd], integratedErf)),
  sin: sample(v.sin, floats([odd], Math.sin)),
  cos: sample(v.cos, floats([odd], Math.cos)),
  abs: sample(
    v.abs,
    both(
      floats([odd], Math.abs),
      words(
        [word],
        big((x) => (x < 0n ? -x : x)),
      ),
    ),
  ),
  floor: sample(v.floor, floats([odd], Math.floor)),
  not: sample(
    v.not,
    bits([bit], (x) => 1 - x),
  ),
  add: sample(
    v.add,
    numeric(
      [odd, odd],
      (x, y) => x + y,
      big((x, y) => x + y),
    ),
  ),
  sub: sample(
    v.sub,
    numeric(
      [odd, odd],
      (x, y) => x - y,
      big((x, y) => x - y),
    ),
  ),
  mul: sample(
    v.mul,
    numeric(
      [odd, odd],
      (x, y) => x * y,
      big((x, y) => x * y),
    ),
  ),
  div: sample(
    v.div,
    floats([odd, divisor], (x, y) => x / y),
  ),
  min: sample(
    v.min,
    numeric([odd, even], (x, y) => (x < y ? x : y)),
  ),
  max: sample(
    v.max,
    numeric([odd, even], (x, y) => (x < y ? y : x)),
  ),
  lt: sample(
    v.lt,
    compared((x, y) => x < y),
  ),
  le: sample(
    v.le,
    compared((x, y) => x <= y),
  ),
  eq: sample(
    v.eq,
    both(
      compared((x, y) => x === y),
      bits([bit, bit], (x, y) => Number(x === y)),
    ),
  ),
  and: sample(
    v.and,
    logic(
      (x, y) => x && y,
      (x, y) => x & y,
    ),
  ),
  or: sample(
    v.or,
    logic(
      (x, y) => x || y,
      (x, y) => x | y,
    ),
  ),
  xor: sample(
    v.xor,
    logic(
      (x, y) => x !== y,
      (x, y) => x ^ y,
    ),
  ),
  shl: sample(
    v.shl,
    words(
      [word, shift],
      big((x, y) => x << y),
    ),
  ),
  shr: sample(
    v.shr,
    words(
      [word, shift],
      big((x, y) => unsigned(x) >> y),
    ),
  ),
  idiv: sample(v.idiv, words([word, whole], big(floorDiv))),
  mod: sample(
    v.mod,
    words(
      [word, whole],
      big((x, y) => x - y * floorDiv(x, y)),
    ),
  ),
  select: sample(v.select, select),
  cast: sample(v.cast, cast),
  stopGradient: sample(
    v.stopGradient,
    floats([odd], (x) => x),
    false,
  ),
  reshape: sample(v.reshape, reshape),
  transpose: sample(v.transpose, transpose),
  broadcast: sample(v.broadcast, broadcast),
  sum: sample(v.sum, sum),
  slice: sample(v.slice, slice),
  pad: sample(v.pad, pad),
  concat: sample(v.concat, concat),
  flip: sample(v.flip, flip),
  gather: sample(v.gather, gathers),
  scatterAdd: sample(v.scatterAdd, scatters),
  iota: sample(v.iota, iota),
  reduceMax: sample(v.reduceMax, reduceMax),
  argmax: sample(v.argmax, argmax),
  dot: sample(v.dot, dots),
  attention: sample(v.attention, attentions),
  attentionRows: sample(v.attentionRows, attentionRows),
  attentionGradient: sample(v.attentionGradient, attentionGradients),
  allReduce: sample(v.allReduce, reductions),
  vary: sample(v.vary, varied),
  allGather: sample(v.allGather, cuts(true)),
  reduceScatter: sample(v.reduceScatter, cuts(false)),
  shard: sample(v.shard, cuts(true)),
  place: sample(v.place, cuts(false)),
}
