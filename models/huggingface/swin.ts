/** Hugging Face's `swin`: its config.json, and its tensors and ours (transformers `configuration_swin.py`, `modeling_swin.py`). */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Misuse } from '../../core/expr.ts'
import { declarations } from '../../core/model.ts'
import type { FullSwinOptions, SwinOptions } from '../swin.ts'
import { swin } from '../swin.ts'
import { above, inRange, knowing, nullIsAbsent, sideUpTo, wholeIn } from './codec.ts'
import { floatFields } from './config.ts'
import type { Mapping, Part, Plan } from './names.ts'
import type { Anchors } from './prefix.ts'

const sizes = { embed_dim: wholeIn(1, 65536), depths: t.readonlyArray(wholeIn(1, 1024)), num_heads: t.readonlyArray(wholeIn(1, 1024)) }

const keys = {
  image_size: sideUpTo(65536),
  patch_size: sideUpTo(1024),
  num_channels: wholeIn(1, 1024),
  window_size: wholeIn(1, 1024),
  mlp_ratio: above(0),
  qkv_bias: t.boolean,
  layer_norm_eps: inRange(0, 1),
  drop_path_rate: inRange(0, 1),
  hidden_act: t.string,
  use_absolute_embeddings: t.boolean,
  // what follows from the others
  hidden_size: wholeIn(1, 2 ** 24),
  num_layers: wholeIn(1, 64),
  num_hidden_layers: wholeIn(1, 64),
}

const plain = t.intersection([t.type({ model_type: t.literal('swin'), ...sizes }), t.partial(keys)])

/** What is read of a `config.json`; null means absent. */
export const swinCodec = nullIsAbsent(knowing(plain, { model_type: null, ...sizes, ...keys }))

export type SwinConfig = t.TypeOf<typeof plain>

const number = (s: number | ReadonlyArray<number> | undefined, otherwise: number): number =>
  typeof s === 'number' ? s : (s?.[0] ?? otherwise)

const refuse = (allowed: string): Either<Misuse, never> =>
  E.left({ allowed, remedy: 'choose another model, or change config.json if it is wrong' })

/** The options of the backbone that a config describes. Left: what it asks for that ours has not. */
export const swinOptionsOf = (c: SwinConfig): Either<Misuse, SwinOptions> => {
  if (c.use_absolute_embeddings === true || !['gelu', 'gelu_python'].includes(c.hidden_act ?? 'gelu'))
    return refuse('relative positions alone, and hidden_act gelu')
  if (c.depths.length === 0 || c.depths.length > 8 || c.depths.length !== c.num_heads.length)
    return refuse(`1 to 8 stages, each with its heads (found: ${c.depths.length} depths and ${c.num_heads.length} num_heads)`)
  if (c.num_heads.some((h, i) => (c.embed_dim * 2 ** i) % h !== 0))
    return refuse(`heads that divide the width of their stage (found: ${c.num_heads.join(', ')} for ${c.embed_dim})`)
  return E.right({
    width: c.embed_dim,
    depths: c.depths,
    heads: c.num_heads,
    patch: number(c.patch_size, 4),
    window: c.window_size ?? 7,
    mlpRatio: c.mlp_ratio ?? 4,
    qkvBias: c.qkv_bias ?? true,
    eps: c.layer_norm_eps ?? 1e-5,
    channels: c.num_channels ?? 3,
    image: number(c.image_size, 224),
    dropPath: c.drop_path_rate ?? 0.1,
  })
}

/** Which tensors name the backbone, whatever stands before them. */
export const swinAnchors: Anchors = {
  first: 'embeddings.patch_embeddings.projection.weight',
  beside: ['encoder.layers.0.blocks.0.layernorm_before.weight'],
}

/** The fields that are no whole numbers by type. */
export const swinFloats: ReadonlyArray<string> = [...floatFields, 'mlp_ratio']

export const swinConfigOf = (o: FullSwinOptions): Readonly<Record<string, unknown>> => ({
  architectures: ['SwinModel'],
  model_type: 'swin',
  embed_dim: o.width,
  depths: o.depths,
  num_heads: o.heads,
  num_layers: o.depths.length,
  hidden_size: o.width * 2 ** (o.depths.length - 1),
  image_size: o.image,
  patch_size: o.patch,
  num_channels: o.channels,
  window_size: o.window,
  mlp_ratio: o.mlpRatio,
  qkv_bias: o.qkvBias,
  layer_norm_eps: o.eps,
  drop_path_rate: o.dropPath,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  use_absolute_embeddings: false,
  initializer_range: 0.02,
  encoder_stride: 32,
  torch_dtype: 'float32',
  stage_names: ['stem', ...o.depths.map((_, i) => `stage${i + 1}`)],
  out_features: [`stage${o.depths.length}`],
  out_indices: [o.depths.length],
})

const names: ReadonlyArray<readonly [RegExp, string]> = [
  [/^patch_embed\.proj\./, 'embeddings.patch_embeddings.projection.'],
  [/^patch_embed\.norm\./, 'embeddings.norm.'],
  [/^mask_token$/, 'embeddings.mask_token'],
  [/\.norm1\./, '.layernorm_before.'],
  [/\.norm2\./, '.layernorm_after.'],
  [/\.attn\.relative_position_bias_table$/, '.attention.self.relative_position_bias_table'],
  [/\.attn\.proj\./, '.attention.output.dense.'],
  [/\.mlp\.fc1\./, '.intermediate.dense.'],
  [/\.mlp\.fc2\./, '.output.dense.'],
  [/^layers\./, 'encoder.layers.'],
  [/^norm\./, 'layernorm.'],
]

const partsOf = (official: string, shape: ReadonlyArray<number>): ReadonlyArray<Part> => {
  const theirs = names.reduce((name, [pattern, to]) => name.replace(pattern, to), official)
  if (!official.includes('.attn.qkv.')) return [{ name: theirs, shape: official === 'mask_token' ? [1, ...shape] : shape }]
  return ['query', 'key', 'value'].map((slice) => ({
    name: theirs.replace('.attn.qkv.', `.attention.self.${slice}.`),
    shape: [shape[0] / 3, ...shape.slice(1)],
  }))
}

/** Which of their tensors make ours; the same to read and to write. A mask token is written by none of their backbones. */
export const swinPlan = (o: FullSwinOptions): Plan => ({
  mappings: declarations(swin({ ...o, maskToken: false }).params).map(([official, d]): Mapping => ({
    official,
    shape: d.shape,
    parts: partsOf(official, d.shape),
    neutral: 0,
  })),
  extras: [],
})

/** Buffers that follow from the window. */
export const isSwinBuffer = (name: string): boolean => name.endsWith('.relative_position_index') || name.endsWith('.attn_mask')
