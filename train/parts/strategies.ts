/** Strategies as settings: what is trained of a network, and how. */
import { remat } from '../../compiler/rewrites/remat.ts'
import type { ValueOf } from '../config/field.ts'
import { flag, optional, real, text, whole } from '../config/field.ts'
import { section } from '../config/section.ts'
import type { StepStage } from '../step.ts'
import { rewriteStep } from '../step.ts'
import { freeze } from '../strategies/freeze.ts'
import { lora } from '../strategies/lora.ts'
import type { Strategy } from '../strategies/strategy.ts'
import { all } from '../strategies/strategy.ts'

/** Low-rank adapters, named as in PEFT. */
export const adapters = section('low-rank adapters on the backbone, which itself stands still', {
  targets: text('backbone\\.blocks\\..*', 'modules that get them: an expression for the whole name, or all-linear'),
  rank: whole(8, 'of an adapter', { min: 1 }),
  alpha: real(16, 'its scale is alpha / rank', { above: 0 }),
  dropout: real(0, 'of the input of adapters', { min: 0, below: 1 }),
  rsLora: flag(false, 'scales by alpha / sqrt(rank)'),
  dora: flag(false, 'DoRA: directions and norms apart'),
})

export type Adapters = ValueOf<typeof adapters>

export const strategies = section('what is trained, and how', {
  lora: optional(adapters),
  freeze: whole(0, 'first blocks that stand still, with all that comes before them'),
  remat: flag(false, 'computes activations of blocks again in place of keeping them'),
  accumulate: whole(1, 'micro-batches to a change of the parameters', { min: 1 }),
})

export type Strategies = ValueOf<typeof strategies>

export const strategyOf = (o: Strategies): Strategy =>
  all([...(o.freeze === 0 ? [] : [freeze({ prefix: o.freeze })]), ...(o.lora === null ? [] : [lora(o.lora)])])

export const rewriteOf = (o: Strategies) => (step: StepStage): StepStage => (o.remat ? rewriteStep(remat())(step) : step)

