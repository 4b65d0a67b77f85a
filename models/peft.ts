/**
 * Adapters as the package peft stores them: `adapter_config.json`, and tensors named `base_model.model.MODULE.lora_A.weight`, where
 * MODULE is Hugging Face's name of the layer. A fused layer is several modules there, so each of its slices is one (or, where one
 * pair covers the whole, each gets the same A and its own rows of B: the same function).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Fault } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import { join } from '../core/tree.ts'
import { sizeOf } from '../core/type.ts'
import { namesOf } from './huggingface/names.ts'
import type { HuggingFaceType } from './huggingface/types.ts'
import type { Adapter, LoraOptions } from './lora.ts'
import { moduleOf } from './lora.ts'
import type { Values } from './merge.ts'
import { byPattern, matches } from './target.ts'

/** What is read of a configuration; other keys are left alone. */
export const peftCodec = t.intersection([
  t.type({ peft_type: t.literal('LORA'), r: t.number, lora_alpha: t.number, target_modules: t.union([t.string, t.readonlyArray(t.string)]) }),
  t.partial({
    lora_dropout: t.number, use_rslora: t.boolean, use_dora: t.boolean, fan_in_fan_out: t.boolean, bias: t.keyof({ none: null, all: null, lora_only: null }),
    rank_pattern: t.record(t.string, t.number), alpha_pattern: t.record(t.string, t.number),
    exclude_modules: t.union([t.string, t.readonlyArray(t.string), t.null]), modules_to_save: t.union([t.readonlyArray(t.string), t.null]),
    layers_to_transform: t.union([t.number, t.readonlyArray(t.number), t.null]), layers_pattern: t.union([t.string, t.readonlyArray(t.string), t.null]),
    base_model_name_or_path: t.union([t.string, t.null]),
  }),
])

export type PeftConfig = t.TypeOf<typeof peftCodec>

/** Whose names the modules have: a type of Hugging Face's, or our own. */
export type ModuleNames = HuggingFaceType | 'own'

export interface PeftTensor {
  readonly shape: ReadonlyArray<number>
  readonly data: Float32Array
}

const key = (module: string, tensor: string): string => `base_model.model.${module}.${tensor}`

/** Networks call their backbone `backbone`; Hugging Face's names begin inside of it. */
const inBackbone = (path: string): string => path.replace(/^backbone\./, '')

/** The modules of a weight by their names there, in the order of its rows. */
export const modulesThere = (names: ModuleNames, weight: string): ReadonlyArray<string> =>
  names === 'own' ? [moduleOf(weight)] : namesOf(names, inBackbone(weight)).map(moduleOf)

/** A module there with the rows of an adapter's B that belong to it. */
interface Piece {
  readonly module: string
  readonly from: number
  readonly to: number
}

/** `out`: rows of the whole weight. */
const piecesOf = (names: ModuleNames, a: Adapter, out: number): ReadonlyArray<Piece> => {
  if (names === 'own') return [{ module: a.module, from: 0, to: a.rows[1] - a.rows[0] }]
  const modules = modulesThere(names, a.weight)
  const each = out / modules.length
  return modules.flatMap((module, i) => (i * each >= a.rows[0] && (i + 1) * each <= a.rows[1] ? [{ module, from: i * each - a.rows[0], to: (i + 1) * each - a.rows[0] }] : []))
}

const missing = (path: string): Fault => fault('data', { place: `peft: ${path}`, found: 'no such tensor', allowed: 'the values of a network with its adapters', remedy: 'give the tensors of the adapters that were trained' })

/** The tensors of a file, from the values of a network by path. Fault: an adapter without values. */
export const peftTensors = (names: ModuleNames, adapters: ReadonlyArray<Adapter>) => (values: Values): Either<Fault, ReadonlyMap<string, PeftTensor>> => {
  const out = new Map<string, PeftTensor>()
  for (const a of adapters) {
    const [low, high, magnitude] = ['lora_A.weight', 'lora_B.weight', 'lora_magnitude_vector'].map((x) => values.get(join(a.module, x)))
    const weight = values.get(a.weight)
    if (low === undefined || high === undefined || weight === undefined) return E.left(missing(weight === undefined ? a.weight : a.module))
    const { lora_A: { weight: down }, lora_B: { weight: up } } = a.params
    for (const p of piecesOf(names, a, weight.length / sizeOf(down.shape.slice(1)))) {
      out.set(key(p.module, 'lora_A.weight'), { shape: down.shape, data: low })
      out.set(key(p.module, 'lora_B.weight'), { shape: [p.to - p.from, ...up.shape.slice(1)], data: high.slice(p.from * a.rank, p.to * a.rank) })
      if (magnitude !== undefined) out.set(key(p.module, 'lora_magnitude_vector'), { shape: [p.to - p.from], data: magnitude.slice(p.from, p.to) })
    }
  }
  return E.right(out)
}

export interface PeftOptions {
  readonly names: ModuleNames
  /** What the adapters were made with. */
  readonly lora: LoraOptions
  /** The model that they belong to: a folder or a name. */
  readonly base?: string
}

const most = (xs: ReadonlyArray<number>): number => [...xs].sort((x, y) => xs.filter((z) => z === y).length - xs.filter((z) => z === x).length)[0] ?? 8

const modelClasses: Readonly<Record<HuggingFaceType, readonly [string, string]>> = {
  vit: ['ViTModel', 'transformers.models.vit.modeling_vit'],
  dinov2: ['Dinov2Model', 'transformers.models.dinov2.modeling_dinov2'],
  dinov2_with_registers: ['Dinov2WithRegistersModel', 'transformers.models.dinov2_with_registers.modeling_dinov2_with_registers'],
  dinov3_vit: ['DINOv3ViTModel', 'transformers.models.dinov3_vit.modeling_dinov3_vit'],
}

