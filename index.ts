/**
 * `dinograph`: what experiments are made of. The rooms beneath have faces of their own: `dinograph/core`, `ops`, `models`, `losses`,
 * `compiler`, `data`, `train`.
 */

// Faults, and the types that a program meets.
export type { Fault } from './core/fault.ts'
export { fault, showFault } from './core/fault.ts'
export type { Image, Box } from './data/readers/dataset.ts'

// Losses; sums of them are in `dinograph/losses`.
export type { Loss } from './losses/loss.ts'
export { lossMonoid, sum, weighted, scheduled, scoped } from './losses/loss.ts'
export type { ClassTokens, PatchTokens, Logits, MaskedLogits, GramFeatures, Features } from './losses/features.ts'
export { dino } from './losses/dino.ts'
export { ibot } from './losses/ibot.ts'
export { koleo } from './losses/koleo.ts'
export { gram } from './losses/gram.ts'
export { relation } from './losses/relation.ts'
export { distilClass, distilPatches, distilLogits } from './losses/distil.ts'
export { spread } from './losses/collapse.ts'
export { centre } from './losses/centring.ts'
export { sinkhorn } from './losses/sinkhorn.ts'
export type { Dinov2Features } from './losses/sums.ts'

// Networks.
export { vit } from './models/vit.ts'
export { vitV2, vitV3 } from './models/presets.ts'
export { swin } from './models/swin.ts'
export type { Matched } from './models/distil.ts'
export { featurePair, logitPair, severalStudents } from './models/distil.ts'

// Data.
export { openData } from './data/readers/index.ts'
export { negatives } from './data/loading/negative.ts'
export { contactSheet, writePng } from './data/readers/pictures/picture.ts'

// Targets, and what is rewritten for them.
export type { TargetName } from './compiler/targets/names.ts'
export { targetNames } from './compiler/targets/names.ts'
export { openTarget } from './compiler/targets/open.ts'
export { remat } from './compiler/passes/remat.ts'

// Experiments, their parts and settings, strategies.
export * from './train/index.ts'
