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
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { remat } from '../compiler/rewrites/remat.ts'
import { negative } from '../data/negative.ts'
import { dino } from '../losses/dino.ts'
import { dinov1 } from '../models/dino.ts'
import { before, continued } from '../train/before.ts'
import { command } from '../train/command.ts'
import type { ValueOf } from '../train/config/field.ts'
import { oneOf, text, whole } from '../train/config/field.ts'
import { section } from '../train/config/section.ts'
import { experiment } from '../train/experiment.ts'
import { common } from '../train/parts/common.ts'
import { crops, cropsOf } from '../train/parts/crops.ts'
import { images, imagesOf } from '../train/parts/images.ts'
import { backboneOf, headOf, network, prototypes } from '../train/parts/network.ts'
import { adapters } from '../train/parts/strategies.ts'
import { optimizer, optimizerOf, schedule, schedulesOf } from '../train/parts/training.ts'
import { rewriteStep } from '../train/step.ts'
import { mergedNetwork, networkValues } from '../train/strategies/adapters.ts'
import { freeze } from '../train/strategies/freeze.ts'
import { lora } from '../train/strategies/lora.ts'
import { writeAdapters } from '../train/strategies/peft.ts'
import type { Strategy } from '../train/strategies/strategy.ts'
import { all, none, trainedCount } from '../train/strategies/strategy.ts'
import digits from './dinov1.ts'

const settings = section('LoRA on negatives of digits', {
  ...common({ steps: 200, batch: 64 }),
  train: oneOf(['lora', 'full', 'freeze', 'frugal'], 'what is trained'),
  base: text('', 'a run or a Hugging Face folder to go on from; empty: a short training comes first'),
  pretraining: whole(300, 'steps of that training', { min: 1 }),
  lora: adapters,
  frozen: whole(1, 'freeze, frugal: first blocks that stand still'),
  model: network.with({ patch: 7, width: 64, depth: 3, heads: 4 }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 256 }),
  data: images.with({ train: 4000, test: 1000 }),
  augmentation: crops.with({ globalScale: [0.5, 1], locals: 2, localScale: [0.2, 0.5] }),
  optimizer: optimizer.with({ lr: 5e-4, minLr: 5e-6 }),
  schedule: schedule.with({ warmup: 20, momentum: 0.99, temperature: 0.04 }),
})

const strategies = (s: ValueOf<typeof settings>): { readonly [K in typeof s.train]: Strategy } =>
  ({ full: none, lora: lora(s.lora), freeze: freeze({ prefix: s.frozen }), frugal: all([freeze({ prefix: s.frozen }), lora(s.lora)]) })

export default command(import.meta.url, experiment({
  name: 'lora',
  about: 'Low-rank adapters on new data, for a backbone that was trained on other data: saved, merged and judged by k-NN.',
  settings,
  data: (s, say) => pipe(imagesOf(s.data, say), TE.map(({ train, test }) => ({ train: negative(train), test: negative(test) }))),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize })
    return { backbone, pair: dinov1({ backbone, head: headOf(backbone.width, s.head) }) }
  },
  loss: (s) => dino({ prototypes: s.head.prototypes }),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth) }),
  hypers: schedulesOf,
  strategy: (s) => strategies(s)[s.train],
  rewrite: (s) => (s.train === 'frugal' ? rewriteStep(remat()) : (step) => step),
  first: (s, how) => pipe(
    s.base === '' ? before(digits, how, { seed: s.seed, steps: s.pretraining, batch: s.batch, data: s.data, model: s.model, head: s.head }) : TE.right(s.base),
    TE.chain(continued),
  ),
  after: (s) => ({ state, out, accuracyOf, assembled: { program } }) => pipe(
    TE.Do,
    TE.chainFirst(() => (program.adapters.length === 0 ? TE.right(undefined) : writeAdapters(join(out, 'adapter'), { names: 'vit', lora: s.lora }, program.adapters)(networkValues('teacher')(state)))),
    TE.bind('knn_merged', () => pipe(TE.fromEither(mergedNetwork(program.adapters, 'teacher')(state)), TE.chain(accuracyOf))),
    TE.map(({ knn_merged }) => ({ knn_merged, trained: trainedCount(program) })),
  ),
}))
