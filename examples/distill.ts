/**
 * Distillation: a large network that learnt without labels stands still, and a small one with coarser patches learns its features,
 * class and patch tokens through projections to its width. The product is a moving average of the small one. It becomes about as good as
 * its teacher, so learn from one that was trained for long.
 *
 *     npx tsx examples/distill.ts                                 trains a teacher on digits first
 *     npx tsx examples/distill.ts --set teacher=runs/dinov2       learns from a run, or from a Hugging Face folder
 */
import { pipe } from 'fp-ts/lib/function.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Matched } from 'dinograph'
import {
  anyBackbone, backboneOf, command, common, crops, cropsOf, distilClass, distilled, distilPatches, experiment, featurePair, images,
  imagesOf, lossMonoid, network, networkValues, optimizer, optimizerOf, pretrained, readRun, real, relation, schedule, schedulesOf,
  section, text, underRoots, weighted, whole,
} from 'dinograph'
import digits from './dinov2.ts'

const settings = section('distillation on digits', {
  ...common({ steps: 400, batch: 64 }),
  teacher: text('', 'a run or a Hugging Face folder to learn from; empty: one is trained first'),
  pretraining: whole(3, 'steps of that training for each step of this one', { min: 1 }),
  large: network.with({ patch: 7, width: 64, depth: 3, heads: 4, layerScale: 0.1 }),
  model: network.with({ patch: 14, width: 32, depth: 2, heads: 2 }),
  weights: section('of the terms', { cls: real(1, 'class tokens', { min: 0 }), patches: real(0.5, 'patches', { min: 0 }), relation: real(1, 'relations between images', { min: 0 }) }),
  data: images.with({ train: 4000, test: 1000 }),
  augmentation: crops.with({ globalSize: 28, globalScale: [0.5, 1], locals: 0 }),
  optimizer: optimizer.with({ lr: 3e-3, minLr: 3e-5, clip: 0 }),
  schedule: schedule.with({ warmup: 20, momentumEnd: 0.98 }),
})

export default command(import.meta.url, experiment({
  name: 'distill',
  about: 'A small network learns the features of a large one, which stands still: class tokens, patches and relations.',
  settings,
  data: (s, say) => imagesOf(s.data, say),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const [backbone, teacher] = [s.model, s.large].map((n, i) => backboneOf(n, { channels, image: s.augmentation.globalSize, maskToken: i === 1 }))
    return { backbone, pair: featurePair({ student: backbone, teacher }) }
  },
  loss: ({ weights: w }) => concatAll(lossMonoid<Matched>())([weighted(w.cls)(distilClass()), weighted(w.patches)(distilPatches()), weighted(w.relation)(relation())]),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy) }),
  hypers: schedulesOf,
  strategy: () => distilled,
  evaluated: 'ema',
  first: (s, how) => pipe(
    s.teacher === '' ? pretrained(digits, how, { seed: s.seed, steps: s.pretraining * s.steps, batch: s.batch, data: s.data, model: s.large }) : TE.right(s.teacher),
    TE.chain((teacher) => readRun(teacher, { network: 'teacher', mergeLora: true })),
    TE.map((b) => underRoots(b, ['teacher.backbone'])),
  ),
  after: (s) => ({ state, images, accuracyOf }) =>
    accuracyOf('knn_teacher', networkValues('teacher')(state), anyBackbone(backboneOf(s.large, { channels: images.channels, image: s.augmentation.globalSize, maskToken: true }))),
}))
