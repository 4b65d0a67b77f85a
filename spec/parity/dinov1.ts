/** The networks of DINO as the whole-model cases describe them. */
import * as t from 'io-ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import type { NetworkParams, Pair, StudentOutput, TeacherOutput, Views } from '../../models/dino.ts'
import { dinov1 } from '../../models/dino.ts'
import type { HeadParams } from '../../models/head.ts'
import { head } from '../../models/head.ts'
import type { VitParams } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'

export const networkConfig = t.intersection([
  t.type({ patch_size: t.number, embed_dim: t.number, depth: t.number, num_heads: t.number, batch: t.number, out_dim: t.number }),
  t.partial({
    img_size: t.number,
    mlp_ratio: t.number,
    qkv_bias: t.boolean,
    norm_eps: t.number,
    in_chans: t.number,
    head_hidden: t.number,
    head_bottleneck: t.number,
    head_nlayers: t.number,
    nlayers: t.number,
    norm_last_layer: t.boolean,
    student_temp: t.number,
    center_momentum: t.number,
  }),
])

export type NetworkConfig = t.TypeOf<typeof networkConfig>

type Params = NetworkParams<VitParams, HeadParams>

/** The grid of the position embedding `[1, 1 + grid², D]` says which image size it was made for, where the case does not. */
const imageOf = (o: NetworkConfig, weights: HostTensors): number => {
  const rows = weights.get('backbone.pos_embed')?.shape[1] ?? 1
  return o.img_size ?? o.patch_size * Math.round(Math.sqrt(rows - 1))
}

/** Student and teacher for weights named `backbone.…` and `head.…`. */
export const networks = (o: NetworkConfig, weights: HostTensors): Pair<Params, Params, Views, StudentOutput, TeacherOutput> =>
  dinov1({
    backbone: vit({
      image: imageOf(o, weights),
      patch: o.patch_size,
      width: o.embed_dim,
      depth: o.depth,
      heads: o.num_heads,
      mlpRatio: o.mlp_ratio ?? 4,
      qkvBias: o.qkv_bias ?? true,
      eps: o.norm_eps ?? 1e-6,
      channels: o.in_chans ?? weights.get('backbone.patch_embed.proj.weight')?.shape[1] ?? 3,
    }),
    head: head({
      in: o.embed_dim,
      prototypes: o.out_dim,
      hidden: o.head_hidden ?? 2048,
      bottleneck: o.head_bottleneck ?? 256,
      layers: Math.max(1, o.head_nlayers ?? o.nlayers ?? 3),
      normLastLayer: o.norm_last_layer ?? true,
    }),
  })
