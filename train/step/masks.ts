/** Patches that are hidden from the student: what a step is given of them. */
import { leaf } from '../../core/expr.ts'
import { tensorType } from '../../core/type.ts'
import type { HostArray, HostValues } from '../../compiler/target.ts'
import type { CollatedMasks, MaskOptions } from '../../data/augment/masks.ts'
import { drawMasks, listSlots } from '../../data/augment/masks.ts'
import type { HiddenPatches } from '../../models/dinov2.ts'
import type { StepFeed } from './method.ts'

/** The inputs `batch.mask`, `batch.mask_indices`, `batch.mask_weights`: R global crops of N patches, lists of fixed length U. */
export const maskInputs = (crops: number, patches: number, length: number): HiddenPatches => ({
  mask: leaf(tensorType('bool', [crops, patches]), { _tag: 'Input', path: 'batch.mask' }),
  indices: leaf(tensorType('i32', [length]), { _tag: 'Input', path: 'batch.mask_indices' }),
  weights: leaf(tensorType('f32', [length]), { _tag: 'Input', path: 'batch.mask_weights' }),
})

/** The values of these inputs. */
export const maskValues = (m: CollatedMasks): HostValues =>
  new Map<string, HostArray>([
    ['batch.mask', m.mask],
    ['batch.mask_indices', m.indices],
    ['batch.mask_weights', m.weights],
  ])

/** Which patches of the global crops a step hides from its student: inputs of the step, and their values. */
export interface Masking {
  readonly inputs: HiddenPatches
  readonly feed: StepFeed
}

/** Masks as iBOT, DINOv2 and DINOv3 draw them, a function of seed and step. */
export const masking = (o: MaskOptions): Masking => ({
  inputs: maskInputs(o.crops, o.grid.height * o.grid.width, listSlots(o)),
  feed: (seed, step) => maskValues(drawMasks(o, seed, step)),
})
