/** The step that spec/targets/ranks.test.ts runs on one rank and on two. */
import type { HostArray } from '../../compiler/target.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { clipGroups } from '../../train/step/clip.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { Program } from '../../train/step/step.ts'
import { chain } from '../../train/step/transform.ts'
import type { SmallOptions } from '../strategies/networks.ts'
import type { Given } from '../../train/config/section.ts'
import type { Config } from '../../train/recipes/recipe.ts'
import { feed, programOf } from '../strategies/networks.ts'

export const options: SmallOptions & { readonly images: number } = { images: 4, width: 32, depth: 2, locals: 2 }

export const steps = 20

export const clipped = (): Program => programOf(noStrategy, { ...options, optimizer: chain([clipGroups(0.5), adamw()]) })

/** With a learning rate at which rounding does not grow from step to step. */
export const fed = (step: number): ReadonlyMap<string, HostArray> =>
  new Map([...feed(options, 3 * step), ['hyper.lr', Float32Array.of(0.0001)]])

/** Large enough for tensors that are split: those of 1,024 elements. */
const v2: Given<Config> = {
  objective: { kind: 'dinov2', masks: { probability: 1, minPatches: 1 } },
  steps,
  batch: 4,
  model: { patch: 7, width: 32, depth: 2, heads: 2 },
  head: { hidden: 32, bottleneck: 16, prototypes: 64 },
  augmentation: { globalSize: 14, localSize: 7, locals: 2 },
  optimizer: { clip: 0.5, groups: 'v2', layerDecay: 0.9 },
  schedule: { warmup: 0 },
}

/** What two ranks train by either strategy. */
export const recipesOfRanks: Readonly<Record<string, Given<Config>>> = {
  v2,
  lora: { ...v2, start: { from: 'somewhere' }, strategies: { lora: { targets: ['qkv', 'fc1'], rank: 32 } } },
}
