/**
 * LoRA on new data: a backbone that knows handwritten digits goes on with their negatives, on which its features are of little use.
 * Low-rank adapters are trained, saved as a PEFT folder, merged, and the merged network is judged by k-NN. The few hundred steps of its
 * defaults show the way; features take thousands: train examples/dinov1.ts for long, and go on from its run.
 *
 *     npx tsx examples/lora.ts                                    short training on digits first, then adapters on their negatives
 *     npx tsx examples/lora.ts --set base=runs/dinov1             goes on from a run, or from a Hugging Face folder
 *     npx tsx examples/lora.ts --set train=full                   everything is trained: for comparison (also: freeze, frugal)
 */
import { join } from 'node:path'
import { sequenceS } from 'fp-ts/lib/Apply.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { remat } from '../compiler/rewrites/remat.ts'
import { recipes } from '../data/augment/recipes.ts'
import { negative } from '../data/negative.ts'
import { mnistSplit } from '../data/readers/mnist.ts'
import { dino } from '../losses/dino.ts'
import { dinov1 } from '../models/dino.ts'
import { head } from '../models/head.ts'
import { vit } from '../models/vit.ts'
import { before, continued } from '../train/before.ts'
import { clipEach } from '../train/clip.ts'
import { command } from '../train/command.ts'
import { experiment } from '../train/experiment.ts'
import { v1Groups } from '../train/groups.ts'
import { adamw } from '../train/optimizer.ts'
import { constant, cosineSchedule } from '../train/schedule.ts'
import { rewriteStep } from '../train/step.ts'
import { mergedNetwork, networkValues } from '../train/strategies/adapters.ts'
import { freeze } from '../train/strategies/freeze.ts'
import { lora } from '../train/strategies/lora.ts'
import { writeAdapters } from '../train/strategies/peft.ts'
import { all, none, trainedCount } from '../train/strategies/strategy.ts'
import { chain } from '../train/transform.ts'
import digits from './dinov1.ts'

const settings = {
  seed: 0, steps: 200, batch: 64, train: 'lora', base: '', pretraining: 300,
  data: { train: 4000, test: 1000 },
  lora: { targets: 'backbone\\.blocks\\..*', rank: 8, alpha: 16, frozen: 1 },
  vit: { patch: 7, width: 64, depth: 3, heads: 4 }, head: { hidden: 128, bottleneck: 64, prototypes: 256 },
  crops: { global: 28, local: 14, locals: 2 }, optimizer: { lr: 5e-4, wd: 0.04, clip: 3 }, teacher: { momentum: 0.99, temperature: 0.04 },
  knn: { k: 20, temperature: 0.07, during: 1 },
}

const strategies = ({ lora: o }: typeof settings): Readonly<Record<string, ReturnType<typeof all>>> =>
  ({ full: none, lora: lora(o), freeze: freeze({ prefix: o.frozen }), frugal: all([freeze({ prefix: o.frozen }), lora(o)]) })

export default command(import.meta.url, experiment({
  name: 'lora',
  about: 'Low-rank adapters on new data, for a backbone that was trained on other data: saved, merged and judged by k-NN.',
  settings,
  data: (s) => pipe(mnistSplit(s.data), TE.map(({ train, test }) => ({ train: negative(train), test: negative(test) }))),
  augmentation: ({ crops: c }) => recipes.digits({ globalSize: c.global, globalScale: [0.5, 1], locals: c.locals, localSize: c.local, localScale: [0.2, 0.5] }),
  networks: (s, { channels }) => {
    const backbone = vit({ ...s.vit, channels, image: s.crops.global })
    return { backbone, pair: dinov1({ backbone, head: head({ in: s.vit.width, ...s.head }) }) }
  },
  loss: (s) => dino({ prototypes: s.head.prototypes }),
  update: ({ optimizer: o }) => ({ optimizer: chain([clipEach(o.clip), adamw({ groups: v1Groups })]) }),
  hypers: ({ steps, optimizer: o, teacher: t }) => sequenceS(E.Applicative)({
    lr: cosineSchedule({ base: o.lr, final: o.lr / 100, total: steps, warmup: Math.min(20, steps - 1) }),
    wd: E.right(constant(o.wd)), momentum: cosineSchedule({ base: t.momentum, final: 1, total: steps }), teacher_temp: E.right(constant(t.temperature)),
  }),
  evaluation: ({ knn }) => knn,
  strategy: (s) => strategies(s)[s.train] ?? none,
  rewrite: (s) => (s.train === 'frugal' ? rewriteStep(remat()) : (step) => step),
  first: (s, how) => pipe(
    s.base === '' ? before(digits, how, { seed: s.seed, steps: s.pretraining, batch: s.batch, data: s.data, vit: s.vit, head: s.head }) : TE.right(s.base),
    TE.chain(continued),
  ),
  after: (s) => ({ state, out, accuracyOf, assembled: { program } }) => pipe(
    TE.Do,
    TE.chainFirst(() => (program.adapters.length === 0 ? TE.right(undefined) : writeAdapters(join(out, 'adapter'), { names: 'vit', lora: s.lora }, program.adapters)(networkValues('teacher')(state)))),
    TE.bind('knn_merged', () => pipe(TE.fromEither(mergedNetwork(program.adapters, 'teacher')(state)), TE.chain(accuracyOf))),
    TE.map(({ knn_merged }) => ({ knn_merged, trained: trainedCount(program) })),
  ),
}))
