/** The options that a `config.json` of Hugging Face's ViTs means; its keys are in `keys.ts` (transformers `configuration_*.py`). */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Misuse } from '../../core/expr.ts'
import { hiddenWidth } from '../ffn.ts'
import type { Position, VitOptions } from '../options.ts'
import { above } from './codec.ts'
import type { Dialect } from './dialect.ts'
import { positions } from './dialect.ts'
import type { HuggingFaceConfig } from './keys.ts'
import type { HuggingFaceType } from './types.ts'

const refuse = (allowed: string): Either<Misuse, never> =>
  E.left({ allowed, remedy: 'choose another model, or change config.json if it is wrong' })

/** The one side of a square. */
const square = (key: string, s: number | ReadonlyArray<number> | undefined, otherwise: number): Either<Misuse, number> => {
  if (s === undefined) return E.right(otherwise)
  if (typeof s === 'number') return E.right(s)
  return s.length > 0 && s.every((n) => n === s[0]) ? E.right(s[0]) : refuse(`a square ${key} (found: ${s.join(' x ')})`)
}

const given = <K extends string>(key: K, x: number | null | undefined): { readonly [_ in K]?: number } => {
  const out: { [_ in K]?: number } = {}
  if (typeof x === 'number') out[key] = x
  return out
}

type Common = Pick<VitOptions, 'width' | 'depth' | 'heads' | 'dropPath' | 'dropPathRule' | 'channels'> & {
  readonly patch: number
  readonly image: number
}

const vitOptions = (c: HuggingFaceConfig, common: Common, dialect: Dialect): VitOptions => ({
  ...common,
  generation: 1,
  hidden: c.intermediate_size ?? 3072,
  qkvBias: c.qkv_bias ?? true,
  eps: c.layer_norm_eps ?? 1e-12,
  position: positions.vit[dialect],
})

const dinov2Options = (c: HuggingFaceConfig, type: 'dinov2' | 'dinov2_with_registers', common: Common, dialect: Dialect): VitOptions => {
  const ffn = c.use_swiglu_ffn === true ? 'swiglu-fused' : 'mlp'
  return {
    ...common,
    generation: 2,
    ffn,
    hidden: hiddenWidth(ffn, common.width, c.mlp_ratio ?? 4),
    qkvBias: c.qkv_bias ?? true,
    eps: c.layer_norm_eps ?? 1e-6,
    layerScale: c.layerscale_value ?? 1,
    maskToken: c.use_mask_token ?? true,
    dropPathForm: 'subset',
    wholePatches: dialect === 'official',
    registers: type === 'dinov2' ? 0 : (c.num_register_tokens ?? 4),
    position: positions[type][dialect],
  }
}

/** All bases of rotary periods that a configuration names, wherever newer versions put them. Left: another rule for periods. */
const ropeBase = (c: HuggingFaceConfig): Either<Misuse, number> => {
  const found = new Set<unknown>(c.rope_theta === undefined ? [] : [c.rope_theta])
  const strange: string[] = []
  const walk = (r: Readonly<Record<string, unknown>>): void => {
    for (const [key, v] of Object.entries(r)) {
      if (key === 'rope_theta') found.add(v)
      else if (t.UnknownRecord.is(v)) walk(v)
      else if (
        !((key === 'rope_type' || key === 'type') && v === 'default') &&
        !(['factor', 'partial_rotary_factor'].includes(key) && v === 1)
      )
        strange.push(`${key}: ${JSON.stringify(v)}`)
    }
  }
  for (const r of [c.rope_parameters, c.rope_scaling]) if (r !== undefined) walk(r)
  const [base = 100] = found
  if (strange.length > 0) return refuse(`rotary periods of the type default (found: ${strange.join(', ')})`)
  if (found.size > 1) return refuse(`one rope_theta (found: ${[...found].join(' and ')})`)
  return above(0).is(base) ? E.right(base) : refuse(`a rope_theta above 0 (found: ${JSON.stringify(base)})`)
}

