/**
 * Positions whose formulas count the grid when they run: for graphs that are written for images of any size. Elsewhere grids are known
 * when a program is made, and the same numbers are constants (`position.ts`, `rope.ts`). The grid's extents come from the shapes of the
 * expressions alone, so that nothing in the graph is a number that depends on them.
 */
import type { Expr } from '../core/expr.ts'
import { fill, table } from '../core/expr.ts'
import { and, add, abs, cast, cos, div, equal, floor, less, lessEqual, maximum, minimum, mul, sin, sub, where } from '../ops/elementwise.ts'
import type { Operand } from '../ops/elementwise.ts'
import { einsum } from '../ops/contract.ts'
import { iota } from '../ops/gather.ts'
import { sum } from '../ops/reduce.ts'
import { expandDims, reshape } from '../ops/reshape.ts'
import { concat, slice } from '../ops/window.ts'
import type { PositionOptions } from './position.ts'
import type { RopeOptions, RopeTables } from './rope.ts'
import { laidOut, ropeRates } from './rope.ts'

/** The number n as a value `[]`. */
const counted = (n: number): Expr => sum()(fill('f32', [n], 1))

/** 0 .. n-1 as floats, along one axis of a matrix. */
const places = (rows: number, columns: number, axis: 0 | 1): Expr => cast('f32')(iota([rows, columns], axis))

/** Keys' cubic convolution kernel, as in `interpolation.ts`. */
const cubic = (a: number, x: Expr): Expr => {
  const t = abs(x)
  const near = add(mul(sub(mul(t, a + 2), a + 3), mul(t, t)), 1)
  const far = mul(sub(mul(add(mul(sub(t, 5), t), 8), t), 4), a)
  return where(less(t, 1), near, where(less(t, 2), far, 0))
}

const clamped = (x: Expr, low: number, high: number): Expr => minimum(maximum(x, low), high)

/** Rounded towards zero. */
const truncated = (x: Expr): Expr => cast('f32')(cast('i32')(x))

/** `bicubicTaps` and `antialiasedTaps` of interpolation.ts, `[to, from]`. `scale` is a value `[]`. */
const taps = (from: number, to: number, scale: Expr, antialias: boolean): Expr => {
  const [row, column] = [places(to, from, 0), places(to, from, 1)]
  const middle = div(add(row, 0.5), scale)
  if (antialias) {
    const stretch = maximum(div(1, scale), 1)
    const first = maximum(truncated(add(sub(middle, mul(stretch, 2)), 0.5)), 0)
    const end = minimum(truncated(add(add(middle, mul(stretch, 2)), 0.5)), from)
    const inside = and(lessEqual(first, column), less(column, end))
    const weights = where(inside, cubic(-0.5, div(sub(add(column, 0.5), middle), stretch)), 0)
    return div(weights, sum({ axes: [1], keep: true })(weights))
  }
  const centre = sub(middle, 0.5)
  const base = floor(centre)
  return [-1, 0, 1, 2]
    .map((k) => where(equal(column, clamped(add(base, k), 0, from - 1)), cubic(-0.75, sub(sub(centre, base), k)), 0))
    .reduce((a, b) => add(a, b))
}

/** The identity where `own`, else the taps. */
const matrixFor = (o: PositionOptions, to: number, own: Expr | undefined): Expr => {
  const resized = taps(o.grid, to, div(add(counted(to), o.offset), o.grid), o.antialias === true)
  return own === undefined ? resized : where(own, cast('f32')(equal(places(to, o.grid, 0), places(to, o.grid, 1))), resized)
}

/**
 * What `positionFor` gives for grids of h x w patches, `[1, 1 + h w, D]`. `square` says whether the images are as high as wide: only then
 * rows of the stored grid itself are taken as they are. Without an offset, resizing to the same grid changes nothing.
 */
export const measuredPosition =
  (o: PositionOptions, [h, w]: readonly [number, number], square: Expr) =>
  (stored: Expr): Expr => {
    const width = stored.type.shape[2]
    const own = o.offset === 0 ? undefined : and(square, and(equal(counted(h), o.grid), equal(counted(w), o.grid)))
    const patches = reshape([o.grid, o.grid, width])(slice(1, 1)(stored))
    const rows = einsum('yi,ijd->yjd')(matrixFor(o, h, own), patches)
    const both = einsum('xj,yjd->yxd')(matrixFor(o, w, own), rows)
    return concat(1)([slice(1, 0, 1)(stored), reshape([1, h * w, width])(both)])
  }

/** What `ropeTables` gives in evaluation, `[h w, d]`. */
export const measuredRope = (o: RopeOptions, width: number, grid: readonly [number, number]): RopeTables => {
  const counts = grid.map(counted)
  const [h, w] = counts
  const rates = ropeRates(o, width)
  const angles = (axis: 0 | 1): Expr => {
    const length: Operand = o.normalize === 'max' ? maximum(h, w) : o.normalize === 'min' ? minimum(h, w) : counts[axis]
    const at = sub(div(mul(add(cast('f32')(iota([grid[axis]])), 0.5), 2), length), 1)
    return mul(expandDims(1)(at), table('f32', [rates.length], rates))
  }
  const [y, x] = [angles(0), angles(1)]
  return { sin: laidOut(grid, sin(y), sin(x)), cos: laidOut(grid, cos(y), cos(x)) }
}
