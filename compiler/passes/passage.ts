/**
 * Whether rows of a result are made of the same rows of the arguments, and how: read off the meaning of the op. An axis passes where
 * each element of the result reads its own position along it, and nothing else depends on that position.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { apply } from '../../core/primitive.ts'
import type { Scalar } from '../../core/scalar.ts'
import { partsOf } from '../../core/scalar.ts'
import type { Shape, TensorType } from '../../core/type.ts'
import { equalShape, range, sizeOf, tensorType } from '../../core/type.ts'
import { attending, composed } from '../../ops/attention.ts'
import { reshaping } from '../../ops/reshape.ts'
import { concat, windowing } from '../../ops/window.ts'
import type { Rows } from './rows.ts'
import { left, shifted } from './rows.ts'

/** What is needed of an argument. */
export type Want = Rows | 'whole' | 'nothing'

export const isRows = (w: Want | undefined): w is Rows => w !== undefined && w !== 'whole' && w !== 'nothing'

export interface Passage {
  /** Of each argument. */
  readonly wants: ReadonlyArray<Want>
  /** The rows of the result, of what is wanted of the arguments; what stands for those of which nothing is wanted is not looked at. */
  readonly make: (args: ReadonlyArray<Expr>) => Expr
}

/** An index without the addition of nothing. */
const bare = (i: Scalar): Scalar =>
  i._tag === 'Binary' && (i.op === 'add' || i.op === 'sub') && i.y._tag === 'Num' && i.y.value === 0 ? bare(i.x) : i

/** For each argument the axis of it that stands at each axis of `axes`; undefined where one of these means more than a place to read. */
const standing = (meaning: Scalar, axes: ReadonlyArray<number>, arity: number): ReadonlyArray<ReadonlyArray<number>> | undefined => {
  const found: ReadonlyArray<Array<string>> = range(arity).map(() => [])
  const isOurs = (s: Scalar): boolean => s._tag === 'Axis' && axes.includes(s.axis)
  const visit = (s: Scalar): boolean => {
    if (isOurs(s)) return false
    if (s._tag !== 'Read') return partsOf(s).every(visit)
    const places = s.index.map(bare)
    const at = axes.map((a) => places.findIndex((i) => i._tag === 'Axis' && i.axis === a))
    found[s.arg].push(at.join())
    return places.every((i, k) => at.includes(k) || visit(i))
  }
  if (!visit(meaning)) return undefined
  const agreed = found.map((f) =>
    f.every((x) => x === f[0])
      ? (f[0] ?? '')
          .split(',')
          .filter((x) => x !== '')
          .map(Number)
      : undefined,
  )
  const isWhole = (at: ReadonlyArray<number>): boolean => at.every((k) => k < 0)
  const out: Array<ReadonlyArray<number>> = []
  for (const at of agreed) {
    if (at === undefined || !(isWhole(at) || at.every((k) => k >= 0))) return undefined
    out.push(isWhole(at) ? [] : at)
  }
  return out
}

/** A passage with these wants, where the op takes what they leave. */
const through = (e: Apply, rows: Rows, wants: ReadonlyArray<Want>): Passage | undefined => {
  const op = e.op.resized(left(rows, e.type.shape), rows.axes)
  const types = e.args.map((a, i): TensorType => {
    const want = wants[i]
    return isRows(want) ? tensorType(a.type.dtype, left(want, a.type.shape)) : a.type
  })
  const type = op.type(types)
  return E.isRight(type) && equalShape(type.right.shape, left(rows, e.type.shape))
    ? { wants, make: (args) => apply(op, args, e.region) }
    : undefined
}

const along = (rows: Rows, axes: ReadonlyArray<number>): Rows => (rows._tag === 'List' ? { ...rows, axes } : { ...rows, axes: [axes[0]] })

/** The axis of `from` with as many elements before it, and as long, as axis `a` of `to`. */
const sameAxis = (from: Shape, to: Shape, a: number): number => {
  const before = sizeOf(to.slice(0, a))
  return range(from.length).findIndex((k) => sizeOf(from.slice(0, k)) === before && from[k] === to[a])
}

const ofReshape = (e: Apply, rows: Rows): Passage | undefined => {
  const [from, to] = [e.args[0].type.shape, e.type.shape]
  const axes = rows.axes.map((a) => sameAxis(from, to, a))
  if (axes.every((k) => k >= 0)) return through(e, rows, [along(rows, axes)])
  // two axes that become one
  const [a, second] = rows.axes
  if (rows._tag === 'Range' || second !== undefined) return undefined
  const before = sizeOf(to.slice(0, a))
  const k = range(from.length - 1).findIndex((i) => sizeOf(from.slice(0, i)) === before && from[i] * from[i + 1] === to[a])
  return k < 0 ? undefined : through(e, rows, [along(rows, [k, k + 1])])
}

/** Some rows of queries look at all keys. */
const ofAttention = (scale: number, rows: Rows): Passage | undefined =>
  rows._tag === 'List' || rows.axes[0] !== 1
    ? undefined
    : {
        wants: [rows, 'whole', 'whole'],
        make: ([q, k, v]) => composed(scale, q, k, v),
      }

/** A range of tensors one after the other: of each its share. */
const ofConcat = (e: Apply, axis: number, rows: Rows): Passage | undefined => {
  if (rows._tag === 'List') return undefined
  let at = 0
  const wants = e.args.map((a): Want => {
    const [from, to] = [Math.max(rows.from, at), Math.min(rows.from + rows.size, at + a.type.shape[axis])]
    const start = at
    at += a.type.shape[axis]
    return from >= to ? 'nothing' : to - from === a.type.shape[axis] ? 'whole' : { ...rows, from: from - start, size: to - from }
  })
  return { wants, make: (args) => concat(axis)(args.filter((_, i) => wants[i] !== 'nothing')) }
}

/** How `rows` of `e` are made of rows of its arguments; nothing where they are not. */
export const passage = (e: Apply, rows: Rows): Passage | undefined => {
  if (O.isSome(reshaping.reshape.match(e))) return ofReshape(e, rows)
  const whole = attending.attention.match(e)
  if (O.isSome(whole)) return ofAttention(whole.value.params.scale, rows)
  const parts = windowing.concat.match(e)
  if (O.isSome(parts) && rows.axes.includes(parts.value.params.axis)) return ofConcat(e, parts.value.params.axis, rows)
  const part = windowing.slice.match(e)
  if (O.isSome(part)) {
    const [x] = e.args
    const { start, size } = part.value.params
    return through(e, rows, [rows.axes.every((a) => size[a] === x.type.shape[a]) ? rows : shifted(rows, start, size, x.type.shape)])
  }
  const at = standing(
    e.op.lower(
      e.args.map((a) => a.type),
      e.type,
    ),
    rows.axes,
    e.args.length,
  )
  const fits = at?.every((axes, i) => axes.every((k, n) => e.args[i].type.shape[k] === e.type.shape[rows.axes[n]])) === true
  return at === undefined || !fits
    ? undefined
    : through(
        e,
        rows,
        at.map((axes) => (axes.length === 0 ? 'whole' : along(rows, axes))),
      )
}
