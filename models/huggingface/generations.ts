/**
 * Names of tensors in transformers before version 5, which files of weights keep, and since then, which models have in memory and files of
 * adapters and bare state dicts with them (`transformers/conversion_mapping.py`).
 */
import { familyOfType } from './families.ts'
import type { Part, Plan } from './names.ts'
import { namesOf } from './names.ts'
import type { FolderType } from './types.ts'
import { isPyramidType } from './types.ts'

/** Whose names tensors have: transformers before version 5, or since then. */
export const generations = [4, 5] as const

export type Generation = (typeof generations)[number]

type Renamed = ReadonlyArray<readonly [old: RegExp, now: string]>

const attention5: Renamed = [
  [/\.attention\.(?:attention|self)\.([qkv])(?:uery|ey|alue)(?=\.|$)/, '.attention.$1_proj'],
  [/\.attention\.output\.dense(?=\.|$)/, '.attention.o_proj'],
]
const mlp5: Renamed = [
  [/\.intermediate\.dense(?=\.|$)/, '.mlp.fc1'],
  [/(?<!attention)\.output\.dense(?=\.|$)/, '.mlp.fc2'],
]
const dinov2In5: Renamed = [
  ...attention5,
  [/\.mlp\.weights_in(?=\.|$)/, '.mlp.{gate_proj,up_proj}'],
  [/\.mlp\.weights_out(?=\.|$)/, '.mlp.down_proj'],
]

const in5: Readonly<Record<FolderType, Renamed>> = {
  vit: [...attention5, ...mlp5, [/^encoder\.layer\./, 'layers.']],
  dinov2: dinov2In5,
  dinov2_with_registers: dinov2In5,
  dinov3_vit: [[/^layer\./, 'model.layer.']],
  swin: [
    ...attention5,
    ...mlp5,
    [/\.attention\.self\.relative_position_bias_table$/, '.attention.relative_position_bias.relative_position_bias_table'],
  ],
  dinov3_convnext: [[/^stages\./, 'model.stages.']],
}

const expanded = (name: string): ReadonlyArray<string> => {
  const braces = /^(.*)\{(.*)\}(.*)$/.exec(name)
  return braces === null ? [name] : braces[2].split(',').map((each) => `${braces[1]}${each}${braces[3]}`)
}

/** A name of a file's tensor as it is in memory; several where one tensor has become several, in the order of its rows. */
export const inMemory = (type: FolderType, name: string): ReadonlyArray<string> =>
  expanded(in5[type].reduce((n, [pattern, now]) => n.replace(pattern, now), name))

/** A part by the names that a file has: those in memory, where it has not the one of files. */
const partIn = (type: FolderType, part: Part, has: (name: string) => boolean): ReadonlyArray<Part> => {
  if (!('name' in part) || has(part.name)) return [part]
  const there = inMemory(type, part.name)
  const [rows = 1, ...inner] = part.shape
  return there.every(has) ? there.map((name) => ({ name, shape: part.shape.length === 0 ? [] : [rows / there.length, ...inner] })) : [part]
}

/** A plan to read a file whose tensors have either names. */
export const planIn = (type: FolderType, { mappings, extras }: Plan, has: (name: string) => boolean): Plan => ({
  mappings: mappings.map((m) => ({ ...m, parts: m.parts.flatMap((part) => partIn(type, part, has)) })),
  extras,
})

/** The tensors there that one of ours is, in the order of its rows. */
export const namesIn = (type: FolderType, official: string, generation: Generation): ReadonlyArray<string> => {
  const old = isPyramidType(type) ? familyOfType[type].namesOf(official) : namesOf(type, official)
  return generation === 4 ? old : old.flatMap((name) => inMemory(type, name))
}

/** Whose adapters name it: the class of transformers, and where it is. */
export const modelClasses: Readonly<Record<FolderType, readonly [name: string, module: string]>> = {
  vit: ['ViTModel', 'transformers.models.vit.modeling_vit'],
  dinov2: ['Dinov2Model', 'transformers.models.dinov2.modeling_dinov2'],
  dinov2_with_registers: ['Dinov2WithRegistersModel', 'transformers.models.dinov2_with_registers.modeling_dinov2_with_registers'],
  dinov3_vit: ['DINOv3ViTModel', 'transformers.models.dinov3_vit.modeling_dinov3_vit'],
  swin: ['SwinModel', 'transformers.models.swin.modeling_swin'],
  dinov3_convnext: ['DINOv3ConvNextModel', 'transformers.models.dinov3_convnext.modeling_dinov3_convnext'],
}
