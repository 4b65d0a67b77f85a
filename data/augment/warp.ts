/** Small turns and slants of a crop about its middle: where its pixels are read from, and the pixels. */
import type { Stream } from '../../core/random.ts'
import type { Expr } from '../../core/expr.ts'
import { add, cast, floor, lessEqual, maximum, minimum, mul, sub, where, and } from '../../ops/elementwise.ts'
import { gather, iota } from '../../ops/gather.ts'
import { expandDims, reshape } from '../../ops/reshape.ts'
import { pick } from '../../ops/window.ts'

/** How crops are warped: by up to `rotation` degrees to either side, and by up to `shear` columns a row. */
export interface Warp {
  readonly probability: number
  readonly rotation: number
  readonly shear: number
}

/** A pixel at (y, x) from the middle is read at (a y + b x, c y + d x) from it. */
export type Linear = readonly [a: number, b: number, c: number, d: number]

export const unwarped: Linear = [1, 0, 0, 1]

/** What undoes a warp: where a pixel of the crop goes. */
export const inverse = ([a, b, c, d]: Linear): Linear => {
  const det = a * d - b * c
  return [d / det, -b / det, -c / det, a / det]
}

const signed = (u: number): number => 2 * u - 1

/** Reads the positions at, at + 1 and at + 2 of a stream. */
export const drawWarp = (s: Stream, at: number, w: Warp): Linear => {
  if (!(s.unit(at) < w.probability)) return unwarped
  const angle = (signed(s.unit(at + 1)) * w.rotation * Math.PI) / 180
  const shear = signed(s.unit(at + 2)) * w.shear
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  // a slant, then a turn
  return [cos, -sin, sin + shear * cos, cos - shear * sin]
}

/**
 * Crops `[n, B, C, O, O]` read by `maps` f32 `[n, B, 4]`, each a `Linear`, between four pixels; black beyond the edges (as torchvision's
 * `affine` with bilinear interpolation).
 */
export const warped = (x: Expr, maps: Expr): Expr => {
  const [crops, batch, channels, side] = x.type.shape
  const middle = (side - 1) / 2
  const map = (k: number): Expr => expandDims(-1)(expandDims(-1)(pick(-1, k)(maps)))
  const from = (axis: number): Expr => sub(cast('f32')(iota([side, side], axis)), middle)
  const [y, x0] = [from(0), from(1)]
  const at = (k: number): Expr => add(add(mul(map(k), y), mul(map(k + 1), x0)), middle)
  const [row, column] = [at(0), at(2)]
  const flat = reshape([crops, batch, channels, side * side])(x)
  const corner = (down: number, right: number): Expr => {
    const part = (p: Expr, far: number): readonly [index: Expr, share: Expr] => {
      const low = floor(p)
      const i = add(low, far)
      const rest = sub(p, low)
      const inside = and(lessEqual(0, i), lessEqual(i, side - 1))
      return [cast('i32')(minimum(maximum(i, 0), side - 1)), where(inside, far === 1 ? rest : sub(1, rest), 0)]
    }
    const [i, u] = part(row, down)
    const [j, v] = part(column, right)
    const index = reshape([crops, batch, side * side])(add(mul(i, side), j))
    return mul(gather(3, 2)(flat, index), reshape([crops, batch, 1, side * side])(mul(u, v)))
  }
  const sum = add(add(corner(0, 0), corner(0, 1)), add(corner(1, 0), corner(1, 1)))
  return reshape([crops, batch, channels, side, side])(sum)
}
