/** Hidden patches as settings. */
import type { ValueOf } from '../../config/field.ts'
import { flag, oneOf, pair, share, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { MaskedCropOptions } from '../../step/masks.ts'
import type { Crops } from './crops.ts'
import type { Network } from './network.ts'

export const hidden = section('patches that are hidden from the student', {
  sampler: oneOf(['block', 'exact'], 'blocks as DINOv2 draws them, or filled up to the exact number as DINOv3 does'),
  probability: share(0.5, 'share of global crops that have a mask'),
  ratio: pair([0.1, 0.5], 'smallest and largest share of hidden patches', { min: 0, max: 1 }),
  minPatches: whole(4, 'smallest area that a block is drawn for, in patches', { min: 1 }),
  shift: flag(false, 'turns every mask around its edges'),
})

export type Hidden = ValueOf<typeof hidden>

/** What is hidden of the global crops of such settings. Channels are those of the images; masks do not ask for them. */
export const hiddenOf = (s: { readonly batch: number; readonly augmentation: Crops; readonly model: Network; readonly masks: Hidden }): MaskedCropOptions => ({
  images: s.batch, patch: s.model.patch, masks: s.masks,
  global: { crops: s.augmentation.globals, size: s.augmentation.globalSize }, local: { crops: s.augmentation.locals, size: s.augmentation.localSize },
})
