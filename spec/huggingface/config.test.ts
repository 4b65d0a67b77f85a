/** config.json both ways: what is read is what was written, defaults of the classes, and what is refused. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { decodeAs } from '../../data/formats/codec.ts'
import { configOf, typeOf } from '../../models/huggingface/config.ts'
import { optionsOf } from '../../models/huggingface/options.ts'
import type { HuggingFaceConfig } from '../../models/huggingface/keys.ts'
import { configCodec } from '../../models/huggingface/keys.ts'
import type { HuggingFaceType } from '../../models/huggingface/types.ts'
import type { VitOptions } from '../../models/options.ts'
import { fullOptions } from '../../models/options.ts'
import { vitV2, vitV3 } from '../../models/presets.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { left, right } from '../data/either.ts'
import { backbones } from './backbones.ts'

const decoded = (u: unknown): HuggingFaceConfig => right(decodeAs(configCodec, 'data', 'config.json', 'correct it')(u))
const read = (u: Readonly<Record<string, unknown>>): VitOptions => {
  const o = optionsOf(decoded({ hidden_size: 384, num_hidden_layers: 12, num_attention_heads: 6, ...u }))
  return E.isRight(o) ? o.right : expect.fail(o.left.allowed)
}
const written = (type: HuggingFaceType, m: Vit): Readonly<Record<string, unknown>> => {
  const c = configOf(type, m.options)
  return E.isRight(c) ? c.right : expect.fail(c.left.allowed)
}

describe('a config that was written', () => {
  const presets: Readonly<Record<string, Vit>> = {
    ...backbones,
    small: vit.small(),
    giant: vitV2.giant(),
    reg: vitV2.small({ registers: 4 }),
    plus: vitV3.smallPlus(),
    so400m: vitV3.so400m(),
    huge7B: vitV3.huge7B({ localNorm: false }),
    grey: vitV3.base({ channels: 1, position: { kind: 'rope', periods: { base: 50 }, shift: 0.1 } }),
  }
  it.each(Object.entries(presets))('of %s says the same backbone again', (_, m) => {
    const again = fullOptions(
      right(E.mapLeft(() => expect.fail('refused'))(optionsOf(decoded(JSON.parse(JSON.stringify(written(typeOf(m.options), m))))))),
    )
    const comparable = (o: Vit['options']): unknown => ({
      ...o,
      maskKeyBias: o.qkvBias && o.maskKeyBias,
      dropPathForm: '',
      dropPathRule: '',
      layerScale: o.layerScale === undefined ? 'none' : 'some',
      wholePatches: '',
      ffn: o.ffn.startsWith('swiglu') ? 'gated' : o.ffn,
    })
    expect(comparable(again)).toEqual(comparable(m.options))
  })
  it('says what transformers looks for', () => {
    expect(written('dinov3_vit', vitV3.smallPlus())).toMatchObject({
      architectures: ['DINOv3ViTModel'],
      model_type: 'dinov3_vit',
      hidden_act: 'silu',
      use_gated_mlp: true,
      intermediate_size: 1536,
      query_bias: true,
      key_bias: false,
      value_bias: true,
      num_register_tokens: 4,
      rope_theta: 100,
      pos_embed_rescale: 2,
      pos_embed_shift: null,
      pos_embed_jitter: null,
      layer_norm_eps: 1e-5,
    })
    expect(written('dinov2', vitV2.giant())).toMatchObject({
      mlp_ratio: 4,
      use_swiglu_ffn: true,
      image_size: 518,
      patch_size: 14,
      layer_norm_eps: 1e-6,
      out_features: ['stage40'],
    })
    expect(written('dinov3_vit', vitV3.huge7B())).toMatchObject({
      query_bias: false,
      key_bias: false,
      value_bias: false,
      intermediate_size: 8192,
    })
  })
})

describe('what a config leaves out', () => {
  it('is the default of its class', () => {
    expect(read({ model_type: 'vit' })).toMatchObject({ patch: 16, image: 224, eps: 1e-12, channels: 3 })
    expect(read({ model_type: 'dinov2' })).toMatchObject({
      patch: 14,
      eps: 1e-6,
      layerScale: 1,
      registers: 0,
      maskToken: true,
      hidden: 1536,
    })
    expect(read({ model_type: 'dinov2_with_registers' })).toMatchObject({ patch: 16, registers: 4, eps: 1e-6 })
    expect(read({ model_type: 'dinov3_vit' })).toMatchObject({
      patch: 16,
      registers: 0,
      eps: 1e-5,
      hidden: 1536,
      position: { kind: 'rope', periods: { base: 100 }, rescale: 2 },
    })
    expect(read({ model_type: 'dinov3_vit', pos_embed_rescale: null }).position).toEqual({ kind: 'rope', periods: { base: 100 } })
  })
  it('may be a side as height and width, and keys that nobody knows are passed over', () => {
    expect(read({ model_type: 'dinov2', patch_size: [7, 7], image_size: [98, 98], new_field: {} })).toMatchObject({ patch: 7, image: 98 })
  })
})

describe('null', () => {
  it('means absent for every key, but where the class gives it a meaning', () => {
    const all = Object.fromEntries(Object.keys(written('dinov3_vit', vitV3.smallPlus())).map((key) => [key, null]))
    expect(read({ ...all, model_type: 'dinov3_vit', hidden_size: 384, num_hidden_layers: 12, num_attention_heads: 6 })).toEqual(
      read({ model_type: 'dinov3_vit', pos_embed_rescale: null }),
    )
    expect(read({ model_type: 'dinov3_vit', rope_theta: null, pos_embed_rescale: null }).position).toEqual({
      kind: 'rope',
      periods: { base: 100 },
    })
  })
})

describe('rotary periods', () => {
  const base = (u: Readonly<Record<string, unknown>>): unknown => read({ model_type: 'dinov3_vit', pos_embed_rescale: null, ...u }).position
  it('are read wherever newer versions put them', () => {
    for (const u of [
      { rope_parameters: { rope_theta: 10000, rope_type: 'default' } },
      { rope_theta: 10000, rope_parameters: { rope_theta: 10000 } },
      { rope_parameters: { full_attention: { rope_theta: 10000 } } },
      { rope_theta: 10000, rope_scaling: null },
    ])
      expect(base(u)).toEqual({ kind: 'rope', periods: { base: 10000 } })
  })
  it.each([
    [{ rope_theta: 100, rope_parameters: { rope_theta: 10000 } }, 'one rope_theta (found: 100 and 10000)'],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, 'type: "linear", factor: 2'],
    [{ rope_parameters: { rope_theta: -1 } }, 'a rope_theta above 0'],
    [{ num_attention_heads: 192 }, 'heads whose width is a multiple of 4'],
  ])('%j is refused', (u, allowed) => {
    const o = optionsOf(decoded({ hidden_size: 384, num_hidden_layers: 12, num_attention_heads: 6, model_type: 'dinov3_vit', ...u }))
    expect(E.isLeft(o) ? o.left.allowed : '').toContain(allowed)
  })
})

describe('activations', () => {
  it.each([
    [{ model_type: 'dinov2', hidden_act: 'gelu_python' }, true],
    [{ model_type: 'dinov2', use_swiglu_ffn: true, hidden_act: 'silu' }, true],
    [{ model_type: 'dinov2', hidden_act: 'silu' }, false],
    [{ model_type: 'dinov3_vit', use_gated_mlp: true, hidden_act: 'silu' }, true],
    [{ model_type: 'dinov3_vit', use_gated_mlp: true }, false],
    [{ model_type: 'vit', hidden_act: 'quick_gelu' }, false],
  ])('of %j', (u, good) => {
    expect(E.isRight(optionsOf(decoded({ hidden_size: 384, num_hidden_layers: 12, num_attention_heads: 6, ...u })))).toBe(good)
  })
})

describe('what is refused', () => {
  const sizes = { hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 1 }
  it.each([
    [{ ...sizes, model_type: 'resnet' }, 'config.json: model_type', '"resnet"'],
    // by what it is, not by a key that only its own type has
    [{ model_type: 'swinv2', embed_dim: 96, window_size: 8, depths: [2, 2, 6, 2] }, 'config.json: model_type', '"swinv2"'],
    [{ ...sizes, model_type: 'vit', hidden_size: 'wide' }, 'config.json: hidden_size', '"wide"'],
    [{ model_type: 'vit', hidden_size: 8, num_hidden_layers: 1 }, 'config.json: num_attention_heads', 'nothing'],
    [{ ...sizes, model_type: 'vit', num_attention_heads: 0 }, 'config.json: num_attention_heads', '0'],
    [{ ...sizes, model_type: 'vit', num_hidden_layers: 1e7 }, 'config.json: num_hidden_layers', '10000000'],
    [{ ...sizes, model_type: 'vit', hidden_size: -4 }, 'config.json: hidden_size', '-4'],
    [{ ...sizes, model_type: 'vit', layer_norm_eps: -1 }, 'config.json: layer_norm_eps', '-1'],
    [{ ...sizes, model_type: 'vit', attention_scaling: 2 }, 'config.json: attention_scaling', '2'],
    [{ ...sizes, model_type: 'vit', image_size: 'wide' }, 'config.json: image_size', '"wide"'],
  ])('%j', (config, place, found) => {
    expect(left(decodeAs(configCodec, 'data', 'config.json', '')(config))).toMatchObject({ place, found })
  })
  it.each([
    [{ model_type: 'vit', hidden_act: 'relu' }, 'hidden_act gelu (found: relu)'],
    [{ model_type: 'vit', num_attention_heads: 3 }, 'num_attention_heads that divide hidden_size (found: 3 for 8)'],
    [{ model_type: 'dinov2', image_size: [28, 56] }, 'a square image_size (found: 28 x 56)'],
  ])('%j', (u, allowed) => {
    const o = optionsOf(decoded({ ...sizes, ...u }))
    expect(E.isLeft(o) ? o.left.allowed : '').toContain(allowed)
  })
  it.each([
    ['dinov3_vit', vit({ patch: 4, width: 8, depth: 1, heads: 2, norm: 'rms', position: { kind: 'rope' } }), 'RMS'],
    ['dinov3_vit', vit({ patch: 4, width: 8, depth: 1, heads: 2, untiedNorms: true, position: { kind: 'rope' } }), 'untied'],
    ['dinov3_vit', vit({ patch: 4, width: 8, depth: 1, heads: 2, position: { kind: 'rope', normalize: 'max' } }), 'own axis'],
    ['dinov3_vit', backbones.vit, 'rotary positions'],
    ['vit', backbones.dinov2, 'no LayerScale'],
    ['dinov2', backbones.dinov2_with_registers, 'no registers'],
  ] as const)('a %s cannot say everything', (type, m, allowed) => {
    const c = configOf(type, m.options)
    expect(E.isLeft(c) ? c.left.allowed : '').toContain(allowed)
  })
})
