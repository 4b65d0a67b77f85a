/** Reductions over any axes. The sum stands beside its adjoint in broadcast.ts. */
import * as E from 'fp-ts/lib/Either.js'
import { none, some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse, primitive } from '../core/primitive.ts'
import * as S from '../core/scalar.ts'
import { isFloat, range, showShape, sizeOf, tensorType } from '../core/type.ts'
import { axisOf } from './axis.ts'
import { broadcastAxes, isAxes, sumAxes } from './broadcast.ts'
import { cast, div, equal, mul } from './elementwise.ts'
import { reshape, transpose } from './reshape.ts'

export const reducing = {
  /** The largest over `axes` (ascending), which disappear. Where several are largest they share the gradient. */
  reduceMax: primitive('reduceMax', {
    params: t.strict({ axes: t.readonlyArray(t.number) }),
    arity: 1,
    type: ({ axes }, [x]) =>
      axes.length > 0 && isAxes(axes, x.shape.length) && x.dtype !== 'bool'
        ? E.right(
            tensorType(
              x.dtype,
              x.shape.filter((_, i) => !axes.includes(i)),
            ),
          )
        : E.left({ allowed: `a tensor of numbers that has the axes ${showShape(axes)}`, remedy: 'name existing axes once each' }),
    vjp: ({ axes }, { args: [x], out, ct }) => {
      if (!isFloat(x.type.dtype)) return [none]
      const kept = range(x.type.shape.length).filter((a) => !axes.includes(a))
      const spread = (y: Expr): Expr => broadcastAxes(y, x.type.shape, kept)
      const hit = cast(x.type.dtype)(equal(x, spread(out)))
      return [some(mul(hit, spread(div(ct, sumAxes(hit, axes)))))]
    },
    lower: ({ axes }, [x]) => {
      const kept = range(x.shape.length).filter((a) => !axes.includes(a))
      const index = x.shape.map((d, a) => (axes.includes(a) ? S.bound(axes.indexOf(a), d) : S.axis(kept.indexOf(a), d)))
      return axes.reduceRight((body: S.Scalar, a, i) => S.reduce('max', i, x.shape[a], body), S.read(0, x, index))
    },
  }),
  /** The position of the first largest entry along `axis`, which disappears. */
  argmax: primitive('argmax', {
    params: t.strict({ axis: t.number }),
    arity: 1,
    type: ({ axis }, [x]) =>
      isAxes([axis], x.shape.length) && x.dtype !== 'bool'
        ? E.right(
            tensorType(
              'i32',
              x.shape.filter((_, i) => i !== axis),
            ),
          )
        : E.left({ allowed: `a tensor of numbers with axis ${axis}`, remedy: 'name an existing axis' }),
    vjp: () => [none],
    lower: ({ axis }, [x]) =>
      S.reduce(
        'argmax',
        0,
        x.shape[axis],
        S.read(
          0,
          x,
          x.shape.map((d, a) => (a === axis ? S.bound(0, d) : S.axis(a < axis ? a : a - 1, d))),
        ),
      ),
  }),
}

/** Which axes to reduce; all when none are given. `keep` leaves them as axes of 1, ready to broadcast. */
export interface ReduceOptions {
  readonly axes?: ReadonlyArray<number>
  readonly keep?: boolean
}

/** Whether these are settings of a reduction: programs that nobody checks for types also say `sum(1)` and `sum({ axis: 1 })`. */
const isReduceOptions = (o: unknown): boolean =>
  typeof o === 'object' &&
  o !== null &&
  Object.entries(o).every(([name, x]) => (name === 'axes' ? x === undefined || Array.isArray(x) : name === 'keep'))

const reduction =
  (name: string, f: (x: Expr, axes: ReadonlyArray<number>) => Expr) =>
  (options: ReduceOptions = {}) =>
  (x: Expr): Expr => {
    if (!isReduceOptions(options))
      return misuse(name, [x], {
        allowed: `axes, and keep, by their names (asked: ${showAsked(options)})`,
        remedy: `write ${name}({ axes: [1] })(x) for axis 1, ${name}()(x) for all axes`,
      })
    const rank = x.type.shape.length
    const axes = (options.axes ?? range(rank)).map((a) => axisOf(x, a)).sort((a, b) => a - b)
    if (!isAxes(axes, rank))
      return misuse(name, [x], {
        allowed: `axes of ${showShape(x.type.shape)}, once each (asked: ${showAsked(options.axes)})`,
        remedy: 'name existing axes; negative ones count from the end',
      })
    const y = f(x, axes)
    return options.keep === true && y._tag !== 'Invalid' ? reshape(x.type.shape.map((d, i) => (axes.includes(i) ? 1 : d)))(y) : y
  }

export const sum = reduction('sum', sumAxes)
export const max = reduction('max', (x, axes) => (axes.length === 0 ? x : reducing.reduceMax({ axes }, x)))
export const mean = reduction('mean', (x, axes) =>
  !isFloat(x.type.dtype)
    ? misuse('mean', [x], { allowed: 'a tensor of f32, f16 or bf16', remedy: 'cast it first' })
    : axes.length === 0
      ? x
      : mul(sumAxes(x, axes), 1 / sizeOf(axes.map((a) => x.type.shape[a]))),
)

/** First position of the largest entry over the given axes, counted row-major in them. */
export const argmax = reduction('argmax', (x, axes) => {
  const kept = range(x.type.shape.length).filter((a) => !axes.includes(a))
  const last = transpose([...kept, ...axes])(x)
  return reducing.argmax({ axis: kept.length }, reshape([...kept.map((a) => x.type.shape[a]), -1])(last))
})
