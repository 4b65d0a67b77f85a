/**
 * DINO (Caron et al. 2021) on handwritten digits: a student sees all crops of an image, its own moving average, the
 * teacher, sees the two large ones, and the student learns to say of every crop what the teacher says of the others. Sinkhorn
 * and Knopp's iteration balances what the teacher says (table 7, column SK), patches have rotary positions, and crops show most of a digit.
 *
 *     npx tsx examples/dinov1.ts                 trains, evaluates, writes runs/dinov1/
 *     npx tsx examples/dinov1.ts --help          what can be changed
 */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { ClassTokens, Features, Logits } from 'dinograph'
import {
  backboneOf, beginningOf, command, common, crops, cropsOf, dino, dinov1, evaluation, experiment, headOf, images, imagesOf, lossMonoid,
  network, optimizer, optimizerOf, prototypes, schedule, schedulesOf, section, sinkhorn, spread, start,
} from 'dinograph'

const settings = section('DINO on digits', {
  ...common({ steps: 4000, batch: 64 }),
  start,
  data: images.with({ train: 8000, test: 2000 }),
  augmentation: crops.with({ globalSize: 28, globalScale: [0.6, 1], locals: 2, localSize: 21, localScale: [0.5, 0.9], blur: { probability: 0.5, sigma: [0.1, 1.5] } }),
  model: network.with({ patch: 7, width: 64, depth: 3, heads: 4, initStd: 0.125, rope: {} }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 256 }),
  optimizer: optimizer.with({ lr: 8e-3, lrRule: 'linear_wrt_256', minLr: 1e-5, wd: 0.04, wdEnd: 0.04, clip: 3 }),
  schedule: schedule.with({ warmup: 100, momentum: 0.96, temperatureFrom: 0.015, temperature: 0.015 }),
  evaluation: evaluation.with({ during: 2 }),
})

export default command(import.meta.url, experiment({
  name: 'dinov1',
  about: 'DINO on the digits that the package mnist ships: learns without labels, is judged by k-NN with them.',
  settings,
  data: (s, say) => imagesOf(s.data, say),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize })
    return { backbone, pair: dinov1({ backbone, head: headOf(backbone.width, s.head) }) }
  },
  loss: (s) => concatAll(lossMonoid<Features<Logits & ClassTokens>>())([dino({ prototypes: s.head.prototypes, centring: sinkhorn() }), spread]),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy) }),
  hypers: schedulesOf,
  first: (s, how) => beginningOf(s.start, s.model.heads)(how),
}))
