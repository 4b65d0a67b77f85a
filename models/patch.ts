/** Patch embedding (Dosovitskiy et al. 2021, eq. 1): a convolution whose kernel is its stride, as one matrix product. */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Model } from '../core/model.ts'
import { inScope, param, uniform } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { broadcastTo } from '../ops/broadcast.ts'
import { cast, mul, notEqual, sub } from '../ops/elementwise.ts'
import { linear } from '../ops/nn.ts'
import { reshape, transpose } from '../ops/reshape.ts'
import { pad, slice } from '../ops/window.ts'

export interface PatchParams {
  readonly proj: { readonly weight: Declaration; readonly bias: Declaration }
}

export interface PatchOptions {
  /** Pixels along the side of a patch. */
  readonly patch: number
  readonly channels: number
  readonly width: number
  /** Refuses images of sides that are no whole number of patches, as DINOv2 does; else the remainder is dropped. Default false. */
  readonly whole?: boolean
}

/** Patches of an image side, the remainder dropped. */
export const patchesAlong = (pixels: number, patch: number): number => Math.floor(pixels / patch)

/** Images `[B, C, H, W]` as patches `[B, h w, C p p]`, row-major, inside ordered (c, y, x). */
const patchify = (x: Expr, p: number): Expr => {
  const [batch, channels, height, width] = x.type.shape
  const [h, w] = [patchesAlong(height, p), patchesAlong(width, p)]
  const whole = slice(3, 0, w * p)(slice(2, 0, h * p)(x))
  const cells = transpose([0, 2, 4, 1, 3, 5])(reshape([batch, channels, h, p, w, p])(whole))
  return reshape([batch, h * w, channels * p * p])(cells)
}

/** Which patches a mask hides, as bool: it is bool, or of numbers that are not 0. */
export const hiddenBy = (mask: Expr): Expr => (mask.type.dtype === 'bool' ? mask : notEqual(mask, 0))

/**
 * Images `[B, C, H, W]` with nothing, the mean, in place of the patches that `mask [B, N]` names (bool, or numbers that are not 0): what
 * hides patches from a network without a token for them.
 */
export const blanked =
  (patch: number) =>
  (images: Expr, mask: Expr): Expr => {
    const [batch, , height, width] = images.type.shape
    const [h, w] = [patchesAlong(height, patch), patchesAlong(width, patch)]
    const cells = reshape([batch, 1, h, 1, w, 1])(sub(1, cast('f32')(hiddenBy(mask))))
    const seen = reshape([batch, 1, h * patch, w * patch])(broadcastTo([batch, 1, h, patch, w, patch])(cells))
    return mul(images, pad(3, 0, width - w * patch)(pad(2, 0, height - h * patch)(seen)))
  }

/**
 * `[B, C, H, W] -> [B, N, D]`, N = floor(H/p) floor(W/p). `proj.weight [D, C, p, p]`, initialised as PyTorch's Conv2d: uniform
 * within 1 / sqrt(C p²). Faults: images of another rank or with other channels, images smaller than one patch, and, where whole patches
 * are asked for, other sides.
 */
export const patchEmbed = (o: PatchOptions): Model<PatchParams, Expr, Expr> => {
  const bound = uniform((o.channels * o.patch * o.patch) ** -0.5)
  return {
    params: { proj: { weight: param([o.width, o.channels, o.patch, o.patch], bound), bias: param([o.width], bound) } },
    apply: (c, p) => (x) => {
      const [, channels, height, width] = x.type.shape
      if (x.type.shape.length !== 4 || channels !== o.channels || height < o.patch || width < o.patch)
        return misuse('patchEmbed', [x], {
          allowed: `images [B, ${o.channels}, H, W] with H and W of at least ${o.patch}`,
          remedy: 'give images of the channels and at least the patch size that the model was made for, or make the model for these',
        })
      if (o.whole === true && (height % o.patch !== 0 || width % o.patch !== 0))
        return misuse('patchEmbed', [x], {
          allowed: `images whose sides ${o.patch} divides`,
          remedy: 'crop or resize the images to whole patches, or make the model without wholePatches',
        })
      const weight = reshape([o.width, o.channels * o.patch * o.patch])(p.proj.weight)
      return inScope(c, 'proj', () => linear(patchify(x, o.patch), weight, p.proj.bias))
    },
  }
}
