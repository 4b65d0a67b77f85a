/**
 * Element-wise primitives: arguments and result share one shape. The IR neither broadcasts nor promotes; the user-level
 * ops at the end of this file broadcast as NumPy does and insert explicit nodes.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { none, some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import { showAsked } from '../core/asked.ts'
import type { Expr, Misuse, Pull } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import type { Rules } from '../core/primitive.ts'
import { misuse, primitive } from '../core/primitive.ts'
import type { BinaryName, UnaryName } from '../core/scalar.ts'
import * as S from '../core/scalar.ts'
import type { DType, Shape, TensorType } from '../core/type.ts'
import { equalShape, equalType, isFloat, isValueOf, tensorType } from '../core/type.ts'
import { broadcastPair } from './broadcast.ts'

type Typed = E.Either<Misuse, TensorType>
type Vjp = (pull: Pull) => ReadonlyArray<Option<Expr>>

const floats: ReadonlyArray<DType> = ['f32', 'f16', 'bf16']
const numbers: ReadonlyArray<DType> = ['f32', 'f16', 'bf16', 'i32']
const bits: ReadonlyArray<DType> = ['i32', 'bool']
const zeroGradient: Vjp = ({ args }) => args.map(() => none)

/** `f32, f16 or bf16` */
const oneOf = (names: ReadonlyArray<string>): string =>
  [names.slice(0, -1).join(', '), names.slice(-1).join()].filter((t) => t !== '').join(' or ')

const unary = (name: UnaryName, accepted: ReadonlyArray<DType>, vjp: Vjp): Rules<null> => ({
  params: t.null,
  arity: 1,
  type: (_, [x]) =>
    accepted.includes(x.dtype) ? E.right(x) : E.left({ allowed: `a tensor of ${oneOf(accepted)}`, remedy: 'cast it first' }),
  vjp: (_, pull) => vjp(pull),
  lower: (_, [x], out) => S.unary(name, S.read(0, x, S.axesOf(out))),
})

const binary = (name: BinaryName, accepted: ReadonlyArray<DType>, vjp: Vjp): Rules<null> => ({
  params: t.null,
  arity: 2,
  type: (_, [x, y]) =>
    equalType(x, y) && accepted.includes(x.dtype)
      ? E.right(S.isComparison(name) ? tensorType('bool', x.shape) : x)
      : E.left({
          allowed: `two tensors of one shape, both of ${oneOf(accepted)}`,
          remedy: 'cast or reshape the arguments so that they agree',
        }),
  vjp: (_, pull) => (isFloat(pull.args[0].type.dtype) ? vjp(pull) : zeroGradient(pull)),
  lower: (_, [x, y], out) => S.binary(name, S.read(0, x, S.axesOf(out)), S.read(1, y, S.axesOf(out))),
})

/** The share of the cotangent that goes to `x` of max(x, y) or min(x, y): all, none, or half at a tie. */
const winner = (x: Expr, y: Expr, ct: Expr): Expr => where(less(y, x), ct, where(equal(x, y), mul(ct, 0.5), 0))

