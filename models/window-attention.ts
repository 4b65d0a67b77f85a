/** Self-attention within windows of a grid, with a learned bias for each relative place (Liu et al. 2021, "Swin Transformer", eq. 4). */
import type { Expr } from '../core/expr.ts'
import { table } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { call, param, truncNormal } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { range } from '../core/type.ts'
import { dot } from '../ops/contract.ts'
import { add, equal, mul, where } from '../ops/elementwise.ts'
import { gather } from '../ops/gather.ts'
import { softmax } from '../ops/nn.ts'
import { expandDims, reshape, transpose } from '../ops/reshape.ts'
import { concat, pad, pick, slice } from '../ops/window.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'

export interface WindowAttentionParams {
  /** `[(2 W - 1)², heads]`: entry (dy + W - 1)(2 W - 1) + dx + W - 1 is added to the score of tokens that are dy and dx apart. */
  readonly relative_position_bias_table: Declaration
  readonly qkv: LinearParams
  readonly proj: LinearParams
}

export interface WindowAttentionOptions {
  readonly width: number
  readonly heads: number
  /** W, tokens along the side of a window; grids that are smaller are one window. */
  readonly window: number
  /** Windows are laid half a window further down and right. */
  readonly shifted: boolean
  readonly qkvBias: boolean
}

/** Tokens of a grid: `[B, h, w, D]`. */
const rolled =
  (by: number) =>
  (x: Expr): Expr => {
    const along =
      (axis: number) =>
      (y: Expr): Expr => {
        const n = y.type.shape[axis]
        const at = (by + n) % n
        return at === 0 ? y : concat(axis)([slice(axis, at)(y), slice(axis, 0, at)(y)])
      }
    return along(2)(along(1)(x))
  }

/** `[B, h, w, D] -> [B h/s w/s, s², D]` for windows of s x s that fill the grid. */
const windows =
  (s: number) =>
  (x: Expr): Expr => {
    const [b, h, w, d] = x.type.shape
    return reshape([(b * h * w) / (s * s), s * s, d])(transpose([0, 1, 3, 2, 4, 5])(reshape([b, h / s, s, w / s, s, d])(x)))
  }

/** The inverse of `windows`. */
const joined =
  (s: number, [b, h, w]: readonly [number, number, number]) =>
  (x: Expr): Expr => {
    const d = x.type.shape[2]
    return reshape([b, h, w, d])(transpose([0, 1, 3, 2, 4, 5])(reshape([b, h / s, w / s, s, s, d])(x)))
  }

/** Places in the bias table of all pairs of tokens of a window of s x s, row-major. */
const relativePlaces = (s: number, window: number): Expr => {
  const tokens = range(s * s)
  const place = (i: number, j: number): number =>
    (Math.floor(i / s) - Math.floor(j / s) + window - 1) * (2 * window - 1) + (i % s) - (j % s) + window - 1
  return table(
    'i32',
    [s * s * s * s],
    tokens.flatMap((i) => tokens.map((j) => place(i, j))),
  )
}

/**
 * Which of the nine parts of a grid that was rolled by `shift` each token came from, `[windows, s²]`: tokens of different parts are no
 * neighbours.
 */
const parts = (h: number, w: number, s: number, shift: number): Expr => {
  const part = (i: number, n: number): number => (i >= n - s ? 1 : 0) + (i >= n - shift ? 1 : 0)
  const values = range(h / s).flatMap((y) =>
    range(w / s).flatMap((x) => range(s * s).map((i) => 3 * part(y * s + Math.floor(i / s), h) + part(x * s + (i % s), w))),
  )
  return table('i32', [(h * w) / (s * s), s * s], values)
}

/** What is added to the scores of tokens that are no neighbours. */
const apart = -100

/**
 * Tokens `[B, h, w, D]` -> `[B, h, w, D]`. Grids that windows do not fill are padded with zeros. Fault: a width that the heads do not
 * divide.
 */
export const windowAttention = (o: WindowAttentionOptions): Model<WindowAttentionParams, Expr, Expr> => {
  const qkv = linear({ in: o.width, out: 3 * o.width, bias: o.qkvBias })
  const proj = linear({ in: o.width, out: o.width })
  const each = o.width / o.heads
  return {
    params: {
      relative_position_bias_table: param([(2 * o.window - 1) ** 2, o.heads], truncNormal(0.02)),
      qkv: qkv.params,
      proj: proj.params,
    },
    apply: (c, p) => (x) => {
      if (!Number.isInteger(each) || each <= 0)
        return misuse('windowAttention', [x], {
          allowed: `a width that the number of heads divides (asked: width ${o.width}, ${o.heads} heads)`,
          remedy: 'change width or heads',
        })
      const [batch, h, w] = x.type.shape
      const s = Math.min(o.window, h, w)
      const shift = o.shifted && Math.min(h, w) > o.window ? Math.floor(o.window / 2) : 0
      const [full, wide] = [Math.ceil(h / s) * s, Math.ceil(w / s) * s]
      const cells = windows(s)(rolled(shift)(pad(2, 0, wide - w)(pad(1, 0, full - h)(x))))
      const [count, tokens] = cells.type.shape
      const projected = reshape([count, tokens, 3, o.heads, each])(call(qkv, c, 'qkv', p.qkv, cells))
      const [q, k, v] = [0, 1, 2].map((i): Expr => pick(2, i)(projected))
      const scores = mul(dot({ leftBatch: [0, 2], rightBatch: [0, 2], left: [3], right: [3] })(q, k), each ** -0.5)
      const bias = transpose([2, 0, 1])(
        reshape([tokens, tokens, o.heads])(gather(0)(p.relative_position_bias_table, relativePlaces(s, o.window))),
      )
      const biased = add(scores, bias)
      const part = parts(full, wide, s, shift)
      const neighbours = equal(expandDims(2)(part), expandDims(1)(part))
      const kept =
        shift === 0
          ? biased
          : reshape([count, o.heads, tokens, tokens])(
              add(reshape([batch, count / batch, o.heads, tokens, tokens])(biased), expandDims(1)(where(neighbours, 0, apart))),
            )
      const mixed = dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [3], right: [1] })(softmax(-1)(kept), v)
      const out = call(proj, c, 'proj', p.proj, reshape([count, tokens, o.width])(transpose([0, 2, 1, 3])(mixed)))
      const placed = rolled(-shift)(joined(s, [batch, full, wide])(out))
      return slice(2, 0, w)(slice(1, 0, h)(placed))
    },
  }
}
