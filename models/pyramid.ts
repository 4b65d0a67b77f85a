/** What backbones of stages have in common, each stage on a grid of half the side and with more channels than the one before. */
import type { Expr } from '../core/expr.ts'
import type { Model } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { broadcastTo } from '../ops/broadcast.ts'
import { dot } from '../ops/contract.ts'
import { mul } from '../ops/elementwise.ts'
import { softmax } from '../ops/nn.ts'
import { expandDims, reshape } from '../ops/reshape.ts'
import { concat, pad, slice } from '../ops/window.ts'
import type { VitInput } from './vit.ts'

/** What such a backbone says about images `[B, C, H, W]`: N tokens of the last stage, D wide. */
export interface PyramidFeatures {
  /** What stands for the class token: made of the mean of the last stage, `[B, D]`. */
  readonly cls: Expr
  /** Tokens after the final norm, `[B, N, D]`, row-major. */
  readonly patches: Expr
  /**
   * How alike tokens are after the final norm, softmax(t tᵀ / sqrt D) `[B, 1, 1 + N, 1 + N]`, the class token first: no token of these
   * networks looks everywhere.
   */
  readonly attention: Expr
  readonly grid: readonly [number, number]
}

export interface PyramidModel<P> extends Model<P, Expr | VitInput, PyramidFeatures> {
  /** D of the last stage. */
  readonly width: number
  /** Pixels along the side of what one token of the last stage stands for. */
  readonly patch: number
}

/** The options that all of them have. */
export interface PyramidOptions {
  /** Default 3. */
  readonly channels?: number
  /** Pixels that the model was made for; any others will do. Default 224. */
  readonly image?: number
  /** Of the last block; it grows linearly from 0 in the first. Default 0. */
  readonly dropPath?: number
  /** Default false. */
  readonly maskToken?: boolean
}

/** The drop-path rate of a block, counted through all stages. */
export const rateOf = (depths: ReadonlyArray<number>, dropPath: number, stage: number, block: number): number => {
  const before = depths.slice(0, stage).reduce((n, d) => n + d, 0)
  const last = Math.max(1, depths.reduce((n, d) => n + d, 0) - 1)
  return (dropPath * (before + block)) / last
}

/**
 * A mask of the last stage's grid `[B, N]` for the first stage's `[B, h w]`, whose side is about `times` as long; what no token of the last
 * stage stands for is not hidden.
 */
export const spread = (mask: Expr, grid: readonly [number, number], last: readonly [number, number], times: number): Expr => {
  const [b] = mask.type.shape
  if (mask.type.shape.length !== 2 || mask.type.shape[1] !== last[0] * last[1])
    return misuse('mask', [mask], {
      allowed: `a mask [B, ${last[0] * last[1]}] with one entry for each token of the last stage`,
      remedy: 'make the masks for patches of the size that the backbone names',
    })
  const large = reshape([b, last[0] * times, last[1] * times])(
    broadcastTo([b, last[0], times, last[1], times])(reshape([b, last[0], 1, last[1], 1])(mask)),
  )
  const fitted = [0, 1].reduce(
    (x, axis) =>
      pad(axis + 1, 0, Math.max(0, grid[axis] - last[axis] * times))(slice(axis + 1, 0, Math.min(grid[axis], last[axis] * times))(x)),
    large,
  )
  return reshape([b, grid[0] * grid[1]])(fitted)
}

/** Of a class token `[B, D]` and tokens `[B, N, D]`. */
export const similarity = (cls: Expr, patches: Expr): Expr => {
  const tokens = concat(1)([expandDims(1)(cls), patches])
  const scale = (tokens.type.shape[2] ?? 1) ** -0.5
  return expandDims(1)(softmax(-1)(mul(dot({ leftBatch: [0], rightBatch: [0], left: [2], right: [2] })(tokens, tokens), scale)))
}
