/** DINOv2 (Oquab et al. 2023): a student that some patches are hidden from, with heads for class tokens and for hidden patches. */
import type { Expr } from '../../../core/expr.ts'
import { rank, spread } from '../../../losses/collapse.ts'
import type { Features, GramFeatures, PatchTokens } from '../../../losses/features.ts'
import type { Loss } from '../../../losses/loss.ts'
import { sum } from '../../../losses/loss.ts'
import type { Dinov2Features } from '../../../losses/sums.ts'
import type { Dinov2Options, MaskedImages } from '../../../models/dinov2.ts'
import { dinov2 as networks, withMasks } from '../../../models/dinov2.ts'
import { section } from '../../config/section.ts'
import type { AtHand } from '../../run/assembly.ts'
import type { Backbone, Method } from '../../step/method.ts'
import { method } from '../../step/method.ts'
import type { Learning } from '../learning.ts'
import type { Maker, Part } from '../part.ts'
import type { Hiding } from '../parts/masks.ts'
import type { Asked, Head } from '../parts/network.ts'
import type { Usual } from '../parts/training.ts'
import { prototypesOf } from './prototypes.ts'

/** What a loss is given. */
export type MaskedSaid = Dinov2Features & Features<PatchTokens>

export interface MaskedSettings<K, M, H> {
  readonly masks: K
  readonly model: M
  readonly head: H
}

/** What methods with hidden patches are made of. */
export interface MaskedParts<K extends object, M extends object, H extends object, B, P> {
  readonly masks: Part<K, Hiding>
  readonly model: Maker<M, (o: Asked) => Backbone<B, Expr | MaskedImages>>
  readonly head: Part<H, (width: number) => Head<P>>
  /** `own` (the default): hidden patches have a head of their own, of the same kind. */
  readonly patchHead?: 'own' | 'shared'
}

type AnchorOptions = Pick<Dinov2Options<never, never, never>, 'anchor' | 'anchorAntialias'>

/** The method of such parts and settings; `image` is the side that learned positions are stored for where settings do not say. */
export const maskedMethod = <K extends object, M extends object, H extends object, B, P>(
  o: MaskedParts<K, M, H, B, P>,
  s: MaskedSettings<K, M, H>,
  seen: AtHand,
  loss: Loss<MaskedSaid & GramFeatures>,
  image?: number,
  anchor: AnchorOptions = {},
): Method => {
  const backbone = o.model.make(s.model)({ channels: seen.channels, maskToken: true, ...(image === undefined ? {} : { image }) })
  const head = o.head.make(s.head)(backbone.width)
  const patchHead = o.patchHead === 'shared' ? {} : { patchHead: head }
  const { inputs, feed } = o.masks.make(s.masks)(backbone.patch, seen)
  return method({
    backbone,
    pair: withMasks(inputs)(networks({ backbone, head, ...patchHead, ...anchor })),
    feed,
    loss: sum<MaskedSaid & GramFeatures>([loss, spread, rank]),
    prototypes: prototypesOf({ dino_head: head, ibot_head: patchHead.patchHead }),
  })
}

export interface Dinov2Parts<K extends object, M extends object, H extends object, B, P> extends MaskedParts<K, M, H, B, P> {
  readonly loss: (s: MaskedSettings<K, M, H>) => Loss<MaskedSaid>
}

/** As the official code follows it (dinov2 `configs/ssl_default_config.yaml`). */
const followed: Usual = { optimizer: { clipBy: 'network', groups: 'v2', layerDecay: 0.9, patchEmbed: 0.2 }, schedule: { frozenBy: 'rate' } }

/** Settings `masks`, `model` and `head`. */
export const dinov2 = <K extends object, M extends object, H extends object, B, P>(
  o: Dinov2Parts<K, M, H, B, P>,
): Learning<MaskedSettings<K, M, H>> => ({
  settings: section<MaskedSettings<K, M, H>>('DINOv2', { masks: o.masks.settings, model: o.model.settings, head: o.head.settings }),
  usual: followed,
  method: (s, seen) => maskedMethod(o, s, seen, o.loss(s), seen.augmentation.global.size),
})
