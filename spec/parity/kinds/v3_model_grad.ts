/** The whole of DINOv3's forward_backward with Gram anchoring: every loss, and the gradient of every weight of the student. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { GramOptions } from '../../../losses/gram.ts'
import type { Dinov3Options } from '../../../losses/sums.ts'
import { dinov3, dinov3Anchored } from '../../../losses/sums.ts'
import type { PlainHeadParams } from '../../../models/head.ts'
import { plainHead } from '../../../models/head.ts'
import { mul } from '../../../ops/elementwise.ts'
import { v3Backbone } from '../backbones.ts'
import { below, configOf } from '../case.ts'
import type { Setup } from '../dinov2.ts'
import { headConfig, modelGradient, networks } from '../dinov2.ts'
import type { Kind } from '../kind.ts'

const optional = t.union([t.number, t.null])

const config = t.intersection([
  headConfig,
  t.partial({
    ffn_ratio: t.number,
    layerscale_init: optional,
    norm_layer: t.keyof({ layernorm: null, layernormbf16: null, rmsnorm: null }),
    n_storage_tokens: t.number,
    ffn_layer: t.keyof({ mlp: null, swiglu: null, swiglu32: null, swiglu64: null, swiglu128: null }),
    mask_k_bias: t.boolean,
    qkv_bias: t.boolean,
    proj_bias: t.boolean,
    ffn_bias: t.boolean,
    untie_cls_and_patch_norms: t.boolean,
    untie_global_and_local_cls_norm: t.boolean,
    pos_embed_rope_base: optional,
    pos_embed_rope_min_period: optional,
    pos_embed_rope_max_period: optional,
    pos_embed_rope_normalize_coords: t.keyof({ separate: null, max: null, min: null }),
  }),
  t.partial({
    teacher_temp: t.number,
    global_ignore_diagonal: t.boolean,
    gram_weight: t.number,
    gram_ema_teacher: t.boolean,
    gram_normalized: t.boolean,
    gram_img_level: t.boolean,
    gram_remove_neg: t.boolean,
    gram_remove_only_teacher_neg: t.boolean,
    gram_tokens_used: t.keyof({ all: null, masked: null, unmasked: null }),
    gram_resize_antialias: t.boolean,
    local_weight: t.number,
    koleo_topk: t.number,
  }),
])

type Config = t.TypeOf<typeof config>

const recipe = (o: Config): Dinov3Options => ({
  prototypes: o.out_dim,
  patchPrototypes: o.ibot_out_dim ?? o.out_dim,
  weights: { dino: o.dino_weight ?? 1, ibot: o.ibot_weight ?? 1, koleo: o.koleo_weight ?? 0.1 },
  same: (o.global_ignore_diagonal ?? true) ? 'skip' : 'keep',
  neighbours: o.koleo_topk ?? 1,
  reweightLocal: o.local_weight !== undefined,
})

const gramOptions = (o: Config): GramOptions => ({
  normalize: o.gram_normalized ?? true,
  level: (o.gram_img_level ?? true) ? 'image' : 'batch',
  tokens: o.gram_tokens_used ?? 'all',
  negatives: o.gram_remove_neg === true ? 'remove' : o.gram_remove_only_teacher_neg === true ? 'remove-teacher' : 'keep',
})

/** `own`: the case has weights of a Gram teacher. */
const setup = (o: Config, own: boolean): Setup<PlainHeadParams> => {
  const anchored = own || o.gram_ema_teacher === true
  return {
    images: o.batch,
    networks: networks(o, {
      backbone: v3Backbone({ ...o, img_size: o.global_size ?? 224 }),
      head: plainHead,
      separate: o.ibot_separate_head ?? true,
      ...(own && o.gram_ema_teacher !== true ? { gram: { antialias: o.gram_resize_antialias ?? false } } : {}),
    }),
    loss: anchored ? dinov3Anchored({ ...recipe(o), gram: gramOptions(o) }) : dinov3(recipe(o)),
    hypers: { teacher_temp: o.teacher_temp ?? 0.07, gram_weight: o.gram_weight ?? 1, local_weight: o.local_weight ?? 1 },
    // as the official code shows them: means over pairs, and over the two global crops
    shown: (term) => [
      ...(o.n_local > 0 ? [['dino_local_crops_loss', term('dino.local')] as const] : []),
      ['dino_global_crops_loss', term('dino.global')],
      ['koleo_loss', mul(term('koleo'), 1 / 2)],
      ['ibot_loss', term('ibot')],
      ...(anchored ? [['gram_loss', term('gram')] as const] : []),
    ],
  }
}

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.chain((o) => modelGradient(c, device, setup(o, below(c, 'gram_teacher/').size > 0))),
  )
