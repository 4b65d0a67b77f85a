/** DINO (Caron et al. 2021): what a student says of every crop is what its teacher says of the other ones. */
import type { ClassTokens, Features, Logits, PatchTokens } from '../../../losses/features.ts'
import { rank, spread } from '../../../losses/collapse.ts'
import type { Loss } from '../../../losses/loss.ts'
import { sum } from '../../../losses/loss.ts'
import { dinov1 as networks } from '../../../models/dino.ts'
import { section } from '../../config/section.ts'
import type { Backbone } from '../../step/method.ts'
import { method } from '../../step/method.ts'
import type { Learning } from '../learning.ts'
import type { Maker, Part } from '../part.ts'
import type { Asked, Head } from '../parts/network.ts'
import { prototypesOf } from './prototypes.ts'

/** What a loss is given. */
type Said = Features<Logits & ClassTokens & PatchTokens>

interface Settings<M, H> {
  readonly model: M
  readonly head: H
}

export interface Dinov1Parts<M extends object, H extends object, B, P> {
  readonly model: Maker<M, (o: Asked) => Backbone<B>>
  readonly head: Part<H, (width: number) => Head<P>>
  readonly loss: (s: Settings<M, H>) => Loss<Said>
}

/** Settings `model` and `head`. */
export const dinov1 = <M extends object, H extends object, B, P>(o: Dinov1Parts<M, H, B, P>): Learning<Settings<M, H>> => ({
  settings: section<Settings<M, H>>('DINO', { model: o.model.settings, head: o.head.settings }),
  method: (s, { channels, augmentation }) => {
    const backbone = o.model.make(s.model)({ channels, image: augmentation.global.size })
    const head = o.head.make(s.head)(backbone.width)
    return method({
      backbone,
      pair: networks({ backbone, head }),
      loss: sum<Said>([o.loss(s), spread, rank]),
      prototypes: prototypesOf({ head }),
    })
  },
})
