/**
 * Adapters of backbones with stages: read by the names that the package peft gives them on the classes of transformers, and written so; a
 * run with adapters on a Swin or a ConvNeXt is handed on as one of a Vision Transformer is.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import type { Json } from '../../data/formats/codec.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import type { Pyramid } from '../../models/huggingface/family.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { exportAdapters } from '../../train/exchange/adapters.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import type { Weights } from '../../train/exchange/huggingface/weights.ts'
import { readPyramid } from '../../train/exchange/model.ts'
import { exportRun, pyramidOfRun } from '../../train/exchange/run.ts'
import { describedAt } from '../../train/exchange/transfer/description.ts'
import { save } from '../../train/run/checkpoints.ts'
import { left, right, some } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { temporary } from './backbones.ts'

const at = temporary()

const values = (shape: ReadonlyArray<number>, seed: number): HostTensor => floatTensor(shape, Float32Array.from(wave(sizeOf(shape), seed)))

interface Case {
  readonly model: Pyramid
  /** A layer here and there: by the names of transformers 4 and 5. */
  readonly weight: string
  readonly there: readonly [four: string, five: string]
  /** The first of its rows that belong to it, and how many; and how many it sums over. */
  readonly rows: readonly [from: number, count: number]
  readonly inputs: number
  /** The adapted module in a run, and the setting that means it. */
  readonly module: string
  readonly targets: ReadonlyArray<string>
  readonly short: ReadonlyArray<string>
  readonly named: string
}

const cases: Readonly<Record<string, Case>> = {
  swin: {
    model: swins.pyramid({ width: 4, depths: [1, 1], heads: [1, 2], patch: 2, window: 3, image: 12 }),
    weight: 'layers.1.blocks.0.attn.qkv.weight',
    there: ['encoder.layers.1.blocks.0.attention.self.key', 'encoder.layers.1.blocks.0.attention.k_proj'],
    rows: [8, 8],
    inputs: 8,
    module: 'layers.1.blocks.0.attn.qkv.key',
    targets: ['layers.1.blocks.0.attn.qkv.key'],
    short: ['encoder.layers.1.blocks.0.attention.k_proj'],
    named: 'SwinModel',
  },
  dinov3_convnext: {
    model: convnexts.pyramid({ widths: [4, 6], depths: [1, 1], image: 16 }),
    weight: 'stages.1.0.pwconv2.weight',
    there: ['stages.1.layers.0.pointwise_conv2', 'model.stages.1.layers.0.pointwise_conv2'],
    rows: [0, 6],
    inputs: 24,
    module: 'stages.1.0.pwconv2',
    targets: ['stages.1.0.pwconv2'],
    short: ['model.stages.1.layers.0.pointwise_conv2'],
    named: 'DINOv3ConvNextModel',
  },
}

const config = { peft_type: 'LORA', r: 2, lora_alpha: 8, target_modules: ['x'], base_model_name_or_path: '../base', bias: 'none' }

describe.each(Object.entries(cases))('%s', (type, { model, weight, there, rows: [from, count], inputs, module, targets, short, named }) => {
  const weights: Weights = new Map(declarations(model.params).map(([p, d], i) => [p, Float32Array.from(wave(sizeOf(d.shape), i))]))
  const pair = [values([2, inputs], 3), values([count, 2], 5)] as const

  const base = async (): Promise<string> => {
    right(await writePyramid(at(`${type}/base`))({ model, weights })())
    return at(`${type}/base`)
  }

  const folder = async (name: string, tensors: ReadonlyArray<readonly [string, HostTensor]>): Promise<string> => {
    await base()
    const path = at(`${type}/${name}`)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'adapter_config.json'), JSON.stringify(config))
    right(await writeSafetensors(join(path, 'adapter_model.safetensors'))({ tensors: new Map(tensors), metadata: {} })())
    return path
  }

  const pairAt = (at: string): ReadonlyArray<readonly [string, HostTensor]> => [
    [`base_model.model.${at}.lora_A.weight`, pair[0]],
    [`base_model.model.${at}.lora_B.weight`, pair[1]],
  ]

  /** W + (alpha / r) B A on the layer's rows. */
  const changed = (): ReadonlyArray<number> => {
    const out = [...(weights.get(weight) ?? [])]
    for (let i = 0; i < count; i++)
      for (let k = 0; k < inputs; k++)
        out[(from + i) * inputs + k] += 4 * [0, 1].reduce((sum, r) => sum + pair[1].data[2 * i + r] * pair[0].data[r * inputs + k], 0)
    return out
  }

  it.each([...there, ...there.map((name) => `${type}.${name}`)])('under %s', async (name) => {
    const b = some(right(await readPyramid(await folder(name.replaceAll('.', '-'), pairAt(name)))()))
    for (const [path, x] of b.weights) expectClose(x, path === weight ? changed() : (weights.get(path) ?? []), 1e-6, path)
    expect(b.notes[0]).toContain('are added to the weights of')
    expect(b.preprocessor).toBeDefined()
  })

  it('are described as what their base is, before weights are read', async () => {
    const { network } = right(await describedAt(await folder('described', pairAt(there[1])))())
    expect(network.kind === 'pyramid' && network.pyramid.said).toEqual(model.said)
  })

  it('of layers that there are not are named', async () => {
    const wrong = await folder('strange', pairAt(there[1].replace('.1.', '.7.')))
    expect(left(await readPyramid(wrong)()).found).toContain('no layer')
  })

  it('of a run are written by the names of transformers, with their base, and are the network that the run has', async () => {
    const student = [
      ...declarations(model.params).map(
        ([p, d]) => [`student.backbone.${p}`, floatTensor(d.shape, weights.get(p) ?? new Float32Array())] as const,
      ),
      [`student.backbone.${module}.lora_A.weight`, pair[0]] as const,
      [`student.backbone.${module}.lora_B.weight`, pair[1]] as const,
    ]
    const { image } = model.options
    const settings: Json = {
      model: { kind: type, image },
      strategies: { lora: { targets, rank: 2, alpha: 8 } },
      start: { from: await base() },
    }
    const run = at(`${type}/run`)
    right(
      await save(join(run, 'checkpoints'), { keepLast: 1, keepEvery: 0 })({
        step: 1,
        seed: 0,
        config: settings,
        position: null,
        backbone: 'pyramid',
        state: new Map(student),
      })(),
    )
    const out = at(`${type}/adapter`)
    right(await exportAdapters(run, out, { network: 'teacher' })())
    const written: unknown = JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'))
    expect(written).toMatchObject({
      auto_mapping: { base_model_class: named },
      base_model_name_or_path: at(`${type}/base`),
      target_modules: short,
      r: 2,
      lora_alpha: 8,
    })
    const { tensors } = right(await readSafetensors(join(out, 'adapter_model.safetensors'))())
    expect([...tensors.keys()].sort()).toEqual(pairAt(there[1]).map(([name]) => name))
    const own = some(right(await pyramidOfRun(run, { network: 'teacher', mergeLora: true })()))
    expect(some(right(await readPyramid(out)())).weights).toEqual(own.weights)
    expectClose(own.weights.get(weight) ?? [], changed(), 1e-6)
    // the function of the package and the command are one road
    expect(right(await exportRun(run)())).toContain('model.safetensors')
    expect(some(right(await readPyramid(join(run, 'huggingface'))())).weights).toEqual(own.weights)
  })
})
