/**
 * LoRA on new data: a DINOv2 that knows handwritten digits goes on with their negatives, on which its features are of less use. Low-rank
 * adapters are trained beside the frozen backbone, saved as a folder of the package peft, merged, and the merged network judged by k-NN.
 *
 *     npx tsx examples/lora.ts                                    trains a base on digits first, then adapters on their negatives
 *     npx tsx examples/lora.ts --set base=runs/dinov2             goes on from a run, or from a Hugging Face folder
 *     npx tsx examples/lora.ts --set train=full                   everything is trained: for comparison (also: freeze, frugal)
 */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Strategy, ValueOf } from 'dinograph'
import {
  adapters, adaptersOf, all, backboneOf, command, common, crops, cropsOf, dinov2, experiment, freeze, headOf, hidden, hiddenOf, images,
  imagesOf, lora, maskedCrops, maskFeed, mergedNetwork, negatives, network, none, oneOf, optimizer, optimizerOf, pretrained, prototypes,
  remat, rewriteStep, saveAdapters, schedule, schedulesOf, section, startFrom, text, trainedCount, whole, withMasks,
} from 'dinograph'
import * as losses from 'dinograph/losses'
import digits from './dinov2.ts'

const settings = section('LoRA on negatives of digits', {
  ...common({ steps: 400, batch: 64 }),
  train: oneOf(['lora', 'full', 'freeze', 'frugal'], 'what is trained; frugal: adapters behind a frozen prefix, activations computed again'),
  base: text('', 'a run or a Hugging Face folder to go on from; empty: a base is trained first'),
  pretraining: whole(3, 'steps of that training for each step of this one', { min: 1 }),
  lora: adapters,
  frozen: whole(1, 'freeze, frugal: first blocks that stand still'),
  data: images.with({ train: 4000, test: 1000 }),
  augmentation: crops.with({ globalScale: [0.4, 1], locals: 4, localScale: [0.15, 0.5], blur: { probability: 0.5, sigma: [0.1, 1.5] } }),
  masks: hidden,
  model: network.with({ patch: 7, width: 64, depth: 3, heads: 4, layerScale: 0.1 }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 512, normLastLayer: false }),
  optimizer: optimizer.with({ lr: 2e-3, minLr: 2e-5 }),
  schedule: schedule.with({ warmup: 20, temperatureFrom: 0.05 }),
})

const strategies = (s: ValueOf<typeof settings>): { readonly [K in typeof s.train]: Strategy } =>
  ({ full: none, lora: lora(adaptersOf(s.lora)), freeze: freeze({ prefix: s.frozen }), frugal: all([freeze({ prefix: s.frozen }), lora(adaptersOf(s.lora))]) })

export default command(import.meta.url, experiment({
  name: 'lora',
  about: 'Low-rank adapters on new data, for a backbone that was trained on other data: saved, merged and judged by k-NN.',
  settings,
  data: (s, say) => pipe(imagesOf(s.data, say), TE.map(negatives)),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize, maskToken: true })
    const heads = { head: headOf(backbone.width, s.head), patchHead: headOf(backbone.width, s.head) }
    return { backbone, pair: withMasks(maskedCrops(hiddenOf(s)).views.masks)(dinov2({ backbone, ...heads })) }
  },
  loss: (s) => losses.dinov2({ prototypes: s.head.prototypes, centring: 'sinkhorn' }),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy) }),
  hypers: schedulesOf,
  feed: (s) => (seed, step) => maskFeed(hiddenOf(s), seed, step),
  strategy: (s) => strategies(s)[s.train],
  rewrite: (s) => (s.train === 'frugal' ? rewriteStep(remat()) : (step) => step),
  first: (s, how) => pipe(
    s.base === '' ? pretrained(digits, how, { seed: s.seed, steps: s.pretraining * s.steps, batch: s.batch, data: s.data, model: s.model, head: s.head }) : TE.right(s.base),
    TE.chain((base) => startFrom(base, { attentionHeads: s.model.heads })(how)),
  ),
  after: (s) => (t) => {
    const { program } = t.assembled
    return pipe(
      saveAdapters(adaptersOf(s.lora))(t),
      TE.chain(() => TE.fromEither(mergedNetwork(program.adapters, 'teacher')(t.state))),
      TE.chain((network) => t.accuracyOf('knn_merged', network)),
      TE.map((merged) => ({ ...merged, trained: trainedCount(program), trained_backbone: trainedCount(program, (path) => path.startsWith('backbone.')) })),
    )
  },
}))
