/** Patch features as maps, and their way to another grid (dinov3 `train/ssl_meta_arch.py` get_gram_teacher_output). */
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { einsum } from '../ops/contract.ts'
import { reshape } from '../ops/reshape.ts'
import { bicubicMatrix } from './interpolation.ts'

/** Patches along height and width of N patches of images `[.., H, W]`, square patches assumed; none where there is no such grid. */
const gridOf = (n: number, images: Expr): readonly [number, number] | undefined => {
  const [height, width] = images.type.shape.slice(-2)
  const rows = Math.max(1, Math.round(Math.sqrt((n * height) / width)))
  return n % rows === 0 ? [rows, n / rows] : undefined
}

/**
 * Patch features `[R, N, D]` of images `[R, C, H, W]` brought to the grid of others: bicubic, each axis for itself, by the ratio of
 * sizes. Features that are on that grid are left as they are. Fault: patches that are no grid of the images.
 */
export const resizePatches = (x: Expr, images: Expr, like: Expr, likeImages: Expr, antialias: boolean): Expr => {
  const [rows, n, width] = x.type.shape
  if (n === like.type.shape[1]) return x
  const [from, to] = [gridOf(n, images), gridOf(like.type.shape[1] ?? 1, likeImages)]
  if (from === undefined || to === undefined)
    return misuse('resizePatches', [x, like], {
      allowed: 'patches that are a grid of the images',
      remedy: 'give crops whose sides the patch size divides',
    })
  const matrix = (k: 0 | 1): Expr => bicubicMatrix({ from: from[k], to: to[k], scale: to[k] / from[k], antialias })
  const map = reshape([rows, from[0], from[1], width])(x)
  const high = einsum('yi,rijd->yrjd')(matrix(0), map)
  const both = einsum('xj,yrjd->ryxd')(matrix(1), high)
  return reshape([rows, to[0] * to[1], width])(both)
}
