/**
 * `Scalar` says what ONE element of a tensor is, as data: reads of the arguments at index expressions, arithmetic,
 * selects and reductions. It is the meaning of a primitive; whatever runs is derived from it.
 */
import type { DType, TensorType } from './type.ts'

/** Arithmetic of one operand. Integers: `neg`, `abs`, `bnot`. Booleans: `not`. The others are of floats. */
export type UnaryName = 'neg' | 'exp' | 'log' | 'sqrt' | 'rsqrt' | 'tanh' | 'erf' | 'sin' | 'cos' | 'abs' | 'floor' | 'not'

/** Functions that take many times as long as an addition. */
export const transcendental: ReadonlySet<UnaryName> = new Set(['exp', 'log', 'tanh', 'erf', 'sin', 'cos'])

/**
 * Arithmetic of two operands. i32 wraps around at 32 bits; `idiv` and `mod` round towards minus infinity and their
 * divisor is positive; `shr` shifts in zeros. Comparisons give a bool.
 */
export type BinaryName =
  'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'lt' | 'le' | 'eq' | 'and' | 'or' | 'xor' | 'shl' | 'shr' | 'idiv' | 'mod'

/** `argmax` gives the first position of the largest value, as i32. */
export type ReduceName = 'sum' | 'max' | 'argmax'

export type Scalar =
  | { readonly _tag: 'Num'; readonly dtype: DType; readonly value: number }
  /** The position of the element along one axis of the result: 0 .. extent-1. */
  | { readonly _tag: 'Axis'; readonly dtype: 'i32'; readonly axis: number; readonly extent: number }
  /** The variable of the enclosing reduction with the same id. */
  | { readonly _tag: 'Bound'; readonly dtype: 'i32'; readonly id: number; readonly extent: number }
  | { readonly _tag: 'Read'; readonly dtype: DType; readonly arg: number; readonly index: ReadonlyArray<Scalar> }
  | { readonly _tag: 'Unary'; readonly dtype: DType; readonly op: UnaryName; readonly x: Scalar }
  | { readonly _tag: 'Binary'; readonly dtype: DType; readonly op: BinaryName; readonly x: Scalar; readonly y: Scalar }
  /** Only the chosen side is evaluated: a read under a select may be out of range on the other side. */
  | { readonly _tag: 'Select'; readonly dtype: DType; readonly when: Scalar; readonly x: Scalar; readonly y: Scalar }
  | { readonly _tag: 'Cast'; readonly dtype: DType; readonly x: Scalar }
  | {
      readonly _tag: 'Reduce'
      readonly dtype: DType
      readonly op: ReduceName
      readonly id: number
      readonly extent: number
      readonly body: Scalar
    }

/**
 * The write form of a scatter: for every point of `domain` (its coordinates are `Axis` 0 .. n-1), `value` is added to,
 * or stored in, the element at `where`. Elements never written are zero.
 */
export interface Scatter {
  readonly domain: ReadonlyArray<number>
  readonly where: ReadonlyArray<Scalar>
  readonly mode: 'add' | 'set'
  readonly value: Scalar
}

/** The scalars directly under one: the only place that takes scalars apart. */
export const partsOf = (s: Scalar): ReadonlyArray<Scalar> => {
  switch (s._tag) {
    case 'Num':
    case 'Axis':
    case 'Bound':
      return []
    case 'Read':
      return s.index
    case 'Unary':
    case 'Cast':
      return [s.x]
    case 'Binary':
      return [s.x, s.y]
    case 'Select':
      return [s.when, s.x, s.y]
    case 'Reduce':
      return [s.body]
  }
}

/** Everything under a scalar, itself first. */
export const under = (s: Scalar): ReadonlyArray<Scalar> => [s, ...partsOf(s).flatMap(under)]

export const num = (dtype: DType, value: number): Scalar => ({ _tag: 'Num', dtype, value })
export const int = (value: number): Scalar => num('i32', value)
export const axis = (k: number, extent: number): Scalar => ({ _tag: 'Axis', dtype: 'i32', axis: k, extent })
export const bound = (id: number, extent: number): Scalar => ({ _tag: 'Bound', dtype: 'i32', id, extent })
export const read = (arg: number, type: TensorType, index: ReadonlyArray<Scalar>): Scalar => ({
  _tag: 'Read',
  dtype: type.dtype,
  arg,
  index,
})
export const cast = (dtype: DType, x: Scalar): Scalar => ({ _tag: 'Cast', dtype, x })
export const select = (when: Scalar, x: Scalar, y: Scalar): Scalar => ({ _tag: 'Select', dtype: x.dtype, when, x, y })

export const unary = (op: UnaryName, x: Scalar): Scalar => ({ _tag: 'Unary', dtype: op === 'not' ? 'bool' : x.dtype, op, x })

export const isComparison = (op: BinaryName): boolean => op === 'lt' || op === 'le' || op === 'eq'

export const binary = (op: BinaryName, x: Scalar, y: Scalar): Scalar => ({
  _tag: 'Binary',
  dtype: isComparison(op) ? 'bool' : x.dtype,
  op,
  x,
  y,
})

/** `reduce('sum', 0, n, body)`: the body mentions `bound(0, n)`. Ids are local to one lowered scalar. */
export const reduce = (op: ReduceName, id: number, extent: number, body: Scalar): Scalar => ({
  _tag: 'Reduce',
  dtype: op === 'argmax' ? 'i32' : body.dtype,
  op,
  id,
  extent,
  body,
})

export const iadd = (x: Scalar, y: Scalar): Scalar => binary('add', x, y)
export const isub = (x: Scalar, y: Scalar): Scalar => binary('sub', x, y)
export const imul = (x: Scalar, y: Scalar): Scalar => binary('mul', x, y)

/** All output axes in order: the index under which an element-wise op reads its arguments. */
export const axesOf = (out: TensorType): ReadonlyArray<Scalar> => out.shape.map((d, k) => axis(k, d))
