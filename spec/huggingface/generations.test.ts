/** Names of transformers 4 and 5: what models of version 5 have in memory is read as what their files have (`conversion_mapping.py`). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import { inMemory, namesIn } from '../../models/huggingface/generations.ts'
import { swins } from '../../models/huggingface/swin.ts'
import type { FolderType } from '../../models/huggingface/types.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { readModel, readPyramid } from '../../train/exchange/model.ts'
import { right, some } from '../data/either.ts'
import { wave } from '../support/tensor.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

const at = temporary()

describe('modules of transformers 5', () => {
  it.each<readonly [FolderType, string, ReadonlyArray<string>]>([
    ['vit', 'blocks.3.attn.qkv.weight', ['q_proj', 'k_proj', 'v_proj'].map((x) => `layers.3.attention.${x}.weight`)],
    ['vit', 'blocks.3.mlp.fc2.bias', ['layers.3.mlp.fc2.bias']],
    ['dinov2', 'blocks.3.mlp.w12.weight', ['gate_proj', 'up_proj'].map((x) => `encoder.layer.3.mlp.${x}.weight`)],
    ['dinov3_vit', 'blocks.3.mlp.w2.weight', ['model.layer.3.mlp.up_proj.weight']],
    [
      'swin',
      'layers.1.blocks.0.attn.qkv.weight',
      ['q_proj', 'k_proj', 'v_proj'].map((x) => `encoder.layers.1.blocks.0.attention.${x}.weight`),
    ],
    ['swin', 'layers.1.blocks.0.attn.proj.weight', ['encoder.layers.1.blocks.0.attention.o_proj.weight']],
    ['swin', 'layers.1.blocks.0.mlp.fc1.weight', ['encoder.layers.1.blocks.0.mlp.fc1.weight']],
    ['swin', 'layers.1.blocks.0.mlp.fc2.weight', ['encoder.layers.1.blocks.0.mlp.fc2.weight']],
    [
      'swin',
      'layers.1.blocks.0.attn.relative_position_bias_table',
      ['encoder.layers.1.blocks.0.attention.relative_position_bias.relative_position_bias_table'],
    ],
    ['swin', 'layers.0.downsample.reduction.weight', ['encoder.layers.0.downsample.reduction.weight']],
    ['dinov3_convnext', 'stages.2.4.pwconv1.weight', ['model.stages.2.layers.4.pointwise_conv1.weight']],
    ['dinov3_convnext', 'downsample_layers.1.1.weight', ['model.stages.1.downsample_layers.1.weight']],
  ])('of a %s: %s', (type, official, names) => {
    expect(namesIn(type, official, 5)).toEqual(names)
  })
})

/** A folder with the tensors of another by the names of transformers 5. */
const remembered = async (type: FolderType, from: string): Promise<string> => {
  const to = `${from}-5`
  mkdirSync(to)
  for (const file of ['config.json', 'preprocessor_config.json']) writeFileSync(join(to, file), readFileSync(join(from, file)))
  const tensors = [...right(await readSafetensors(join(from, 'model.safetensors'))()).tensors].flatMap(([name, x]) => {
    const [names, data] = [inMemory(type, name), right(floatsOf(name)(x))]
    const each = data.length / names.length
    return names.map((n, i): readonly [string, HostTensor] => [
      n,
      names.length === 1 ? x : floatTensor([x.shape[0] / names.length, ...x.shape.slice(1)], data.slice(i * each, (i + 1) * each)),
    ])
  })
  right(await writeSafetensors(join(to, 'model.safetensors'))({ tensors: new Map(tensors), metadata: {} })())
  return to
}

describe('a state dict that was saved as it is in memory', () => {
  it.each(['vit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit'] as const)('of a %s', async (type) => {
    const given = { model: backbones[type], weights: weightsOf(backbones[type]) }
    right(await writeBackbone(at(type))(given)())
    expect(right(await readModel(await remembered(type, at(type)))()).weights).toEqual(given.weights)
  })

  it.each([
    swins.pyramid({ width: 4, depths: [2, 1], heads: [1, 2], patch: 2, window: 3, image: 12 }),
    convnexts.pyramid({ widths: [4, 6], depths: [2, 1], image: 12 }),
  ])('of a backbone with stages', async (model) => {
    const weights = new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))
    const { type } = model.family
    right(await writePyramid(at(type))({ model, weights })())
    expect(some(right(await readPyramid(await remembered(type, at(type)))())).weights).toEqual(weights)
  })
})
