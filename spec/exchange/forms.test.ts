/** `hf export|import --format`: official names and timm's hold the same numbers, to the bit, there and back. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { forms, officialFile } from '../../train/exchange/huggingface/forms.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import type { Weights } from '../../train/exchange/huggingface/weights.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { left, right } from '../data/either.ts'
import { backbones, temporary, weightsOf } from '../huggingface/backbones.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { program } from '../support/built.ts'

const at = temporary()
const { dinov2_with_registers: registers, dinov3_vit: rotary } = backbones

/** More of the family than types have: gates, biases that are not there, channels, another epsilon. */
const family: Readonly<Record<string, Vit>> = {
  ...backbones,
  'dinov2 with a gate and registers': vit({ ...registers.options, ffn: 'swiglu-fused', hidden: 16 }),
  'one channel, no bias of queries': vit({ ...backbones.vit.options, channels: 1, qkvBias: false }),
  'dinov3 without a gate or a bias': vit({
    ...rotary.options,
    ffn: 'mlp',
    qkvBias: false,
    maskKeyBias: false,
    maskToken: false,
    registers: 0,
  }),
}

const features = (model: Vit, weights: Weights) => {
  const shape = [2, model.options.channels, 12, 12]
  const { tokens } = call(model, context('eval'), '', leavesOf('', model.params), input('pixels', shape))
  return evaluate([tokens], new Map([...weights, ['pixels', Float32Array.from(wave(sizeOf(shape), 3))]]))[0]
}

const tensorsIn = async (file: string) => right(await readSafetensors(file)()).tensors

describe.each(Object.entries(family))('%s', (name, model) => {
  const weights = weightsOf(model)

  test('official names give back every number, and heads, periods and epsilon', async () => {
    const folder = at(`official ${name}`)
    const changed = vit({ ...model.options, eps: 1e-4 })
    right(await forms.official(folder, {})({ model: changed, weights })())
    const read = right(await readBackbone(join(folder, officialFile))())
    expect(read.weights).toEqual(weights)
    expect([read.model.options.heads, read.model.options.eps]).toEqual([2, 1e-4])
    expect(features(read.model, read.weights)).toEqual(features(changed, weights))
    // written again, the same bytes
    right(await forms.official(`${folder} again`, {})(read)())
    expect(await tensorsIn(join(`${folder} again`, officialFile))).toEqual(await tensorsIn(join(folder, officialFile)))
  })

  test("timm's names give back every number", async () => {
    const folder = at(`timm ${name}`)
    right(await forms.timm(folder, {})({ model, weights })())
    const read = right(await readBackbone(folder)())
    // with registers timm's class token has its position in it, a sum in f32 that the reference makes in f64; all else is what it was
    const summed = model.options.registers > 0 && weights.has('pos_embed')
    expectClose(features(read.model, read.weights), features(model, weights), summed ? 1e-6 : 0)
    const added = summed ? ['cls_token', 'pos_embed', 'mask_token'] : ['mask_token']
    for (const [path, values] of read.weights) if (!added.includes(path)) expect(values, path).toEqual(weights.get(path))
    right(await forms.timm(`${folder} again`, {})(read)())
    expect(await tensorsIn(join(`${folder} again`, 'model.safetensors'))).toEqual(await tensorsIn(join(folder, 'model.safetensors')))
  })
})

test('what timm has no place for is refused, with a form that has', async () => {
  const model = vit({ ...rotary.options, untiedNorms: true })
  const f = left(await forms.timm(at('none'), {})({ model, weights: weightsOf(model) })())
  expect([f.allowed, f.remedy]).toEqual([
    "a norm of the class token by itself has no place in timm's models",
    'write it with --format huggingface or --format official',
  ])
  expect(existsSync(at('none'))).toBe(false)
  right(await forms.official(at('some'), {})({ model, weights: weightsOf(model) })())
})

test('the command writes each form, and reads it again', async () => {
  const weights = weightsOf(rotary)
  right(await writeBackbone(at('source'))({ model: rotary, weights })())
  const hf = (...words: ReadonlyArray<string>): string => {
    const done = spawnSync(process.execPath, [program('train/cli/dinograph.ts'), 'hf', ...words], { encoding: 'utf8' })
    expect(done.status, done.stderr).toBe(0)
    return done.stdout
  }
  expect(hf('import', '--model', at('source'), '--format', 'timm', '--out', at('theirs'))).toMatch(
    /files +config\.json; model\.safetensors; official/,
  )
  hf('import', '--model', at('theirs'), '--out', at('back'))
  const back = right(await readBackbone(at('back'))()).weights
  for (const [path, values] of back) if (path !== 'mask_token') expect(values, path).toEqual(weights.get(path))
}, 60_000)
