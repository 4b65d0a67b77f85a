/**
 * DINOv2 (Oquab et al. 2023) on handwritten digits: DINO between crops, iBOT on patches that the student does not see, and KoLeo,
 * which spreads the features. The teacher's targets are balanced by Sinkhorn and Knopp's iteration.
 *
 *     npx tsx examples/dinov2.ts                 trains, evaluates, writes runs/dinov2/
 *     npx tsx examples/dinov2.ts --help          what can be changed
 */
import { command, crops, dinov2, experiment, hidden, images, network, prototypes } from 'dinograph'
import { dino, ibot, koleo, sinkhorn, sum, weighted } from 'dinograph/losses'

export const backbone = network({ patch: 7, width: 128, depth: 3, heads: 4, layerScale: 0.1, initStd: 0.1, positionStd: 1 })

/** How it learns digits: `lora` goes on in the same way, `distill` from what has been learned. */
export const digits = {
  augmentation: crops({
    globalSize: 28,
    globalScale: [0.6, 1],
    locals: 2,
    localSize: 21,
    localScale: [0.5, 0.9],
    warp: { probability: 1, rotation: 20, shear: 0.3 },
    blur: { probability: 0.5, sigma: [0.1, 1.5] },
  }),
  method: dinov2({
    masks: hidden(),
    model: backbone,
    head: prototypes({ hidden: 128, bottleneck: 64, prototypes: 512, normLastLayer: false }),
    loss: ({ head: { prototypes } }) =>
      sum([dino({ prototypes, centring: sinkhorn(), split: true }), ibot({ prototypes, centring: sinkhorn() }), weighted(0.1)(koleo())]),
  }),
  optimizer: { lr: 2e-3, minLr: 1e-5, wd: 0.04, wdEnd: 0.04, clip: 3, clipBy: 'network', groups: 'v2', layerDecay: 0.9, patchEmbed: 0.2 },
  schedule: { warmup: 0.1, momentum: 0.96, temperatureFrom: 0.015, temperature: 0.015, frozenBy: 'rate' },
} as const

export default command(
  import.meta.url,
  experiment({
    name: 'dinov2',
    about: 'DINOv2 on the digits that the package mnist ships: DINO + iBOT + KoLeo with Sinkhorn targets.',
    steps: 1000,
    batch: 64,
    data: images({ train: 8000, test: 2000 }),
    ...digits,
    evaluation: { during: 2 },
  }),
)
