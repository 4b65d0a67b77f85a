/** What runs hand on: adapters with their base, networks as they were trained, one preprocessor; and what runs take over. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { writeSafetensors } from '../../data/formats/safetensors.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { writeInitial } from '../../train/exchange/transfer/description.ts'
import { right } from '../data/either.ts'
import { backbones, temporary } from '../huggingface/backbones.ts'
import { node } from '../support/command.ts'
import { wave } from '../support/tensor.ts'

const at = temporary()

const succeed = (...words: ReadonlyArray<string>): string => {
  const { code, err } = node(...words)
  expect(code, err).toBe(0)
  return err
}

const hf = (...words: ReadonlyArray<string>): string => succeed('train/cli/dinograph.ts', 'hf', ...words)

const sets = (...settings: ReadonlyArray<string>): ReadonlyArray<string> => settings.flatMap((s) => ['--set', s])

/** Two steps that take a second. */
const small = [
  ...['--steps', '2', '--target', 'reference'],
  ...sets('batch=2', 'data.train=12', 'data.test=6', 'head.hidden=8', 'head.bottleneck=4', 'head.prototypes=8', 'augmentation.locals=1'),
]

const json = (...path: ReadonlyArray<string>): unknown => JSON.parse(readFileSync(join(...path), 'utf8'))
const bytes = (...path: ReadonlyArray<string>): Buffer => readFileSync(join(...path))

describe('a run with adapters', { timeout: 240_000 }, () => {
  it('writes them with their base, as `hf export --adapter` does; they are a model, and are gone on from', async () => {
    const base = right(await writeInitial(at('base'), backbones.dinov2_with_registers, 1)())
    const lora = sets('strategies.lora.rank=2')
    succeed('examples/continue.ts', '--out', at('lora'), '--model', base, ...small, ...lora)
    expect(json(at('lora'), 'adapter', 'adapter_config.json')).toMatchObject({ base_model_name_or_path: base, r: 2 })
    hf('export', '--run', at('lora'), '--adapter', '--out', at('taken'))
    for (const file of ['adapter_config.json', 'adapter_model.safetensors'])
      expect(bytes(at('taken'), file).equals(bytes(at('lora'), 'adapter', file)), file).toBe(true)
    // merged, they are the run's network, which sees digits
    hf('import', '--model', at('taken'), '--out', at('merged'), '--channels', '1')
    hf('export', '--run', at('lora'), '--merge-lora', '--out', at('whole'))
    expect(bytes(at('merged'), 'model.safetensors').equals(bytes(at('whole'), 'model.safetensors'))).toBe(true)
    // adapters that do not say what they belong to
    const config = json(at('taken'), 'adapter_config.json')
    const nameless = { ...(typeof config === 'object' ? config : {}), base_model_name_or_path: null }
    writeFileSync(join(at('taken'), 'adapter_config.json'), JSON.stringify(nameless))
    const refused = node('examples/continue.ts', '--out', at('nameless'), '--model', at('taken'), ...small)
    expect(refused.err).toContain('--set start.base=DIR|FILE|ID')
    const told = succeed('examples/continue.ts', '--out', at('named'), '--model', at('taken'), ...small, ...sets(`start.base=${base}`))
    expect(told).toContain(`starting from ${at('taken')}`)
  })

  it('on a backbone with stages, begun with adapters of another, has these in its base, and is the network that both make', async () => {
    const model = swins.pyramid({ width: 4, depths: [1, 1], heads: [1, 2], patch: 2, window: 3, image: 12, channels: 1 })
    const weights = new Map(
      declarations(model.params).map(([p, d], i) => [p, Float32Array.from(wave(sizeOf(d.shape), i)).map((x) => x / 4)]),
    )
    right(await writePyramid(at('stages'))({ model, weights })())
    mkdirSync(at('stages-adapter'))
    writeFileSync(
      join(at('stages-adapter'), 'adapter_config.json'),
      JSON.stringify({ peft_type: 'LORA', r: 1, lora_alpha: 1, target_modules: ['k_proj'], base_model_name_or_path: at('stages') }),
    )
    const module = 'base_model.model.encoder.layers.1.blocks.0.attention.k_proj'
    const tensors = new Map([
      [`${module}.lora_A.weight`, floatTensor([1, 8], Float32Array.from(wave(8)))],
      [`${module}.lora_B.weight`, floatTensor([8, 1], Float32Array.from(wave(8)))],
    ])
    right(await writeSafetensors(join(at('stages-adapter'), 'adapter_model.safetensors'))({ tensors, metadata: {} })())
    const [run, lora] = [at('stages-run'), sets('strategies.lora.rank=2', 'strategies.lora.targets=all-linear', 'augmentation.locals=0')]
    succeed('train/cli/dinograph.ts', 'train', '--out', run, '--model', at('stages-adapter'), ...small, ...lora)
    expect(json(run, 'adapter', 'adapter_config.json')).toMatchObject({
      auto_mapping: { base_model_class: 'SwinModel' },
      base_model_name_or_path: join(run, 'base'),
      target_modules: ['fc1', 'fc2', 'k_proj', 'o_proj', 'q_proj', 'reduction', 'v_proj'],
    })
    hf('import', '--model', join(run, 'adapter'), '--out', at('stages-merged'))
    hf('export', '--run', run, '--merge-lora', '--out', at('stages-whole'))
    expect(bytes(at('stages-merged'), 'model.safetensors').equals(bytes(at('stages-whole'), 'model.safetensors'))).toBe(true)
    hf('export', '--run', run, '--adapter', '--out', at('stages-taken'))
    for (const file of ['adapter_config.json', 'adapter_model.safetensors'])
      expect(bytes(at('stages-taken'), file).equals(bytes(run, 'adapter', file)), file).toBe(true)
  })

  it('that are not there are not exported', () => {
    succeed('examples/dinov1.ts', '--out', at('plain'), ...small, ...sets('model.width=8', 'model.depth=1', 'model.heads=2'))
    const { code, err } = node('train/cli/dinograph.ts', 'hf', 'export', '--run', at('plain'), '--adapter', '--out', at('none'))
    expect(code).toBe(2)
    expect(err).toContain('found:   no adapters')
    expect(existsSync(at('none'))).toBe(false)
  })
})

