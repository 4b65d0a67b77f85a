/** `dinograph/models`. Networks: trees of declarations and pure functions, with official parameter names. */

// Backbones.
export type { VitParams, VitInput, VitFeatures, Vit, PresetOptions } from './vit.ts'
export { vit } from './vit.ts'
export type { Position, VitOptions } from './options.ts'
export { learned, learnedAntialiased } from './options.ts'
export { vitV2, vitV3 } from './presets.ts'
export type { SwinParams, SwinOptions, SwinFeatures, Swin } from './swin.ts'
export { swin } from './swin.ts'
export type { ConvnextParams, ConvnextOptions, Convnext } from './convnext.ts'
export { convnext } from './convnext.ts'
export type { LayerFeatures } from './intermediate.ts'
export { asMap, intermediate } from './intermediate.ts'

// Heads.
export type { ProjectorParams, HeadParams, HeadOptions, PlainHeadParams, PlainHeadOptions } from './head.ts'
export { head, plainHead } from './head.ts'

// Parts.
export type { LinearParams, LinearOptions } from './linear.ts'
export { linear } from './linear.ts'
export type { NormParams, NormKind, NormOptions } from './norm.ts'
export { norm } from './norm.ts'
export type { MlpParams } from './mlp.ts'
export { mlp } from './mlp.ts'
export type { AttentionParams, AttentionOptions } from './attention.ts'
export { attention } from './attention.ts'
export type { BlockParams, BlockOptions } from './block.ts'
export { block } from './block.ts'
export type { PatchParams, PatchOptions } from './patch.ts'
export { patchEmbed } from './patch.ts'

// Networks of a method: student, teacher, and the views that they see.
export type { Views, NetworkParams, StudentOutput, TeacherOutput, Pair } from './dino.ts'
export { dinov1 } from './dino.ts'
export type { Dinov2Params, Dinov2Student, Dinov2Teacher, Dinov2Options } from './dinov2.ts'
export { dinov2, withMasks } from './dinov2.ts'
export type { TeacherFeatures, Matched, SeveralMatched } from './distil.ts'
export { featurePair, logitPair, severalStudents } from './distil.ts'

// Adapters, freezing, counting.
export type { LoraOptions } from './lora.ts'
export type { FreezeOptions } from './freeze.ts'
export { parameterCount } from './count.ts'