/** The configuration of adapters. `modules`: all modules that a target could mean, by their names there; targets are short where that is unambiguous. */
export const peftConfig = (o: PeftOptions, adapters: ReadonlyArray<Adapter>, rowsOf: (weight: string) => number, modules: ReadonlyArray<string>): Readonly<Record<string, unknown>> => {
  const placed = adapters.flatMap((a) => piecesOf(o.names, a, rowsOf(a.weight)).map((p) => ({ module: p.module, rank: a.rank, alpha: a.scale * (o.lora.rsLora === true ? Math.sqrt(a.rank) : a.rank) })))
  const [r, alpha] = [most(placed.map((p) => p.rank)), most(placed.map((p) => p.alpha))]
  const last = [...new Set(placed.map((p) => p.module.slice(p.module.lastIndexOf('.') + 1)))].sort()
  const isShort = modules.filter(matches(last)).length === placed.length
  const others = (f: (p: (typeof placed)[number]) => number, usual: number): Readonly<Record<string, number>> =>
    Object.fromEntries(placed.flatMap((p) => (f(p) === usual ? [] : [[p.module.replaceAll('.', '\\.'), f(p)]])))
  const [base_model_class, parent_library] = o.names === 'own' ? [] : modelClasses[o.names]
  return {
    alpha_pattern: others((p) => p.alpha, alpha), auto_mapping: base_model_class === undefined ? null : { base_model_class, parent_library }, base_model_name_or_path: o.base ?? null,
    bias: o.lora.bias ?? 'none', exclude_modules: null, fan_in_fan_out: false, inference_mode: true,
    init_lora_weights: o.lora.init === 'gaussian' ? 'gaussian' : true, layer_replication: null, layers_pattern: null, layers_to_transform: null, loftq_config: {},
    lora_alpha: alpha, lora_bias: false, lora_dropout: o.lora.dropout ?? 0, megatron_config: null, megatron_core: 'megatron.core', modules_to_save: null, peft_type: 'LORA',
    r, rank_pattern: others((p) => p.rank, r), revision: null, target_modules: isShort ? last : placed.map((p) => p.module).sort(),
    task_type: null, use_dora: o.lora.dora === true, use_rslora: o.lora.rsLora === true,
  }
}

const unknownTensor = (name: string, weights: ReadonlyArray<string>): Fault => fault('data', {
  place: `peft: ${name}`, found: 'a tensor for which the network has no layer', allowed: weights.slice(0, 6).join(', '), remedy: 'read the adapter with the network that it was made for',
})

/** What a folder says: the options that make the same adapters on a network, and their values by path in it. */
export interface PeftAdapter {
  readonly lora: LoraOptions
  readonly values: Values
}

/**
 * Reads the tensors of a file for a network with the given weights (`backbone.blocks.0.attn.qkv.weight`). Slices of fused layers are
 * named as `slices` of the options does. Faults: tensors of layers that are not there; layers stored the other way round.
 */
export const readPeft = (names: ModuleNames, weights: ReadonlyArray<string>, slices: Readonly<Record<string, ReadonlyArray<string>>>) =>
  (config: PeftConfig, tensors: ReadonlyMap<string, PeftTensor>): Either<Fault, PeftAdapter> => {
    if (config.fan_in_fan_out === true) return E.left(fault('data', { place: 'peft: fan_in_fan_out', found: 'true', allowed: 'false', remedy: 'save the adapter for a model of linear layers' }))
    const ours = new Map(weights.flatMap((w): ReadonlyArray<readonly [string, string]> => {
      const module = moduleOf(w)
      const there = modulesThere(names, w)
      const parts = slices[module.slice(module.lastIndexOf('.') + 1)]
      if (names === 'own') return [[module, module], ...(parts ?? []).map((p) => [join(module, p), join(module, p)] as const)]
      return there.map((m, i) => [m, there.length > 1 ? join(module, parts?.[i] ?? `${i}`) : module] as const)
    }))
    const values = new Map<string, Float32Array>()
    const [ranks, alphas]: readonly [Record<string, number>, Record<string, number>] = [{}, {}]
    for (const [name, x] of tensors) {
      const found = /^base_model\.model\.(?:(?:vit|dinov2|dinov2_with_registers)\.)?(.+)\.(lora_A\.weight|lora_B\.weight|lora_magnitude_vector)$/.exec(name)
      const module = found === null ? undefined : ours.get(found[1])
      if (found === null || module === undefined) return E.left(unknownTensor(name, [...ours.keys()]))
      values.set(join(module, found[2]), x.data)
      const exactly = module.replaceAll('.', '\\.')
      if (found[2] === 'lora_A.weight') ranks[exactly] = x.shape[0] ?? config.r
      alphas[exactly] = byPattern(config.alpha_pattern ?? {}, config.lora_alpha)(found[1])
    }
    const adapted = new Set([...values.keys()].map((path) => path.replace(/\.lora_.*$/, '')))
    return E.right({
      values,
      lora: {
        targets: (module) => adapted.has(module), slices, rank: config.r, alpha: config.lora_alpha, rankPattern: ranks, alphaPattern: alphas, dropout: config.lora_dropout ?? 0,
        rsLora: config.use_rslora ?? false, dora: config.use_dora ?? false, bias: config.bias ?? 'none',
      },
    })
  }
