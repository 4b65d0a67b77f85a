/** Hugging Face's `swin`: its config.json, and its tensors and ours (transformers `configuration_swin.py`, `modeling_swin.py`). */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Misuse } from '../../core/expr.ts'
import type { Shape } from '../../core/type.ts'
import type { FullSwinOptions, SwinOptions } from '../swin.ts'
import { swin } from '../swin.ts'
import { above, inRange, knowing, nullIsAbsent, sideUpTo, wholeIn } from './codec.ts'
import { floatFields } from './config.ts'
import type { Unsaid } from './family.ts'
import { countOf, familyOf } from './family.ts'
import type { Part } from './names.ts'

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

const plain = t.intersection([t.type({ model_type: t.literal('swin') }), t.partial({ ...sizes, ...keys })])

export type SwinConfig = t.TypeOf<typeof plain>

const number = (s: number | ReadonlyArray<number> | undefined, otherwise: number): number =>
  typeof s === 'number' ? s : (s?.[0] ?? otherwise)

const refuse = (allowed: string): Either<Misuse, never> =>
  E.left({ allowed, remedy: 'choose another model, or change config.json if it is wrong' })

const optionsOf = (c: SwinConfig): Either<Misuse, SwinOptions> => {
  const { embed_dim: width = 96, depths = [2, 2, 6, 2], num_heads: heads = [3, 6, 12, 24] } = c
  if (c.use_absolute_embeddings === true || !['gelu', 'gelu_python'].includes(c.hidden_act ?? 'gelu'))
    return refuse('relative positions alone, and hidden_act gelu')
  if (depths.length === 0 || depths.length > 8 || depths.length !== heads.length)
    return refuse(`1 to 8 stages, each with its heads (found: ${depths.length} depths and ${heads.length} num_heads)`)
  if (heads.some((h, i) => (width * 2 ** i) % h !== 0))
    return refuse(`heads that divide the width of their stage (found: ${heads.join(', ')} for ${width})`)
  return E.right({
    width,
    depths,
    heads,
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

const configOf = (o: FullSwinOptions): Readonly<Record<string, unknown>> => ({
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
  [/\.norm1\./, '.layernorm_before.'],
  [/\.norm2\./, '.layernorm_after.'],
  [/\.attn\.relative_position_bias_table$/, '.attention.self.relative_position_bias_table'],
  [/\.attn\.proj\./, '.attention.output.dense.'],
  [/\.mlp\.fc1\./, '.intermediate.dense.'],
  [/\.mlp\.fc2\./, '.output.dense.'],
  [/^layers\./, 'encoder.layers.'],
  [/^norm\./, 'layernorm.'],
]

const partsOf = (official: string, shape: Shape): ReadonlyArray<Part> => {
  const theirs = names.reduce((name, [pattern, to]) => name.replace(pattern, to), official)
  if (!official.includes('.attn.qkv.')) return [{ name: theirs, shape }]
  return ['query', 'key', 'value'].map((slice) => ({
    name: theirs.replace('.attn.qkv.', `.attention.self.${slice}.`),
    shape: [shape[0] / 3, ...shape.slice(1)],
  }))
}

const outlined = (shapes: ReadonlyMap<string, Shape>, { eps, image }: Unsaid): O.Option<SwinOptions> => {
  const stages = countOf(shapes, (i) => `layers.${i}.blocks.0.norm1.weight`)
  const depths = Array.from({ length: stages }, (_, i) => countOf(shapes, (j) => `layers.${i}.blocks.${j}.norm1.weight`))
  const tables = depths.map((_, i) => shapes.get(`layers.${i}.blocks.0.attn.relative_position_bias_table`))
  const [width, channels, patch] = shapes.get('patch_embed.proj.weight') ?? []
  const [hidden] = shapes.get('layers.0.blocks.0.mlp.fc1.weight') ?? []
  const rows = tables[0]?.[0]
  if (width === undefined || channels === undefined || hidden === undefined || rows === undefined || tables.includes(undefined))
    return O.none
  return O.some({
    width,
    depths,
    heads: tables.map((table) => table?.[1] ?? 0),
    ...(patch === undefined ? {} : { patch }),
    window: (Math.sqrt(rows) + 1) / 2,
    mlpRatio: hidden / width,
    qkvBias: shapes.has('layers.0.blocks.0.attn.qkv.bias'),
    channels,
    maskToken: shapes.has('mask_token'),
    ...(eps === undefined ? {} : { eps }),
    ...(image === undefined ? {} : { image }),
  })
}

export const swins = familyOf({
  type: 'swin',
  name: 'Swin',
  sees: 'vit',
  codec: nullIsAbsent(knowing(plain, { model_type: null, ...sizes, ...keys })),
  optionsOf,
  make: swin,
  said: (options) => ({ kind: 'swin', options }),
  configOf,
  partsOf,
  outlined,
  stem: 'patch_embed.proj.weight',
  anchors: {
    first: 'embeddings.patch_embeddings.projection.weight',
    beside: ['encoder.layers.0.blocks.0.layernorm_before.weight'],
  },
  officialAnchors: { first: 'patch_embed.proj.weight', beside: ['layers.0.blocks.0.norm1.weight'] },
  flat: (name) => name,
  isBuffer: (name) => /\.(?:relative_position_index|attn_mask)$/.test(name),
  floats: [...floatFields, 'mlp_ratio'],
  says: 'a Swin has no class token: the mean of its tokens stands for it, and its attention is how alike they are',
})
