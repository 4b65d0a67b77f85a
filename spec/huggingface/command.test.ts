/** The command, and the backbone of a run: the moving average or the student, adapters merged, as a folder. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import type { Json } from '../../data/formats/codec.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { save } from '../../train/run/checkpoints.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import { exportRun, readRun } from '../../train/exchange/run.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { left, right } from '../data/either.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'
import type { Said } from '../support/command.ts'
import { dinograph } from '../support/command.ts'

const at = temporary()
const model = backbones.vit
const weights = weightsOf(model)

const state = (path: string, scale: number): ReadonlyArray<readonly [string, HostTensor]> =>
  declarations(model.params).map(([name, d]) => [
    `${path}.${name}`,
    floatTensor(
      d.shape,
      (weights.get(name) ?? new Float32Array()).map((v) => v * scale),
    ),
  ])

const run = async (
  name: string,
  tensors: ReadonlyArray<readonly [string, HostTensor]>,
  config: Json = { vit: { heads: 2 } },
): Promise<string> => {
  right(
    await save(join(at(name), 'checkpoints'), { keepLast: 1, keepEvery: 0 })({
      step: 3,
      seed: 0,
      config,
      position: null,
      state: new Map([...tensors, ['loss.dino.center', floatTensor([1], new Float32Array(1))]]),
    })(),
  )
  return at(name)
}

const hf = (...words: ReadonlyArray<string>): Said => dinograph('hf', ...words)

describe('the backbone of a run', () => {
  const both = [...state('student.backbone', 2), ...state('teacher.backbone', 1)]
  it('is the moving average, or the student', async () => {
    const folder = await run('both', both)
    expect(right(await readRun(folder, { network: 'teacher', mergeLora: false })()).weights).toEqual(weights)
    expect(right(await readRun(folder, { network: 'student', mergeLora: false })()).weights.get('norm.weight')).toEqual(
      weights.get('norm.weight')?.map((v) => 2 * v),
    )
  })
  const adapters: ReadonlyArray<readonly [string, HostTensor]> = ['student', 'teacher'].flatMap((n) => [
    [`${n}.backbone.blocks.0.attn.proj.lora_A.weight`, floatTensor([1, 8], new Float32Array(8).fill(1))] as const,
    [`${n}.backbone.blocks.0.attn.proj.lora_B.weight`, floatTensor([8, 1], new Float32Array(8).fill(0.5))] as const,
  ])
  const lora = { vit: { heads: 2 }, lora: { targets: ['blocks.0.attn.proj'], rank: 1, alpha: 4 } }
  it('has its adapters merged where asked, and says so where not', async () => {
    const folder = await run('lora', [...state('student.backbone', 1), ...adapters], lora)
    expect(left(await readRun(folder, { network: 'teacher', mergeLora: false })()).remedy).toContain('--merge-lora')
    const merged = right(await readRun(folder, { network: 'teacher', mergeLora: true })()).weights.get('blocks.0.attn.proj.weight')
    expect(
      [...(merged ?? [])].map((v, i) => v - (weights.get('blocks.0.attn.proj.weight')?.[i] ?? NaN)).every((d) => Math.abs(d - 2) < 1e-6),
    ).toBe(true)
  })
  it('is written beside the run, from where the run can be read as well', async () => {
    const folder = await run('beside', both)
    expect(right(await exportRun(folder)())).toContain('model.safetensors')
    expect(right(await readBackbone(folder)()).weights).toEqual(weights)
  })
  it('that is not there is named', async () => {
    expect(left(await readRun(at('nothing'), { network: 'teacher', mergeLora: false })()).found).toBe('nothing')
    expect(left(await readRun(await run('empty', []), { network: 'teacher', mergeLora: false })()).found).toBe('no backbone')
  })
})

describe('the command', () => {
  it('exports a run, inspects it, and imports it for other images', async () => {
    const out = at('exported')
    const exported = hf('export', '--run', await run('run', state('teacher.backbone', 1)), '--out', out, '--json')
    expect(exported.err).not.toContain('fault')
    expect(exported.code).toBe(0)
    expect(JSON.parse(exported.out.trim().split('\n').at(-1) ?? '')).toMatchObject({
      writes_as: 'vit',
      heads: 2,
      files: ['config.json', 'model.safetensors', 'preprocessor_config.json'],
    })
    expect(right(await readBackbone(out)()).weights).toEqual(weights)
    const inspected = hf('inspect', '--model', out, '--json')
    expect(inspected.code).toBe(0)
    expect(JSON.parse(inspected.out.trim().split('\n').at(-1) ?? '')).toMatchObject({ source: 'vit', stored: ['f32'], channels: 3 })
    const imported = hf('import', '--model', out, '--out', at('imported'), '--channels', '1', '--image', '16', '--type', 'dinov2')
    expect(imported.code).toBe(0)
    expect(imported.err).toContain('3 channels became 1')
    expect(imported.err).toContain('from a grid of 3 x 3 to 4 x 4')
    expect(existsSync(join(at('imported'), 'official.safetensors'))).toBe(true)
    expect(right(await readBackbone(at('imported'))()).source).toBe('dinov2')
  }, 60_000)
  it('says what is missing, with the exit code of wrong use or of failure', async () => {
    right(await writeBackbone(at('whole'))({ model, weights })())
    expect(hf('export', '--run', at('whole'))).toMatchObject({ code: 2 })
    expect(hf('export', '--run', at('whole')).err).toContain('export needs --out')
    expect(hf('convert')).toMatchObject({ code: 2 })
    expect(hf('inspect', '--model', at('nowhere')).code).toBe(1)
    expect(hf('--help').out).toContain('export --run DIR --out DIR')
  }, 60_000)
})
