/**
 * DINOv3 (Siméoni et al. 2025) on handwritten digits, in its three stages over one state: DINO, iBOT and KoLeo with Sinkhorn targets on a
 * backbone with rotary positions; then Gram anchoring to a copy of the teacher, which sees larger crops; then, where asked for, larger images,
 * which show nothing new of digits of 28 pixels.
 *
 *     npx tsx examples/dinov3.ts                              trains, evaluates, writes runs/dinov3/
 *     npx tsx examples/dinov3.ts --set stages.larger=0.75     its last part on larger images
 *     npx tsx examples/dinov3.ts --model runs/dinov2          goes on from an earlier run, folder or model, whatever it learned by
 */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Dinov2Features, GramFeatures } from 'dinograph'
import {
  anchorHypers, anchoring, backboneOf, beginningOf, command, common, crops, cropsOf, dinov2, evaluation, experiment, gramOf, hasCopy,
  hidden, hiddenOf, images, imagesOf, larger, lossMonoid, maskedCrops, maskFeed, network, optimizer, optimizerOf, plainHeadOf, prototypes,
  renewals, schedule, schedulesOf, section, spread, stages, stagesOf, start, withAnchorCrops, withMasks,
} from 'dinograph'
import * as losses from 'dinograph/losses'

const settings = section('DINOv3 on digits', {
  ...common({ steps: 1200, batch: 64 }),
  start, stages: stages.with({ anchoring: 0.6, larger: 1 }),
  data: images.with({ train: 8000, test: 2000 }),
  augmentation: crops.with({ globalSize: 28, globalScale: [0.4, 1], locals: 4, localSize: 14, localScale: [0.15, 0.5], blur: { probability: 0.5, sigma: [0.1, 1.5] } }),
  masks: hidden.with({ sampler: 'exact' }),
  model: network.with({ patch: 7, width: 64, depth: 3, heads: 4, layerScale: 0.1, registers: 2, rope: { rescale: 2 }, eps: 1e-5, maskKeyBias: true, generation: '3' }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 512 }),
  anchor: anchoring.with({ size: 42, every: 100 }),
  larger: larger.with({ globalSize: 35, localSize: 14, anchorSize: 49 }),
  optimizer: optimizer.with({ lr: 2e-3, minLr: 1e-5, clip: 3, clipBy: 'network', groups: 'v3', layerDecay: 0.98, patchEmbed: 0.2, beta2: 0.99 }),
  schedule: schedule.with({ warmup: 100, momentum: 0.98, temperatureFrom: 0.04, temperature: 0.05, temperatureWarmup: 500, frozenBy: 'rate' }),
  evaluation: evaluation.with({ during: 2 }),
})

export default command(import.meta.url, experiment({
  name: 'dinov3',
  about: 'DINOv3 on the digits that the package mnist ships: rotary positions, Sinkhorn targets, KoLeo, Gram anchoring, larger images.',
  settings,
  data: (s, say) => imagesOf(s.data, say),
  augmentation: (s) => pipe(cropsOf(s.augmentation), withAnchorCrops(s.anchor)),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, maskToken: true })
    const heads = { head: plainHeadOf(backbone.width, s.head), patchHead: plainHeadOf(backbone.width, s.head) }
    return { backbone, pair: withMasks(maskedCrops(hiddenOf(s)).views.masks)(dinov2({ backbone, ...heads, anchor: hasCopy(s.anchor) ? 'own' : 'teacher', anchorAntialias: s.anchor.antialias })) }
  },
  loss: ({ head, anchor }) => concatAll(lossMonoid<Dinov2Features & GramFeatures>())([
    anchor.weight > 0 ? losses.dinov3Anchored({ prototypes: head.prototypes, reweightLocal: true, gram: gramOf(anchor) }) : losses.dinov3({ prototypes: head.prototypes, reweightLocal: true }),
    spread,
  ]),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy) }),
  hypers: (s) => pipe(schedulesOf(s), E.map((all) => ({ ...all, ...anchorHypers(s.anchor) }))),
  feed: (s) => (seed, step) => maskFeed(hiddenOf(s), seed, step),
  phases: stagesOf,
  first: (s, how) => beginningOf(s.start, s.model.heads)(how),
  between: (s) => renewals(s.anchor, stagesOf(s).find((p) => p.settings.anchor.weight > 0)?.from ?? s.steps),
}))
