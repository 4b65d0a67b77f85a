/** DINOv3 (Siméoni et al. 2025) in its stages: pretraining, Gram anchoring to a copy of the teacher, larger images. */
import type { GramFeatures } from '../../../losses/features.ts'
import type { Loss } from '../../../losses/loss.ts'
import type { Given } from '../../config/section.ts'
import { section } from '../../config/section.ts'
import type { Learning } from '../learning.ts'
import type { Anchoring } from '../parts/anchor.ts'
import { anchorHypers, anchorSettings, hasCopy, renewals, withAnchorCrops } from '../parts/anchor.ts'
import type { Larger, Stages } from '../parts/stages.ts'
import { largerSettings, stageSettings, stagesOf } from '../parts/stages.ts'
import type { Usual } from '../parts/training.ts'
import type { MaskedParts, MaskedSaid, MaskedSettings } from './dinov2.ts'
import { maskedMethod } from './dinov2.ts'

interface Settings<K, M, H> extends MaskedSettings<K, M, H> {
  readonly anchor: Anchoring
  readonly stages: Stages
  readonly larger: Larger
}

export interface Dinov3Parts<K extends object, M extends object, H extends object, B, P> extends MaskedParts<K, M, H, B, P> {
  /** `anchor.weight` is 0 before anchoring begins. */
  readonly loss: (s: Settings<K, M, H>) => Loss<MaskedSaid & GramFeatures>
  readonly anchor?: Given<Anchoring>
  readonly stages?: Given<Stages>
  readonly larger?: Given<Larger>
}

/** As the official code follows it (dinov3 `configs/train/`). */
export const followed: Usual = {
  optimizer: { clipBy: 'network', groups: 'v3', layerDecay: 0.98, patchEmbed: 0.2, beta2: 0.99 },
  schedule: { frozenBy: 'rate' },
}

/** Settings `masks`, `model`, `head`, `anchor`, `stages` and `larger`. Hypers beside the usual ones: `gram_weight`, `local_weight`. */
export const dinov3 = <K extends object, M extends object, H extends object, B, P>(
  o: Dinov3Parts<K, M, H, B, P>,
): Learning<Settings<K, M, H>> => ({
  settings: section<Settings<K, M, H>>('DINOv3', {
    stages: stageSettings.with(o.stages),
    masks: o.masks.settings,
    model: o.model.settings,
    head: o.head.settings,
    anchor: anchorSettings.with(o.anchor),
    larger: largerSettings.with(o.larger),
  }),
  usual: followed,
  // positions are rotary: they belong to no image
  method: (s, seen) =>
    maskedMethod(o, s, seen, o.loss(s), undefined, {
      anchor: hasCopy(s.anchor) ? 'own' : 'teacher',
      anchorAntialias: s.anchor.antialias,
    }),
  views: (s) => withAnchorCrops(s.anchor),
  hypers: (s) => anchorHypers(s.anchor),
  phases: stagesOf,
  between: (s) => renewals(s.anchor, stagesOf(s).find((p) => p.settings.anchor.weight > 0)?.from ?? s.steps),
})
