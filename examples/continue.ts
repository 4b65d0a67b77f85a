/**
 * Continues the training of a backbone on your own images: of a Hugging Face folder, a model of the hub, an official file, or an earlier run,
 * with DINOv2's objective, whatever it was trained with. The network is made as the folder says, crops are of the size and normalised as its
 * preprocessor_config.json says; what it has no values for begins anew, and is told.
 *
 *     npx tsx examples/continue.ts --model facebook/dinov2-small --data ~/scans          on a CPU, smaller crops are quicker:
 *         --set augmentation.globalSize=112 --set augmentation.localSize=56
 *     npx tsx examples/continue.ts --model dinov2_vits14_pretrain.pth --set model.heads=6 --data ~/scans
 *     npx tsx examples/continue.ts --model runs/dinov1 --set start.heads=new --set strategies.freeze.prefix=1
 *     npx tsx examples/continue.ts                      without a model: makes a folder of random weights, says so, and continues from that
 */
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Dinov2Features } from 'dinograph'
import {
  adaptersOf, backboneOf, beginningOf, command, common, crops, cropsOf, describedBy, dinov2, experiment, headOf, hidden, hiddenOf, images, imagesOf,
  lossMonoid, maskedCrops, maskFeed, network, networkOf, optimizer, optimizerOf, prototypes, saveAdapters, scalingOf, schedule, schedulesOf, section,
  spread, start, strategic, strategies, withMasks, writeInitial,
} from 'dinograph'
import * as losses from 'dinograph/losses'

const described = await describedBy(process.argv)
const given = described?.options
const patch = given?.patch ?? 7
/** Pixels of a whole image as the model sees it: what its preprocessor_config.json says, else what it was made for, up to the 224 of DINO's training. */
const seen = pipe(O.fromNullable(described), O.match(() => 28, ({ options, view }) => pipe(view, O.match(() => Math.min(224, options.image), (v) => v.size))))
/** Patches along the side of global crops. */
const side = Math.max(4, Math.floor(seen / patch))

const settings = section('training on', {
  ...common({ steps: 300, batch: 32 }),
  start,
  data: images.with({ train: 4000, test: 1000, ...(given === undefined ? {} : { normalisation: 'model' }) }),
  augmentation: crops.with({ globalSize: side * patch, locals: 4, localSize: Math.max(1, Math.round(side * 0.43)) * patch, ...(given === undefined ? {} : { recipe: 'v2' }) }),
  masks: hidden,
  model: network.with(given === undefined ? { patch, width: 64, depth: 3, heads: 4, image: 28 } : networkOf(given)),
  head: prototypes.with({ hidden: 256, bottleneck: 64, prototypes: 1024, normLastLayer: false }),
  optimizer: optimizer.with({ lr: 5e-4, minLr: 1e-6, clipBy: 'network', groups: 'v2', layerDecay: 0.9, patchEmbed: 0.2 }),
  schedule: schedule.with({ warmup: 30, momentum: 0.994, temperature: 0.06, temperatureWarmup: 200, freezeLastLayer: 10, frozenBy: 'rate' }),
  strategies,
})

export default command(import.meta.url, experiment({
  name: 'continue',
  about: 'Continues the training of a backbone (--model DIR|FILE|ID) on your images (--data DIR|FILE) with DINO + iBOT + KoLeo.',
  settings,
  data: (s, say) => imagesOf(s.data, say, s.start.from),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, maskToken: true })
    return { backbone, pair: withMasks(maskedCrops(hiddenOf(s)).views.masks)(dinov2({ backbone, head: headOf(backbone.width, s.head) })) }
  },
  loss: (s) => concatAll(lossMonoid<Dinov2Features>())([losses.dinov2({ prototypes: s.head.prototypes, centring: 'sinkhorn' }), spread]),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy), ...scalingOf(s.strategies) }),
  hypers: schedulesOf,
  feed: (s) => (seed, step) => maskFeed(hiddenOf(s), seed, step),
  ...strategic,
  after: (s) => (t) => (s.strategies.lora === null ? TE.right({}) : pipe(saveAdapters(adaptersOf(s.strategies.lora), s.start.from)(t), TE.map(() => ({})))),
  first: (s, how) => {
    if (s.start.from !== '') return beginningOf(s.start, s.model.heads)(how)
    how.say('no --model was given: a folder of random weights is made, and continued from')
    return pipe(writeInitial(join(how.out, 'model'), backboneOf(s.model), s.seed), TE.chain((from) => beginningOf({ ...s.start, from }, s.model.heads)(how)))
  },
}))
