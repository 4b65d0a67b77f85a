/**
 * Axial rotary position embedding (Su et al. 2021, eq. 34, for each image axis; dinov3 `layers/rope_position_encoding.py`): queries and
 * keys of patches are rotated by angles that grow with their place.
 */
import type { Expr } from '../core/expr.ts'
import { fill, table } from '../core/expr.ts'
import { random } from '../core/leaves.ts'
import type { Context } from '../core/model.ts'
import { inScope } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { join } from '../core/tree.ts'
import { range } from '../core/type.ts'
import { broadcastTo } from '../ops/broadcast.ts'
import { add, cos, exp, mul, neg, sin } from '../ops/elementwise.ts'
import { expandDims, reshape } from '../ops/reshape.ts'
import { concat, slice } from '../ops/window.ts'

/** T_i = base^(2i / (d/2)), or T_i = min (max / min)^(i / (d/4 - 1)); i = 0 .. d/4 - 1. */
export type RopePeriods = { readonly base: number } | { readonly min: number; readonly max: number }

export interface RopeOptions {
  /** Default base 100. */
  readonly periods?: RopePeriods
  /** What both coordinates are divided by: their own axis' length (default), the longer, or the shorter. */
  readonly normalize?: 'separate' | 'max' | 'min'
  /** Training alone: adds U(-shift, shift), one number for each axis. */
  readonly shift?: number
  /** Training alone: multiplies by exp(U(-ln jitter, ln jitter)), one number for each axis. At least 1. */
  readonly jitter?: number
  /** Training alone: multiplies by exp(U(-ln rescale, ln rescale)), one number for both axes. At least 1. */
  readonly rescale?: number
}

/** `[T, d]` each. */
export interface RopeTables {
  readonly sin: Expr
  readonly cos: Expr
}

/** The d/4 periods for heads of width d, as the official buffer holds them: rounded to float32. */
export const ropePeriods = (o: RopeOptions, width: number): ReadonlyArray<number> => {
  const n = width / 4
  const p = o.periods ?? { base: 100 }
  return range(n).map((i) => Math.fround('base' in p ? p.base ** (i / n) : p.min * (p.max / p.min) ** (n > 1 ? i / (n - 1) : 0)))
}

/** Angles per unit of a coordinate: 2 pi / T. */
export const ropeRates = (o: RopeOptions, width: number): ReadonlyArray<number> => ropePeriods(o, width).map((t) => (2 * Math.PI) / t)

/** Places of an axis in -1 .. 1 (beyond, or short of it, where another axis' length divides): 2 (i + 0.5) / length - 1. */
const coordinates = (o: RopeOptions, grid: readonly [number, number], axis: 0 | 1): ReadonlyArray<number> => {
  const length = o.normalize === 'max' ? Math.max(...grid) : o.normalize === 'min' ? Math.min(...grid) : grid[axis]
  return range(grid[axis]).map((i) => (2 * (i + 0.5)) / length - 1)
}

const isAugmented = (o: RopeOptions, c: Context): boolean =>
  c.mode === 'train' && (o.shift !== undefined || o.jitter !== undefined || o.rescale !== undefined)

/** Coordinates of one axis, `[length]`, moved and stretched by this call's draws, in the official order. */
const augmented = (o: RopeOptions, c: Context, axis: 0 | 1, places: ReadonlyArray<number>): Expr => {
  const drawn = (name: string, bound: number, entries: 1 | 2): Expr =>
    slice(
      0,
      entries === 1 ? 0 : axis,
      entries === 1 ? 1 : axis + 1,
    )(random(join(c.scope, name), { _tag: 'Uniform', low: -bound, high: bound }, [entries]))
  const start = table('f32', [places.length], places)
  const shifted = o.shift === undefined ? start : add(start, drawn('shift', o.shift, 2))
  const jittered = o.jitter === undefined ? shifted : mul(shifted, exp(drawn('jitter', Math.log(o.jitter), 2)))
  return o.rescale === undefined ? jittered : mul(jittered, exp(drawn('rescale', Math.log(o.rescale), 1)))
}

