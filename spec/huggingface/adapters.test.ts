/**
 * Folders of the package peft as models: under every prefix, with every spelling of names, whole and as PyTorch's files: one function;
 * and those that are another are refused.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeSafetensors } from '../../data/formats/safetensors.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import type { Weights } from '../../train/exchange/huggingface/weights.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { readModel } from '../../train/exchange/model.ts'
import { viewAt } from '../../train/exchange/transfer/view.ts'
import { left, right } from '../data/either.ts'
import { floats, torchArchive } from '../support/torch-file.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

const at = temporary()
const model = backbones.dinov2_with_registers
const weights = weightsOf(model)

const base = async (): Promise<string> => {
  right(await writeBackbone(at('base'))({ model, weights })())
  return at('base')
}

type Named = ReadonlyMap<string, HostTensor>

const values = (shape: ReadonlyArray<number>, seed: number): HostTensor =>
  floatTensor(
    shape,
    Float32Array.from(
      wave(
        shape.reduce((a, b) => a * b, 1),
        seed,
      ),
    ),
  )

/** Queries and values of both layers. */
const pairs = (prefix: string): Named =>
  new Map(
    [0, 1].flatMap((i) =>
      ['query', 'value'].flatMap((m, k) => {
        const at = `base_model.model.${prefix}encoder.layer.${i}.attention.attention.${m}`
        return [
          [`${at}.lora_A.weight`, values([2, 8], 4 * i + k)],
          [`${at}.lora_B.weight`, values([8, 2], 4 * i + k + 2)],
        ] as const
      }),
    ),
  )

const config = {
  peft_type: 'LORA',
  r: 2,
  lora_alpha: 8,
  target_modules: ['query', 'value'],
  base_model_name_or_path: '../base',
  modules_to_save: null,
  bias: 'none',
  lora_bias: false,
  task_type: null,
}

const folder = async (name: string, tensors: Named, over: Readonly<Record<string, unknown>> = {}): Promise<string> => {
  await base()
  mkdirSync(at(name), { recursive: true })
  writeFileSync(join(at(name), 'adapter_config.json'), JSON.stringify({ ...config, ...over }))
  right(await writeSafetensors(join(at(name), 'adapter_model.safetensors'))({ tensors, metadata: {} })())
  return at(name)
}

const mergedOf = async (path: string): Promise<Weights> => right(await readModel(path)()).weights

/** W + (alpha / r) B A, by hand. */
const byHand = (i: number, m: 'query' | 'value', tensors: Named): ReadonlyArray<number> => {
  const name = `base_model.model.encoder.layer.${i}.attention.attention.${m}`
  const [a, b] = ['lora_A', 'lora_B'].map((t) => tensors.get(`${name}.${t}.weight`)?.data ?? [])
  const rows = m === 'query' ? 0 : 128
  return Array.from(
    { length: 64 },
    (_, k) =>
      (weights.get(`blocks.${i}.attn.qkv.weight`)?.[rows + k] ?? NaN) +
      4 * [0, 1].reduce((sum, r) => sum + b[Math.floor(k / 8) * 2 + r] * a[r * 8 + (k % 8)], 0),
  )
}

