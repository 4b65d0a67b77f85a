/** PEFT folders: written as the package writes them, and read back to the same function. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { merge } from '../../train/exchange/merge.ts'
import { networkValues } from '../../train/step/values.ts'
import type { LoraStrategy } from '../../train/step/strategies/lora.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import { readAdapters, writeAdapters } from '../../train/exchange/peft/folder.ts'
import { networkOf, withinNetwork } from '../../train/step/strategies/strategy.ts'
import { left, right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import { firstValues, plain, programOf, run } from './networks.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'dinograph-peft-'))
const base = new Map(
  [...networkOf(plain(), 'student').values()]
    .filter((r) => r.path.startsWith('student.backbone.'))
    .map((r) => [withinNetwork(r.path), new Float32Array(sizeOf(r.declaration.shape))]),
)

type Names = 'vit' | 'dinov2' | 'dinov3_vit' | 'own'

const cases: ReadonlyArray<readonly [string, LoraStrategy, Names, 4 | 5, ReadonlyArray<string>]> = [
  ['query and value', { targets: ['query', 'value'], rank: 2, alpha: 16 }, 'dinov2', 4, ['query', 'value']],
  ['query and value, transformers 5', { targets: ['query', 'value'], rank: 2, alpha: 16 }, 'dinov2', 5, ['q_proj', 'v_proj']],
  [
    'all of qkv, with a rank of its own',
    { targets: ['qkv', 'fc1'], rank: 2, rankPattern: { 'blocks.1.mlp.fc1': 4 }, alphaPattern: { 'blocks.1.mlp.fc1': 2 } },
    'dinov2',
    4,
    ['fc1', 'key', 'query', 'value'],
  ],
  ['DoRA with rsLoRA', { targets: ['qkv', 'proj'], layers: [0, 2], rank: 2, dora: true, rsLora: true }, 'vit', 5, []],
  ['DoRA with rsLoRA, transformers 4', { targets: ['qkv', 'proj'], layers: [0, 2], rank: 2, dora: true, rsLora: true }, 'vit', 4, []],
  ['one pair for a fused layer', { targets: ['qkv'], slices: {}, rank: 3 }, 'dinov3_vit', 5, ['k_proj', 'q_proj', 'v_proj']],
  [
    'norms and a layer that are trained as a whole, and biases',
    { targets: ['qkv', 'fc1'], rank: 2, save: ['backbone.norm', 'blocks.1.mlp'], bias: 'all' },
    'dinov2',
    5,
    [],
  ],
  ['biases of what is adapted', { targets: ['fc1'], rank: 2, bias: 'lora_only' }, 'vit', 4, []],
  ['our own names', { targets: ['qkv', 'patch_embed.proj'], rank: 2, save: ['norm1'] }, 'own', 5, []],
]

describe.each(cases)('%s', (_, options, names, transformers, targets) => {
  it('comes back as the same function', async () => {
    const p = programOf(lora(options))
    const values = networkValues('teacher')((await run(p, 3)).state)
    const dir = folder()
    const shapes = new Map(p.residents.map((r) => [withinNetwork(r.path), r.declaration.shape]))
    right(await writeAdapters(dir, { names, lora: options, transformers, shapes, base: 'facebook/dinov2-small' }, p.adapters)(values)())
    const read = right(await readAdapters(dir, names, base)())
    const again = right(lora(read.lora)(plain()))
    // what was trained as a whole comes from the folder, everything else from the base as it was
    const first = firstValues(p)
    const untouched = new Map(
      [...values.keys()]
        .filter((path) => !path.includes('.lora_'))
        .map((path) => [
          path,
          path.startsWith('backbone.') ? (first.get(`student.${path}`) ?? new Float32Array()) : (values.get(path) ?? new Float32Array()),
        ]),
    )
    const [before, after] = [right(merge(p.adapters)(values)), right(merge(again.adapters ?? [])(new Map([...untouched, ...read.values])))]
    for (const [path, v] of before.values) expectClose(after.values.get(path) ?? [], v, 1e-6, path)
    expect(again.residents.filter((r) => r.role === 'trained' && !r.path.includes('.lora_')).map((r) => r.path)).toEqual(
      p.residents.filter((r) => r.role === 'trained' && !r.path.includes('.lora_')).map((r) => r.path),
    )
    const config: unknown = JSON.parse(readFileSync(join(dir, 'adapter_config.json'), 'utf8'))
    expect(config).toMatchObject({
      peft_type: 'LORA',
      base_model_name_or_path: 'facebook/dinov2-small',
      use_dora: options.dora ?? false,
      r: options.rank,
    })
    if (targets.length > 0) expect(config).toMatchObject({ target_modules: targets })
    const file = right(await readSafetensors(join(dir, 'adapter_model.safetensors'))())
    expect(file.metadata).toEqual({ format: 'pt' })
    expect([...file.tensors.keys()].every((k) => k.startsWith('base_model.model.'))).toBe(true)
  })
})

/** The configuration that peft writes for facebook/dinov2-small, query and value. */
const written = {
  alpha_pattern: {},
  auto_mapping: { base_model_class: 'Dinov2Model', parent_library: 'transformers.models.dinov2.modeling_dinov2' },
  base_model_name_or_path: 'facebook/dinov2-small',
  bias: 'none',
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 16,
  lora_bias: false,
  lora_dropout: 0,
  megatron_config: null,
  megatron_core: 'megatron.core',
  modules_to_save: null,
  peft_type: 'LORA',
  r: 8,
  rank_pattern: {},
  revision: null,
  target_modules: ['query', 'value'],
  task_type: null,
  use_dora: false,
  use_rslora: false,
}

test('the configuration is the one that peft writes, key by key, and the tensors have its names and shapes', async () => {
  const o = { targets: ['query', 'value'], rank: 8, alpha: 16 }
  const p = programOf(lora(o))
  const dir = folder()
  right(
    await writeAdapters(
      dir,
      { names: 'dinov2', lora: o, base: 'facebook/dinov2-small', transformers: 4 },
      p.adapters,
    )(networkValues('student')((await run(p, 1)).state))(),
  )
  const text = readFileSync(join(dir, 'adapter_config.json'), 'utf8')
  expect(JSON.parse(text)).toEqual(written)
  expect(text.startsWith('{\n  "alpha_pattern": {},\n  "auto_mapping": {')).toBe(true)
  const { tensors } = right(await readSafetensors(join(dir, 'adapter_model.safetensors'))())
  expect(
    [...tensors.entries()]
      .filter(([k]) => k.includes('.layer.1.'))
      .map(([k, x]) => [k, x.shape])
      .sort(),
  ).toEqual(
    ['query', 'value'].flatMap((m) => [
      [`base_model.model.encoder.layer.1.attention.attention.${m}.lora_A.weight`, [8, 8]],
      [`base_model.model.encoder.layer.1.attention.attention.${m}.lora_B.weight`, [8, 8]],
    ]),
  )
})

test('faults: no such folder, and another network', async () => {
  expect(left(await readAdapters(folder(), 'dinov2', base)()).found).toBe('no such file')
  const o: LoraStrategy = { targets: ['qkv'], rank: 2 }
  const p = programOf(lora(o))
  const dir = folder()
  right(await writeAdapters(dir, { names: 'dinov2', lora: o }, p.adapters)(networkValues('student')((await run(p, 1)).state))())
  expect(left(await readAdapters(dir, 'dinov2', new Map([...base].filter(([w]) => w.includes('blocks.0.'))))()).found).toContain('no layer')
})
