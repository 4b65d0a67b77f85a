/** The methods that configurations name: each `objective.kind` is the method that programs have under this name. */
import { dino } from '../../losses/dino.ts'
import { distilClass, distilPatches } from '../../losses/distil.ts'
import type { Loss } from '../../losses/loss.ts'
import { sum, weighted } from '../../losses/loss.ts'
import { relation } from '../../losses/relation.ts'
import { sinkhorn } from '../../losses/sinkhorn.ts'
import * as losses from '../../losses/sums.ts'
import type { Matched } from '../../models/distil.ts'
import type { Given } from '../config/section.ts'
import { section } from '../config/section.ts'
import { firstStudent } from '../step/strategies/distil.ts'
import type { Learning } from './learning.ts'
import { dinov1 } from './methods/dinov1.ts'
import { dinov2 } from './methods/dinov2.ts'
import { compared, distilling, taught } from './methods/distillation.ts'
import { followed as followedV3 } from './methods/dinov3.ts'
import { hidden } from './parts/masks.ts'
import type { Prototypes } from './parts/network.ts'
import { plainPrototypes, prototypes } from './parts/network.ts'
import type { AnyNetwork } from './parts/any-network.ts'
import { anyNetwork, anyNetworkSettings } from './parts/any-network.ts'
import type { Objective, ObjectiveOf } from './parts/objective.ts'

/** The settings that all kinds have. */
export interface Networks {
  readonly model: AnyNetwork
  readonly head: Prototypes
}

export const networks = section<Networks>('networks', {
  model: anyNetworkSettings.with({ kind: 'vit', patch: 7, width: 64, depth: 3, heads: 4 }),
  head: prototypes({ hidden: 128, bottleneck: 64, prototypes: 512 }).settings,
})

/** Learning of networks alone, with the rest of a method's settings at hand. */
const of = <L extends Networks>(learning: Learning<L>, whole: (s: Networks) => L): Learning<Networks> => ({
  settings: networks,
  method: (s, seen) => learning.method(whole(s), seen),
  ...(learning.usual === undefined ? {} : { usual: learning.usual }),
})

const asDinov1 = (o: ObjectiveOf<'dinov1'>): Learning<Networks> =>
  dinov1({
    model: anyNetwork(),
    head: prototypes(),
    loss: ({ head }) =>
      dino({
        prototypes: head.prototypes,
        studentTemperature: o.studentTemperature,
        centreMomentum: o.centreMomentum,
        ...(o.centring === 'sinkhorn' ? { centring: sinkhorn() } : {}),
      }),
  })

const asDinov2 = (o: ObjectiveOf<'dinov2'>): Learning<Networks> =>
  of(
    dinov2({
      masks: hidden(),
      model: anyNetwork(),
      head: prototypes(),
      patchHead: o.patchHead,
      loss: ({ head }) => losses.dinov2({ prototypes: head.prototypes, centring: o.centring, weights: o }),
    }),
    (s) => ({ ...s, masks: o.masks }),
  )

/** Its first stage, in which nothing is anchored: networks as those of DINOv2 with other heads. */
const asDinov3 = (o: ObjectiveOf<'dinov3'>): Learning<Networks> => ({
  ...of(
    dinov2({
      masks: hidden(),
      model: anyNetwork(),
      head: plainPrototypes(),
      patchHead: o.patchHead,
      loss: ({ head }) => losses.dinov3({ prototypes: head.prototypes, neighbours: o.neighbours, weights: o }),
    }),
    ({ model, head }) => ({ head, model: model.kind === 'vit' ? { ...model, generation: '3' } : model, masks: o.masks }),
  ),
  usual: followedV3,
})

const matched = (o: ObjectiveOf<'distil'>): Loss<Matched> =>
  sum([weighted(o.cls)(distilClass(o)), weighted(o.patches)(distilPatches(o)), weighted(o.relation)(relation())])

const asDistil = (o: ObjectiveOf<'distil'>): Learning<Networks> => ({
  settings: networks,
  method: ({ model }, { channels, augmentation }) => {
    const made = (n: AnyNetwork) => anyNetwork().make(n)({ channels, image: augmentation.global.size })
    const others = Object.fromEntries(Object.entries(o.students).map(([name, n]) => [name, made(n)]))
    return distilling({ student: made(model), teacher: made(o.network), others }, matched(o))
  },
  begins: [Object.keys(o.students).length === 0 ? 'student' : `student.${firstStudent}`],
  first: () => taught(o.teacher),
  after: () => compared,
})

/** The method that an objective names. */
export const learningOf = (o: Objective): Learning<Networks> => {
  switch (o.kind) {
    case 'dinov1':
      return asDinov1(o)
    case 'dinov2':
      return asDinov2(o)
    case 'dinov3':
      return asDinov3(o)
    case 'distil':
      return asDistil(o)
  }
}

/** What networks of each kind are like where nothing else is said. */
export const usualNetworks: { readonly [K in Objective['kind']]: Given<Networks> } = {
  dinov1: {},
  dinov2: { model: { kind: 'vit', layerScale: 0.1 }, head: { normLastLayer: false } },
  dinov3: { model: { kind: 'vit', layerScale: 0.1, registers: 2, eps: 1e-5, maskKeyBias: true, generation: '3', rope: { rescale: 2 } } },
  distil: {},
}
