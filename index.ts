/**
 * `dinograph`: what experiments are made of. The rooms beneath have faces of their own: `dinograph/core`, `ops`, `models`, `losses`,
 * `compiler`, `data`, `train`.
 */

// Faults, and the types that a program meets.
export type { Fault } from './core/fault.ts'
export { fault, showFault } from './core/fault.ts'
export type { Image, Box, Dataset } from './data/readers/dataset.ts'

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
export { convnext } from './models/convnext.ts'
export type { Matched } from './models/distil.ts'
export { featurePair, logitPair, severalStudents } from './models/distil.ts'

// Data.
export { openData } from './data/readers/index.ts'
export { threaded } from './data/readers/threaded.ts'
export { negatives } from './data/loading/negative.ts'
export { contactSheet, writePng } from './data/readers/pictures/picture.ts'

// Targets, and what is rewritten for them.
export type { TargetName } from './compiler/targets/names.ts'
export { targetNames } from './compiler/targets/names.ts'
export { openTarget } from './compiler/targets/open.ts'
export { remat } from './compiler/passes/remat.ts'

// Experiments: how they are written, and how they run.
export type { Parts } from './train/recipes/experiment.ts'
export { experiment, experimentWith } from './train/recipes/experiment.ts'
export type { Experiment, Trained } from './train/run/experiment.ts'
export { command } from './train/cli/command.ts'
export type { Finding, Shown, Study } from './train/cli/study.ts'
export { study } from './train/cli/study.ts'
export { judged } from './train/cli/judging.ts'
export type { LookOptions } from './train/cli/looking.ts'
export { looks } from './train/cli/looking.ts'
export { pretrained, pretrainedUnless } from './train/cli/pretraining.ts'
export type { Report } from './train/run/run.ts'
export { run } from './train/cli/run.ts'
export type { Config } from './train/recipes/recipe.ts'
export { recipe } from './train/recipes/recipe.ts'

// Their parts: data, views, networks, heads; each brings its own settings.
export type { Part } from './train/recipes/part.ts'
export { part } from './train/recipes/part.ts'
export { images, imagesBy, shownAs } from './train/recipes/parts/images.ts'
export { crops } from './train/recipes/parts/crops.ts'
export { hidden } from './train/recipes/parts/masks.ts'
export type { Asked, Head } from './train/recipes/parts/network.ts'
export { network, prototypes, plainPrototypes } from './train/recipes/parts/network.ts'
export { anyNetwork } from './train/recipes/parts/any-network.ts'
export type { Plugin, PluginParts } from './train/recipes/plugin.ts'
export { plugin } from './train/recipes/plugin.ts'
export { ofNetworks } from './train/recipes/kinds.ts'
export { gramOf } from './train/recipes/parts/anchor.ts'
export { goingOn, namedOrMade } from './train/recipes/going-on.ts'

// Settings of your own.
export * as field from './train/config/field.ts'
export type { ValueOf } from './train/config/field.ts'
export { section, variants } from './train/config/section.ts'
export { adapters, adaptersOf } from './train/config/adapters.ts'

// Methods.
export type { Backbone, Method } from './train/step/method.ts'
export { backbone } from './train/step/method.ts'
export { method } from './train/step/method.ts'
export type { Learning } from './train/recipes/learning.ts'
export { dinov1 } from './train/recipes/methods/dinov1.ts'
export { dinov2 } from './train/recipes/methods/dinov2.ts'
export { dinov3 } from './train/recipes/methods/dinov3.ts'
export { distillation } from './train/recipes/methods/distillation.ts'

// Strategies.
export type { Strategy } from './train/step/strategies/strategy.ts'
export { strategies, noStrategy, fixing } from './train/step/strategies/strategy.ts'
export { lora, dora } from './train/step/strategies/lora.ts'
export { freeze, freezeUntil } from './train/step/strategies/freeze.ts'
export { half } from './train/step/strategies/precision.ts'
export { accumulate } from './train/step/strategies/accumulate.ts'
export { rewriteForward, rewriteStep } from './train/step/step.ts'
export { adaptersJudged } from './train/exchange/huggingface/product.ts'

// What a trained network is worth, and what it looks at.
export type { EvaluationOptions, Evaluated } from './train/judge/evaluate/evaluation.ts'
export { evaluations } from './train/judge/evaluate/evaluations.ts'
export { logisticDefaults } from './train/judge/evaluate/logistic.ts'
export { officialRates } from './train/judge/evaluate/probe.ts'
export { tableText } from './train/cli/commands/program.ts'
export { openEye } from './train/judge/interpret/eye.ts'
export { firstSubjects } from './train/judge/interpret/subject.ts'
export { picturesOf } from './train/judge/interpret/pictures.ts'
export { detectionScores, pointed, showDetection } from './train/judge/interpret/detection.ts'
