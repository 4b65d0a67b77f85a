/** A ViT behind a stem of two convolutions, in place of the patch embedding. */
import type { Asked, Backbone } from '../../train/index.ts'
import { command, crops, dino, dinov1, experiment, field, images, part, prototypes, section } from '../../index.ts'
import type { Expr } from '../../core/expr.ts'
import type { Declaration } from '../../core/model.ts'
import { call, param, truncNormal, uniform, zeros } from '../../core/model.ts'
import type { BlockParams } from '../../models/block.ts'
import { block } from '../../models/block.ts'
import { broadcastTo } from '../../ops/broadcast.ts'
import { linearMap } from '../../ops/contract.ts'
import { add } from '../../ops/elementwise.ts'
import { gelu } from '../../ops/nn.ts'
import { reshape, transpose } from '../../ops/reshape.ts'
import { concat, pick, slice } from '../../ops/window.ts'

interface Conv {
  readonly weight: Declaration
  readonly bias: Declaration
}

interface Params {
  readonly stem: ReadonlyArray<Conv>
  readonly cls_token: Declaration
  readonly blocks: ReadonlyArray<BlockParams>
}

/** 2 x 2 pixels become one: `[B, h, w, C] -> [B, h/2, w/2, D]`. */
const halved = (x: Expr, weight: Expr, bias: Expr): Expr => {
  const [b, h, w, c] = x.type.shape
  const cells = reshape([b, h / 2, w / 2, 4 * c])(transpose([0, 1, 3, 2, 4, 5])(reshape([b, h / 2, 2, w / 2, 2, c])(x)))
  return add(linearMap(cells, weight), bias)
}

export const stemmed = part(
  section('a ViT behind convolutions', { width: field.whole(16, 'components', { min: 2 }) }),
  ({ width }) =>
    ({ channels = 3 }: Asked): Backbone<Params> => {
      const one = block({ width, heads: 2, qkvBias: true, hidden: 2 * width, eps: 1e-6, dropPath: 0 })
      return {
        width,
        patch: 4,
        blocks: 1,
        params: {
          stem: [channels, width].map((c) => ({ weight: param([width, 4 * c], uniform((4 * c) ** -0.5)), bias: param([width], zeros) })),
          cls_token: param([1, 1, width], truncNormal(0.02)),
          blocks: [one.params],
        },
        apply: (c, p) => (images) => {
          const [batch] = images.type.shape
          const map = p.stem.reduce((x, { weight, bias }) => gelu(halved(x, weight, bias)), transpose([0, 2, 3, 1])(images))
          const tokens = concat(1)([broadcastTo([batch, 1, width])(p.cls_token), reshape([batch, -1, width])(map)])
          const out = call(one, c, 'blocks.0', p.blocks[0], tokens)
          return { cls: pick(1, 0)(out.tokens), patches: slice(1, 1)(out.tokens), attention: out.probabilities }
        },
      }
    },
)

export default command(
  import.meta.url,
  experiment({
    name: 'convolutional-stem',
    about: 'DINO with a stem of convolutions.',
    steps: 2,
    batch: 8,
    data: images({ train: 100, test: 20 }),
    augmentation: crops({ locals: 1, localSize: 12 }),
    method: dinov1({
      model: stemmed(),
      head: prototypes({ hidden: 16, bottleneck: 8, prototypes: 32 }),
      loss: ({ head }) => dino({ prototypes: head.prototypes }),
    }),
  }),
)
