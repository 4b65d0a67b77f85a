/** DINO's VisionTransformer: features, intermediate layers, attention and position embeddings for images of several sizes. */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Output } from '../../../core/graph.ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { call, context, leavesOf } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { vit } from '../../../models/vit.ts'
import { below, configOf, floats, inputOf } from '../case.ts'
import type { Kind } from '../kind.ts'
import { runOnce, writeAll } from '../kind.ts'

const config = t.intersection([
  t.type({ img_size: t.number, patch_size: t.number, embed_dim: t.number, depth: t.number, num_heads: t.number }),
  t.partial({ mlp_ratio: t.number, qkv_bias: t.boolean, norm_eps: t.number, in_chans: t.number }),
])

/** The model of a case; `qkv_bias` is true unless said. */
const modelOf = (o: t.TypeOf<typeof config>): ReturnType<typeof vit> =>
  vit({
    image: o.img_size,
    patch: o.patch_size,
    width: o.embed_dim,
    depth: o.depth,
    heads: o.num_heads,
    mlpRatio: o.mlp_ratio ?? 4,
    qkvBias: o.qkv_bias ?? true,
    eps: o.norm_eps ?? 1e-6,
    channels: o.in_chans ?? 3,
  })

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.chainFirst(() => writeAll(device, 'model.', below(c, 'state/'))),
    TE.chain((o) =>
      pipe(
        [...below(c, 'in/').keys()],
        TE.traverseSeqArray((name) =>
          pipe(
            TE.fromEither(E.Do),
            TE.bind('images', () => TE.fromEither(inputOf(c, `in/${name}`))),
            TE.bind('data', () => TE.fromEither(floats(c, `in/${name}`))),
            TE.chain(({ images, data }) => {
              const model = modelOf(o)
              const f = call(model, context('eval'), 'model', leavesOf('model', model.params), input('images', images.shape))
              const outputs: ReadonlyArray<Output> = [
                value(`out/${name}/pos`, f.position),
                value(`out/${name}/cls`, f.cls),
                value(`out/${name}/attn`, f.attention),
                ...f.layers.map((layer, i) => value(`out/${name}/layer${i}`, layer)),
              ]
              return runOnce(device, trace(name, outputs), new Map([['images', data]]))
            }),
          ),
        ),
      ),
    ),
    TE.map((all) => new Map(all.flatMap((values) => [...values]))),
  )
