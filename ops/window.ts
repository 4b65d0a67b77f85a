/** Slice and pad, each the other's adjoint; concatenation and reversal. All are index arithmetic. */
import * as E from 'fp-ts/lib/Either.js'
import { some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse, primitive } from '../core/primitive.ts'
import * as S from '../core/scalar.ts'
import { equalShape, range, showShape, tensorType } from '../core/type.ts'
import { axisOf, hasAxis, noAxis } from './axis.ts'
import { broadcastTo } from './broadcast.ts'
import { expandDims, reshape } from './reshape.ts'

const counts = t.readonlyArray(t.number)
const isCount = (n: number): boolean => Number.isInteger(n) && n >= 0

export const windowing = {
  /** The box of size `size` that begins at `start`. The adjoint is `pad`. */
  slice: primitive('slice', {
    params: t.strict({ start: counts, size: counts }),
    arity: 1,
    type: ({ start, size }, [x]) =>
      start.length === x.shape.length &&
      size.length === x.shape.length &&
      start.every(isCount) &&
      size.every((s, i) => s > 0 && isCount(s) && start[i] + s <= x.shape[i])
        ? E.right(tensorType(x.dtype, size))
        : E.left({
            allowed: `a tensor that holds the box of ${showAsked(size)} at ${showAsked(start)}`,
            remedy: 'keep start + size within the shape on every axis',
          }),
    vjp: ({ start, size }, { args: [x], ct }) => [
      some(
        padBy(
          start,
          x.type.shape.map((d, i) => d - start[i] - size[i]),
        )(ct),
      ),
    ],
    lower: ({ start, size }, [x]) =>
      S.read(
        0,
        x,
        size.map((d, k) => S.iadd(S.axis(k, d), S.int(start[k]))),
      ),
    resized: ({ start }, size, axes) => ({ start: start.map((s, a) => (axes.includes(a) ? 0 : s)), size }),
  }),
  /** `low` zeros before and `high` zeros after, on each axis. The adjoint is `slice`. */
  pad: primitive('pad', {
    params: t.strict({ low: counts, high: counts }),
    arity: 1,
    type: ({ low, high }, [x]) =>
      low.length === x.shape.length && high.length === x.shape.length && [...low, ...high].every(isCount)
        ? E.right(
            tensorType(
              x.dtype,
              x.shape.map((d, i) => d + low[i] + high[i]),
            ),
          )
        : E.left({
            allowed: `a tensor of rank ${low.length}, and whole counts of at least 0`,
            remedy: 'give one count before and one after for each axis; slice to make smaller',
          }),
    vjp: ({ low }, { args: [x], ct }) => [some(sliceBox(low, x.type.shape)(ct))],
    lower: ({ low, high }, [x], out) => {
      const at = out.shape.map((d, k) => S.isub(S.axis(k, d), S.int(low[k])))
      const inside = out.shape.flatMap((_, k) => [
        ...(low[k] > 0 ? [S.binary('le', S.int(0), at[k])] : []),
        ...(high[k] > 0 ? [S.binary('lt', at[k], S.int(x.shape[k]))] : []),
      ])
      const value = S.read(0, x, at)
      return inside.length === 0
        ? value
        : S.select(
            inside.reduce((p, q) => S.binary('and', p, q)),
            value,
            S.num(x.dtype, 0),
          )
    },
  }),
  /** The arguments one after the other along `axis`. */
  concat: primitive('concat', {
    params: t.strict({ axis: t.number }),
    arity: 'many',
    type: ({ axis }, args) =>
      args.length > 0 &&
      isCount(axis) &&
      axis < args[0].shape.length &&
      args.every(
        (a) =>
          a.dtype === args[0].dtype &&
          equalShape(
            a.shape.filter((_, i) => i !== axis),
            args[0].shape.filter((_, i) => i !== axis),
          ),
      )
        ? E.right(
            tensorType(
              args[0].dtype,
              args[0].shape.map((d, i) => (i === axis ? args.reduce((n, a) => n + a.shape[axis], 0) : d)),
            ),
          )
        : E.left({
            allowed: `one or more tensors of one dtype that have the axis ${axis} and differ on no other`,
            remedy: 'cast or reshape the arguments so that they agree',
          }),
    vjp: ({ axis }, { args, ct }) => {
      let from = 0
      return args.map((a) => {
        const start = a.type.shape.map((_, i) => (i === axis ? from : 0))
        from += a.type.shape[axis]
        return some(sliceBox(start, a.type.shape)(ct))
      })
    },
    lower: ({ axis }, args, out) => {
      const starts = args.map((_, i) => args.slice(0, i).reduce((n, a) => n + a.shape[axis], 0))
      const part = (i: number): S.Scalar =>
        S.read(
          i,
          args[i],
          out.shape.map((d, k) => (k === axis && starts[i] > 0 ? S.isub(S.axis(k, d), S.int(starts[i])) : S.axis(k, d))),
        )
      // the last part stands where no earlier one does
      return range(args.length - 1).reduceRight(
        (rest: S.Scalar, i) => S.select(S.binary('lt', S.axis(axis, out.shape[axis]), S.int(starts[i + 1])), part(i), rest),
        part(args.length - 1),
      )
    },
  }),
  /** Reverses `axes`; its own adjoint. */
  flip: primitive('flip', {
    params: t.strict({ axes: counts }),
    arity: 1,
    type: ({ axes }, [x]) =>
      axes.every((a) => isCount(a) && a < x.shape.length)
        ? E.right(x)
        : E.left({ allowed: `a tensor that has the axes ${showShape(axes)}`, remedy: 'name existing axes' }),
    vjp: ({ axes }, { ct }) => [some(flip(axes)(ct))],
    lower: ({ axes }, [x], out) =>
      S.read(
        0,
        x,
        out.shape.map((d, k) => (axes.includes(k) ? S.isub(S.int(d - 1), S.axis(k, d)) : S.axis(k, d))),
      ),
  }),
}

