/**
 * A backbone as a state dict: by the official names of DINO, DINOv2 and DINOv3, or by timm's (`vision_transformer.py`, `eva.py`). The
 * reverse of official.ts.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Misuse } from '../../core/expr.ts'
import { declarations } from '../../core/model.ts'
import type { Shape } from '../../core/type.ts'
import { sizeOf } from '../../core/type.ts'
import type { FullOptions } from '../options.ts'
import { gridOf } from '../options.ts'
import { ropePeriods } from '../rope.ts'
import { vit } from '../vit.ts'

/** A tensor of a state dict. */
export interface StateTensor {
  readonly shape: Shape
  readonly values: Float32Array
}

/** Tensors by name, in the order of the model. */
type State = ReadonlyMap<string, StateTensor>

/** The weights of a backbone, by the official names that it flattens to. */
type Weights = ReadonlyMap<string, Float32Array>

const plain = (o: FullOptions, weights: Weights): Map<string, StateTensor> =>
  new Map(
    declarations(vit(o).params).map(([name, { shape }]) => [name, { shape, values: weights.get(name) ?? new Float32Array(sizeOf(shape)) }]),
  )

/** Ones, and zeros where keys have their share. */
const keyMask = (width: number): Float32Array => Float32Array.from({ length: 3 * width }, (_, i) => (Math.floor(i / width) === 1 ? 0 : 1))

/**
 * Official names, with the buffers that the official modules have: `rope_embed.periods` [d/4] of heads of width d, and `bias_mask` of keys
 * without a bias (dinov3 `layers/rope_position_encoding.py`, `layers/attention.py`).
 */
export const officialState = (o: FullOptions, weights: Weights): State => {
  const out = plain(o, weights)
  if (o.maskKeyBias)
    for (let i = 0; i < o.depth; i++) out.set(`blocks.${i}.attn.qkv.bias_mask`, { shape: [3 * o.width], values: keyMask(o.width) })
  if (o.position.kind === 'rope') {
    const periods = ropePeriods(o.position, o.width / o.heads)
    out.set('rope_embed.periods', { shape: [periods.length], values: Float32Array.from(periods) })
  }
  return out
}

/** A state dict of timm, and what its `config.json` has to say for `timm.create_model('local-dir:…')` to make the model. */
export interface TimmState {
  readonly tensors: State
  readonly architecture: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** What of the backbone has no place there. */
  readonly left: ReadonlyArray<string>
}

const noPlace = (what: string): Either<Misuse, never> =>
  E.left({ allowed: `${what} has no place in timm's models`, remedy: 'write it with --format huggingface or --format official' })

type Rename = readonly [pattern: RegExp, to: string]

const learnedNames: ReadonlyArray<Rename> = [
  [/^register_tokens$/, 'reg_token'],
  [/\.mlp\.w12\./, '.mlp.fc1.'],
  [/\.mlp\.w3\./, '.mlp.fc2.'],
]
const rotaryNames: ReadonlyArray<Rename> = [
  [/^(?:storage|register)_tokens$/, 'reg_token'],
  [/\.ls([12])\.gamma$/, '.gamma_$1'],
  [/\.mlp\.w1\./, '.mlp.fc1_g.'],
  [/\.mlp\.w2\./, '.mlp.fc1_x.'],
  [/\.mlp\.w3\./, '.mlp.fc2.'],
]

const renamed =
  (rules: ReadonlyArray<Rename>) =>
  (name: string): string =>
    rules.reduce((n, [pattern, to]) => n.replace(pattern, to), name)

