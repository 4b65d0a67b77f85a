/** The whole of DINOv2's forward_backward: every loss, the next centres, and the gradient of every weight of the student. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { dinov2 } from '../../../losses/sums.ts'
import type { HeadParams } from '../../../models/head.ts'
import { head } from '../../../models/head.ts'
import { mul } from '../../../ops/elementwise.ts'
import { v2Backbone } from '../backbones.ts'
import type { Case } from '../case.ts'
import { configOf } from '../case.ts'
import type { Setup } from '../dinov2.ts'
import { headConfig, modelGradient, networks } from '../dinov2.ts'
import type { Kind } from '../kind.ts'

export const config = t.intersection([
  headConfig,
  t.partial({
    mlp_ratio: t.number,
    layerscale: t.union([t.number, t.null]),
    ffn_layer: t.keyof({ mlp: null, swiglu: null, swiglufused: null }),
    num_register_tokens: t.number,
    interpolate_antialias: t.boolean,
    interpolate_offset: t.number,
    qkv_bias: t.boolean,
    proj_bias: t.boolean,
    ffn_bias: t.boolean,
    centering: t.keyof({ centering: null, sinkhorn_knopp: null }),
    teacher_temp: t.number,
  }),
])
export type Config = t.TypeOf<typeof config>

/** The grid of the position embedding `[1, 1 + grid², D]` says which image size it was made for. */
const imageOf = (c: Case, o: Config, weights: string): number => {
  const rows = c.inputs.get(`${weights}backbone.pos_embed`)?.shape[1] ?? 2
  return o.patch_size * Math.round(Math.sqrt(rows - 1))
}

/** Pairs of crops as the official code counts them: it divides by one more than there are where there are no local crops. */
export const pairsOf = (o: { readonly n_local: number }): number => 2 + Math.max(2 * o.n_local, 1)

export const setup = (c: Case, o: Config, weights: string): Setup<HeadParams> => {
  const separate = o.ibot_separate_head ?? false
  const koleo = o.koleo_weight ?? 0.1
  const pairs = pairsOf(o)
  return {
    images: o.batch,
    networks: networks(o, {
      backbone: v2Backbone({ ...o, img_size: imageOf(c, o, weights), init_values: o.layerscale ?? null }),
      head: (h) => head({ ...h, normLastLayer: false }),
      separate,
    }),
    loss: dinov2({
      prototypes: o.out_dim,
      patchPrototypes: separate ? (o.ibot_out_dim ?? o.out_dim) : o.out_dim,
      centring: o.centering === 'sinkhorn_knopp' ? 'sinkhorn' : 'centre',
      weights: { dino: ((o.dino_weight ?? 1) * (2 + 2 * o.n_local)) / pairs, ibot: o.ibot_weight ?? 1, koleo },
    }),
    hypers: { teacher_temp: o.teacher_temp ?? 0.07 },
    // as the official code shows them: shares of the pairs, means over the two global crops
    shown: (term) => [
      ...(o.n_local > 0 ? [['dino_local_crops_loss', mul(term('dino.local'), (2 * o.n_local) / pairs)] as const] : []),
      ['dino_global_crops_loss', mul(term('dino.global'), 2 / pairs)],
      ['koleo_loss', mul(term('koleo'), koleo / 2)],
      ['ibot_loss', mul(term('ibot'), 1 / 2)],
    ],
  }
}

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.chain((o) => modelGradient(c, device, setup(c, o, 'student/'))),
  )
