/** LoRA on networks with stages: linear layers are meant by name, wherever they stand, and the function begins unchanged. */
import { describe, expect, it } from 'vitest'
import { dino } from '../../losses/dino.ts'
import { dinov1 } from '../../models/dino.ts'
import { head } from '../../models/head.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import { swins } from '../../models/huggingface/swin.ts'
import type { Pyramid } from '../../models/huggingface/family.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { method } from '../../train/step/method.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import { left, right } from '../data/either.ts'

const objectiveOf = (backbone: Pyramid) =>
  right(
    method({
      backbone,
      pair: dinov1({ backbone, head: head({ in: backbone.width, prototypes: 6, hidden: 5, bottleneck: 4 }) }),
      loss: dino({ prototypes: 6 }),
    }).objective(multiCrop({ images: 2, channels: 1, global: { crops: 2, size: 16 } })),
  )

describe('adapters', () => {
  it.each<readonly [string, Pyramid, ReadonlyArray<string> | string, ReadonlyArray<string>]>([
    [
      'Swin, by name',
      swins.pyramid({ width: 4, depths: [1, 1], heads: [1, 2], patch: 2, window: 3, channels: 1 }),
      ['attn.proj', 'downsample.reduction'],
      ['layers.0.blocks.0.attn.proj', 'layers.0.downsample.reduction', 'layers.1.blocks.0.attn.proj'],
    ],
    [
      'ConvNeXt, by name',
      convnexts.pyramid({ widths: [4, 6], depths: [1, 1], channels: 1 }),
      ['pwconv1'],
      ['stages.0.0.pwconv1', 'stages.1.0.pwconv1'],
    ],
    [
      'ConvNeXt, all linear layers',
      convnexts.pyramid({ widths: [4, 6], depths: [1, 1], channels: 1 }),
      'all-linear',
      ['stages.0.0.pwconv1', 'stages.0.0.pwconv2', 'stages.1.0.pwconv1', 'stages.1.0.pwconv2'],
    ],
  ])('%s', (_, backbone, targets, modules) => {
    const { adapters } = right(lora({ targets, rank: 2 })(objectiveOf(backbone)))
    expect((adapters ?? []).map((a) => a.module.replace(/^backbone\./, '')).sort()).toEqual(modules)
  })

  it('of names that there are not are told which there are', () => {
    const fault = left(lora({ targets: ['attn.qkv'] })(objectiveOf(convnexts.pyramid({ widths: [4, 6], depths: [1, 1], channels: 1 }))))
    expect(`${fault.allowed} ${fault.remedy}`).toContain('pwconv1')
  })
})
