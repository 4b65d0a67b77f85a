/** The released backbones: parameters to the unit, what Hugging Face's files hold of them, and the official names. */
import { describe, expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { parameterCount } from '../../models/count.ts'
import { gatedWidth } from '../../models/swiglu.ts'
import { hiddenWidth } from '../../models/ffn.ts'
import { storedCount, writingPlan } from '../../models/huggingface/names.ts'
import { typeOf } from '../../models/huggingface/config.ts'
import { vitV2, vitV3 } from '../../models/presets.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'

const names = (m: Vit): ReadonlyArray<string> => declarations(m.params).map(([path]) => path)

describe('parameters of', () => {
  it.each([
    ['v2 S/14', vitV2.small(), 22_056_576],
    ['v2 S/14, registers', vitV2.small({ registers: 4 }), 22_058_112],
    ['v2 B/14', vitV2.base(), 86_580_480],
    ['v2 B/14, registers', vitV2.base({ registers: 4 }), 86_583_552],
    ['v2 L/14', vitV2.large(), 304_368_640],
    ['v2 L/14, registers', vitV2.large({ registers: 4 }), 304_372_736],
    ['v2 g/14', vitV2.giant(), 1_136_480_768],
    ['v2 g/14, registers', vitV2.giant({ registers: 4 }), 1_136_480_768 + 4 * 1536],
    ['v3 S/16', vitV3.small(), 21_601_152],
    ['v3 S+/16', vitV3.smallPlus(), 28_697_472],
    ['v3 B/16', vitV3.base(), 85_669_632],
    ['v3 L/16', vitV3.large(), 303_154_176],
    // of the two sizes that were not released, by the same sum of tensors
    ['v3 L+/16', vitV3.largePlus(), 403_915_776],
    ['v3 so400m/16', vitV3.so400m(), 415_411_200],
    ['v3 H+/16', vitV3.hugePlus(), 840_633_600],
    ['v3 7B/16', vitV3.huge7B({ localNorm: false }), 6_716_035_072],
    ['v3 7B/16, local norm', vitV3.huge7B(), 6_716_035_072 + 8_192],
  ])('%s', (_, m, n) => {
    expect(parameterCount(m.params)).toBe(n)
  })
  it.each([
    ['S/16', vitV3.small(), 21_596_544],
    ['S+/16', vitV3.smallPlus(), 28_692_864],
    ['B/16', vitV3.base(), 85_660_416],
    ['L/16', vitV3.large(), 303_129_600],
    ['H+/16', vitV3.hugePlus(), 840_592_640],
    ['7B/16, which has none, without its local norm', vitV3.huge7B(), 6_716_035_072],
  ])('v3 %s as Hugging Face stores it, without biases of keys', (_, m, n) => {
    expect(storedCount(writingPlan('dinov3_vit', m.options))).toBe(n)
  })
  it('v1 and v2 as Hugging Face stores them: all, and beside v1 the pooler that ViTModel has', () => {
    expect(storedCount(writingPlan('vit', vit.base().options))).toBe(85_798_656 + 768 * 769)
    expect(storedCount(writingPlan('dinov2', vitV2.giant().options))).toBe(1_136_480_768)
    expect(storedCount(writingPlan('dinov2_with_registers', vitV2.large({ registers: 4 }).options))).toBe(304_372_736)
  })
})

describe('hidden widths', () => {
  it('are those of the released models', () => {
    expect([
      hiddenWidth('mlp', 1152, 3.777777778),
      hiddenWidth('swiglu-fused', 1536, 4),
      hiddenWidth('swiglu', 384, 6),
      hiddenWidth('swiglu', 1280, 6),
      hiddenWidth('swiglu64', 4096, 3),
      hiddenWidth('swiglu', 1024, 4),
      hiddenWidth('swiglu', 1024, 6),
    ]).toEqual([4352, 4096, 1536, 5120, 8192, 2736, 4096])
  })
  it('are two thirds, aligned upwards', () => {
    expect([8, 32, 64, 128].map((align) => gatedWidth(128, align))).toEqual([88, 96, 128, 128])
  })
})

describe('names', () => {
  it('of DINOv2 are the official ones, in the official order', () => {
    expect(
      names(
        vit({
          generation: 2,
          patch: 14,
          image: 28,
          width: 8,
          depth: 1,
          heads: 2,
          ffn: 'swiglu-fused',
          registers: 4,
          layerScale: 1,
          maskToken: true,
        }),
      ),
    ).toEqual([
      'cls_token',
      'pos_embed',
      'register_tokens',
      'mask_token',
      'patch_embed.proj.weight',
      'patch_embed.proj.bias',
      'blocks.0.norm1.weight',
      'blocks.0.norm1.bias',
      'blocks.0.attn.qkv.weight',
      'blocks.0.attn.qkv.bias',
      'blocks.0.attn.proj.weight',
      'blocks.0.attn.proj.bias',
      'blocks.0.ls1.gamma',
      'blocks.0.norm2.weight',
      'blocks.0.norm2.bias',
      'blocks.0.mlp.w12.weight',
      'blocks.0.mlp.w12.bias',
      'blocks.0.mlp.w3.weight',
      'blocks.0.mlp.w3.bias',
      'blocks.0.ls2.gamma',
      'norm.weight',
      'norm.bias',
    ])
  })
  it('of DINOv3 are the official ones, buffers left out', () => {
    const m = vit({
      generation: 3,
      patch: 16,
      width: 8,
      depth: 1,
      heads: 2,
      ffn: 'swiglu32',
      norm: 'rms',
      registers: 1,
      position: { kind: 'rope' },
      untiedNorms: true,
      localNorm: true,
      qkvBias: false,
      ffnBias: false,
      projBias: false,
      maskToken: true,
    })
    expect(names(m)).toEqual([
      'cls_token',
      'storage_tokens',
      'mask_token',
      'patch_embed.proj.weight',
      'patch_embed.proj.bias',
      'blocks.0.norm1.weight',
      'blocks.0.attn.qkv.weight',
      'blocks.0.attn.proj.weight',
      'blocks.0.norm2.weight',
      'blocks.0.mlp.w1.weight',
      'blocks.0.mlp.w2.weight',
      'blocks.0.mlp.w3.weight',
      'norm.weight',
      'cls_norm.weight',
      'local_cls_norm.weight',
    ])
  })
})

describe('presets', () => {
  it('are written as what they were released as', () => {
    expect([vit.small(), vitV2.small(), vitV2.small({ registers: 4 }), vitV3.small()].map((m) => typeOf(m.options))).toEqual([
      'vit',
      'dinov2',
      'dinov2_with_registers',
      'dinov3_vit',
    ])
  })
  it('take any channels and any size', () => {
    const m = vitV2.small({ channels: 1, image: 56, registers: 2 })
    expect(m.params.patch_embed.proj.weight.shape).toEqual([384, 1, 14, 14])
    expect(m.params.pos_embed?.shape).toEqual([1, 17, 384])
  })
})
