/** A file of official names says nothing of pictures: the processor that lies beside it does, as what is exported has it. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { forms } from '../../train/exchange/huggingface/forms.ts'
import { writeOfficialPyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { readModel, readPyramid } from '../../train/exchange/model.ts'
import { preprocessorOfCrops } from '../../train/exchange/preprocess.ts'
import { right, some } from '../data/either.ts'
import { wave } from '../support/tensor.ts'
import { backbones, temporary, weightsOf } from './backbones.ts'

const at = temporary()
const preprocessor = preprocessorOfCrops({ size: 20, mean: [0.1, 0.2, 0.3], std: [1, 1, 1] })
const said = 'pictures are seen as the preprocessor_config.json beside the file says'

it('of a Vision Transformer, whose rotary positions know no size', async () => {
  const model = backbones.dinov3_vit
  right(await forms.official(at('vit'), { preprocessor })({ model, weights: weightsOf(model) })())
  const file = join(at('vit'), 'official.safetensors')
  const found = right(await readModel(file)())
  expect(found.preprocessor).toEqual(preprocessor)
  expect(found.notes).toContain(said)
  rmSync(join(at('vit'), 'preprocessor_config.json'))
  const alone = right(await readModel(file)())
  expect(alone.preprocessor).toBe(undefined)
  expect(alone.notes).not.toContain(said)
})

it('of a backbone with stages', async () => {
  const model = swins.pyramid({ width: 4, depths: [2, 1], heads: [1, 2], patch: 2, window: 3, image: 12 })
  const weights = new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))
  right(await writeOfficialPyramid(at('swin'), { preprocessor })({ model, weights })())
  const found = some(right(await readPyramid(join(at('swin'), 'official.safetensors'))()))
  expect(found.preprocessor).toEqual(preprocessor)
  expect(found.notes).toContain(said)
})
