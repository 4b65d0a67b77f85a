/** A ViT in which the mean of the patches stands for the class token: the tensors of a ViT, and another function. */
import type { Asked, Backbone } from '../../train/index.ts'
import { command, crops, dino, dinov1, experiment, images, network, part, prototypes } from '../../index.ts'
import type { Expr } from '../../core/expr.ts'
import type { VitInput, VitParams } from '../../models/vit.ts'
import { mean } from '../../ops/reduce.ts'

const plain = network({ patch: 7, width: 16, depth: 1, heads: 2 })

export const averaged = part(plain.settings, (s) => (asked: Asked): Backbone<VitParams, Expr | VitInput> => {
  const whole = plain.make(s)(asked)
  return {
    ...whole,
    apply: (c, p) => (x) => {
      const f = whole.apply(c, p)(x)
      return { ...f, cls: mean({ axes: [1] })(f.patches) }
    },
  }
})

export default command(
  import.meta.url,
  experiment({
    name: 'mean-of-patches',
    about: 'DINO with the mean of patches.',
    steps: 2,
    batch: 8,
    data: images({ train: 100, test: 20 }),
    augmentation: crops({ locals: 1 }),
    method: dinov1({
      model: averaged(),
      head: prototypes({ hidden: 16, bottleneck: 8, prototypes: 32 }),
      loss: ({ head }) => dino({ prototypes: head.prototypes }),
    }),
  }),
)
