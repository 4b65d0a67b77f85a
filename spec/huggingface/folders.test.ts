/** Folders of every type: written and read again, in shards, in half precision, with prefixes; and what is wrong with others, by name. */
import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { leavesOfGraph, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import type { Backbone, ReadOptions } from '../../train/exchange/huggingface/backbone.ts'
import type { WriteOptions } from '../../train/exchange/huggingface/writer.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { left, right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

type Name = keyof typeof backbones
const names: ReadonlyArray<Name> = ['vit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit']
const at = temporary()

const write = async (folder: string, name: Name, o: WriteOptions = {}): Promise<string> => {
  right(await writeBackbone(at(folder), o)({ model: backbones[name], weights: weightsOf(backbones[name]) })())
  return at(folder)
}
const read = async (path: string, o?: ReadOptions): Promise<Backbone> => right(await readBackbone(path, o)())
const fault = async (path: string, o?: ReadOptions): Promise<ReturnType<typeof left>> => left(await readBackbone(path, o)())
const tensorsOf = async (folder: string): Promise<Map<string, HostTensor>> =>
  new Map(right(await readSafetensors(join(folder, 'model.safetensors'))()).tensors)
const replace = async (folder: string, tensors: ReadonlyMap<string, HostTensor>): Promise<void> => {
  right(await writeSafetensors(join(folder, 'model.safetensors'))({ tensors, metadata: { format: 'pt' } })())
}

/** Features of one picture. */
const seen = ({ model, weights }: Backbone): ReadonlyArray<number> => {
  const { tokens } = call(model, context('eval'), 'm', leavesOf('m', model.params), input('x', [1, model.options.channels, 12, 12]))
  const leaves = leavesOfGraph(right(trace('m', [value('y', tokens)])))
  const values = new Map(
    leaves.map((l) => [
      l.path,
      l.path === 'x' ? Float64Array.from(wave(144 * model.options.channels, 3)) : Float64Array.from(weights.get(l.path.slice(2)) ?? []),
    ]),
  )
  return [...evaluate([tokens], values)[0]]
}

describe.each(names)('a folder of %s', (name) => {
  const given = { model: backbones[name], weights: weightsOf(backbones[name]) }
  it('gives back every weight and feature', async () => {
    const b = await read(await write(name, name))
    expect(b.source).toBe(name)
    expect(b.weights).toEqual(given.weights)
    expect(seen(b)).toEqual(seen({ ...b, ...given }))
    expect(b.preprocessor?.image_mean).toEqual([0.485, 0.456, 0.406])
  })
  it('may lie in shards, and under the prefix of a task class', async () => {
    const folder = await write(`${name}-shards`, name, { shard: 2000 })
    expect(readdirSync(folder).filter((f) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(f)).length).toBeGreaterThan(2)
    expect((await read(folder)).weights).toEqual(given.weights)
    const whole = await write(`${name}-task`, name)
    await replace(
      whole,
      new Map([
        ...[...(await tensorsOf(whole))].map(([n, x]) => [`${name === 'dinov3_vit' ? 'model' : name}.${n}`, x] as const),
        ['classifier.weight', floatTensor([2, 8], new Float32Array(16))],
      ]),
    )
    const b = await read(whole)
    expect(b.weights).toEqual(given.weights)
    expect(b.notes.join()).toContain('classifier.weight')
  })
  it.each(['f16', 'bf16'] as const)('may hold %s', async (precision) => {
    const b = await read(await write(`${name}-${precision}`, name, { precision }))
    expect(b.stored).toEqual([precision])
    for (const [path, values] of b.weights)
      values.forEach((v, i) => {
        expect(Math.abs(v - (given.weights.get(path)?.[i] ?? NaN))).toBeLessThan(0.01 * (1 + Math.abs(v)))
      })
  })
})

describe('files', () => {
  it('have sorted keys, and floats where floats belong', async () => {
    const folder = await write('json', 'dinov3_vit')
    const text = readFileSync(join(folder, 'config.json'), 'utf8')
    expect(text).toContain('"rope_theta": 100.0,')
    expect(text).toContain('"hidden_size": 8,')
    const keys = Object.keys(JSON.parse(text) as object)
    expect(keys).toEqual([...keys].sort())
    expect([...(await tensorsOf(folder)).keys()]).toContain('layer.1.mlp.gate_proj.weight')
    expect((await tensorsOf(folder)).get('embeddings.mask_token')?.shape).toEqual([1, 1, 8])
    expect((await tensorsOf(folder)).has('layer.0.attention.k_proj.bias')).toBe(false)
  })
  it('of ViTModel have the pooler that transformers looks for, which is left out again', async () => {
    const folder = await write('pooler', 'vit')
    expect((await tensorsOf(folder)).get('pooler.dense.weight')?.shape).toEqual([8, 8])
    expect((await read(folder)).notes.join()).toContain('pooler.dense.weight')
  })
})

describe('what is wrong is named:', () => {
  it('a missing tensor, an unknown one, both at once', async () => {
    const folder = await write('misfit', 'dinov2')
    const tensors = await tensorsOf(folder)
    tensors.delete('encoder.layer.1.norm2.bias')
    await replace(folder, tensors)
    expect((await fault(folder)).found).toBe('1 missing tensor(s): encoder.layer.1.norm2.bias')
    tensors.set('encoder.layer.2.norm1.bias', floatTensor([8], new Float32Array(8)))
    await replace(folder, tensors)
    expect((await fault(folder)).found).toBe(
      '1 missing tensor(s): encoder.layer.1.norm2.bias; 1 unknown tensor(s): encoder.layer.2.norm1.bias',
    )
    tensors.set('encoder.layer.1.norm2.bias', floatTensor([8], new Float32Array(8)))
    await replace(folder, tensors)
    expect((await fault(folder)).found).toBe('1 unknown tensor(s): encoder.layer.2.norm1.bias')
    // what belongs to a block changes what the network computes: it is never left out
    expect((await fault(folder, { unknown: 'ignore' })).found).toBe('1 unknown tensor(s): encoder.layer.2.norm1.bias')
    tensors.delete('encoder.layer.2.norm1.bias')
    tensors.set('strange.weight', floatTensor([8], new Float32Array(8)))
    await replace(folder, tensors)
    expect((await fault(folder)).found).toBe('1 unknown tensor(s): strange.weight')
    expect((await read(folder, { unknown: 'ignore' })).notes.join()).toContain('strange.weight')
  })
  it('a wrong shape, and integers', async () => {
    const folder = await write('shape', 'vit')
    const tensors = await tensorsOf(folder)
    tensors.set('layernorm.weight', floatTensor([4], new Float32Array(4)))
    await replace(folder, tensors)
    expect(await fault(folder)).toMatchObject({ place: `${folder}: layernorm.weight`, found: 'f32[4]', allowed: '[8]' })
    tensors.set('layernorm.weight', { dtype: 'i32', shape: [8], data: new Int32Array(8) })
    await replace(folder, tensors)
    expect((await fault(folder)).found).toBe('i32[8]')
  })
  it('a truncated file, a shard that is not there, a tensor that a shard has not', async () => {
    const folder = await write('truncated', 'vit')
    truncateSync(join(folder, 'model.safetensors'), 3000)
    expect((await fault(folder)).place).toContain('model.safetensors')
    const shards = await write('shards', 'vit', { shard: 2000 })
    const index = join(shards, 'model.safetensors.index.json')
    const text = readFileSync(index, 'utf8')
    writeFileSync(index, text.replaceAll('model-00002-', 'model-00009-'))
    expect((await fault(shards)).place).toContain('model-00009-of-')
    writeFileSync(
      index,
      text.replace('"cls_token"', '"x"').replace(/"embeddings.cls_token": "model-0000\d/, '"embeddings.cls_token": "model-00002'),
    )
    expect((await fault(shards)).found).toBe('no tensor embeddings.cls_token')
  })
  it('no folder, no config.json, no weights, JSON that is none', async () => {
    expect((await fault(at('nowhere'))).found).toBe('nothing')
    const folder = await write('broken', 'vit')
    writeFileSync(join(folder, 'config.json'), '{"model_type": "vit"')
    expect((await fault(folder)).allowed).toBe('JSON')
    writeFileSync(join(folder, 'config.json'), '{"model_type": "vit", "hidden_size": 8, "num_hidden_layers": 1}')
    expect((await fault(folder)).place).toContain('config.json: num_attention_heads')
  })
})
