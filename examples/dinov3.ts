/**
 * DINOv3 (Siméoni et al. 2025) on handwritten digits, in its three stages over one state: DINO, iBOT and KoLeo with Sinkhorn targets on a
 * backbone with rotary positions; then Gram anchoring to a copy of the teacher, which sees larger crops; then, where asked for, larger
 * images, which show nothing new of digits of 28 pixels.
 *
 *     npx tsx examples/dinov3.ts                              trains, evaluates, writes runs/dinov3/
 *     npx tsx examples/dinov3.ts --set stages.larger=0.75     its last part on larger images
 *     npx tsx examples/dinov3.ts --model runs/dinov2          goes on from an earlier run, folder or model, whatever it learned by
 */
import { command, crops, dinov3, experiment, gramOf, hidden, images, network, plainPrototypes } from 'dinograph'
import { dino, gram, ibot, koleo, scheduled, sinkhorn, sum, weighted } from 'dinograph/losses'

export default command(
  import.meta.url,
  experiment({
    name: 'dinov3',
    about: 'DINOv3 on the digits that the package mnist ships: rotary positions, Sinkhorn targets, KoLeo, Gram anchoring, larger images.',
    steps: 1200,
    batch: 64,
    data: images({ train: 8000, test: 2000 }),
    augmentation: crops({ globalScale: [0.4, 1], locals: 4, localScale: [0.15, 0.5], blur: { probability: 0.5, sigma: [0.1, 1.5] } }),
    method: dinov3({
      masks: hidden({ sampler: 'exact' }),
      model: network({
        patch: 7,
        width: 64,
        depth: 3,
        heads: 4,
        layerScale: 0.1,
        registers: 2,
        rope: { rescale: 2 },
        eps: 1e-5,
        maskKeyBias: true,
        generation: '3',
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
    optimizer: { lr: 2e-3, minLr: 1e-5, clip: 3, clipBy: 'network', groups: 'v3', layerDecay: 0.98, patchEmbed: 0.2, beta2: 0.99 },
    schedule: { warmup: 0.083, momentum: 0.98, temperatureFrom: 0.04, temperature: 0.05, temperatureWarmup: 0.417, frozenBy: 'rate' },
    evaluation: { during: 2 },
  }),
)
