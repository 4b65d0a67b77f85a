/** `dinograph/losses`. Losses: values that add up, by `lossMonoid`. */

// What losses are, and how they combine.
export type { Term, Metric, Outcome, LossState, Loss } from './loss.ts'
export { pureLoss, watch, lossMonoid, sum, weighted, scheduled, scoped, total, kept } from './loss.ts'

// What they read: the contract with networks.
export type {
  Logits,
  ClassTokens,
  PatchTokens,
  MaskedLogits,
  Masks,
  MaskedFeatures,
  GramFeatures,
  DistilledFeatures,
  StudentViews,
  TeacherViews,
  Features,
} from './features.ts'

// Terms.
export type { DinoOptions } from './dino.ts'
export { dino } from './dino.ts'
export type { IbotOptions } from './ibot.ts'
export { ibot } from './ibot.ts'
export type { KoleoOptions } from './koleo.ts'
export { koleo } from './koleo.ts'
export type { Negatives, GramOptions } from './gram.ts'
export { gram } from './gram.ts'
export { relation } from './relation.ts'
export type { Distance, DistilOptions, LogitDistilOptions } from './distil.ts'
export { distilClass, distilPatches, distilLogits } from './distil.ts'
export { spread } from './collapse.ts'

// Targets of the teacher.
export type { Targets, Centring, CentreOptions } from './centring.ts'
export { sharpen, centre } from './centring.ts'
export type { SinkhornOptions } from './sinkhorn.ts'
export { sinkhorn } from './sinkhorn.ts'

// Sums of terms as the papers have them.
export type { Dinov2Features, Dinov2Options, Dinov3Options } from './sums.ts'
export { dinov2, dinov3, dinov3Anchored } from './sums.ts'
