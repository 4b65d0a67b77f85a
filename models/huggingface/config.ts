/** The `config.json` of Hugging Face that says what a backbone is: a record per type (transformers `configuration_*.py`). */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Misuse } from '../../core/expr.ts'
import { hiddenWidth } from '../ffn.ts'
import type { FullOptions } from '../options.ts'
import type { RopeOptions } from '../rope.ts'
import { positions } from './dialect.ts'
import type { HuggingFaceType } from './types.ts'
import { architectures } from './types.ts'

/**
 * The type that can hold a backbone: rotary ones are `dinov3_vit`; what DINO has is `vit`; with registers or without, the rest is DINOv2's.
 */
export const typeOf = (o: FullOptions): HuggingFaceType =>
  o.position.kind === 'rope'
    ? 'dinov3_vit'
    : o.registers > 0
      ? 'dinov2_with_registers'
      : o.generation > 1 || o.layerScale !== undefined || o.ffn !== 'mlp' || o.maskToken
        ? 'dinov2'
        : 'vit'

/** mlp_ratio of DINOv2's config, from which transformers derives the hidden width again. */
const ratioOf = (o: FullOptions): number | undefined => {
  const guess = o.ffn === 'mlp' ? o.hidden / o.width : Math.round((o.hidden * 1.5) / o.width)
  return [guess, guess + 1, guess - 1, (o.hidden * 1.5) / o.width].find((r) => hiddenWidth(o.ffn, o.width, r) === o.hidden)
}

/** What a type cannot say of a backbone, in words; nothing where it can say everything. */
const unsayable = (type: HuggingFaceType, o: FullOptions): string | undefined => {
  const { position } = o
  if (o.norm === 'rms') return 'layer normalisation (this backbone has RMS norms)'
  if (o.untiedNorms) return 'one final norm for all tokens (this backbone has untied norms)'
  if ((type === 'dinov3_vit') !== (position.kind === 'rope')) return type === 'dinov3_vit' ? 'rotary positions' : 'learned positions'
  if (
    position.kind === 'rope' &&
    ((position.periods !== undefined && !('base' in position.periods)) || (position.normalize ?? 'separate') !== 'separate')
  )
    return 'rotary periods from a base, and coordinates divided by their own axis'
  if (type === 'vit' && (o.ffn !== 'mlp' || o.layerScale !== undefined || o.registers > 0)) return 'an MLP, no LayerScale and no registers'
  if (type !== 'dinov3_vit' && o.maskKeyBias && o.qkvBias) return 'key biases that are used'
  if (type === 'dinov2' && o.registers > 0) return 'no registers'
  if ((type === 'dinov2' || type === 'dinov2_with_registers') && (!['mlp', 'swiglu-fused'].includes(o.ffn) || ratioOf(o) === undefined))
    return 'an MLP or a fused SwiGLU whose hidden width follows from a ratio'
  return type === 'dinov3_vit' && o.ffn === 'swiglu-fused'
    ? 'a gated feed-forward half with a matrix for each of gate and value'
    : undefined
}

/** The fields of a config that are no whole numbers by type, whatever their value. */
export const floatFields: ReadonlyArray<string> = [
  'layer_norm_eps',
  'initializer_range',
  'layerscale_value',
  'drop_path_rate',
  'hidden_dropout_prob',
  'attention_probs_dropout_prob',
  'attention_dropout',
  'rope_theta',
  'pos_embed_shift',
  'pos_embed_jitter',
  'pos_embed_rescale',
]

/** How positions are read at other grids, where that is not as transformers does it. */
const interpolationOf = (type: HuggingFaceType, { position: p }: FullOptions): Readonly<Record<string, unknown>> => {
  if (type === 'dinov3_vit' || p.kind !== 'learned') return {}
  const theirs = positions[type].huggingface
  const same = theirs.kind === 'learned' && theirs.offset === p.offset && (theirs.antialias ?? false) === (p.antialias ?? false)
  return same ? {} : { position_interpolation: { offset: p.offset, antialias: p.antialias ?? false } }
}

const stages = (depth: number): ReadonlyArray<string> => ['stem', ...Array.from({ length: depth }, (_, i) => `stage${i + 1}`)]

/** The `config.json` of a backbone. Left: what the type cannot say of it. */
export const configOf = (type: HuggingFaceType, o: FullOptions): Either<Misuse, Readonly<Record<string, unknown>>> => {
  const cannot = unsayable(type, o)
  if (cannot !== undefined)
    return E.left({ allowed: `for ${type}: ${cannot}`, remedy: 'export as another type (--type), or keep it in our own format' })
  const common = {
    architectures: [architectures[type]],
    model_type: type,
    hidden_size: o.width,
    num_hidden_layers: o.depth,
    num_attention_heads: o.heads,
    image_size: o.image,
    patch_size: o.patch,
    num_channels: o.channels,
    layer_norm_eps: o.eps,
    initializer_range: 0.02,
    torch_dtype: 'float32',
    ...interpolationOf(type, o),
  }
  const dropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 }
  const backbone = {
    layerscale_value: 1,
    drop_path_rate: o.dropPath,
    apply_layernorm: true,
    reshape_hidden_states: true,
    stage_names: stages(o.depth),
    out_features: [`stage${o.depth}`],
    out_indices: [o.depth],
  }
  const { position } = o
  switch (type) {
    case 'vit':
      return E.right({
        ...common,
        ...dropout,
        hidden_act: 'gelu',
        intermediate_size: o.hidden,
        qkv_bias: o.qkvBias,
        encoder_stride: o.patch,
      })
    case 'dinov2':
    case 'dinov2_with_registers':
      return E.right({
        ...common,
        ...dropout,
        ...backbone,
        hidden_act: 'gelu',
        mlp_ratio: ratioOf(o),
        use_swiglu_ffn: o.ffn !== 'mlp',
        qkv_bias: o.qkvBias,
        ...(type === 'dinov2' ? { use_mask_token: true } : { num_register_tokens: o.registers }),
      })
    case 'dinov3_vit': {
      const rope: RopeOptions = position.kind === 'rope' ? position : {}
      const gated = o.ffn !== 'mlp'
      return E.right({
        ...common,
        ...backbone,
        attention_dropout: 0,
        hidden_act: gated ? 'silu' : 'gelu',
        intermediate_size: o.hidden,
        use_gated_mlp: gated,
        mlp_bias: o.ffnBias,
        query_bias: o.qkvBias,
        key_bias: o.qkvBias && !o.maskKeyBias,
        value_bias: o.qkvBias,
        proj_bias: o.projBias,
        num_register_tokens: o.registers,
        rope_theta: rope.periods !== undefined && 'base' in rope.periods ? rope.periods.base : 100,
        pos_embed_shift: rope.shift ?? null,
        pos_embed_jitter: rope.jitter ?? null,
        pos_embed_rescale: rope.rescale ?? null,
      })
    }
  }
}
