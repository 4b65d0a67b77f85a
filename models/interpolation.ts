/**
 * Resizing one axis of a grid as a constant matrix: row o says how output o mixes the inputs. Numbers as PyTorch's
 * `interpolate(mode='bicubic', align_corners=False)` (aten/native/UpSample.h, aten/native/cpu/UpSampleKernel.cpp).
 */
import type { Expr } from '../core/expr.ts'
import { table } from '../core/expr.ts'

/** Keys' cubic convolution kernel (Keys 1981, eq. 15, with its constant a free). */
const cubic = (a: number, x: number): number => {
  const t = Math.abs(x)
  return t < 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0
}

export interface ResizeOptions {
  readonly from: number
  readonly to: number
  /** Outputs per input, as sampling uses it; `to / from` unless a scale factor was given. */
  readonly scale: number
  /** Default false. */
  readonly antialias?: boolean
}

/**
 * Bicubic without antialias, row-major `[to, from]`: a = -0.75, four taps around (o + 0.5) / scale - 0.5, clamped at the
 * border. Each row sums to one.
 */
export const bicubicTaps = (o: ResizeOptions): ReadonlyArray<number> => {
  const taps = new Array<number>(o.to * o.from).fill(0)
  for (let row = 0; row < o.to; row++) {
    const centre = (row + 0.5) / o.scale - 0.5
    const base = Math.floor(centre)
    for (let k = -1; k <= 2; k++) {
      const column = Math.max(0, Math.min(o.from - 1, base + k))
      taps[row * o.from + column] += cubic(-0.75, centre - base - k)
    }
  }
  return taps
}

/**
 * Bicubic with antialias, row-major `[to, from]`: a = -0.5, the kernel widened by 1 / scale when shrinking, taps beyond the border
 * dropped, each row divided by its sum.
 */
export const antialiasedTaps = (o: ResizeOptions): ReadonlyArray<number> => {
  const taps = new Array<number>(o.to * o.from).fill(0)
  const stretch = Math.max(1, 1 / o.scale)
  for (let row = 0; row < o.to; row++) {
    const centre = (row + 0.5) / o.scale
    const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5))
    const end = Math.min(o.from, Math.trunc(centre + 2 * stretch + 0.5))
    let sum = 0
    for (let column = first; column < end; column++) {
      const weight = cubic(-0.5, (column + 0.5 - centre) / stretch)
      taps[row * o.from + column] = weight
      sum += weight
    }
    for (let column = first; column < end; column++) taps[row * o.from + column] /= sum
  }
  return taps
}

/** The taps as a constant f32 `[to, from]`. */
export const bicubicMatrix = (o: ResizeOptions): Expr =>
  table('f32', [o.to, o.from], o.antialias === true ? antialiasedTaps(o) : bicubicTaps(o))
