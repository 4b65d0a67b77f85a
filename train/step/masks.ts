/** Batches of crops of which some patches are hidden from the student. */
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import { tensorType } from '../../core/type.ts'
import type { HostArray } from '../../compiler/target.ts'
import type { CollatedMasks, MaskOptions } from '../../data/augment/masks.ts'
import { drawMasks, listLength } from '../../data/augment/masks.ts'
import type { Batch, MultiCrop, MultiCropOptions } from './batch.ts'
import { multiCrop } from './batch.ts'

/** Hidden patches as inputs: R global crops of N patches, lists of fixed length U. */
export interface MaskInputs {
  /** bool `[R, N]`, true for a hidden patch. */
  readonly mask: Expr
  /** i32 `[U]`: places in the flat mask, then padding. */
  readonly indices: Expr
  /** f32 `[U]`: 1 / (hidden patches of the same crop), 0 for padding. */
  readonly weights: Expr
}

export interface MaskedCrops extends MultiCrop {
  readonly masks: MaskInputs
}

/** The inputs `batch.mask`, `batch.mask_indices`, `batch.mask_weights`. */
export const maskInputs = (crops: number, patches: number, length: number): MaskInputs => ({
  mask: leaf(tensorType('bool', [crops, patches]), { _tag: 'Input', path: 'batch.mask' }),
  indices: leaf(tensorType('i32', [length]), { _tag: 'Input', path: 'batch.mask_indices' }),
  weights: leaf(tensorType('f32', [length]), { _tag: 'Input', path: 'batch.mask_weights' }),
})

/** The values of these inputs. */
export const maskValues = (m: CollatedMasks): ReadonlyMap<string, HostArray> =>
  new Map<string, HostArray>([['batch.mask', m.mask], ['batch.mask_indices', m.indices], ['batch.mask_weights', m.weights]])

export interface MaskedCropOptions extends MultiCropOptions {
  /** Pixels along the side of a patch. */
  readonly patch: number
  /** How masks are drawn; the grid and the number of crops follow from the crops. */
  readonly masks?: Omit<MaskOptions, 'grid' | 'crops'>
}

/** The masks that fit the global crops. */
export const maskOptionsOf = (o: MaskedCropOptions): MaskOptions => {
  const { crops, size } = o.global
  const [height, width] = typeof size === 'number' ? [size, size] : size
  return { ...o.masks, crops: crops * o.images, grid: { height: Math.floor(height / o.patch), width: Math.floor(width / o.patch) } }
}

/** Multi-crop training with hidden patches, as in iBOT, DINOv2 and DINOv3. */
export const maskedCrops = (o: MaskedCropOptions): Batch<MaskedCrops> => {
  const { images, views } = multiCrop(o)
  const masks = maskOptionsOf(o)
  return { images, views: { ...views, masks: maskInputs(masks.crops, masks.grid.height * masks.grid.width, listLength(masks)) } }
}

/** The masks of step `step` of a run, as values of the batch's inputs. */
export const maskFeed = (o: MaskedCropOptions, seed: number, step: number): ReadonlyMap<string, HostArray> => maskValues(drawMasks(maskOptionsOf(o), seed, step))
