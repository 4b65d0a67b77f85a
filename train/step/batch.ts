/** The batch as leaves: what a step is given, and which views of it the networks see. */
import type { Expr } from '../../core/expr.ts'
import { input } from '../../core/leaves.ts'

/** B images, and the views of them as a tree of inputs under `batch.…`. */
export interface Batch<V> {
  readonly images: number
  readonly views: V
}

export interface CropOptions {
  /** Crops of each image. */
  readonly crops: number
  /** Pixels: the side of a square, or height and width. */
  readonly size: number | readonly [number, number]
}

export interface MultiCropOptions {
  readonly images: number
  /** Default 3. */
  readonly channels?: number
  readonly global: CropOptions
  /** No local crops where it is absent or its count is 0. */
  readonly local?: CropOptions
}

/** Crops as inputs `[crops B, C, H, W]`, crop-major: crop 0 of all images, then crop 1, … */
export interface MultiCrop {
  readonly global: Expr
  readonly local?: Expr
}

/** The inputs `batch.global` and `batch.local` of multi-crop training (Caron et al. 2020, section 3.3). */
export const multiCrop = (o: MultiCropOptions): Batch<MultiCrop> => {
  const crops = (name: string, c: CropOptions): Expr => {
    const [height, width] = typeof c.size === 'number' ? [c.size, c.size] : c.size
    return input(`batch.${name}`, [c.crops * o.images, o.channels ?? 3, height, width])
  }
  const local = o.local !== undefined && o.local.crops > 0 ? { local: crops('local', o.local) } : {}
  return { images: o.images, views: { global: crops('global', o.global), ...local } }
}
