/** examples/continue.ts as a user starts it: from a folder, whose configuration makes the network; without one; and from nothing at all. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { afterAll, describe, expect, it } from 'vitest'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { Network } from '../../train/recipes/parts/network.ts'

import { backboneOf, networkOf, networkSettings } from '../../train/recipes/parts/network.ts'
import { optionsAt, writeInitial } from '../../train/exchange/transfer/description.ts'
import { readModel } from '../../train/exchange/model.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import { viewAt } from '../../train/exchange/transfer/view.ts'
import { left, right } from '../data/either.ts'
import { backbones } from '../huggingface/backbones.ts'
import { expectClose } from '../support/tensor.ts'
import { program } from '../support/built.ts'

const root = mkdtempSync(join(tmpdir(), 'continue-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

const run = (out: string, ...words: ReadonlyArray<string>): { readonly code: number | null; readonly err: string } => {
  const small = [
    '--steps',
    '2',
    '--target',
    'reference',
    ...[
      'batch=2',
      'data.train=12',
      'data.test=6',
      'head.hidden=8',
      'head.bottleneck=4',
      'head.prototypes=8',
      'augmentation.locals=1',
    ].flatMap((s) => ['--set', s]),
  ]
  const done = spawnSync(process.execPath, [program('examples/continue.ts'), '--out', join(root, out), ...small, ...words], {
    cwd: new URL('../..', import.meta.url).pathname,
    encoding: 'utf8',
  })
  return { code: done.status, err: done.stderr }
}

describe('continue', { timeout: 240_000 }, () => {
  it('makes the network as a Hugging Face folder says, on images of other channels', async () => {
    const folder = right(await writeInitial(join(root, 'dinov3'), backbones.dinov3_vit, 1)())
    const { code, err } = run('from', '--model', folder)
    expect(err).not.toContain('fault')
    expect(code).toBe(0)
    for (const text of [`starting from ${folder}:`, '3 channels became 1', 'dino_head begins anew']) expect(err).toContain(text)
    expect(existsSync(join(root, 'from', 'checkpoints'))).toBe(true)
  })
  it("normalises images and sizes crops as the folder's preprocessor says, and hands that on", async () => {
    const folder = right(await writeInitial(join(root, 'seen'), backbones.dinov3_vit, 1)())
    const file = join(folder, 'preprocessor_config.json')
    writeFileSync(
      file,
      JSON.stringify({
        ...JSON.parse(readFileSync(file, 'utf8')),
        size: { height: 24, width: 24 },
        image_mean: [0.25, 0.5, 0.75],
        image_std: [0.125, 0.25, 0.375],
      }),
    )
    const { code, err } = run('as-seen', '--model', folder)
    expect(code, err).toBe(0)
    expect(err).toContain(`normalised as ${folder} was: mean 0.25 0.5 0.75, deviation 0.125 0.25 0.375`)
    // digits have one channel: the averages of three
    expect(JSON.parse(readFileSync(join(root, 'as-seen/huggingface/preprocessor_config.json'), 'utf8'))).toMatchObject({
      image_mean: [0.5],
      image_std: [0.25],
    })
    const { patch } = backbones.dinov3_vit.options
    expect(readFileSync(join(root, 'as-seen/config.yaml'), 'utf8')).toContain(`globalSize: ${Math.max(4, Math.floor(24 / patch)) * patch}`)
    expect(run('of-nothing', '--set', 'data.normalisation=model').err).toContain('found:   model, in a run that goes on from no network')
  })
  it('without a model makes a folder of random weights, and says so', () => {
    const { code, err } = run('fresh', '--set', 'model.width=8', '--set', 'model.depth=1', '--set', 'model.heads=2')
    expect(code).toBe(0)
    expect(err).toContain('no --model was given: a folder of random weights is made')
    expect(existsSync(join(root, 'fresh', 'model', 'model.safetensors'))).toBe(true)
  })
  it('from adapters trains adapters that belong to a model which there is', async () => {
    const lora = ['--set', 'strategies.lora.rank=2', '--set', 'optimizer.lr=0.01']
    expect(run('adapted', ...lora, '--set', 'model.width=8', '--set', 'model.depth=1', '--set', 'model.heads=2').code).toBe(0)
    const { code, err } = run('again', ...lora, '--model', join(root, 'adapted', 'adapter'))
    expect(code, err).toBe(0)
    const [adapter, exported] = [join(root, 'again', 'adapter'), join(root, 'exported')]
    // the same from the checkpoint, of a run that was stopped before it wrote anything
    rmSync(join(root, 'again', 'base'), { recursive: true })
    const words = [program('train/cli/dinograph.ts'), 'hf', 'export', '--run', join(root, 'again'), '--adapter', '--out', exported]
    expect(spawnSync(process.execPath, words, { encoding: 'utf8' }).status).toBe(0)
    const whole = right(await readBackbone(join(root, 'again', 'huggingface'))()).weights
    for (const folder of [adapter, exported]) {
      expect(JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))).toMatchObject({
        base_model_name_or_path: join(root, 'again', 'base'),
      })
      const own = right(await readModel(folder)()).weights
      for (const [path, values] of whole) expectClose(own.get(path) ?? [], values, 1e-6, path)
    }
  })
  it('explains a model that is not there', () => {
    const { code, err } = run('none', '--model', join(root, 'nothing'))
    expect(code).toBe(1)
    expect(err).toContain('found:   nothing')
  })
})

const settingsOf = (m: Vit): Network => {
  const decoded = networkSettings.with(networkOf(m.options)).decode({})
  if (E.isLeft(decoded)) throw new Error('settings that are refused')
  return decoded.right
}

describe('how a network sees images', () => {
  const folderOf = (name: string, text: string): string => {
    const folder = join(root, name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'preprocessor_config.json'), text)
    return folder
  }
  it('is the crop, or the size, with statistics for values in 0..1', async () => {
    const cropped = folderOf(
      'cropped',
      JSON.stringify({
        size: { shortest_edge: 256 },
        do_center_crop: true,
        crop_size: { height: 224, width: 200 },
        image_mean: [0.5],
        image_std: [0.25],
      }),
    )
    expect(right(await viewAt(cropped, 8)())).toEqual(O.some({ size: 200, mean: [0.5], std: [0.25] }))
    // x * 255 / 127.5 - 1, as some processors have it
    const wide = folderOf('wide', JSON.stringify({ size: 32, rescale_factor: 1 / 127.5, image_mean: [1, 1, 1], image_std: [1, 1, 1] }))
    expect(right(await viewAt(wide, 8)())).toEqual(O.some({ size: 32, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }))
    expect(right(await viewAt(folderOf('plain', JSON.stringify({ do_normalize: false, do_resize: false })), 8)())).toEqual(
      O.some({ size: 8, mean: [0], std: [1] }),
    )
  })
  it('of a run lies in its exported folder; where there is none, nothing is known', async () => {
    folderOf('run/huggingface', JSON.stringify({ size: 16, image_mean: [0.1], image_std: [0.2] }))
    expect(right(await viewAt(join(root, 'run'), 8)())).toEqual(O.some({ size: 16, mean: [0.1], std: [0.2] }))
    expect(right(await viewAt(join(root, 'nowhere'), 8)())).toEqual(O.none)
  })
  it('that makes no sense is explained', async () => {
    expect(left(await viewAt(folderOf('wrong', JSON.stringify({ size: 16, image_std: [0] })), 8)()).place).toContain('image_std')
  })
})

describe('the settings of a backbone', () => {
  it.each(Object.entries(backbones))('%s make it again', (_, m) => {
    const again = backboneOf(settingsOf(m), { maskToken: m.options.maskToken }).options
    expect(vit(again).params).toEqual(m.params)
    expect([again.eps, again.heads, again.maskKeyBias, again.norm]).toEqual([
      m.options.eps,
      m.options.heads,
      m.options.maskKeyBias,
      m.options.norm,
    ])
  })
  it('are read from a folder', async () => {
    const folder = right(await writeInitial(join(root, 'dinov2'), backbones.dinov2_with_registers, 1)())
    expect(right(await optionsAt(folder)())).toMatchObject({ width: 8, depth: 2, heads: 2, registers: 3, image: 12 })
  })
})
