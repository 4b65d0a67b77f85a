/** The methods that configurations name: each `objective.kind` is the method that programs have under this name. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { dino } from '../../losses/dino.ts'
import { distilClass, distilPatches } from '../../losses/distil.ts'
import type { Loss } from '../../losses/loss.ts'
import { sum, weighted } from '../../losses/loss.ts'
import { koleo } from '../../losses/koleo.ts'
import { relation } from '../../losses/relation.ts'
import { sinkhorn } from '../../losses/sinkhorn.ts'
import * as losses from '../../losses/sums.ts'
import type { Matched } from '../../models/distil.ts'
import type { HeadParams } from '../../models/head.ts'
import type { Given, OtherKind, Section } from '../config/section.ts'
import { section } from '../config/section.ts'
import { firstStudent } from '../step/strategies/distil.ts'
import type { Learning } from './learning.ts'
import { dinov1 } from './methods/dinov1.ts'
import { dinov2 } from './methods/dinov2.ts'
import { compared, distilling, taught } from './methods/distillation.ts'
import { followed as followedV3 } from './methods/dinov3.ts'
import type { Maker, Own, Part } from './part.ts'
import { hidden } from './parts/masks.ts'
import type { Head, Prototypes } from './parts/network.ts'
import { plainPrototypes, prototypes } from './parts/network.ts'
import type { Made, SomeNetwork, SomeNetworks } from './parts/any-network.ts'
import { someNetworks } from './parts/any-network.ts'
import type { Objective, ObjectiveOf } from './parts/objective.ts'

/** The settings that all kinds have. */
export interface Networks {
  readonly model: SomeNetwork
  readonly head: Prototypes
}

/** What a method makes networks of: parts, as those that programs hand to `dinov1` and its like. */
export interface NetworkParts {
  readonly model: Maker<SomeNetwork, Made>
  readonly head: Part<Prototypes, (width: number) => Head<HeadParams>>
}

/** What an objective of a plugin learns with the networks of a configuration. */
export type OwnLearning = (networks: NetworkParts) => Learning<Networks>

export const networksOf = (model: SomeNetworks): Section<Networks> =>
  section<Networks>('networks', {
    model: model.settings.with({ kind: 'vit', patch: 7, width: 64, depth: 3, heads: 4 }),
    head: prototypes({ hidden: 128, bottleneck: 64, prototypes: 512 }).settings,
  })

/** Learning of networks alone, with the rest of a method's settings at hand. */
export const ofNetworks = <L extends Networks>(learning: Learning<L>, whole: (s: Networks) => L): Learning<Networks> => ({
  settings: networks,
  method: (s, seen) => learning.method(whole(s), seen),
  ...(learning.usual === undefined ? {} : { usual: learning.usual }),
})

/** Kinds of usual backbones alone: what a method asks of settings, it asks of those that there are. */
const networks = networksOf(someNetworks(new Map()))

const asDinov1 = (o: ObjectiveOf<'dinov1'>, parts: NetworkParts): Learning<Networks> =>
  dinov1({
    ...parts,
    loss: ({ head }) =>
      sum([
        dino({
          prototypes: head.prototypes,
          studentTemperature: o.studentTemperature,
          centreMomentum: o.centreMomentum,
          ...(o.centring === 'sinkhorn' ? { centring: sinkhorn() } : {}),
        }),
        ...(o.koleo > 0 ? [weighted(o.koleo)(koleo())] : []),
      ]),
  })

const asDinov2 = (o: ObjectiveOf<'dinov2'>, parts: NetworkParts): Learning<Networks> =>
  ofNetworks(
    dinov2({
      ...parts,
      masks: hidden(),
      patchHead: o.patchHead,
      loss: ({ head }) => losses.dinov2({ prototypes: head.prototypes, centring: o.centring, weights: o }),
    }),
    (s) => ({ ...s, masks: o.masks }),
  )

/** Its first stage, in which nothing is anchored: networks as those of DINOv2 with other heads. */
const asDinov3 = (o: ObjectiveOf<'dinov3'>, { model: backbone }: NetworkParts): Learning<Networks> => ({
  ...ofNetworks(
    dinov2({
      masks: hidden(),
      model: backbone,
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

const asDistil = (o: ObjectiveOf<'distil'>, { model: backbone }: NetworkParts): Learning<Networks> => ({
  settings: networks,
  method: ({ model }, { channels, augmentation }) => {
    const made = (n: SomeNetwork) => backbone.make(n)({ channels, image: augmentation.global.size })
    const others = Object.fromEntries(Object.entries(o.students).map(([name, n]) => [name, made(n)]))
    return distilling({ student: made(model), teacher: made(o.network), others }, matched(o))
  },
  begins: [Object.keys(o.students).length === 0 ? 'student' : `student.${firstStudent}`],
  first: () => taught(o.teacher),
  after: () => compared,
})

const usualLearning = (o: Objective, parts: NetworkParts): Learning<Networks> => {
  switch (o.kind) {
    case 'dinov1':
      return asDinov1(o, parts)
    case 'dinov2':
      return asDinov2(o, parts)
    case 'dinov3':
      return asDinov3(o, parts)
    case 'distil':
      return asDistil(o, parts)
  }
}

/** One of the usual kinds, or of a plugin's. */
export type SomeObjective = Objective | OtherKind

export const isUsual = (o: SomeObjective): o is Objective => Object.hasOwn(usualNetworks, o.kind)

/** The method that an objective names. Fault: settings that its kind does not take, which no decoded ones are. */
export const learningOf =
  (own: Own<OwnLearning>, parts: NetworkParts) =>
  (o: SomeObjective): Either<Fault, Learning<Networks>> => {
    if (isUsual(o)) return E.right(usualLearning(o, parts))
    const { kind, ...rest } = o
    const its = own.get(kind)?.of(rest)
    return its === undefined || E.isLeft(its)
      ? E.left(
          fault('config', {
            place: 'objective',
            found: kind,
            allowed: 'an objective with its settings',
            remedy: 'set objective.kind to one that --help lists, with settings that it has there',
          }),
        )
      : E.right(its.right(parts))
  }

/** What networks of each kind are like where nothing else is said. */
const usualNetworks: { readonly [K in Objective['kind']]: Given<Networks> } = {
  dinov1: {},
  dinov2: { model: { kind: 'vit', layerScale: 0.1 }, head: { normLastLayer: false } },
  dinov3: { model: { kind: 'vit', layerScale: 0.1, registers: 2, eps: 1e-5, maskKeyBias: true, generation: '3', rope: { rescale: 2 } } },
  distil: {},
}

export const usualObjectives: ReadonlyArray<string> = Object.keys(usualNetworks)

/** The same of an objective; a plugin's say nothing of them. */
export const usualNetworksOf = (o: SomeObjective): Given<Networks> => (isUsual(o) ? usualNetworks[o.kind] : {})