const dinov3Options = (c: HuggingFaceConfig, common: Common): Either<Misuse, VitOptions> => {
  const [query, key, value] = [c.query_bias ?? true, c.key_bias ?? false, c.value_bias ?? true]
  const gated = c.use_gated_mlp ?? false
  if ((common.width / common.heads) % 4 !== 0)
    return refuse(`heads whose width is a multiple of 4, as rotary positions need (found: ${common.width / common.heads})`)
  const base = ropeBase(c)
  if (E.isLeft(base)) return base
  return E.right({
    ...common,
    generation: 3,
    ffn: gated ? 'swiglu' : 'mlp',
    hidden: c.intermediate_size ?? 1536,
    qkvBias: query || key || value,
    maskKeyBias: (query || value) && !key,
    projBias: c.proj_bias ?? true,
    ffnBias: c.mlp_bias ?? true,
    eps: c.layer_norm_eps ?? 1e-5,
    layerScale: c.layerscale_value ?? 1,
    maskToken: true,
    registers: c.num_register_tokens ?? 0,
    dropPathForm: 'subset',
    position: {
      kind: 'rope',
      periods: { base: base.right },
      ...given('shift', c.pos_embed_shift),
      ...given('jitter', c.pos_embed_jitter),
      ...given('rescale', c.pos_embed_rescale === undefined ? 2 : c.pos_embed_rescale),
    },
  })
}

/**
 * Of the layers to queries and values those without a bias, where others have one: they are one layer here, and zeros stand for what it
 * lacks. Keys without one are an option of their own.
 */
export const unbiased = (c: HuggingFaceConfig): ReadonlyArray<string> => {
  const [query, key, value] = [c.query_bias ?? true, c.key_bias ?? false, c.value_bias ?? true]
  return c.model_type !== 'dinov3_vit' || !(query || key || value) ? [] : [...(query ? [] : ['q_proj']), ...(value ? [] : ['v_proj'])]
}

const learnedAt = ({ offset, antialias }: { readonly offset: number; readonly antialias: boolean }): Position => ({
  kind: 'learned',
  offset,
  ...(antialias ? { antialias } : {}),
})

/** transformers' names of the exact GELU, and of SiLU. */
const functions: Readonly<Record<'gelu' | 'silu', ReadonlyArray<string>>> = { gelu: ['gelu', 'gelu_python'], silu: ['silu', 'swish'] }

/**
 * Whether the activation is one that the blocks have: DINOv2's gated half is SiLU whatever a configuration says, and a class' default is
 * GELU, gated or not.
 */
const activationOf = (c: HuggingFaceConfig): Either<Misuse, unknown> => {
  if (c.model_type.startsWith('dinov2') && c.use_swiglu_ffn === true) return E.right(undefined)
  const wanted = c.model_type === 'dinov3_vit' && c.use_gated_mlp === true ? 'silu' : 'gelu'
  const found = c.hidden_act ?? 'gelu'
  return functions[wanted].includes(found)
    ? E.right(found)
    : refuse(`hidden_act ${wanted} (found: ${found}${c.hidden_act === undefined ? ', the default of its class' : ''})`)
}

const base = { width: 768, depth: 12 }

/** What the classes have by default. */
const usual: Readonly<Record<HuggingFaceType, Pick<Common, 'width' | 'depth' | 'patch'>>> = {
  vit: { ...base, patch: 16 },
  dinov2: { ...base, patch: 14 },
  dinov2_with_registers: { ...base, patch: 16 },
  dinov3_vit: { width: 384, depth: 12, patch: 16 },
}

/**
 * The options of the backbone that a config describes, positions read as transformers does, or as the config or `dialect` says. Left:
 * what it asks for that our blocks do not have.
 */
export const optionsOf = (c: HuggingFaceConfig, dialect?: Dialect): Either<Misuse, VitOptions> => {
  const type = c.model_type
  const { hidden_size: width = usual[type].width, num_hidden_layers: depth = usual[type].depth, num_attention_heads: heads } = c
  const patch = square('patch_size', c.patch_size, usual[type].patch)
  if (E.isLeft(patch)) return patch
  const image = square('image_size', c.image_size, 224)
  if (E.isLeft(image)) return image
  if (image.right < patch.right) return refuse(`an image_size of at least one patch (found: ${image.right} for patches of ${patch.right})`)
  if (width % heads !== 0) return refuse(`num_attention_heads that divide hidden_size (found: ${heads} for ${width})`)
  const activation = activationOf(c)
  if (E.isLeft(activation)) return activation
  const common: Common = {
    width,
    depth,
    heads,
    patch: patch.right,
    image: image.right,
    channels: c.num_channels ?? 3,
    dropPath: c.drop_path_rate ?? 0,
    dropPathRule: 'uniform',
  }
  const rule = dialect ?? 'huggingface'
  const own = (o: VitOptions): VitOptions =>
    dialect === undefined && c.position_interpolation !== undefined ? { ...o, position: learnedAt(c.position_interpolation) } : o
  switch (type) {
    case 'vit':
      return E.right(own(vitOptions(c, common, rule)))
    case 'dinov2':
    case 'dinov2_with_registers':
      return E.right(own(dinov2Options(c, type, common, rule)))
    case 'dinov3_vit':
      return dinov3Options(c, common)
  }
}