describe('train', { timeout: 240_000 }, () => {
  it('has the shape of the network that it starts from, where nothing else is said', async () => {
    const folder = right(await writeInitial(at('shape'), backbones.dinov3_vit, 1)())
    const err = succeed('train/cli/dinograph.ts', 'train', '--out', at('shaped'), '--model', folder, ...small)
    expect(err).toContain(`starting from ${folder}`)
    expect(readFileSync(join(at('shaped'), 'config.yaml'), 'utf8')).toMatch(/ffn: swiglu\n/)
    const other = node('train/cli/dinograph.ts', 'train', '--out', at('other'), '--model', folder, ...small, ...sets('model.width=16'))
    expect(other.code).toBe(2)
    expect(other.err).toContain('make the network of the same width')
  })
})

describe('what is exported of a run', { timeout: 240_000 }, () => {
  it.each([
    ['learned positions with antialias', ['model.offset=0', 'model.antialias=true', 'model.eps=1e-5']],
    ['rotary positions of another base', ['model.rope.base=50', 'model.eps=1e-5', 'model.layerScale=0.5']],
  ])('is what its own folder says: %s', (name, settings) => {
    const shape = sets('model.width=8', 'model.depth=1', 'model.heads=2', 'augmentation.globalSize=21', ...settings)
    succeed('train/cli/dinograph.ts', 'train', '--out', at(name), ...small, ...shape)
    hf('export', '--run', at(name), '--out', at(`${name} out`))
    for (const file of ['config.json', 'preprocessor_config.json'])
      expect(json(at(`${name} out`), file)).toEqual(json(at(name), 'huggingface', file))
    expect(json(at(name), 'preprocessor_config.json')).toEqual(json(at(name), 'huggingface', 'preprocessor_config.json'))
    expect(json(at(name), 'preprocessor_config.json')).toMatchObject({ crop_size: { height: 21, width: 21 } })
    expect(bytes(at(`${name} out`), 'model.safetensors').equals(bytes(at(name), 'huggingface', 'model.safetensors'))).toBe(true)
  })

  it('of a folder keeps how that sees pictures', async () => {
    const folder = right(await writeInitial(at('seeing'), backbones.dinov2, 1)())
    const file = join(folder, 'preprocessor_config.json')
    const own = json(file)
    writeFileSync(
      file,
      JSON.stringify({ ...(typeof own === 'object' ? own : {}), image_mean: [0.125, 0.25, 0.375], size: { shortest_edge: 40 } }),
    )
    hf('import', '--model', folder, '--out', at('seen'))
    expect(json(at('seen'), 'preprocessor_config.json')).toEqual(json(file))
    hf('import', '--model', folder, '--out', at('grey'), '--channels', '1')
    expect(json(at('grey'), 'preprocessor_config.json')).toMatchObject({ image_mean: [0.25], do_convert_rgb: false })
  })
})
