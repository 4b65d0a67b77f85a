/**
 * DINOv3 (Siméoni et al. 2025) on handwritten digits, in its three stages over one state: DINO, iBOT and KoLeo with Sinkhorn targets on a
 * backbone with rotary positions; then Gram anchoring to a copy of the teacher, which sees larger crops; then, where asked for, larger
 * images, which show nothing new of digits of 28 pixels.
 *
 *     npx tsx examples/dinov3.ts                              trains, evaluates, writes runs/dinov3/
 *     npx tsx examples/dinov3.ts --set stages.larger=0.75     its last part on larger images
 *     npx tsx examples/dinov3.ts --model runs/dinov2          goes on from an earlier run, folder or model, whatever it learned by
 */
import { command, dinov3, experiment, gramOf, hidden, images, network, plainPrototypes } from 'dinograph'
import { dino, gram, ibot, koleo, scheduled, sinkhorn, sum, weighted } from 'dinograph/losses'
import { digits } from './dinov2.ts'

export default command(
  import.meta.url,
  experiment({
    name: 'dinov3',
    about: 'DINOv3 on the digits that the package mnist ships: rotary positions, Sinkhorn targets, KoLeo, Gram anchoring, larger images.',
    steps: 1200,
    batch: 64,
    data: images({ train: 8000, test: 2000 }),
    augmentation: digits.augmentation,
    method: dinov3({
      masks: hidden({ sampler: 'exact' }),
      model: network({
        ...{ patch: 7, width: 128, depth: 3, heads: 4, layerScale: 0.1, initStd: 0.1, registers: 2 },
        ...{ rope: { base: 8, rescale: 1 }, eps: 1e-5, maskKeyBias: true, generation: '3' },
      }),
      head: plainPrototypes({ hidden: 128, bottleneck: 64, prototypes: 512 }),
      loss: ({ head: { prototypes }, anchor }) =>
        sum([
          dino({ prototypes, centring: sinkhorn(), localWeight: 'local_weight' }),
          ibot({ prototypes, centring: sinkhorn() }),
          weighted(0.1)(koleo()),
          ...(anchor.weight > 0 ? [scheduled('gram_weight')(gram(gramOf(anchor)))] : []),
        ]),
      stages: { anchoring: 0.6, larger: 1 },
      anchor: { size: 42, every: 100 },
      larger: { globalSize: 35, localSize: 14, anchorSize: 49 },
    }),
    optimizer: { ...digits.optimizer, groups: 'v3', layerDecay: 0.98, beta2: 0.99 },
    schedule: digits.schedule,
    evaluation: { during: 2 },
  }),
)
