/** Turns and slants of a crop about its middle, and elastic bends of it: where its pixels are read from, and the pixels. */
import type { Stream } from '../../core/random.ts'
import type { Expr } from '../../core/expr.ts'
import { table } from '../../core/expr.ts'
import { range } from '../../core/type.ts'
import { einsum } from '../../ops/contract.ts'
import { add, cast, floor, lessEqual, maximum, minimum, mul, sub, where, and } from '../../ops/elementwise.ts'
import { gather, iota } from '../../ops/gather.ts'
import { expandDims, reshape } from '../../ops/reshape.ts'
import { pick, slice } from '../../ops/window.ts'

/** How crops are warped: by up to `rotation` degrees to either side, and by up to `shear` columns a row. */
export interface Warp {
  readonly probability: number
  readonly rotation: number
  readonly shear: number
  /** Shares of the side by which each of a grid of points moves at most, along either axis; the pixels between follow. Default 0. */
  readonly elastic?: number
  /** Points along a side of that grid, at least 4; the outermost lie beyond the crop. Default 5. */
  readonly points?: number
}

/** The elastic part of a warp, with its defaults. */
export const bendOf = ({ elastic = 0, points = 5 }: Warp): { readonly elastic: number; readonly points: number } => ({ elastic, points })

/** A pixel at (y, x) from the middle is read at (a y + b x, c y + d x) from it. */
export type Linear = readonly [a: number, b: number, c: number, d: number]

/** One crop's warp: a linear map about the middle, and moves `[2, G, G]` of the grid's points (rows, columns) in shares of the side. */
export interface Warping {
  readonly linear: Linear
  /** Empty where no point moves. */
  readonly moves: ReadonlyArray<number>
}

export const unwarped: Warping = { linear: [1, 0, 0, 1], moves: [] }

/** What undoes a linear map. */
export const inverse = ([a, b, c, d]: Linear): Linear => {
  const det = a * d - b * c
  return [d / det, -b / det, -c / det, a / det]
}

/** Numbers that the pixels of a warp are computed from. */
export const warpWidth = (w: Warp): number => {
  const { elastic, points } = bendOf(w)
  return 4 + (elastic > 0 ? 2 * points ** 2 : 0)
}

const signed = (u: number): number => 2 * u - 1

/** Reads the positions from `at` on of a stream. */
export const drawWarp = (s: Stream, at: number, w: Warp): Warping => {
  if (!(s.unit(at) < w.probability)) return unwarped
  const angle = (signed(s.unit(at + 1)) * w.rotation * Math.PI) / 180
  const shear = signed(s.unit(at + 2)) * w.shear
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  return {
    // a slant, then a turn
    linear: [cos, -sin, sin + shear * cos, cos - shear * sin],
    moves: Array.from({ length: warpWidth(w) - 4 }, (_, i) => signed(s.unit(at + 3 + i)) * bendOf(w).elastic),
  }
}

/** Points along a side of the grid whose moves have so many numbers. */
const pointsOf = (moves: number): number => Math.sqrt(moves / 2)

/** The cubic B-spline about 0: (max(2 - |t|, 0)^3 - 4 max(1 - |t|, 0)^3) / 6. */
const spline = (t: number): number => (Math.max(2 - Math.abs(t), 0) ** 3 - 4 * Math.max(1 - Math.abs(t), 0) ** 3) / 6

/** Shares of a grid's points in the move of the pixel at `p` along a side: they sum to one. */
const sharesAt = (p: number, side: number, points: number): ReadonlyArray<number> => {
  const t = 1 + (p * (points - 3)) / (side - 1)
  return Array.from({ length: points }, (_, g) => spline(t - g))
}

/** Where pixels (row, column) of a crop are read from, on the host: what `warped` computes. */
export const readFrom = ({ linear: [a, b, c, d], moves }: Warping, side: number): ((y: number, x: number) => readonly [number, number]) => {
  const middle = (side - 1) / 2
  const points = pointsOf(moves.length)
  return (y, x) => {
    const [down, right] = [y - middle, x - middle]
    let [row, column] = [a * down + b * right + middle, c * down + d * right + middle]
    if (points > 0) {
      const [v, h] = [y, x].map((p) => sharesAt(p, side, points))
      for (let i = 0; i < points; i++)
        for (let j = 0; j < points; j++) {
          row += side * v[i] * h[j] * moves[i * points + j]
          column += side * v[i] * h[j] * moves[(points + i) * points + j]
        }
    }
    return [row, column]
  }
}

/** Where the pixel of a crop is that is read from (row, column): `readFrom` undone, by repeated substitution. */
export const movedTo = (w: Warping, side: number): ((row: number, column: number) => readonly [number, number]) => {
  const middle = (side - 1) / 2
  const [e, f, g, h] = inverse(w.linear)
  const from = readFrom(w, side)
  const back = (y: number, x: number): readonly [number, number] => [e * y + f * x, g * y + h * x]
  return (row, column) => {
    const [down, right] = back(row - middle, column - middle)
    let [y, x] = [down + middle, right + middle]
    // the moves change slowly (`Warp` allows no folds), so that each round leaves a part of the error; without moves the first is exact
    for (let round = 0; round < (w.moves.length === 0 ? 0 : 40); round++) {
      const [r, c] = from(y, x)
      const [dy, dx] = back(row - r, column - c)
      ;[y, x] = [y + dy, x + dx]
    }
    return [y, x]
  }
}

/** Those of all pixels along a side, `[side, points]`. */
const basis = (side: number, points: number): Expr =>
  table(
    'f32',
    [side, points],
    range(side).flatMap((p) => sharesAt(p, side, points)),
  )

/**
 * Crops `[n, B, C, O, O]` read by `maps` f32 `[n, B, 4 + 2 G G]`, each a linear map and its moves, between four pixels; black beyond the
 * edges (as torchvision's `affine` with bilinear interpolation). The moves of pixels are cubic B-splines of those of the points (Rueckert
 * et al. 1999, section III.A).
 */
export const warped = (x: Expr, maps: Expr): Expr => {
  const [crops, batch, channels, side] = x.type.shape
  const middle = (side - 1) / 2
  const map = (k: number): Expr => expandDims(-1)(expandDims(-1)(pick(-1, k)(maps)))
  const from = (axis: number): Expr => sub(cast('f32')(iota([side, side], axis)), middle)
  const [y, x0] = [from(0), from(1)]
  const at = (k: number): Expr => add(add(mul(map(k), y), mul(map(k + 1), x0)), middle)
  const points = pointsOf(maps.type.shape[2] - 4)
  const bent = (straight: Expr, k: number): Expr => {
    if (points === 0) return straight
    const shares = basis(side, points)
    const moves = reshape([crops, batch, points, points])(slice(2, 4 + k * points ** 2, 4 + (k + 1) * points ** 2)(maps))
    const moved = einsum('nbyh,xh->nbyx')(einsum('nbgh,yg->nbyh')(moves, shares), shares)
    return add(straight, mul(moved, side))
  }
  const [row, column] = [bent(at(0), 0), bent(at(2), 1)]
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
