/**
 * The objectives of the papers as sums of losses. Their hypers: `teacher_temp`, with Gram anchoring `gram_weight`, with a
 * re-weighting of local crops `local_weight`.
 */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { Centring } from './centring.ts'
import { dino } from './dino.ts'
import type { ClassTokens, Features, GramFeatures, Logits, MaskedFeatures } from './features.ts'
import type { GramOptions } from './gram.ts'
import { gram } from './gram.ts'
import { ibot } from './ibot.ts'
import { koleo } from './koleo.ts'
import type { Loss } from './loss.ts'
import { lossMonoid, scheduled, weighted } from './loss.ts'
import type { SamePairs } from './pairs.ts'
import { sinkhorn } from './sinkhorn.ts'

/** What DINOv2's objective asks for: class tokens and their logits by group, and the hidden patches' logits. */
export type Dinov2Features = Features<Logits & ClassTokens> & MaskedFeatures

export interface Dinov2Options {
  /** K of the class token's head. */
  readonly prototypes: number
  /** K of the patches' head. Default: the same head, and so the same K. */
  readonly patchPrototypes?: number
  /** Sinkhorn's targets, or a centre that follows the teacher's mean. Default `centre`. */
  readonly centring?: 'centre' | 'sinkhorn'
  /** Weights of the terms. Default 1, 1 and 0.1. */
  readonly weights?: { readonly dino?: number; readonly ibot?: number; readonly koleo?: number }
}

const centringOf = (o: Dinov2Options): { readonly centring?: Centring } => (o.centring === 'sinkhorn' ? { centring: sinkhorn() } : {})

/** DINO + iBOT + 0.1 KoLeo (Oquab et al. 2023, section 4; dinov2 `train/ssl_meta_arch.py`). */
export const dinov2 = (o: Dinov2Options): Loss<Dinov2Features> =>
  concatAll(lossMonoid<Dinov2Features>())([
    weighted(o.weights?.dino ?? 1)(dino({ prototypes: o.prototypes, split: true, ...centringOf(o) })),
    weighted(o.weights?.ibot ?? 1)(ibot({ prototypes: o.patchPrototypes ?? o.prototypes, ...centringOf(o) })),
    weighted(o.weights?.koleo ?? 0.1)(koleo()),
  ])

export interface Dinov3Options extends Omit<Dinov2Options, 'centring'> {
  /** Multiplies the local crops' part by `hyper.local_weight`. Default false. */
  readonly reweightLocal?: boolean
  /** Nearest neighbours of KoLeo. Default 1. */
  readonly neighbours?: number
  /** Whether a global crop also meets itself. Default `skip`. */
  readonly same?: SamePairs
}

/** DINO + iBOT + 0.1 KoLeo with Sinkhorn's targets (Siméoni et al. 2025, eq. 1; dinov3 `train/ssl_meta_arch.py`). */
export const dinov3 = (o: Dinov3Options): Loss<Dinov2Features> =>
  concatAll(lossMonoid<Dinov2Features>())([
    weighted(o.weights?.dino ?? 1)(
      dino({
        prototypes: o.prototypes,
        split: true,
        same: o.same ?? 'skip',
        centring: sinkhorn(),
        ...(o.reweightLocal === true ? { localWeight: 'local_weight' } : {}),
      }),
    ),
    weighted(o.weights?.ibot ?? 1)(ibot({ prototypes: o.patchPrototypes ?? o.prototypes, centring: sinkhorn() })),
    weighted(o.weights?.koleo ?? 0.1)(koleo(o.neighbours === undefined ? {} : { neighbours: o.neighbours })),
  ])

/** The refinement stage of DINOv3: the same with Gram anchoring, weighed by `hyper.gram_weight` (Siméoni et al. 2025, eq. 3). */
export const dinov3Anchored = (o: Dinov3Options & { readonly gram?: GramOptions }): Loss<Dinov2Features & GramFeatures> =>
  concatAll(lossMonoid<Dinov2Features & GramFeatures>())([dinov3(o), scheduled('gram_weight')(gram(o.gram))])