export const elementwise = {
  neg: primitive(
    'neg',
    unary('neg', numbers, ({ ct }) => [some(neg(ct))]),
  ),
  exp: primitive(
    'exp',
    unary('exp', floats, ({ out, ct }) => [some(mul(ct, out))]),
  ),
  log: primitive(
    'log',
    unary('log', floats, ({ args: [x], ct }) => [some(div(ct, x))]),
  ),
  sqrt: primitive(
    'sqrt',
    unary('sqrt', floats, ({ out, ct }) => [some(div(mul(ct, 0.5), out))]),
  ),
  rsqrt: primitive(
    'rsqrt',
    unary('rsqrt', floats, ({ out, ct }) => [some(mul(mul(ct, -0.5), mul(out, mul(out, out))))]),
  ),
  tanh: primitive(
    'tanh',
    unary('tanh', floats, ({ out, ct }) => [some(mul(ct, sub(1, mul(out, out))))]),
  ),
  /** d erf(x) / dx = 2 / sqrt(pi) exp(-x^2) */
  erf: primitive(
    'erf',
    unary('erf', floats, ({ args: [x], ct }) => [some(mul(ct, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))))]),
  ),
  sin: primitive(
    'sin',
    unary('sin', floats, ({ args: [x], ct }) => [some(mul(ct, cos(x)))]),
  ),
  cos: primitive(
    'cos',
    unary('cos', floats, ({ args: [x], ct }) => [some(neg(mul(ct, sin(x))))]),
  ),
  abs: primitive(
    'abs',
    unary('abs', numbers, ({ args: [x], ct }) => [some(where(less(x, 0), neg(ct), where(less(0, x), ct, 0)))]),
  ),
  floor: primitive('floor', unary('floor', floats, zeroGradient)),
  not: primitive('not', unary('not', ['bool'], zeroGradient)),
  add: primitive(
    'add',
    binary('add', numbers, ({ ct }) => [some(ct), some(ct)]),
  ),
  sub: primitive(
    'sub',
    binary('sub', numbers, ({ ct }) => [some(ct), some(neg(ct))]),
  ),
  mul: primitive(
    'mul',
    binary('mul', numbers, ({ args: [x, y], ct }) => [some(mul(ct, y)), some(mul(ct, x))]),
  ),
  div: primitive(
    'div',
    binary('div', floats, ({ args: [, y], out, ct }) => [some(div(ct, y)), some(neg(mul(div(ct, y), out)))]),
  ),
  min: primitive(
    'min',
    binary('min', numbers, ({ args: [x, y], ct }) => [some(winner(y, x, ct)), some(winner(x, y, ct))]),
  ),
  max: primitive(
    'max',
    binary('max', numbers, ({ args: [x, y], ct }) => [some(winner(x, y, ct)), some(winner(y, x, ct))]),
  ),
  lt: primitive('lt', binary('lt', numbers, zeroGradient)),
  le: primitive('le', binary('le', numbers, zeroGradient)),
  eq: primitive('eq', binary('eq', [...numbers, 'bool'], zeroGradient)),
  and: primitive('and', binary('and', bits, zeroGradient)),
  or: primitive('or', binary('or', bits, zeroGradient)),
  xor: primitive('xor', binary('xor', bits, zeroGradient)),
  /** x << y for y in 0 .. 31 */
  shl: primitive('shl', binary('shl', ['i32'], zeroGradient)),
  /** x >>> y, zeros shifted in, for y in 0 .. 31 */
  shr: primitive('shr', binary('shr', ['i32'], zeroGradient)),
  /** Division rounded towards minus infinity, by a positive divisor. */
  idiv: primitive('idiv', binary('idiv', ['i32'], zeroGradient)),
  /** The remainder of `idiv`: always in 0 .. y-1. */
  mod: primitive('mod', binary('mod', ['i32'], zeroGradient)),
  select: primitive('select', {
    params: t.null,
    arity: 3,
    type: (_, args): Typed =>
      args[0].dtype === 'bool' && args[1].dtype === args[2].dtype && args.every((a) => equalShape(a.shape, args[0].shape))
        ? E.right(args[1])
        : E.left({
            allowed: 'a bool condition and two values of one dtype, all of one shape',
            remedy: 'compare to get a bool, and cast or reshape the values',
          }),
    vjp: (_, { args: [c], ct }) => [none, some(where(c, ct, 0)), some(where(c, 0, ct))],
    lower: (_, [c, x, y], out) => S.select(S.read(0, c, S.axesOf(out)), S.read(1, x, S.axesOf(out)), S.read(2, y, S.axesOf(out))),
  }),
  /** To i32 rounds towards zero; to bool is `x != 0`. */
  cast: primitive('cast', {
    params: t.strict({ to: t.keyof({ f32: null, f16: null, bf16: null, i32: null, bool: null }) }),
    arity: 1,
    type: ({ to }, [x]): Typed => E.right(tensorType(to, x.shape)),
    vjp: ({ to }, { args: [x], ct }) => [isFloat(to) && isFloat(x.type.dtype) ? some(cast(x.type.dtype)(ct)) : none],
    lower: ({ to }, [x], out) => S.cast(to, S.read(0, x, S.axesOf(out))),
  }),
  /** The identity, whose gradient is zero. */
  stopGradient: primitive('stopGradient', {
    params: t.null,
    arity: 1,
    type: (_, [x]): Typed => E.right(x),
    vjp: () => [none],
    lower: (_, [x], out) => S.read(0, x, S.axesOf(out)),
  }),
}

/** An argument of a user-level op: a number stands for a constant of the other argument's dtype. */
export type Operand = Expr | number

/** The operand as an expression: a number becomes a constant of the dtype of what it stands beside. */
const operand = (op: string, x: Operand, beside: Operand, shape: Shape): Expr => {
  if (typeof x !== 'number') return x
  if (typeof beside === 'number') return fill('f32', shape, x)
  return isValueOf(beside.type.dtype, x)
    ? fill(beside.type.dtype, shape, x)
    : misuse(op, [beside], {
        allowed: `beside it, numbers that ${beside.type.dtype} can hold (asked: ${showAsked(x)})`,
        remedy: 'cast the tensor to f32 first',
      })
}

