/** Folders of swin: written and read again; channels; what is wrong, by name. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import { storedCount } from '../../models/huggingface/names.ts'
import { swinPlan } from '../../models/huggingface/swin.ts'
import { swin } from '../../models/swin.ts'
import { isSwin, readSwin, writeSwin } from '../../train/exchange/huggingface/swin.ts'
import { left, right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'
import { temporary } from './backbones.ts'

const at = temporary()
const model = swin({ width: 4, depths: [2, 1], heads: [1, 2], patch: 2, window: 3, image: 12 })
const weights = new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))

it('a folder gives back every weight, in one file or in shards', async () => {
  right(await writeSwin(at('one'))({ model, weights })())
  right(await writeSwin(at('shards'), { shard: 1500 })({ model, weights })())
  for (const folder of [at('one'), at('shards')]) {
    const b = right(await readSwin(folder)())
    expect(b.weights).toEqual(weights)
    expect(b.model.options).toEqual(model.options)
  }
  expect(right(await isSwin(at('one'))())).toBe(true)
  expect(right(await isSwin(at('nowhere'))())).toBe(false)
})

it('holds the numbers of the released Swin-T', () => {
  expect(storedCount(swinPlan(swin.tiny().options))).toBe(27_519_354)
})

it('is adapted to other channels and to masks, and says so', async () => {
  right(await writeSwin(at('adapted'))({ model, weights })())
  const { notes, weights: w } = right(await readSwin(at('adapted'), { change: { channels: 1, maskToken: true } })())
  expect(notes).toEqual(['mask_token begins anew: the source has none', 'patch_embed.proj.weight: 3 channels became 1 by the rule "sum"'])
  expect(w.get('patch_embed.proj.weight')?.length).toBe(4 * 4)
})

it('names what is missing', async () => {
  right(await writeSwin(at('missing'))({ model, weights })())
  const file = join(at('missing'), 'model.safetensors')
  const tensors = new Map(right(await readSafetensors(file)()).tensors)
  tensors.delete('encoder.layers.0.downsample.norm.bias')
  right(await writeSafetensors(file)({ tensors, metadata: {} })())
  expect(left(await readSwin(at('missing'))()).found).toBe('1 missing tensor(s): encoder.layers.0.downsample.norm.bias')
})
