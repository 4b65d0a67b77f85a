/**
 * LoRA on new data: a DINOv2 that knows handwritten digits goes on with their negatives, on which its features are of less use. Low-rank
 * adapters are trained beside the frozen backbone, saved as a folder of the package peft, merged, and the merged network judged by k-NN.
 *
 *     npx tsx examples/lora.ts                                    trains a base on digits first, then adapters on their negatives
 *     npx tsx examples/lora.ts --model runs/dinov2                 goes on from a run or a Hugging Face folder of this shape (also
 *                                                                           base=); of any shape, on your images: examples/continue.ts with
 *                                                                           --model, --data and --set strategies.lora.rank=8
 *     npx tsx examples/lora.ts --set train=full                   everything is trained: for comparison (also: freeze, frugal)
 */
import * as d from 'dinograph'
import dinov2, { digits } from './dinov2.ts'

const settings = d.section('LoRA on negatives of digits', {
  train: d.field.oneOf(
    ['lora', 'full', 'freeze', 'frugal'],
    'what is trained; frugal: adapters behind frozen blocks, recomputed activations',
  ),
  base: d.field.text('', 'a run or a Hugging Face folder to go on from; empty: a base is trained first'),
  pretraining: d.field.whole(3, 'steps of that training for each step of this one', { min: 1 }),
  lora: d.adapters,
  frozen: d.field.whole(1, 'freeze, frugal: number of first blocks that are frozen'),
})

export default d.command(
  import.meta.url,
  d.experimentWith(settings, {
    name: 'lora',
    about: 'Low-rank adapters on new data, for a backbone that was trained on other data: saved, merged and judged by k-NN.',
    steps: 400,
    batch: 64,
    data: d.shownAs(d.negatives)(d.images({ train: 4000, test: 1000 })),
    ...digits,
    strategy: ({ train, frozen, lora }) =>
      d.strategies([
        ...(train === 'freeze' || train === 'frugal' ? [d.freeze({ prefix: frozen })] : []),
        ...(train === 'lora' || train === 'frugal' ? [d.lora(d.adaptersOf(lora))] : []),
      ]),
    rewrite: ({ train }) => (train === 'frugal' ? d.rewriteStep(d.remat()) : (step) => step),
    from: ({ base, start, pretraining, seed, steps, batch, data, model, head, augmentation }, how) =>
      d.pretrainedUnless(base === '' ? start.from : base, dinov2, how, {
        ...{ seed, steps: pretraining * steps, batch, data, model, head, schedule: { warmup: 0.1 } },
        // digits have crops of their own; of other images a network sees as many pixels before as after
        ...(data.path === '' ? {} : { preset: 'none', augmentation }),
      }),
    after: ({ base, start, lora }) => d.adaptersJudged(d.adaptersOf(lora), base === '' ? start.from : base),
  }),
)