const both =
  (p: (x: Expr, y: Expr) => Expr, name: string) =>
  (x: Operand, y: Operand): Expr => {
    const a = operand(name, x, y, [])
    const b = operand(name, y, x, [])
    if (a.type.dtype !== b.type.dtype)
      return misuse(name, [a, b], { allowed: 'two tensors of one dtype', remedy: `cast one of them, say with cast('${a.type.dtype}')` })
    const pair = broadcastPair(a, b)
    return pair._tag === 'Some'
      ? p(pair.value[0], pair.value[1])
      : misuse(name, [a, b], {
          allowed: 'shapes that broadcast: counted from the right, equal or 1',
          remedy: 'reshape or transpose an argument so that its axes line up',
        })
  }

const e = elementwise
export const neg = (x: Expr): Expr => e.neg(null, x)
export const exp = (x: Expr): Expr => e.exp(null, x)
export const log = (x: Expr): Expr => e.log(null, x)
export const sqrt = (x: Expr): Expr => e.sqrt(null, x)
export const rsqrt = (x: Expr): Expr => e.rsqrt(null, x)
export const tanh = (x: Expr): Expr => e.tanh(null, x)
export const erf = (x: Expr): Expr => e.erf(null, x)
export const sin = (x: Expr): Expr => e.sin(null, x)
export const cos = (x: Expr): Expr => e.cos(null, x)
export const abs = (x: Expr): Expr => e.abs(null, x)
export const floor = (x: Expr): Expr => e.floor(null, x)
export const not = (x: Expr): Expr => e.not(null, x)
export const stopGradient = (x: Expr): Expr => e.stopGradient(null, x)
/** x as another dtype; the expression itself where it has it already. */
export const cast =
  (to: DType) =>
  (x: Expr): Expr =>
    x.type.dtype === to ? x : e.cast({ to }, x)
export const add = both((x, y) => e.add(null, x, y), 'add')
export const sub = both((x, y) => e.sub(null, x, y), 'sub')
export const mul = both((x, y) => e.mul(null, x, y), 'mul')
export const div = both((x, y) => e.div(null, x, y), 'div')
export const minimum = both((x, y) => e.min(null, x, y), 'minimum')
export const maximum = both((x, y) => e.max(null, x, y), 'maximum')
export const less = both((x, y) => e.lt(null, x, y), 'less')
export const lessEqual = both((x, y) => e.le(null, x, y), 'lessEqual')
export const greater = (x: Operand, y: Operand): Expr => less(y, x)
export const greaterEqual = (x: Operand, y: Operand): Expr => lessEqual(y, x)
export const equal = both((x, y) => e.eq(null, x, y), 'equal')
export const notEqual = (x: Operand, y: Operand): Expr => not(equal(x, y))
export const and = both((x, y) => e.and(null, x, y), 'and')
export const or = both((x, y) => e.or(null, x, y), 'or')
export const xor = both((x, y) => e.xor(null, x, y), 'xor')
export const shiftLeft = both((x, y) => e.shl(null, x, y), 'shiftLeft')
export const shiftRight = both((x, y) => e.shr(null, x, y), 'shiftRight')
export const floorDiv = both((x, y) => e.idiv(null, x, y), 'floorDiv')
export const mod = both((x, y) => e.mod(null, x, y), 'mod')
export const square = (x: Expr): Expr => mul(x, x)
export const sign = (x: Expr): Expr => where(less(x, 0), -1, where(less(0, x), 1, mul(x, 0)))

/** `x` where the condition holds, else `y`; all three broadcast together. */
export const where = (c: Expr, x: Operand, y: Operand): Expr => {
  const a = operand('where', x, y, c.type.shape)
  const b = operand('where', y, x, c.type.shape)
  if (c.type.dtype !== 'bool' || a.type.dtype !== b.type.dtype)
    return misuse('where', [c, a, b], {
      allowed: 'a bool condition and two values of one dtype',
      remedy: 'compare to get a bool, and cast one of the values',
    })
  const values = broadcastPair(a, b)
  const first = values._tag === 'Some' ? broadcastPair(c, values.value[0]) : none
  const second = values._tag === 'Some' ? broadcastPair(values.value[1], c) : none
  return first._tag === 'Some' && second._tag === 'Some'
    ? e.select(null, first.value[0], first.value[1], second.value[0])
    : misuse('where', [c, a, b], {
        allowed: 'three shapes that broadcast together',
        remedy: 'reshape the condition or the values so that their axes line up',
      })
}
