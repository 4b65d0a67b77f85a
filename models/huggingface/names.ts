/**
 * The tensors of a Hugging Face backbone and those of ours: which of theirs, one after the other along the first axis, make one of ours.
 * The same plan reads and writes (transformers `modeling_*.py` and `convert_*_to_hf.py` of each model).
 */
import { declarations } from '../../core/model.ts'
import type { Shape } from '../../core/type.ts'
import { sizeOf } from '../../core/type.ts'
import type { FullOptions } from '../options.ts'
import { fullOptions } from '../options.ts'
import { vit } from '../vit.ts'
import type { Anchors } from './prefix.ts'
import type { HuggingFaceType } from './types.ts'

/** A tensor of a file, or a number of zeros that no file holds. */
export type Part = { readonly name: string; readonly shape: Shape } | { readonly zeros: number }

export interface Mapping {
  /** Our name. */
  readonly official: string
  readonly shape: Shape
  readonly parts: ReadonlyArray<Part>
  /** What it holds where a backbone has no such tensor and the type demands one: the value that changes nothing. */
  readonly neutral: number
}

/** A tensor that the type has and no backbone of the family, with the values to write. */
export interface Extra {
  readonly name: string
  readonly shape: Shape
  readonly values: Float32Array
}

export interface Plan {
  readonly mappings: ReadonlyArray<Mapping>
  readonly extras: ReadonlyArray<Extra>
}

type Names = readonly (readonly [official: RegExp, theirs: string])[]

const dinov2Names: Names = [
  [/^cls_token$/, 'embeddings.cls_token'],
  [/^pos_embed$/, 'embeddings.position_embeddings'],
  [/^mask_token$/, 'embeddings.mask_token'],
  [/^(?:register|storage)_tokens$/, 'embeddings.register_tokens'],
  [/^patch_embed\.proj\.(\w+)$/, 'embeddings.patch_embeddings.projection.$1'],
  [/^blocks\.(\d+)\.norm([12])\.(\w+)$/, 'encoder.layer.$1.norm$2.$3'],
  [/^blocks\.(\d+)\.attn\.qkv\.(\w+)$/, 'encoder.layer.$1.attention.attention.{query,key,value}.$2'],
  [/^blocks\.(\d+)\.attn\.proj\.(\w+)$/, 'encoder.layer.$1.attention.output.dense.$2'],
  [/^blocks\.(\d+)\.ls([12])\.gamma$/, 'encoder.layer.$1.layer_scale$2.lambda1'],
  [/^blocks\.(\d+)\.mlp\.(fc[12])\.(\w+)$/, 'encoder.layer.$1.mlp.$2.$3'],
  [/^blocks\.(\d+)\.mlp\.w12\.(\w+)$/, 'encoder.layer.$1.mlp.weights_in.$2'],
  [/^blocks\.(\d+)\.mlp\.w3\.(\w+)$/, 'encoder.layer.$1.mlp.weights_out.$2'],
  [/^norm\.(\w+)$/, 'layernorm.$1'],
]

const vitNames: Names = [
  [/^blocks\.(\d+)\.norm1\.(\w+)$/, 'encoder.layer.$1.layernorm_before.$2'],
  [/^blocks\.(\d+)\.norm2\.(\w+)$/, 'encoder.layer.$1.layernorm_after.$2'],
  [/^blocks\.(\d+)\.mlp\.fc1\.(\w+)$/, 'encoder.layer.$1.intermediate.dense.$2'],
  [/^blocks\.(\d+)\.mlp\.fc2\.(\w+)$/, 'encoder.layer.$1.output.dense.$2'],
  ...dinov2Names,
]

const dinov3Names: Names = [
  [/^patch_embed\.proj\.(\w+)$/, 'embeddings.patch_embeddings.$1'],
  [/^blocks\.(\d+)\.norm([12])\.(\w+)$/, 'layer.$1.norm$2.$3'],
  [/^blocks\.(\d+)\.attn\.qkv\.(\w+)$/, 'layer.$1.attention.{q_proj,k_proj,v_proj}.$2'],
  [/^blocks\.(\d+)\.attn\.proj\.(\w+)$/, 'layer.$1.attention.o_proj.$2'],
  [/^blocks\.(\d+)\.ls([12])\.gamma$/, 'layer.$1.layer_scale$2.lambda1'],
  [/^blocks\.(\d+)\.mlp\.(?:fc1|w2)\.(\w+)$/, 'layer.$1.mlp.up_proj.$2'],
  [/^blocks\.(\d+)\.mlp\.(?:fc2|w3)\.(\w+)$/, 'layer.$1.mlp.down_proj.$2'],
  [/^blocks\.(\d+)\.mlp\.w1\.(\w+)$/, 'layer.$1.mlp.gate_proj.$2'],
  [/^norm\.(\w+)$/, 'norm.$1'],
  ...dinov2Names,
]

