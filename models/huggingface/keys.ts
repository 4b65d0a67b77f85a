/** The keys of `config.json` of Hugging Face's ViTs: what each is, and in which range (transformers `configuration_*.py` of each model). */
import * as t from 'io-ts'
import { above, from, inRange, knowing, nullIsAbsent, numberThat, optional, sideUpTo, wholeIn } from './codec.ts'
import type { HuggingFaceType } from './types.ts'
import { huggingFaceTypes, pyramidTypes } from './types.ts'

/** Keys that all types here have: what they are, and in which range. Sizes are checked before anything of that size is made. */
const sizes = { hidden_size: wholeIn(1, 65536), num_hidden_layers: wholeIn(1, 1024) }

/** Of these no tensor says anything: they are never guessed. */
const needed = { num_attention_heads: wholeIn(1, 1024) }

const keys = {
  image_size: sideUpTo(65536),
  patch_size: sideUpTo(1024),
  num_channels: wholeIn(1, 1024),
  layer_norm_eps: inRange(0, 1),
  hidden_act: t.string,
  drop_path_rate: inRange(0, 1),
  intermediate_size: wholeIn(1, 2 ** 20),
  mlp_ratio: above(0),
  qkv_bias: t.boolean,
  layerscale_value: numberThat('a number', Number.isFinite),
  use_swiglu_ffn: t.boolean,
  use_mask_token: t.boolean,
  num_register_tokens: wholeIn(0, 1024),
  use_gated_mlp: t.boolean,
  mlp_bias: t.boolean,
  proj_bias: t.boolean,
  query_bias: t.boolean,
  key_bias: t.boolean,
  value_bias: t.boolean,
  rope_theta: above(0),
  rope_parameters: t.UnknownRecord,
  rope_scaling: t.UnknownRecord,
  pos_embed_shift: optional(from(0)),
  pos_embed_jitter: optional(from(1)),
  pos_embed_rescale: optional(from(1)),
  // ours alone: how positions are read at other grids, where a backbone was trained otherwise than transformers does it
  position_interpolation: t.type({ offset: from(0), antialias: t.boolean }),
}

const isViT = (u: unknown): u is HuggingFaceType => typeof u === 'string' && Object.hasOwn(huggingFaceTypes, u)

/** One of the Vision Transformers; a fault names the types with stages too, which are read elsewhere. */
const vitType = new t.Type<HuggingFaceType>(
  Object.keys({ ...huggingFaceTypes, ...pyramidTypes }).join(', '),
  isViT,
  (u, c) => (isViT(u) ? t.success(u) : t.failure(u, c)),
  t.identity,
)

const plainCodec = t.intersection([t.type({ model_type: vitType, ...needed }), t.partial({ ...sizes, ...keys })])

/** What is read of a `config.json`: each key with its type and range. What is missing, or null, is as the class has it, but for heads. */
export const configCodec = nullIsAbsent(knowing(plainCodec, { model_type: null, ...needed, ...sizes, ...keys }), [
  'pos_embed_shift',
  'pos_embed_jitter',
  'pos_embed_rescale',
])

export type HuggingFaceConfig = t.TypeOf<typeof plainCodec>
