/**
 * DINO (Caron et al. 2021) on handwritten digits: a student sees all crops of an image, its own moving average, the
 * teacher, sees the two large ones, and the student learns to say of every crop what the teacher says of the others.
 *
 *     npx tsx examples/dinov1.ts                 trains, evaluates, writes runs/dinov1/
 *     npx tsx examples/dinov1.ts --help          what can be changed
 */
import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import { recipes } from '../data/augment/recipes.ts'
import { mnistSplit } from '../data/readers/mnist.ts'
import { spread } from '../losses/collapse.ts'
import { dino } from '../losses/dino.ts'
import type { ClassTokens, Features, Logits } from '../losses/features.ts'
import { lossMonoid } from '../losses/loss.ts'
import { dinov1 } from '../models/dino.ts'
import { head } from '../models/head.ts'
import { vit } from '../models/vit.ts'
import { clipEach } from '../train/clip.ts'
import { command } from '../train/command.ts'
import { experiment } from '../train/experiment.ts'
import { isLastLayer, v1Groups } from '../train/groups.ts'
import { adamw } from '../train/optimizer.ts'
import { constant, cosineSchedule, linear, piecewise } from '../train/schedule.ts'
import { chain, gated } from '../train/transform.ts'

const settings = {
  seed: 0, steps: 2500, batch: 64,
  data: { train: 8000, test: 2000 },
  crops: { global: 28, globalScale: [0.4, 1], local: 14, localScale: [0.15, 0.5], locals: 4, blur: 0.5, sigma: [0.1, 1.5] },
  vit: { patch: 7, width: 64, depth: 3, heads: 4 },
  head: { hidden: 128, bottleneck: 64, prototypes: 512 },
  optimizer: { lr: 2e-3, minLr: 1e-5, warmup: 100, wd: 0.04, wdEnd: 0.04, clip: 3, freezeLastLayer: 50 },
  teacher: { momentum: 0.98, temperatureFrom: 0.04, temperature: 0.05, warmup: 500 },
  knn: { k: 20, temperature: 0.07, during: 2 },
}

export default command(import.meta.url, experiment({
  name: 'dinov1',
  about: 'DINO on the digits that the package mnist ships: learns without labels, is judged by k-NN with them.',
  settings,
  data: (s) => mnistSplit(s.data),
  augmentation: ({ crops: c }) => recipes.digits({
    globalSize: c.global, globalScale: [c.globalScale[0], c.globalScale[1]], blurred: { probability: c.blur, sigma: [c.sigma[0], c.sigma[1]] },
    locals: c.locals, localSize: c.local, localScale: [c.localScale[0], c.localScale[1]],
  }),
  networks: (s, { channels }) => {
    const backbone = vit({ ...s.vit, channels, image: s.crops.global })
    return { backbone, pair: dinov1({ backbone, head: head({ in: s.vit.width, ...s.head }) }) }
  },
  loss: (s) => concatAll(lossMonoid<Features<Logits & ClassTokens>>())([dino({ prototypes: s.head.prototypes }), spread]),
  update: ({ optimizer: o }) => ({ optimizer: chain([clipEach(o.clip), gated('last_layer', isLastLayer), adamw({ groups: v1Groups })]) }),
  hypers: ({ steps, batch, optimizer: o, teacher: t }) => sequenceS(E.Applicative)({
    lr: cosineSchedule({ base: (o.lr * batch) / 64, final: o.minLr, total: steps, warmup: Math.min(o.warmup, steps - 1) }),
    wd: cosineSchedule({ base: o.wd, final: o.wdEnd, total: steps }),
    momentum: cosineSchedule({ base: t.momentum, final: 1, total: steps }),
    teacher_temp: E.right(piecewise({ steps: t.warmup, schedule: linear(t.temperatureFrom, t.temperature, t.warmup) })(constant(t.temperature))),
    last_layer: E.right((step: number) => (step < o.freezeLastLayer ? 0 : 1)),
  }),
  evaluation: ({ knn }) => knn,
}))