const tables: Readonly<Record<HuggingFaceType, Names>> = {
  vit: vitNames,
  dinov2: dinov2Names,
  dinov2_with_registers: dinov2Names,
  dinov3_vit: dinov3Names,
}

/** Their name, or their three names, of one of our tensors; ours itself where they have none. */
export const namesOf = (type: HuggingFaceType, official: string): ReadonlyArray<string> => {
  const [pattern, theirs] = tables[type].find(([p]) => p.test(official)) ?? [/^$/, '']
  const name = theirs === '' ? official : official.replace(pattern, theirs)
  const braces = /^(.*)\{(.*)\}(.*)$/.exec(name)
  return braces === null ? [name] : braces[2].split(',').map((each) => `${braces[1]}${each}${braces[3]}`)
}

/** Which of a type's tensors name its backbone, whatever stands before them. */
export const anchorsOf = (type: HuggingFaceType): Anchors => ({
  first: namesOf(type, 'patch_embed.proj.weight')[0],
  beside: namesOf(type, 'cls_token'),
})

/** The options of a backbone that has every tensor which the type demands. */
const completed = (type: HuggingFaceType, o: FullOptions): FullOptions =>
  fullOptions({
    ...o,
    localNorm: false,
    ...(type === 'vit' ? { maskToken: false, projBias: true, ffnBias: true } : { maskToken: true, layerScale: o.layerScale ?? 1 }),
    ...(type === 'dinov2' || type === 'dinov2_with_registers' ? { projBias: true, ffnBias: true } : {}),
  })

/** transformers writes even a list of no registers. */
const noRegisters = (width: number): Extra => ({ name: 'embeddings.register_tokens', shape: [1, 0, width], values: new Float32Array() })

/** The pooler of transformers' ViTModel, which DINO has not: tanh of the class token. */
const pooler = (width: number): ReadonlyArray<Extra> => [
  {
    name: 'pooler.dense.weight',
    shape: [width, width],
    values: Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0)),
  },
  { name: 'pooler.dense.bias', shape: [width], values: new Float32Array(width) },
]

const partsOf = (
  type: HuggingFaceType,
  o: FullOptions,
  official: string,
  shape: Shape,
  unbiased: ReadonlyArray<string>,
): ReadonlyArray<Part> => {
  const names = namesOf(type, official)
  if (names.length === 1) return [{ name: names[0], shape: official === 'mask_token' && type === 'dinov3_vit' ? [1, ...shape] : shape }]
  const rows = shape[0] / names.length
  const keyless = type === 'dinov3_vit' && o.maskKeyBias && official.endsWith('.bias')
  return names.map((name, i) =>
    (keyless && i === 1) || unbiased.some((layer) => name.endsWith(`.${layer}.bias`))
      ? { zeros: rows * sizeOf(shape.slice(1)) }
      : { name, shape: [rows, ...shape.slice(1)] },
  )
}

/** The plan to read a folder of the type whose config gives these options; of layers that are `unbiased` it has no bias. */
export const readingPlan = (type: HuggingFaceType, o: FullOptions, unbiased: ReadonlyArray<string> = []): Plan => ({
  mappings: declarations(vit(o).params).map(([official, d]) => ({
    official,
    shape: d.shape,
    parts: partsOf(type, o, official, d.shape, unbiased),
    neutral: official.endsWith('.gamma') ? 1 : 0,
  })),
  extras: [],
})

/** The plan to write a backbone of these options as a folder of the type: with every tensor that transformers looks for. */
export const writingPlan = (type: HuggingFaceType, o: FullOptions): Plan => ({
  mappings: readingPlan(type, completed(type, o)).mappings,
  extras: type === 'vit' ? pooler(o.width) : type === 'dinov3_vit' && o.registers === 0 ? [noRegisters(o.width)] : [],
})

/** Numbers in all tensors of a plan, as the type stores them. */
export const storedCount = (p: Plan): number =>
  p.mappings.reduce((n, m) => n + m.parts.reduce((k, part) => k + ('name' in part ? sizeOf(part.shape) : 0), 0), 0) +
  p.extras.reduce((n, x) => n + sizeOf(x.shape), 0)

/** transformers 5 keeps DINOv3's layers one level deeper in memory: files of both kinds are there. */
export const flatName = (name: string): string => name.replace(/^model\.(?=layer\.\d+\.|norm\.)/, '')

/** Tensors of a folder that are no part of the backbone: poolers, heads of task classes, and what follows from the options. */
export const isBesideModel = (name: string): boolean =>
  /^(pooler|classifier|head|decode_head|cls_classifier|distillation_classifier|decoder|lm_head|score)\./.test(name) ||
  /^rope_embeddings?\.|position_ids$/.test(name)