/** Blocks of `vision_transformer.py`: positions are learned; with registers the class token's own is a part of it. */
const learnedState = (o: FullOptions, all: Map<string, StateTensor>): Either<Misuse, TimmState> => {
  if (o.eps !== 1e-6) return noPlace(`an epsilon of ${o.eps} in its norms (they have 1e-6)`)
  if (o.ffn === 'swiglu') return noPlace('a gate that is not packed, beside learned positions,')
  const [cls, positions] = [all.get('cls_token'), all.get('pos_embed')]
  if (o.registers > 0 && cls !== undefined && positions !== undefined) {
    // every token is a sum of itself and its place before the first block: what is added here is not added there
    all.set('cls_token', { shape: cls.shape, values: cls.values.map((v, i) => Math.fround(v + positions.values[i])) })
    const [one, rows, width] = positions.shape
    all.set('pos_embed', { shape: [one, rows - 1, width], values: positions.values.slice(width) })
  }
  const name =
    o.layerScale === undefined ? 'vit_small_patch16_224' : o.registers > 0 ? 'vit_small_patch14_reg4_dinov2' : 'vit_small_patch14_dinov2'
  const gated = o.ffn === 'swiglu-fused'
  return E.right({
    tensors: new Map([...all].map(([n, t]) => [renamed(learnedNames)(n), t])),
    architecture: gated ? 'vit_giant_patch14_reg4_dinov2' : name,
    arguments: {
      img_size: gridOf(o) * o.patch,
      mlp_ratio: (gated ? 2 * o.hidden : o.hidden) / o.width,
      qkv_bias: o.qkvBias,
      init_values: o.layerScale === undefined ? null : 1e-5,
      reg_tokens: o.registers,
      no_embed_class: o.registers > 0,
    },
    left: [],
  })
}

/** Blocks of `eva.py`: positions are rotary, and keys have no bias. */
const rotaryState = (o: FullOptions, all: Map<string, StateTensor>): Either<Misuse, TimmState> => {
  const { position: p } = o
  if (p.kind !== 'rope') return noPlace('a mixture of positions')
  const periods = p.periods ?? { base: 100 }
  if (!('base' in periods)) return noPlace('a range of rotary periods')
  if (p.normalize !== undefined && p.normalize !== 'separate') return noPlace(`rotary positions divided by the ${p.normalize} side`)
  if (o.eps !== 1e-5) return noPlace(`an epsilon of ${o.eps} in its norms (they have 1e-5)`)
  if (o.ffn === 'swiglu-fused') return noPlace('a packed gate, beside rotary positions,')
  if (o.layerScale === undefined) return noPlace('a network of rotary positions without LayerScale')
  for (let i = 0; i < o.depth; i++) {
    const [name, third] = [`blocks.${i}.attn.qkv.bias`, o.width]
    const bias = all.get(name)
    if (bias === undefined) continue
    if (!o.maskKeyBias && bias.values.subarray(third, 2 * third).some((v) => v !== 0)) return noPlace('a bias of keys')
    all.delete(name)
    all.set(`blocks.${i}.attn.q_bias`, { shape: [third], values: bias.values.slice(0, third) })
    all.set(`blocks.${i}.attn.v_bias`, { shape: [third], values: bias.values.slice(2 * third) })
  }
  const gated = o.ffn === 'swiglu'
  return E.right({
    tensors: new Map([...all].map(([n, t]) => [renamed(rotaryNames)(n), t])),
    architecture: `vit_small${gated ? '_plus' : ''}_patch16_dinov3${o.qkvBias ? '_qkvb' : ''}`,
    arguments: {
      img_size: gridOf(o) * o.patch,
      mlp_ratio: o.hidden / o.width,
      ...(gated ? { swiglu_align_to: 1 } : {}),
      qkv_bias: o.qkvBias,
      num_reg_tokens: o.registers,
      rope_temperature: periods.base,
    },
    left: [],
  })
}

/** timm's names. Left: what its models cannot say. */
export const timmState = (o: FullOptions, weights: Weights): Either<Misuse, TimmState> => {
  if (o.untiedNorms) return noPlace('a norm of the class token by itself')
  if (o.norm !== 'layer') return noPlace(`${o.norm} norms`)
  if (!o.projBias || !o.ffnBias) return noPlace('a projection without a bias')
  const all = plain(o, weights)
  const left = [...all.keys()].filter((n) => n === 'mask_token' || n.startsWith('local_cls_norm.'))
  for (const n of left) all.delete(n)
  const made = (o.position.kind === 'rope' ? rotaryState : learnedState)(o, all)
  return E.isLeft(made)
    ? made
    : E.right({
        ...made.right,
        left,
        arguments: {
          patch_size: o.patch,
          embed_dim: o.width,
          depth: o.depth,
          num_heads: o.heads,
          in_chans: o.channels,
          global_pool: 'token',
          ...made.right.arguments,
        },
      })
}
