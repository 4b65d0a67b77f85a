/**
 * Distillation: a large network that learnt without labels stands still, and a small one with coarser patches learns its features,
 * class and patch tokens through projections to its width. The product is a moving average of the small one. It becomes about as good as
 * its teacher, so learn from one that was trained for long.
 *
 *     npx tsx examples/distill.ts                                 short training of a teacher on digits first
 *     npx tsx examples/distill.ts --set teacher=runs/dinov1       learns from a run, or from a Hugging Face folder
 */
import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { recipes } from '../data/augment/recipes.ts'
import { mnistSplit } from '../data/readers/mnist.ts'
import { distilClass, distilPatches } from '../losses/distil.ts'
import { lossMonoid, weighted } from '../losses/loss.ts'
import { relation } from '../losses/relation.ts'
import type { Matched } from '../models/distil.ts'
import { featurePair } from '../models/distil.ts'
import { vit } from '../models/vit.ts'
import { before } from '../train/before.ts'
import { command } from '../train/command.ts'
import { experiment } from '../train/experiment.ts'
import { v1Groups } from '../train/groups.ts'
import { underRoots } from '../train/huggingface/read.ts'
import { readRun } from '../train/huggingface/run.ts'
import { adamw } from '../train/optimizer.ts'
import { constant, cosineSchedule } from '../train/schedule.ts'
import { distilled } from '../train/strategies/distil.ts'
import digits from './dinov1.ts'

const settings = {
  seed: 0, steps: 300, batch: 64, teacher: '', pretraining: 300,
  data: { train: 4000, test: 1000 },
  large: { patch: 7, width: 64, depth: 3, heads: 4 }, vit: { patch: 14, width: 32, depth: 2, heads: 2 },
  crops: { global: 28 }, optimizer: { lr: 3e-3, wd: 0.04 }, momentum: 0.98,
  weights: { cls: 1, patches: 0.5, relation: 1 },
  knn: { k: 20, temperature: 0.07, during: 1 },
}

export default command(import.meta.url, experiment({
  name: 'distill',
  about: 'A small network learns the features of a large one, which stands still: class tokens, patches and relations.',
  settings,
  data: (s) => mnistSplit(s.data),
  augmentation: ({ crops: c }) => recipes.digits({ globalSize: c.global, globalScale: [0.5, 1], locals: 0, localSize: c.global, localScale: [0.5, 1] }),
  networks: (s, { channels }) => {
    const backbone = vit({ ...s.vit, channels, image: s.crops.global })
    return { backbone, pair: featurePair({ student: backbone, teacher: vit({ ...s.large, channels, image: s.crops.global }) }) }
  },
  loss: ({ weights: w }) => concatAll(lossMonoid<Matched>())([weighted(w.cls)(distilClass()), weighted(w.patches)(distilPatches()), weighted(w.relation)(relation())]),
  update: () => ({ optimizer: adamw({ groups: v1Groups }) }),
  hypers: ({ steps, optimizer: o, momentum }) => sequenceS(E.Applicative)({
    lr: cosineSchedule({ base: o.lr, final: o.lr / 100, total: steps, warmup: Math.min(20, steps - 1) }), wd: E.right(constant(o.wd)), momentum: E.right(constant(momentum)),
  }),
  evaluation: ({ knn }) => knn,
  strategy: () => distilled,
  evaluated: 'ema',
  first: (s, how) => pipe(
    s.teacher === '' ? before(digits, how, { seed: s.seed, steps: s.pretraining, batch: s.batch, data: s.data, vit: s.large }) : TE.right(s.teacher),
    TE.chain((teacher) => readRun(teacher, { network: 'teacher', mergeLora: true })),
    TE.map((b) => underRoots(b, ['teacher.backbone'])),
  ),
}))