const sliceBox =
  (start: ReadonlyArray<number>, size: ReadonlyArray<number>) =>
  (x: Expr): Expr =>
    start.every((s) => s === 0) && equalShape(size, x.type.shape) ? x : windowing.slice({ start, size }, x)

const padBy =
  (low: ReadonlyArray<number>, high: ReadonlyArray<number>) =>
  (x: Expr): Expr =>
    [...low, ...high].every((n) => n === 0) ? x : windowing.pad({ low, high }, x)

/** `x[..., from:to, ...]` along one axis; negative positions count from the end. */
export const slice =
  (axis: number, from: number, to?: number) =>
  (x: Expr): Expr => {
    const a = axisOf(x, axis)
    if (!hasAxis(x, a)) return noAxis('slice', [x], axis)
    const n = x.type.shape[a]
    const begin = from < 0 ? n + from : from
    const end = to === undefined ? n : to < 0 ? n + to : to
    return sliceBox(
      x.type.shape.map((_, i) => (i === a ? begin : 0)),
      x.type.shape.map((d, i) => (i === a ? end - begin : d)),
    )(x)
  }

/** The `i`-th entry along one axis, which disappears. */
export const pick =
  (axis: number, i: number) =>
  (x: Expr): Expr => {
    const a = axisOf(x, axis)
    const one = slice(a, i, i === -1 ? undefined : i + 1)(x)
    return one._tag === 'Invalid' ? one : reshape(one.type.shape.filter((_, k) => k !== a))(one)
  }

/** Zeros before and after on one axis. */
export const pad =
  (axis: number, before: number, after: number) =>
  (x: Expr): Expr => {
    const a = axisOf(x, axis)
    if (!hasAxis(x, a)) return noAxis('pad', [x], axis)
    return padBy(
      x.type.shape.map((_, i) => (i === a ? before : 0)),
      x.type.shape.map((_, i) => (i === a ? after : 0)),
    )(x)
  }

/** NumPy's concatenate. */
export const concat =
  (axis: number) =>
  (parts: ReadonlyArray<Expr>): Expr => {
    const [first, ...rest] = parts
    if (first === undefined) return windowing.concat({ axis })
    const at = axisOf(first, axis)
    return rest.length === 0
      ? first
      : hasAxis(first, at)
        ? windowing.concat({ axis: at }, ...parts)
        : noAxis('concat', [first, ...rest], axis)
  }

/** Reverses the given axes. */
export const flip =
  (axes: ReadonlyArray<number>) =>
  (x: Expr): Expr =>
    windowing.flip({ axes: axes.map((a) => axisOf(x, a)) }, x)

/**
 * Every run of `size` neighbours along an axis: `[.., n, ..] -> [.., size, n - size + 1, ..]`, entry (j, i) being the one at i + j. All of
 * it is index arithmetic: copies in rows that are one longer begin one later each. Its adjoint adds runs up where they overlap.
 *
 *     a b c d, size 2:   a b c d a b c d 0 0   in rows of 5   a b c d a      without the last 2   a b c
 *                                                             b c d 0 0                           b c d
 */
export const runs =
  (axis: number, size: number) =>
  (x: Expr): Expr => {
    const at = axisOf(x, axis)
    if (!hasAxis(x, at)) return noAxis('runs', [x], axis)
    const n = x.type.shape[at]
    if (!isCount(size) || size === 0 || size > n)
      return misuse('runs', [x], {
        allowed: `runs that axis ${axis} of ${showShape(x.type.shape)} is at least as long as (asked: runs of ${showAsked(size)})`,
        remedy: 'ask for shorter runs, or pad the tensor',
      })
    const [before, after] = [x.type.shape.slice(0, at), x.type.shape.slice(at + 1)]
    const copies = broadcastTo([...before, size, n, ...after])(expandDims(at)(x))
    const longer = pad(at, 0, size)(reshape([...before, size * n, ...after])(copies))
    return slice(at + 1, 0, n - size + 1)(reshape([...before, size, n + 1, ...after])(longer))
  }
