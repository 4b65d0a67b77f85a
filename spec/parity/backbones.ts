/** The backbones of DINOv2 and DINOv3 as cases describe them, and their outputs by the names of expected ones. */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Device, HostArray, HostValues } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Output } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import type { HostTensor, HostTensors } from '../../data/formats/tensor.ts'
import { unchunked } from '../../models/huggingface/official.ts'
import { asMap } from '../../models/intermediate.ts'
import type { RopeOptions } from '../../models/rope.ts'
import type { Vit, VitFeatures } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { pick, slice } from '../../ops/window.ts'
import type { Case } from './case.ts'
import { below, floats, inputOf, ints } from './case.ts'
import { runOnce, writeAll } from './kind.ts'

const optional = <C extends t.Mixed>(codec: C) => t.union([codec, t.null])

/** The official blocks take 0 for no LayerScale, as they take nothing. */
const scaled = (initial: number | null | undefined): { readonly layerScale?: number } =>
  typeof initial === 'number' && initial !== 0 ? { layerScale: initial } : {}

const sizes = t.type({ img_size: t.number, patch_size: t.number, embed_dim: t.number, depth: t.number, num_heads: t.number })

export const v2Config = t.intersection([
  sizes,
  t.partial({
    mlp_ratio: t.number,
    qkv_bias: t.boolean,
    ffn_bias: t.boolean,
    proj_bias: t.boolean,
    init_values: optional(t.number),
    in_chans: t.number,
    ffn_layer: t.keyof({ mlp: null, swiglu: null, swiglufused: null }),
    num_register_tokens: t.number,
    interpolate_antialias: t.boolean,
    interpolate_offset: t.number,
    norm_eps: t.number,
  }),
])

export const v2Backbone = (o: t.TypeOf<typeof v2Config>): Vit =>
  vit({
    generation: 2,
    image: o.img_size,
    patch: o.patch_size,
    width: o.embed_dim,
    depth: o.depth,
    heads: o.num_heads,
    channels: o.in_chans ?? 3,
    mlpRatio: o.mlp_ratio ?? 4,
    ffn: (o.ffn_layer ?? 'mlp') === 'mlp' ? 'mlp' : 'swiglu-fused',
    ...scaled(o.init_values),
    qkvBias: o.qkv_bias ?? true,
    projBias: o.proj_bias ?? true,
    ffnBias: o.ffn_bias ?? true,
    eps: o.norm_eps ?? 1e-6,
    maskToken: true,
    registers: o.num_register_tokens ?? 0,
    wholePatches: true,
    position: { kind: 'learned', offset: o.interpolate_offset ?? 0.1, antialias: o.interpolate_antialias ?? false },
  })

const rope = {
  base: optional(t.number),
  min_period: optional(t.number),
  max_period: optional(t.number),
  normalize_coords: t.keyof({ separate: null, max: null, min: null }),
}

/** The options of `RopePositionEmbedding` by its own names. */
export const ropeConfig = t.partial(rope)

export const ropeOptions = (o: t.TypeOf<typeof ropeConfig>): RopeOptions => ({
  periods:
    typeof o.min_period === 'number' && typeof o.max_period === 'number'
      ? { min: o.min_period, max: o.max_period }
      : { base: o.base ?? 100 },
  normalize: o.normalize_coords ?? 'separate',
})

export const v3Config = t.intersection([
  sizes,
  t.partial({
    ffn_ratio: t.number,
    qkv_bias: t.boolean,
    ffn_bias: t.boolean,
    proj_bias: t.boolean,
    layerscale_init: optional(t.number),
    in_chans: t.number,
    norm_layer: t.keyof({ layernorm: null, layernormbf16: null, rmsnorm: null }),
    norm_eps: t.number,
    n_storage_tokens: t.number,
    ffn_layer: t.keyof({ mlp: null, swiglu: null, swiglu32: null, swiglu64: null, swiglu128: null }),
    mask_k_bias: t.boolean,
    untie_cls_and_patch_norms: t.boolean,
    untie_global_and_local_cls_norm: t.boolean,
    pos_embed_rope_base: rope.base,
    pos_embed_rope_min_period: rope.min_period,
    pos_embed_rope_max_period: rope.max_period,
    pos_embed_rope_normalize_coords: rope.normalize_coords,
  }),
])

