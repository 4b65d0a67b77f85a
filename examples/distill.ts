/**
 * Distillation: a large network that learnt without labels is frozen, and a small one learns its features, class and patch tokens
 * through projections to its width. The product is a moving average of the small one. It becomes about as good as its teacher, so learn
 * from one that was trained for long.
 *
 *     npx tsx examples/distill.ts                                 trains a teacher on digits first
 *     npx tsx examples/distill.ts --set teacher=runs/dinov2       learns from a run, or from a Hugging Face folder
 */
import * as d from 'dinograph'
import dinov2, { backbone } from './dinov2.ts'

const weight = (initial: number, about: string) => d.field.real(initial, about, { min: 0 })

export default d.command(
  import.meta.url,
  d.experiment({
    name: 'distill',
    about: 'A small network learns the features of a large one, which is frozen: class tokens, patches and relations.',
    steps: 1200,
    batch: 64,
    data: d.images({ train: 4000, test: 1000 }),
    augmentation: d.crops({ globalSize: 28, globalScale: [0.6, 1], locals: 0, warp: { probability: 1, rotation: 20, shear: 0.3 } }),
    method: d.distillation({
      large: backbone,
      model: d.network({ patch: 7, width: 64, depth: 2, heads: 2, positionStd: 1 }),
      settings: d.section('the teacher and the terms', {
        teacher: d.field.text('', 'a run or a Hugging Face folder to learn from; empty: one is trained first'),
        pretraining: d.field.whole(1, 'steps of that training for each step of this one', { min: 1 }),
        weights: d.section('of the terms', {
          cls: weight(1, 'class tokens'),
          patches: weight(0.5, 'patches'),
          relation: weight(1, 'relations between images'),
        }),
      }),
      loss: ({ weights: w }) =>
        d.sum([d.weighted(w.cls)(d.distilClass()), d.weighted(w.patches)(d.distilPatches()), d.weighted(w.relation)(d.relation())]),
      teacher: ({ teacher, pretraining, seed, steps, batch, data, large, augmentation, optimizer: { lr }, schedule }, how) =>
        d.pretrainedUnless(teacher, dinov2, how, {
          ...{ preset: 'none', seed, steps: pretraining * steps, batch, data, model: large, schedule: { warmup: 0.083 } },
          // digits have crops and rates of their own; of larger images a teacher sees what its student will, and smaller crops besides
          ...(augmentation.globalSize === 28
            ? {}
            : { augmentation: { ...augmentation, locals: 4 }, optimizer: { lr }, schedule: { ...schedule, momentumEnd: 1 } }),
        }),
    }),
    optimizer: { lr: 3e-3, minLr: 3e-5, clip: 0 },
    schedule: { warmup: 0.05, momentumEnd: 0.98 },
  }),
)
