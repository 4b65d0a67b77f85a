/** Hidden patches as settings. */
import { patchesAlong } from '../../../models/patch.ts'
import type { ValueOf } from '../../config/field.ts'
import { flag, oneOf, pair, share, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { AtHand } from '../../run/assembly.ts'
import type { Masking } from '../../step/masks.ts'
import { masking } from '../../step/masks.ts'
import { part } from '../part.ts'

export const hiddenSettings = section('patches that are hidden from the student', {
  sampler: oneOf(['block', 'exact'], 'blocks as DINOv2 draws them, or filled up to the exact number as DINOv3 does'),
  probability: share(0.5, 'share of global crops that have a mask'),
  ratio: pair([0.1, 0.5], 'smallest and largest share of hidden patches', { min: 0, max: 1 }),
  minPatches: whole(4, 'smallest area that a block is drawn for, in patches', { min: 1 }),
  shift: flag(false, 'turns every mask around its edges'),
})

export type Hidden = ValueOf<typeof hiddenSettings>

/** Masks for the global crops that a step sees, in patches of `patch` pixels. */
export type Hiding = (patch: number, seen: AtHand) => Masking

/** Patches of the global crops that a student does not see. */
export const hidden = part(
  hiddenSettings,
  (h): Hiding =>
    (
      patch,
      {
        augmentation: {
          global: { count, size },
        },
        batch,
        parts,
      },
    ) => {
      const side = patchesAlong(size, patch)
      return masking({ ...h, shares: parts, crops: count * batch, grid: { height: side, width: side } })
    },
)