describe('adapters are added to the model that they name', () => {
  it('by its path from the folder, as the formula says', async () => {
    const w = await mergedOf(await folder('plain', pairs('')))
    for (const i of [0, 1])
      for (const m of ['query', 'value'] as const)
        expectClose(
          (w.get(`blocks.${i}.attn.qkv.weight`) ?? new Float32Array()).slice(m === 'query' ? 0 : 128, m === 'query' ? 64 : 192),
          byHand(i, m, pairs('')),
          1e-6,
        )
    expect(w.get('blocks.0.attn.qkv.weight')?.slice(64, 128)).toEqual(weights.get('blocks.0.attn.qkv.weight')?.slice(64, 128))
  })
  it.each(['dinov2_with_registers.', 'dinov2.', 'vit.', 'backbone.', 'encoder_of_mine.'])('under %s', async (prefix) => {
    expect(await mergedOf(await folder(`prefix-${prefix}`, pairs(prefix)))).toEqual(await mergedOf(await folder('plain', pairs(''))))
  })
  it('with the name of the adapter in those of tensors, with null in every key, and as a file of PyTorch', async () => {
    const want = await mergedOf(await folder('plain', pairs('')))
    expect(
      await mergedOf(await folder('default', new Map([...pairs('')].map(([n, x]) => [n.replace(/\.weight$/, '.default.weight'), x])))),
    ).toEqual(want)
    expect(
      await mergedOf(
        await folder(
          'nulls',
          pairs(''),
          Object.fromEntries(
            [
              'alpha_pattern',
              'rank_pattern',
              'use_rslora',
              'use_dora',
              'lora_dropout',
              'fan_in_fan_out',
              'bias',
              'lora_bias',
              'init_lora_weights',
              'exclude_modules',
            ].map((k) => [k, null]),
          ),
        ),
      ),
    ).toEqual(want)
    const bin = at('bin')
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, 'adapter_config.json'), JSON.stringify(config))
    writeFileSync(
      join(bin, 'adapter_model.bin'),
      torchArchive({ dict: [...pairs('')].map(([n, x], i) => [n, floats(String(i), x.shape, x.data)] as const) }),
    )
    expect(await mergedOf(bin)).toEqual(want)
  })
  it('with biases of their own, which are added scaled', async () => {
    const name = 'base_model.model.encoder.layer.0.attention.attention.value.lora_B.bias'
    const w = await mergedOf(await folder('biases', new Map([...pairs(''), [name, values([8], 9)]]), { lora_bias: true }))
    expectClose(
      (w.get('blocks.0.attn.qkv.bias') ?? new Float32Array()).slice(16),
      (weights.get('blocks.0.attn.qkv.bias') ?? new Float32Array()).slice(16).map((v, i) => v + 4 * values([8], 9).data[i]),
      1e-6,
    )
  })
  it('without heads and poolers, which are named', async () => {
    const path = await folder(
      'task',
      new Map([
        ...pairs('dinov2.'),
        ['base_model.model.classifier.weight', values([3, 16], 1)],
        ['base_model.model.classifier.lora_A.weight', values([2, 16], 1)],
        ['base_model.model.dinov2.pooler.dense.lora_A.weight', values([2, 8], 1)],
      ]),
      { target_modules: 'all-linear' },
    )
    const notes = right(await readModel(path)()).notes.join()
    for (const name of [
      'left out, as no part of the backbone',
      'classifier.weight',
      'classifier.lora_A.weight',
      'dinov2.pooler.dense.lora_A.weight',
    ])
      expect(notes).toContain(name)
  })
  it('where another base is named, to that; and images are seen as the base sees them', async () => {
    const path = await folder('nowhere', pairs(''), { base_model_name_or_path: null })
    expect(left(await readModel(path)()).remedy).toContain('--base')
    expect(right(await readModel(path, { base: at('base') })()).weights).toEqual(await mergedOf(await folder('plain', pairs(''))))
    expect(right(await viewAt(await folder('plain', pairs('')), 8)())).toEqual(right(await viewAt(at('base'), 8)()))
  })
})

describe('adapters are refused', () => {
  it.each(['pissa', 'pissa_niter_16', 'olora', 'corda', 'eva', 'loftq'])(
    'that began by %s: they belong to a base that is nowhere',
    async (init) => {
      expect(left(await readModel(await folder('init', pairs(''), { init_lora_weights: init }))())).toMatchObject({
        found: `"${init}"`,
        place: `${at('init')}/adapter_config.json: init_lora_weights`,
      })
    },
  )
  it.each([
    [{ peft_type: 'VERA' }, 'peft_type'],
    [{ target_parameters: ['x'] }, 'target_parameters'],
    [{ use_qalora: true }, 'use_qalora'],
    [{ layer_replication: [[0, 1]] }, 'layer_replication'],
    [{ r: 0 }, 'r'],
  ])('by %j', async (over, key) => {
    expect(left(await readModel(await folder('key', pairs(''), over))()).place).toContain(`adapter_config.json: ${key}`)
  })
  it('that do not fit: another rank, a layer that is not there', async () => {
    const name = 'base_model.model.encoder.layer.0.attention.attention.query.lora_A.weight'
    expect(left(await readModel(await folder('rank', new Map([...pairs(''), [name, values([3, 8], 1)]])))()).found).toBe(
      '[8, 2] after [3, 8]',
    )
    expect(
      left(await readModel(await folder('layer', new Map([...pairs(''), [name.replace('.0.', '.7.'), values([2, 8], 1)]])))()).found,
    ).toContain('no layer')
  })
})
