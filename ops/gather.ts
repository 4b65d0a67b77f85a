/** Gather and its adjoint, the scatter that adds; positions along an axis. */
import * as E from 'fp-ts/lib/Either.js'
import { none, some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Expr } from '../core/expr.ts'
import { primitive } from '../core/primitive.ts'
import * as S from '../core/scalar.ts'
import type { Shape, TensorType } from '../core/type.ts'
import { equalShape, isDimension, showShape, tensorType } from '../core/type.ts'
import { axisOf, hasAxis, noAxis } from './axis.ts'

/** Batch axes [0, batch), axes before the gathered one, the index list's own axes, and the axes behind. */
const gatheredShape = (x: Shape, index: Shape, axis: number, batch: number): Shape => [
  ...x.slice(0, axis),
  ...index.slice(batch),
  ...x.slice(axis + 1),
]

const isAxis = (axis: number, shape: Shape): boolean => Number.isInteger(axis) && axis >= 0 && axis < shape.length

const fits = (x: Shape, index: TensorType, axis: number, batch: number): boolean =>
  index.dtype === 'i32' &&
  isAxis(axis, x) &&
  Number.isInteger(batch) &&
  batch >= 0 &&
  batch <= axis &&
  index.shape.length >= batch &&
  equalShape(x.slice(0, batch), index.shape.slice(0, batch))

/** The position in the gathered tensor's axes of the index list's own axes. */
const listAxes = (index: Shape, axis: number, batch: number): ReadonlyArray<number> => index.slice(batch).map((_, k) => axis + k)

export const gathering = {
  /**
   * `out[b.., m.., l.., r..] = x[b.., m.., index[b.., l..], r..]`: `batch` leading axes are shared, `axis` is replaced by
   * the axes of the list. An index out of range reads nothing that is defined. The adjoint is `scatterAdd`.
   */
  gather: primitive('gather', {
    params: t.strict({ axis: t.number, batch: t.number }),
    arity: 2,
    type: ({ axis, batch }, [x, index]) =>
      fits(x.shape, index, axis, batch)
        ? E.right(tensorType(x.dtype, gatheredShape(x.shape, index.shape, axis, batch)))
        : E.left({
            allowed: `a tensor with axis ${axis} and an i32 list that shares its first ${batch} axes`,
            remedy: 'cast the list to i32 and make the leading axes equal',
          }),
    vjp: ({ axis, batch }, { args: [x, index], ct }) => [some(scatterAdd(axis, x.type.shape[axis], batch)(ct, index)), none],
    lower: ({ axis, batch }, [x, index], out) => {
      const at = S.axesOf(out)
      const own = listAxes(index.shape, axis, batch)
      const position = S.read(1, index, [...at.slice(0, batch), ...own.map((k) => at[k])])
      return S.read(0, x, [...at.slice(0, axis), position, ...at.slice(axis + own.length)])
    },
  }),
  /** Adds `values` into zeros where `gather` would have read them. The adjoint is `gather`. */
  scatterAdd: primitive('scatterAdd', {
    params: t.strict({ axis: t.number, batch: t.number, size: t.number }),
    arity: 2,
    type: ({ axis, batch, size }, [values, index]) => {
      const own = index.shape.length - batch
      const full = [...values.shape.slice(0, axis), size, ...values.shape.slice(axis + own)]
      return isDimension(size) &&
        values.dtype !== 'bool' &&
        fits(full, index, axis, batch) &&
        equalShape(values.shape, gatheredShape(full, index.shape, axis, batch))
        ? E.right(tensorType(values.dtype, full))
        : E.left({
            allowed: `values shaped as gather(axis ${axis}, batch ${batch}) would give them, and the i32 list`,
            remedy: 'give the values one row for each entry of the list; cast bools first',
          })
    },
    vjp: ({ axis, batch }, { args: [, index], ct }) => [some(gather(axis, batch)(ct, index)), none],
    // element by element: the sum over the whole list of what points here
    lower: ({ axis, batch }, [values, index], out) => {
      const at = S.axesOf(out)
      const extents = index.shape.slice(batch)
      const list = extents.map((d, i) => S.bound(i, d))
      const hit = S.binary('eq', S.read(1, index, [...at.slice(0, batch), ...list]), at[axis])
      const value = S.read(0, values, [...at.slice(0, axis), ...list, ...at.slice(axis + 1)])
      return extents.reduceRight((body: S.Scalar, d, i) => S.reduce('sum', i, d, body), S.select(hit, value, S.num(values.dtype, 0)))
    },
    // write form: one addition for each value
    scatter: ({ axis, batch }, [values, index]) => {
      const at = values.shape.map((d, k) => S.axis(k, d))
      const own = listAxes(index.shape, axis, batch)
      const position = S.read(1, index, [...at.slice(0, batch), ...own.map((k) => at[k])])
      return {
        domain: values.shape,
        where: [...at.slice(0, axis), position, ...at.slice(axis + own.length)],
        mode: 'add',
        value: S.read(0, values, at),
      }
    },
  }),
  /** 0, 1, 2, … along `axis`, as i32. */
  iota: primitive('iota', {
    params: t.strict({ shape: t.readonlyArray(t.number), axis: t.number }),
    arity: 0,
    type: ({ shape, axis }) =>
      shape.every(isDimension) && isAxis(axis, shape)
        ? E.right(tensorType('i32', shape))
        : E.left({ allowed: `whole dimensions, and an axis of ${showShape(shape)}`, remedy: 'name an existing axis' }),
    vjp: () => [],
    lower: ({ shape, axis }) => S.axis(axis, shape[axis]),
  }),
}

/** Entries of `x` along `axis` at the positions of an i32 list of any shape; the first `batch` axes are shared. */
export const gather =
  (axis: number, batch = 0) =>
  (x: Expr, index: Expr): Expr => {
    const at = axisOf(x, axis)
    return hasAxis(x, at) ? gathering.gather({ axis: at, batch }, x, index) : noAxis('gather', [x, index], axis)
  }

/** The adjoint of `gather`: values added into zeros of `size` along `axis`. */
export const scatterAdd =
  (axis: number, size: number, batch = 0) =>
  (values: Expr, index: Expr): Expr =>
    gathering.scatterAdd({ axis, batch, size }, values, index)

/** Positions along one axis. */
export const iota = (shape: Shape, axis = 0): Expr => gathering.iota({ shape, axis: axis < 0 ? axis + shape.length : axis })
