/**
 * DINO (Caron et al. 2021) on handwritten digits: a student sees all crops of an image, its own moving average, the
 * teacher, sees the two large ones, and the student learns to say of every crop what the teacher says of the others. Sinkhorn
 * and Knopp's iteration balances what the teacher says (table 7, column SK); KoLeo, which the paper does not have, holds the features
 * of small batches apart.
 *
 *     npx tsx examples/dinov1.ts                 trains, evaluates, writes runs/dinov1/
 *     npx tsx examples/dinov1.ts --help          what can be changed
 */
import { command, crops, dino, dinov1, experiment, images, koleo, network, prototypes, sinkhorn, sum, weighted } from 'dinograph'

export default command(
  import.meta.url,
  experiment({
    name: 'dinov1',
    about: 'DINO on the digits that the package mnist ships: learns without labels, is judged by k-NN with them.',
    steps: 2000,
    batch: 64,
    data: images({ train: 8000, test: 2000 }),
    augmentation: crops({
      globalSize: 28,
      globalScale: [0.6, 1],
      locals: 2,
      localSize: 21,
      localScale: [0.5, 0.9],
      warp: { probability: 1, rotation: 20, shear: 0.3 },
      blur: { probability: 0.5, sigma: [0.1, 1.5] },
    }),
    method: dinov1({
      model: network({ patch: 7, width: 128, depth: 3, heads: 4, layerScale: 0.1, initStd: 0.1, positionStd: 1 }),
      head: prototypes({ hidden: 128, bottleneck: 64, prototypes: 512 }),
      loss: ({ head }) => sum([dino({ prototypes: head.prototypes, centring: sinkhorn() }), weighted(0.1)(koleo())]),
    }),
    optimizer: { lr: 2e-3, minLr: 1e-5, wd: 0.04, wdEnd: 0.04, clip: 3 },
    schedule: { warmup: 0.1, momentum: 0.96, temperatureFrom: 0.015, temperature: 0.015 },
    evaluation: { during: 2 },
  }),
)