/** sin and cos of 2 pi u / T for the places of one axis, `[length, d/4]` each. */
const axisTables = (o: RopeOptions, width: number, grid: readonly [number, number], axis: 0 | 1, c: Context): RopeTables => {
  const places = coordinates(o, grid, axis)
  const rates = ropeRates(o, width)
  if (isAugmented(o, c)) {
    const angles = mul(expandDims(1)(augmented(o, c, axis, places)), table('f32', [rates.length], rates))
    return { sin: sin(angles), cos: cos(angles) }
  }
  const of = (f: (angle: number) => number): Expr =>
    table(
      'f32',
      [places.length, rates.length],
      places.flatMap((u) => rates.map((r) => f(u * r))),
    )
  return { sin: of(Math.sin), cos: of(Math.cos) }
}

/** One axis each, brought to the grid and laid out as [y, x, y, x]: `[h w, d]`. */
export const laidOut = (grid: readonly [number, number], y: Expr, x: Expr): Expr => {
  const [h, w] = grid
  const n = y.type.shape[1]
  const half = reshape([h * w, 2 * n])(concat(2)([broadcastTo([h, w, n])(expandDims(1)(y)), broadcastTo([h, w, n])(expandDims(0)(x))]))
  return concat(1)([half, half])
}

const wrong = (o: RopeOptions, width: number): Expr =>
  misuse('rope', [], {
    allowed: `heads of a width that 4 divides, positive periods, jitter and rescale of at least 1 (asked: width ${width}, ${JSON.stringify(o)})`,
    remedy: 'change width, heads, or the options of the rotary embedding',
  })

const isRope = (o: RopeOptions, width: number): boolean =>
  Number.isInteger(width / 4) &&
  width > 0 &&
  ropePeriods(o, width).every((t) => t > 0) &&
  (o.jitter ?? 1) >= 1 &&
  (o.rescale ?? 1) >= 1 &&
  (o.shift ?? 0) >= 0

/**
 * Tables for a grid of h x w patches and heads of width d: `[h w, d]`. In training, the options' augmentation is drawn anew wherever this
 * is called, under the context's scope. Faults: a width that 4 does not divide, periods that are not positive, jitter or rescale below 1.
 */
export const ropeTables = (o: RopeOptions, width: number, grid: readonly [number, number], c: Context): RopeTables => {
  if (!isRope(o, width)) return { sin: wrong(o, width), cos: wrong(o, width) }
  return inScope(c, 'rope', (inner) => {
    const [y, x] = [axisTables(o, width, grid, 0, inner), axisTables(o, width, grid, 1, inner)]
    return { sin: laidOut(grid, y.sin, x.sin), cos: laidOut(grid, y.cos, x.cos) }
  })
}

/** The same tables with `prefix` tokens before the patches that are not rotated: `[prefix + h w, d]`. */
export const behindPrefix = (prefix: number, t: RopeTables): RopeTables => {
  const width = t.sin.type.shape[1] ?? 1
  const before = (value: number, e: Expr): Expr => (e._tag === 'Invalid' ? e : concat(0)([fill('f32', [prefix, width], value), e]))
  return { sin: before(0, t.sin), cos: before(1, t.cos) }
}

/** Entry k is rotated with entry k + d/2: x cos + [-x2, x1] sin. `x [B, T, h, d]` with tables `[T, d]`. */
export const rotate =
  (t: RopeTables) =>
  (x: Expr): Expr => {
    const half = (x.type.shape[3] ?? 0) / 2
    const turned = concat(3)([neg(slice(3, half)(x)), slice(3, 0, half)(x)])
    return add(mul(x, expandDims(1)(t.cos)), mul(turned, expandDims(1)(t.sin)))
  }
