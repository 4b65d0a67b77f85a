/**
 * DINOv2 (Oquab et al. 2023) on handwritten digits: DINO between crops, iBOT on patches that the student does not see, and KoLeo,
 * which spreads the features. The teacher's targets are balanced by Sinkhorn and Knopp's iteration.
 *
 *     npx tsx examples/dinov2.ts                 trains, evaluates, writes runs/dinov2/
 */
import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import { recipes } from '../data/augment/recipes.ts'
import { mnistSplit } from '../data/readers/mnist.ts'
import { spread } from '../losses/collapse.ts'
import { lossMonoid } from '../losses/loss.ts'
import type { Dinov2Features } from '../losses/recipes.ts'
import * as losses from '../losses/recipes.ts'
import { dinov2, withMasks } from '../models/dinov2.ts'
import { head } from '../models/head.ts'
import { vit } from '../models/vit.ts'
import { clipGroups, submoduleOf } from '../train/clip.ts'
import { command } from '../train/command.ts'
import { experiment } from '../train/experiment.ts'
import { v2Groups } from '../train/groups.ts'
import type { MaskedCropOptions } from '../train/masked.ts'
import { maskFeed, maskedCrops } from '../train/masked.ts'
import { adamw } from '../train/optimizer.ts'
import { constant, cosineSchedule, linear, piecewise } from '../train/schedule.ts'
import { chain } from '../train/transform.ts'

const settings = {
  seed: 0, steps: 1500, batch: 64,
  data: { train: 8000, test: 2000 },
  crops: { global: 28, globalScale: [0.4, 1], local: 14, localScale: [0.15, 0.5], locals: 4, blur: 0.5, sigma: [0.1, 1.5] },
  vit: { patch: 7, width: 64, depth: 3, heads: 4 },
  head: { hidden: 128, bottleneck: 64, prototypes: 512, normLastLayer: false },
  optimizer: { lr: 2e-3, minLr: 1e-5, warmup: 100, wd: 0.04, clip: 3, layerDecay: 0.9, patchEmbed: 0.2 },
  teacher: { momentum: 0.98, temperatureFrom: 0.04, temperature: 0.05, warmup: 500 },
  knn: { k: 20, temperature: 0.07, during: 2 },
}

const masks = (s: typeof settings, channels: number): MaskedCropOptions => ({
  images: s.batch, channels, patch: s.vit.patch, global: { crops: 2, size: s.crops.global }, local: { crops: s.crops.locals, size: s.crops.local },
})

export default command(import.meta.url, experiment({
  name: 'dinov2',
  about: 'DINOv2 on the digits that the package mnist ships: DINO + iBOT + KoLeo with Sinkhorn targets.',
  settings,
  data: (s) => mnistSplit(s.data),
  augmentation: ({ crops: c }) => recipes.digits({
    globalSize: c.global, globalScale: [c.globalScale[0], c.globalScale[1]], blurred: { probability: c.blur, sigma: [c.sigma[0], c.sigma[1]] },
    locals: c.locals, localSize: c.local, localScale: [c.localScale[0], c.localScale[1]],
  }),
  networks: (s, { channels }) => {
    const backbone = vit({ ...s.vit, channels, image: s.crops.global, maskToken: true, layerScale: 1e-1 })
    const heads = { head: head({ in: s.vit.width, ...s.head }), patchHead: head({ in: s.vit.width, ...s.head }) }
    return { backbone, pair: withMasks(maskedCrops(masks(s, channels)).views.masks)(dinov2({ backbone, ...heads })) }
  },
  loss: (s) => concatAll(lossMonoid<Dinov2Features>())([losses.dinov2({ prototypes: s.head.prototypes, centring: 'sinkhorn' }), spread]),
  update: ({ vit: v, optimizer: o }) => ({ optimizer: chain([clipGroups(o.clip, submoduleOf), adamw({ groups: v2Groups({ decay: o.layerDecay, blocks: v.depth, patchEmbed: o.patchEmbed }) })]) }),
  hypers: ({ steps, optimizer: o, teacher: t }) => sequenceS(E.Applicative)({
    lr: cosineSchedule({ base: o.lr, final: o.minLr, total: steps, warmup: Math.min(o.warmup, steps - 1) }),
    wd: E.right(constant(o.wd)),
    momentum: cosineSchedule({ base: t.momentum, final: 1, total: steps }),
    teacher_temp: E.right(piecewise({ steps: t.warmup, schedule: linear(t.temperatureFrom, t.temperature, t.warmup) })(constant(t.temperature))),
  }),
  evaluation: ({ knn }) => knn,
  feed: (s) => (seed, step) => maskFeed(masks(s, 1), seed, step),
}))