export const v3Backbone = (o: t.TypeOf<typeof v3Config>): Vit =>
  vit({
    generation: 3,
    image: o.img_size,
    patch: o.patch_size,
    width: o.embed_dim,
    depth: o.depth,
    heads: o.num_heads,
    channels: o.in_chans ?? 3,
    mlpRatio: o.ffn_ratio ?? 4,
    ffn: o.ffn_layer ?? 'mlp',
    ...scaled(o.layerscale_init),
    qkvBias: o.qkv_bias ?? true,
    projBias: o.proj_bias ?? true,
    ffnBias: o.ffn_bias ?? true,
    maskKeyBias: o.mask_k_bias ?? false,
    norm: o.norm_layer === 'rmsnorm' ? 'rms' : 'layer',
    eps: o.norm_eps ?? ((o.norm_layer ?? 'layernorm') === 'layernorm' ? 1e-6 : 1e-5),
    registers: o.n_storage_tokens ?? 0,
    maskToken: true,
    untiedNorms: o.untie_cls_and_patch_norms ?? false,
    localNorm: o.untie_global_and_local_cls_norm ?? false,
    position: {
      kind: 'rope',
      ...ropeOptions({
        base: o.pos_embed_rope_base ?? null,
        min_period: o.pos_embed_rope_min_period ?? null,
        max_period: o.pos_embed_rope_max_period ?? null,
        normalize_coords: o.pos_embed_rope_normalize_coords ?? 'separate',
      }),
    },
  })

/** Weights of a backbone under the names that models flatten to. */
export const backboneWeights = (tensors: HostTensors): HostTensors => new Map([...tensors].map(([name, x]) => [unchunked(name), x]))

/** What the official code calls a feature. */
const fieldOf = (f: VitFeatures, field: string): Expr | undefined => {
  const inner = /^inter(\d+)_(patch|cls)$/.exec(field)
  if (inner !== null) {
    const layer = f.layers[Number(inner[1])]
    return layer === undefined ? undefined : inner[2] === 'cls' ? pick(1, 0)(layer) : asMap(f.grid)(slice(1, f.prefix)(layer))
  }
  switch (field) {
    case 'x_norm_clstoken':
      return f.cls
    case 'x_norm_regtokens':
    case 'x_storage_tokens':
      return f.registers
    case 'x_norm_patchtokens':
      return f.patches
    case 'x_prenorm':
      return f.prenorm
    case 'rope_sin':
      return f.rope?.sin
    case 'rope_cos':
      return f.rope?.cos
    default:
      return undefined
  }
}

/** What a case gives for one name: images, and the mask of their patches where there is one. */
interface Given {
  readonly images: HostTensor
  readonly mask: HostTensor | undefined
}

/**
 * `out/NAME/masked/FIELD` is with the mask, `out/NAME/…` without it; `train_g` and `train_l` are global and local crops in training,
 * masked where a mask is given.
 */
const outputsOf = (c: Case, model: Vit, name: string, given: Given): ReadonlyArray<Output> => {
  const training = /^train_[gl]$/.test(name)
  const images = input('images', given.images.shape)
  const mask = given.mask === undefined ? {} : { mask: input('mask', given.mask.shape) }
  const run = (masked: boolean): VitFeatures =>
    call(model, context(training ? 'train' : 'eval'), 'model', leavesOf('model', model.params), {
      images,
      ...(masked ? mask : {}),
      crops: name === 'train_l' ? 'local' : 'global',
    })
  const [plain, masked] = [run(training), run(true)]
  return c.expectations.flatMap((e) => {
    const parts = e.name.split('/')
    const expr = parts[1] === name ? fieldOf(parts[2] === 'masked' ? masked : plain, parts[parts.length - 1]) : undefined
    return expr === undefined ? [] : [value(e.name, expr)]
  })
}

const run = (c: Case, device: Device, model: Vit, name: string): TaskEither<Fault, HostValues> =>
  pipe(
    TE.Do,
    TE.bind('images', () => TE.fromEither(inputOf(c, `in/${name}`))),
    TE.bind('data', () => TE.fromEither(floats(c, `in/${name}`))),
    TE.bind('hidden', () => TE.fromEither(c.inputs.has(`in/${name}_mask`) ? ints(c, `in/${name}_mask`) : E.right(new Int32Array()))),
    TE.chain(({ images, data, hidden }) =>
      runOnce(
        device,
        trace(name, outputsOf(c, model, name, { images, mask: c.inputs.get(`in/${name}_mask`) })),
        new Map<string, HostArray>([
          ['images', data],
          ['mask', Float32Array.from(hidden)],
        ]),
      ),
    ),
  )

/** The expected features of every input of a case. */
export const features = (c: Case, device: Device, model: Vit): TaskEither<Fault, HostValues> =>
  pipe(
    writeAll(device, 'model.', backboneWeights(below(c, 'state/'))),
    TE.chain(() =>
      pipe(
        [...below(c, 'in/').keys()].filter((name) => !name.endsWith('_mask')),
        TE.traverseSeqArray((name) => run(c, device, model, name)),
      ),
    ),
    TE.map((all) => new Map(all.flatMap((values) => [...values]))),
  )
