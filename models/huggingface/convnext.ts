/**
 * Hugging Face's `dinov3_convnext`: its config.json, and its tensors and ours (transformers `configuration_dinov3_convnext.py`,
 * `modeling_dinov3_convnext.py`).
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Misuse } from '../../core/expr.ts'
import type { Shape } from '../../core/type.ts'
import type { ConvnextOptions, FullConvnextOptions } from '../convnext.ts'
import { convnext } from '../convnext.ts'
import { from, inRange, knowing, nullIsAbsent, sideUpTo, wholeIn } from './codec.ts'
import { floatFields } from './config.ts'
import type { Unsaid } from './family.ts'
import { countOf, familyOf } from './family.ts'
import type { Part } from './names.ts'

const keys = {
  hidden_sizes: t.readonlyArray(wholeIn(1, 65536)),
  depths: t.readonlyArray(wholeIn(1, 1024)),
  image_size: sideUpTo(65536),
  num_channels: wholeIn(1, 1024),
  layer_norm_eps: inRange(0, 1),
  drop_path_rate: inRange(0, 1),
  layer_scale_init_value: from(0),
  hidden_act: t.string,
  // what follows from the others
  num_stages: wholeIn(1, 64),
}

const plain = t.intersection([t.type({ model_type: t.literal('dinov3_convnext') }), t.partial(keys)])

export type ConvnextConfig = t.TypeOf<typeof plain>

const refuse = (allowed: string): Either<Misuse, never> =>
  E.left({ allowed, remedy: 'choose another model, or change config.json if it is wrong' })

const optionsOf = (c: ConvnextConfig): Either<Misuse, ConvnextOptions> => {
  const [widths, depths] = [c.hidden_sizes ?? [96, 192, 384, 768], c.depths ?? [3, 3, 9, 3]]
  if (!['gelu', 'gelu_python'].includes(c.hidden_act ?? 'gelu')) return refuse(`hidden_act gelu (found: ${c.hidden_act ?? ''})`)
  if (depths.length === 0 || depths.length > 8 || depths.length !== widths.length)
    return refuse(`1 to 8 stages, each with its width (found: ${depths.length} depths and ${widths.length} hidden_sizes)`)
  return E.right({
    widths,
    depths,
    layerScale: c.layer_scale_init_value ?? 1e-6,
    eps: c.layer_norm_eps ?? 1e-6,
    channels: c.num_channels ?? 3,
    image: typeof c.image_size === 'number' ? c.image_size : (c.image_size?.[0] ?? 224),
    dropPath: c.drop_path_rate ?? 0,
  })
}

const configOf = (o: FullConvnextOptions): Readonly<Record<string, unknown>> => ({
  architectures: ['DINOv3ConvNextModel'],
  model_type: 'dinov3_convnext',
  hidden_sizes: o.widths,
  depths: o.depths,
  image_size: o.image,
  num_channels: o.channels,
  layer_norm_eps: o.eps,
  drop_path_rate: o.dropPath,
  layer_scale_init_value: o.layerScale,
  hidden_act: 'gelu',
  initializer_range: 0.02,
  stage_names: ['stem', ...o.depths.map((_, i) => `stage${i + 1}`)],
  out_features: [`stage${o.depths.length}`],
  out_indices: [o.depths.length],
})

const names: ReadonlyArray<readonly [RegExp, string]> = [
  [/^downsample_layers\.(\d+)\.(\d+)\./, 'stages.$1.downsample_layers.$2.'],
  [/^stages\.(\d+)\.(\d+)\.dwconv\./, 'stages.$1.layers.$2.depthwise_conv.'],
  [/^stages\.(\d+)\.(\d+)\.norm\./, 'stages.$1.layers.$2.layer_norm.'],
  [/^stages\.(\d+)\.(\d+)\.pwconv([12])\./, 'stages.$1.layers.$2.pointwise_conv$3.'],
  [/^stages\.(\d+)\.(\d+)\.gamma$/, 'stages.$1.layers.$2.gamma'],
  [/^norm\./, 'layer_norm.'],
]

const partsOf = (official: string, shape: Shape): ReadonlyArray<Part> => {
  const [pattern, theirs] = names.find(([p]) => p.test(official)) ?? [/^$/, '']
  return [{ name: official.replace(pattern, theirs), shape }]
}

const outlined = (shapes: ReadonlyMap<string, Shape>, { eps, image, layerScale }: Unsaid): O.Option<ConvnextOptions> => {
  const [, channels] = shapes.get('downsample_layers.0.0.weight') ?? []
  const stages = countOf(shapes, (i) => `downsample_layers.${i}.0.weight`)
  const widths = Array.from({ length: stages }, (_, i) => shapes.get(`downsample_layers.${i}.${i === 0 ? 0 : 1}.bias`)?.[0] ?? 0)
  const depths = widths.map((_, i) => countOf(shapes, (j) => `stages.${i}.${j}.dwconv.weight`))
  return channels === undefined || [...widths, ...depths].includes(0)
    ? O.none
    : O.some({
        widths,
        depths,
        channels,
        maskToken: shapes.has('mask_token'),
        ...(eps === undefined ? {} : { eps }),
        ...(layerScale === undefined ? {} : { layerScale }),
        ...(image === undefined ? {} : { image }),
      })
}

export const convnexts = familyOf({
  type: 'dinov3_convnext',
  name: 'ConvNeXt',
  sees: 'dinov3_vit',
  codec: nullIsAbsent(knowing(plain, { model_type: null, ...keys })),
  optionsOf,
  make: convnext,
  said: (options) => ({ kind: 'convnext', options }),
  configOf,
  partsOf,
  outlined,
  stem: 'downsample_layers.0.0.weight',
  anchors: { first: 'stages.0.downsample_layers.0.weight', beside: ['stages.0.layers.0.depthwise_conv.weight'] },
  officialAnchors: { first: 'downsample_layers.0.0.weight', beside: ['stages.0.0.dwconv.weight'] },
  // transformers 5 keeps stages one level deeper in memory: files of both kinds are there
  flat: (name) => name.replace(/(^|\.)model\.(?=stages\.\d)/, '$1'),
  // the official code stores its last norm twice
  isBuffer: (name) => /^norms\.\d+\./.test(name),
  floats: [...floatFields, 'layer_scale_init_value'],
  says: 'a ConvNeXt has no class token: the mean of its last map stands for it, and its attention is how alike tokens are',
})
