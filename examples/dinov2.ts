/**
 * DINOv2 (Oquab et al. 2023) on handwritten digits: DINO between crops, iBOT on patches that the student does not see, and KoLeo,
 * which spreads the features. The teacher's targets are balanced by Sinkhorn and Knopp's iteration.
 *
 *     npx tsx examples/dinov2.ts                 trains, evaluates, writes runs/dinov2/
 *     npx tsx examples/dinov2.ts --help          what can be changed
 */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { Dinov2Features } from 'dinograph'
import {
  backboneOf, beginningOf, command, common, crops, cropsOf, dinov2, evaluation, experiment, headOf, hidden, hiddenOf, images, imagesOf,
  lossMonoid, maskedCrops, maskFeed, network, optimizer, optimizerOf, prototypes, schedule, schedulesOf, section, spread, start,
  withMasks,
} from 'dinograph'
import * as losses from 'dinograph/losses'

const settings = section('DINOv2 on digits', {
  ...common({ steps: 1500, batch: 64 }),
  start,
  data: images.with({ train: 8000, test: 2000 }),
  augmentation: crops.with({ globalSize: 28, globalScale: [0.4, 1], locals: 4, localSize: 14, localScale: [0.15, 0.5], blur: { probability: 0.5, sigma: [0.1, 1.5] } }),
  masks: hidden,
  model: network.with({ patch: 7, width: 64, depth: 3, heads: 4, layerScale: 0.1 }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 512, normLastLayer: false }),
  optimizer: optimizer.with({ lr: 2e-3, minLr: 1e-5, wd: 0.04, wdEnd: 0.04, clip: 3, clipBy: 'network', groups: 'v2', layerDecay: 0.9, patchEmbed: 0.2 }),
  schedule: schedule.with({ warmup: 100, momentum: 0.98, temperatureFrom: 0.04, temperature: 0.05, temperatureWarmup: 500, frozenBy: 'rate' }),
  evaluation: evaluation.with({ during: 2 }),
})

export default command(import.meta.url, experiment({
  name: 'dinov2',
  about: 'DINOv2 on the digits that the package mnist ships: DINO + iBOT + KoLeo with Sinkhorn targets.',
  settings,
  data: (s, say) => imagesOf(s.data, say),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize, maskToken: true })
    const heads = { head: headOf(backbone.width, s.head), patchHead: headOf(backbone.width, s.head) }
    return { backbone, pair: withMasks(maskedCrops(hiddenOf(s)).views.masks)(dinov2({ backbone, ...heads })) }
  },
  loss: (s) => concatAll(lossMonoid<Dinov2Features>())([losses.dinov2({ prototypes: s.head.prototypes, centring: 'sinkhorn' }), spread]),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy) }),
  hypers: schedulesOf,
  first: (s, how) => beginningOf(s.start, s.model.heads)(how),
  feed: (s) => (seed, step) => maskFeed(hiddenOf(s), seed, step),
}))
