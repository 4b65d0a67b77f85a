/** Some rows of a tensor: a range along one axis, or those that a list names, along one axis or along two that are counted together. */
import * as O from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import { fill, table } from '../../core/expr.ts'
import type { Shape } from '../../core/type.ts'
import { equalShape, range, sizeOf } from '../../core/type.ts'
import { add, floorDiv, mod, mul } from '../../ops/elementwise.ts'
import { gather, gathering } from '../../ops/gather.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { concat, slice, windowing } from '../../ops/window.ts'

export type Rows =
  /** Rows `from` to `from + size` of the axis. */
  | { readonly _tag: 'Range'; readonly axes: readonly [number]; readonly from: number; readonly size: number }
  /** Rows `list`, i32 `[size]`. Of two axes (row-major) the first becomes 1, the second `size`. */
  | { readonly _tag: 'List'; readonly axes: ReadonlyArray<number>; readonly list: Expr; readonly size: number }

/** The shape of what is left of a tensor. */
export const left = (r: Rows, shape: Shape): Shape =>
  shape.map((d, a) => (!r.axes.includes(a) ? d : a === r.axes[r.axes.length - 1] ? r.size : 1))

/** How many rows there are to choose from. */
const all = (r: Rows, shape: Shape): number => sizeOf(r.axes.map((a) => shape[a]))

/** At most half: below that it is worth a copy. */
export const areFew = (r: Rows, shape: Shape): boolean => 2 * r.size <= all(r, shape)

export const sameRows = (a: Rows, b: Rows): boolean =>
  equalShape(a.axes, b.axes) &&
  (a._tag === 'Range' ? b._tag === 'Range' && a.from === b.from && a.size === b.size : b._tag === 'List' && a.list === b.list)

/** Those rows of `x`. */
export const pickRows =
  (r: Rows) =>
  (x: Expr): Expr => {
    if (x._tag === 'Leaf' && x.source._tag === 'Fill') return fill(x.type.dtype, left(r, x.type.shape), x.source.value)
    if (r._tag === 'Range') return slice(r.axes[0], r.from, r.from + r.size)(x)
    const [first, second] = r.axes
    if (second === undefined) return gather(first)(x, r.list)
    const rest = range(x.type.shape.length).filter((a) => !r.axes.includes(a))
    const order = [first, second, ...rest]
    const shape = rest.map((a) => x.type.shape[a])
    const rows = gather(0)(reshape([all(r, x.type.shape), ...shape])(transpose(order)(x)), r.list)
    return transpose(order.map((_, a) => order.indexOf(a)))(reshape([1, r.size, ...shape])(rows))
  }

/** What `e` chooses of its first argument, where it does nothing else. */
export const chosenBy = (e: Expr): Rows | undefined => {
  const part = windowing.slice.match(e)
  if (O.isSome(part)) {
    const {
      params: { start, size },
      args: [x],
    } = part.value
    const cut = range(size.length).filter((a) => size[a] < x.type.shape[a])
    return cut.length === 1 ? { _tag: 'Range', axes: [cut[0]], from: start[cut[0]], size: size[cut[0]] } : undefined
  }
  const listed = gathering.gather.match(e)
  if (O.isNone(listed) || listed.value.params.batch > 0) return undefined
  const {
    params: { axis },
    args: [x, list],
  } = listed.value
  return list.type.shape.length === 1 && list !== x ? { _tag: 'List', axes: [axis], list, size: list.type.shape[0] } : undefined
}

/** Rows of the box of a tensor that begins at `start` as rows of the whole: `box` and `whole` are their shapes. */
export const shifted = (r: Rows, start: ReadonlyArray<number>, box: Shape, whole: Shape): Rows => {
  if (r._tag === 'Range') return { ...r, from: r.from + start[r.axes[0]] }
  const [first, second] = r.axes
  if (second === undefined) return { ...r, list: add(r.list, start[first]) }
  const [row, column] = [floorDiv(r.list, box[second]), mod(r.list, box[second])]
  return { ...r, list: add(mul(add(row, start[first]), whole[second]), add(column, start[second])) }
}

/** Several choices of one tensor as one, and how each is had of what that leaves. */
export interface Union {
  readonly rows: Rows
  readonly part: (r: Rows) => (x: Expr) => Expr
}

/** A list of all rows of a range along the second of two axes. */
const listed = (r: Rows, [first, second]: ReadonlyArray<number>, shape: Shape): Expr => {
  if (r._tag === 'List') return r.list
  const values = range(shape[first] * r.size).map((i) => Math.floor(i / r.size) * shape[second] + r.from + (i % r.size))
  return table('i32', [values.length], values)
}

/**
 * The union of choices of a tensor of this shape: of ranges along one axis the smallest range that holds them; of lists over two axes,
 * and ranges along the second of these, one list after the other. Nothing for others.
 */
export const union = (choices: ReadonlyArray<Rows>, shape: Shape): Union | undefined => {
  const [one, ...others] = choices
  if (one === undefined) return undefined
  if (others.length === 0) return { rows: one, part: () => (x) => x }
  const ranges = choices.flatMap((r) => (r._tag === 'Range' && r.axes[0] === one.axes[0] ? [r] : []))
  if (ranges.length === choices.length) {
    const from = Math.min(...ranges.map((r) => r.from))
    const size = Math.max(...ranges.map((r) => r.from + r.size)) - from
    const [axis] = ranges[0].axes
    return {
      rows: { _tag: 'Range', axes: [axis], from, size },
      part: (r) => (x) => (r._tag === 'Range' ? slice(axis, r.from - from, r.from - from + r.size)(x) : x),
    }
  }
  const axes = choices.find((r) => r.axes.length === 2)?.axes
  const fits = (r: Rows): boolean => axes !== undefined && (r._tag === 'List' ? equalShape(r.axes, axes) : r.axes[0] === axes[1])
  if (axes === undefined || !choices.every(fits)) return undefined
  const [first, second] = axes
  const lists = choices.map((r) => listed(r, axes, shape))
  const list = concat(0)(lists)
  const sizes = lists.map((l) => l.type.shape[0])
  return {
    rows: { _tag: 'List', axes, list, size: list.type.shape[0] },
    part: (r) => (x) => {
      const at = choices.findIndex((c) => sameRows(c, r))
      const from = sizes.slice(0, at).reduce((n, m) => n + m, 0)
      const own = slice(second, from, from + sizes[at])(x)
      return r._tag === 'List' ? own : reshape(own.type.shape.map((d, a) => (a === first ? shape[first] : a === second ? r.size : d)))(own)
    },
  }
}
