/** Broadcasting and its adjoint, summation: one pair, one file. */
import * as E from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { none, some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import { misuse, primitive } from '../core/primitive.ts'
import * as S from '../core/scalar.ts'
import type { Shape } from '../core/type.ts'
import { equalShape, isDimension, range, showShape, tensorType } from '../core/type.ts'
import { reshape } from './reshape.ts'

/** Existing axes in ascending order, once each. */
export const isAxes = (axes: ReadonlyArray<number>, rank: number): boolean =>
  axes.every((a, i) => Number.isInteger(a) && a >= 0 && a < rank && (i === 0 || axes[i - 1] < a))

export const broadcasting = {
  /** Axis i of the argument becomes axis `axes[i]` of the result; the other axes repeat. The adjoint is `sum`. */
  broadcast: primitive('broadcast', {
    params: t.strict({ shape: t.readonlyArray(t.number), axes: t.readonlyArray(t.number) }),
    arity: 1,
    type: ({ shape, axes }, [x]) =>
      axes.length === x.shape.length &&
      isAxes(axes, shape.length) &&
      shape.every(isDimension) &&
      axes.every((a, i) => shape[a] === x.shape[i])
        ? E.right(tensorType(x.dtype, shape))
        : E.left({
            allowed: `a tensor whose axes are axes ${showShape(axes)} of ${showShape(shape)}`,
            remedy: 'use broadcastTo, which finds the axes',
          }),
    vjp: ({ shape, axes }, { ct }) => [
      some(
        sumAxes(
          ct,
          range(shape.length).filter((a) => !axes.includes(a)),
        ),
      ),
    ],
    lower: ({ shape, axes }, [x]) =>
      S.read(
        0,
        x,
        axes.map((a) => S.axis(a, shape[a])),
      ),
    resized: (p, shape) => ({ ...p, shape }),
  }),
  /** The sum over `axes` (ascending), which disappear. The adjoint is `broadcast`. */
  sum: primitive('sum', {
    params: t.strict({ axes: t.readonlyArray(t.number) }),
    arity: 1,
    type: ({ axes }, [x]) =>
      isAxes(axes, x.shape.length) && x.dtype !== 'bool'
        ? E.right(
            tensorType(
              x.dtype,
              x.shape.filter((_, i) => !axes.includes(i)),
            ),
          )
        : E.left({
            allowed: `a tensor of numbers that has the axes ${showShape(axes)}`,
            remedy: 'name existing axes once each; cast a bool to i32 or f32 first',
          }),
    vjp: ({ axes }, { args: [x], ct }) => [
      x.type.dtype === 'i32'
        ? none
        : some(
            broadcastAxes(
              ct,
              x.type.shape,
              range(x.type.shape.length).filter((a) => !axes.includes(a)),
            ),
          ),
    ],
    lower: ({ axes }, [x]) => {
      const kept = range(x.shape.length).filter((a) => !axes.includes(a))
      const index = x.shape.map((d, a) => (axes.includes(a) ? S.bound(axes.indexOf(a), d) : S.axis(kept.indexOf(a), d)))
      return axes.reduceRight((body: S.Scalar, a, i) => S.reduce('sum', i, x.shape[a], body), S.read(0, x, index))
    },
  }),
}

/** The `sum` primitive; the expression itself where there is nothing to sum over. */
export const sumAxes = (x: Expr, axes: ReadonlyArray<number>): Expr => (axes.length === 0 ? x : broadcasting.sum({ axes }, x))

/** The `broadcast` primitive; a constant broadcasts to a larger constant at once. */
export const broadcastAxes = (x: Expr, shape: Shape, axes: ReadonlyArray<number>): Expr =>
  x._tag === 'Leaf' && x.source._tag === 'Fill' && shape.every(isDimension)
    ? fill(x.type.dtype, shape, x.source.value)
    : equalShape(x.type.shape, shape)
      ? x
      : broadcasting.broadcast({ shape, axes }, x)

/** The common shape of two, counted from the right, where each axis is equal or 1. */
export const commonShape = (a: Shape, b: Shape): Option<Shape> => {
  const rank = Math.max(a.length, b.length)
  const shape: Array<number> = []
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) return none
    shape.push(x === 1 ? y : x)
  }
  return some(shape)
}

/** `x` repeated to `shape` as NumPy does: axes line up from the right, and an axis of 1 repeats. */
export const broadcastTo =
  (shape: Shape) =>
  (x: Expr): Expr => {
    const common = commonShape(x.type.shape, shape)
    if (common._tag === 'None' || !equalShape(common.value, shape))
      return misuse('broadcastTo', [x], {
        allowed: `a shape that broadcasts to ${showShape(shape)}: counted from the right, equal or 1`,
        remedy: 'reshape it so that its axes line up',
      })
    const shift = shape.length - x.type.shape.length
    const axes = range(x.type.shape.length)
      .filter((i) => x.type.shape[i] === shape[i + shift])
      .map((i) => i + shift)
    return broadcastAxes(reshape(axes.map((a) => shape[a]))(x), shape, axes)
  }

/** Both arguments at their common shape; `none` where they have none. */
export const broadcastPair = (x: Expr, y: Expr): Option<readonly [Expr, Expr]> => {
  const common = commonShape(x.type.shape, y.type.shape)
  return common._tag === 'None' ? none : some([broadcastTo(common.value)(x), broadcastTo(common.value)(y)])
}
