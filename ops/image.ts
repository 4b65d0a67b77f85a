/**
 * Images as tables of taps: every resize, crop, flip and blur along one axis is "read a few neighbours, weigh, sum". The
 * tables are inputs, so that sizes and boxes of images change without a new program.
 */
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { equalShape, showShape } from '../core/type.ts'
import { abs, add, maximum, minimum, mul, sub } from './elementwise.ts'
import { gather, iota } from './gather.ts'
import { sum } from './reduce.ts'
import { expandDims, reshape } from './reshape.ts'
import { axisOf, hasAxis, noAxis } from './axis.ts'

/** Output o is the sum over t of `weights[.., o, t]` times the entry at `first[.., o] + t`. */
export interface Taps {
  /** i32 `[lead.., O]`; `first + T` never exceeds the axis. */
  readonly first: Expr
  /** f32 `[lead.., O, T]` */
  readonly weights: Expr
}

/** Entries at `index` (i32 `[lead.., O, T]`) along `axis`, weighted and summed over T. `weights` is `[lead.., O or 1, T]`. */
const weighted = (x: Expr, index: Expr, weights: Expr, axis: number, lead: number, shared: number): Expr => {
  const rows = gather(axis, shared)(x, index)
  const [outputs, taps] = weights.type.shape.slice(-2)
  const shape = [
    ...x.type.shape.slice(0, lead),
    ...x.type.shape.slice(lead, axis).map(() => 1),
    outputs,
    taps,
    ...x.type.shape.slice(axis + 1).map(() => 1),
  ]
  return sum({ axes: [axis + 1] })(mul(rows, reshape(shape)(weights)))
}

/**
 * One axis through its taps: `x [lead.., .., A, ..]`, `first [lead.., O]`, `weights [lead.., O, T]` -> the same with O in
 * place of A.
 */
export const resample =
  (axis: number) =>
  (x: Expr, taps: Taps): Expr => {
    const at = axisOf(x, axis)
    if (!hasAxis(x, at)) return noAxis('resample', [x], axis)
    const { first, weights } = taps
    const lead = first.type.shape.length - 1
    if (weights.type.shape.length !== lead + 2 || !equalShape(weights.type.shape.slice(0, -1), first.type.shape) || at < lead)
      return misuse('resample', [x, first, weights], {
        allowed: 'an image, first positions i32[lead.., O], and weights f32[lead.., O, T] with the leading axes of the image',
        remedy: 'make both tables for the same batch and the same number of outputs',
      })
    const index = add(expandDims(-1)(first), iota([weights.type.shape[lead + 1]]))
    return weighted(x, index, weights, at, lead, lead)
  }

/** `resample` along each row, then down each column, Pillow's order: `x [lead.., C, H, W]` -> `[lead.., C, O, P]`. */
export const resampleBoth = (x: Expr, rows: Taps, columns: Taps): Expr => resample(-2)(resample(-1)(x, columns), rows)

/** What lies beyond the edge: the image mirrored without repeating the edge (p -> -p), or the edge's pixel. */
export type Border = 'reflect' | 'repeat'

/**
 * Convolution along one axis with a kernel per image, odd in length and centred: `x [lead.., .., A, ..]`,
 * `kernel [lead.., T]` -> as x.
 */
export const convolve =
  (axis: number, border: Border) =>
  (x: Expr, kernel: Expr): Expr => {
    const at = axisOf(x, axis)
    if (!hasAxis(x, at)) return noAxis('convolve', [x], axis)
    const lead = kernel.type.shape.length - 1
    const taps = kernel.type.shape[lead] ?? 0
    const n = x.type.shape[at] ?? 0
    const reach = (taps - 1) / 2
    if (taps % 2 !== 1 || at < lead || (border === 'reflect' && n <= reach))
      return misuse('convolve', [x, kernel], {
        allowed: `a kernel [lead.., T] with odd T and, to reflect, an axis ${showShape([axis])} longer than T / 2`,
        remedy: 'blur larger images, or use a shorter kernel',
      })
    const place = sub(add(expandDims(-1)(iota([n])), iota([taps])), reach)
    const index = border === 'reflect' ? sub(n - 1, abs(sub(n - 1, abs(place)))) : minimum(maximum(place, 0), n - 1)
    return weighted(x, index, expandDims(-2)(kernel), at, lead, 0)
  }
