/** Reshape and transpose: index arithmetic, each its own adjoint's kind. */
import * as E from 'fp-ts/lib/Either.js'
import { some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import { misuse, primitive } from '../core/primitive.ts'
import * as S from '../core/scalar.ts'
import type { Shape } from '../core/type.ts'
import { equalShape, isDimension, range, showShape, sizeOf, stridesOf, tensorType } from '../core/type.ts'
import { axisItself } from './axis.ts'

const isPermutation = (p: ReadonlyArray<number>, rank: number): boolean => p.length === rank && range(rank).every((i) => p.includes(i))

export const reshaping = {
  /** The same elements in row-major order under another shape. */
  reshape: primitive('reshape', {
    params: t.strict({ shape: t.readonlyArray(t.number) }),
    arity: 1,
    type: ({ shape }, [x]) =>
      shape.every(isDimension) && sizeOf(shape) === sizeOf(x.shape)
        ? E.right(tensorType(x.dtype, shape))
        : E.left({
            allowed: `a tensor of ${sizeOf(shape)} elements for ${showShape(shape)}`,
            remedy: 'give a shape with as many elements as the tensor has',
          }),
    vjp: (_, { args: [x], ct }) => [some(reshape(x.type.shape)(ct))],
    resized: (_, shape) => ({ shape }),
    lower: ({ shape }, [x]) => {
      const strides = stridesOf(shape)
      const flat = shape.reduce((sum: S.Scalar, d, k) => S.iadd(sum, S.imul(S.axis(k, d), S.int(strides[k]))), S.int(0))
      const from = stridesOf(x.shape)
      return S.read(
        0,
        x,
        x.shape.map((d, k) => S.binary('mod', S.binary('idiv', flat, S.int(from[k])), S.int(d))),
      )
    },
  }),
  /** Axis k of the result is axis `perm[k]` of the argument. */
  transpose: primitive('transpose', {
    params: t.strict({ perm: t.readonlyArray(t.number) }),
    arity: 1,
    type: ({ perm }, [x]) =>
      isPermutation(perm, x.shape.length)
        ? E.right(
            tensorType(
              x.dtype,
              perm.map((p) => x.shape[p]),
            ),
          )
        : E.left({ allowed: `a tensor of rank ${perm.length} and a permutation of its axes`, remedy: 'name every axis exactly once' }),
    vjp: ({ perm }, { ct }) => [some(transpose(perm.map((_, k) => perm.indexOf(k)))(ct))],
    lower: ({ perm }, [x]) =>
      S.read(
        0,
        x,
        x.shape.map((d, a) => S.axis(perm.indexOf(a), d)),
      ),
  }),
}

/** One dimension may be -1: it takes what is left. */
export const reshape =
  (shape: Shape) =>
  (x: Expr): Expr => {
    const known = shape.filter((d) => d !== -1)
    const total = sizeOf(x.type.shape)
    const full = shape.map((d) => (d === -1 ? total / sizeOf(known) : d))
    if (shape.length - known.length > 1 || !full.every(isDimension))
      return misuse('reshape', [x], {
        allowed: `whole dimensions, at most one of them -1, that hold ${total} elements (asked: ${showAsked(shape)})`,
        remedy: 'give a shape with as many elements as the tensor has',
      })
    return equalShape(full, x.type.shape)
      ? x
      : x._tag === 'Leaf' && x.source._tag === 'Fill' && sizeOf(full) === total
        ? fill(x.type.dtype, full, x.source.value)
        : reshaping.reshape({ shape: full }, x)
  }

/** Without a permutation given, the last two axes are swapped. */
export const transpose =
  (perm?: ReadonlyArray<number>) =>
  (x: Expr): Expr => {
    const rank = x.type.shape.length
    const p = perm ?? range(rank).map((i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i))
    return p.every((a, i) => a === i) && p.length === rank ? x : reshaping.transpose({ perm: p }, x)
  }

/** Inserts an axis of 1 before axis `at` (negative counts from the end of the result). */
export const expandDims =
  (at: number) =>
  (x: Expr): Expr => {
    const shape = x.type.shape
    const k = at < 0 ? at + shape.length + 1 : at
    if (!range(shape.length + 1).includes(k))
      return misuse('expandDims', [x], {
        allowed: `a place from ${-shape.length - 1} to ${shape.length} (asked: ${showAsked(at)})`,
        remedy: axisItself('expandDims', at) ?? 'name a place among the axes, or behind them',
      })
    return reshape([...shape.slice(0, k), 1, ...shape.slice(k)])(x)
  }
