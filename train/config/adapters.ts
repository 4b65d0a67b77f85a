/** Low-rank adapters as settings, named as in PEFT. */
import type { LoraOptions } from '../../models/lora.ts'
import type { Targets } from '../../models/target.ts'
import type { ValueOf } from './field.ts'
import { expression, flag, list, oneOf, optional, orList, real, table, text, whole } from './field.ts'
import { section } from './section.ts'

const last = text('', 'the last parts of a name, such as attn.qkv')

const modules = (initial: string, about: string) => orList(expression(initial, about), list(last, [], about))

export const adapters = section('low-rank adapters on the backbone, which itself is frozen', {
  targets: modules('backbone\\.blocks\\..*', 'modules that get them: an expression for the whole name, last parts of names, or all-linear'),
  exclude: modules('', 'modules that get none, named so too'),
  layers: optional(list(whole(0, 'a block'), [], 'only blocks of these numbers')),
  layersPattern: optional(expression('blocks', 'the list in a name whose number is the layer; null: the last one')),
  rank: whole(8, 'of an adapter', { min: 1 }),
  alpha: real(16, 'its scale is alpha / rank', { above: 0 }),
  rankPattern: table(whole(8, 'a rank', { min: 1 }), {}, 'other ranks by an expression for the end of a name, such as {fc1: 16}'),
  alphaPattern: table(real(16, 'an alpha', { above: 0 }), {}, 'other alphas, the same'),
  dropout: real(0, 'of the input of adapters', { min: 0, below: 1 }),
  rsLora: flag(false, 'scales by alpha / sqrt(rank)'),
  dora: flag(false, 'DoRA: directions and norms apart'),
  init: oneOf(['kaiming', 'gaussian'], 'first values of A; B begins with zeros'),
  bias: oneOf(['none', 'all', 'lora_only'], 'biases of the backbone that are trained: none, all, or those of modules with adapters'),
  save: list(last, [], 'modules of the backbone that are trained as a whole, by last parts of names'),
  split: flag(true, 'whether queries, keys and values have adapters of their own, as in models of Hugging Face'),
})

export type Adapters = ValueOf<typeof adapters>

const targetsOf = (t: Adapters['targets']): Targets => (t === '' ? [] : t)

/** What such settings ask for. */
export const adaptersOf = ({ layers, layersPattern, exclude, targets, split, ...o }: Adapters): LoraOptions => ({
  ...o,
  targets: targetsOf(targets),
  exclude: targetsOf(exclude),
  ...(layers === null ? {} : { layers }),
  ...(layersPattern === null ? {} : { layersPattern }),
  ...(split ? {} : { slices: {} }),
})
