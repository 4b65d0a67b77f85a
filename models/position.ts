/** Learned position embeddings, resized to the grid of the images (dino, dinov2 `vision_transformer.py` interpolate_pos_encoding). */
import type { Expr } from '../core/expr.ts'
import { einsum } from '../ops/contract.ts'
import { reshape } from '../ops/reshape.ts'
import { concat, slice } from '../ops/window.ts'
import { bicubicMatrix } from './interpolation.ts'
import { patchesAlong } from './patch.ts'

/**
 * How embeddings of one grid are read at another. The official code of DINO, and of DINOv2 without registers: offset 0.1, no antialias;
 * with registers: 0, antialias.
 */
export interface PositionResize {
  /**
   * Added to the number of patches before it is divided by the stored grid: the official code gives bicubic sampling this scale factor,
   * (h + offset) / grid, instead of h / grid.
   */
  readonly offset: number
  /** Default false. */
  readonly antialias?: boolean
}

export interface PositionOptions extends PositionResize {
  /** Side of the stored grid, in patches. */
  readonly grid: number
  /** Pixels along the side of a patch. */
  readonly patch: number
}

/**
 * The embedding `pos_embed [1, 1 + grid², D]` for images of H x W pixels: `[1, 1 + h w, D]`. The class token's row is left as
 * it is. Square images with as many patches as the grid has get the stored rows; all others are resized.
 */
export const positionFor =
  (o: PositionOptions, pixels: readonly [number, number]) =>
  (stored: Expr): Expr => {
    const [h, w] = pixels.map((n) => patchesAlong(n, o.patch))
    if (h * w === o.grid * o.grid && pixels[0] === pixels[1]) return stored
    const width = stored.type.shape[stored.type.shape.length - 1]
    const patches = reshape([o.grid, o.grid, width])(slice(1, 1)(stored))
    const matrix = (to: number): Expr =>
      bicubicMatrix({ from: o.grid, to, scale: (to + o.offset) / o.grid, antialias: o.antialias === true })
    // rows, then columns: the kernel is separable
    const rows = einsum('yi,ijd->yjd')(matrix(h), patches)
    const both = einsum('xj,yjd->yxd')(matrix(w), rows)
    return concat(1)([slice(1, 0, 1)(stored), reshape([1, h * w, width])(both)])
  }
