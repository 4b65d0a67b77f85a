/**
 * Continues the training of a backbone on your own images: of a Hugging Face folder, a model of the hub, an official file, or an earlier
 * run, with DINOv2's objective, whatever it was trained with. The network is made as the folder says, crops are of the size and
 * normalised as its preprocessor_config.json says; what it has no values for begins anew, and is reported.
 *
 *     npx tsx examples/continue.ts --model facebook/dinov2-small --data ~/scans          on a CPU, smaller crops are quicker:
 *         --set augmentation.globalSize=112 --set augmentation.localSize=56
 *     npx tsx examples/continue.ts --model runs/dinov1 --set start.heads=new --set strategies.freeze.prefix=1
 *     npx tsx examples/continue.ts                      without a model: makes a folder of random weights, says so, and continues from that
 */
import { anyNetwork, command, crops, dinov2, experiment, goingOn, hidden, images, namedOrMade, prototypes } from 'dinograph'
import { dino, ibot, koleo, sinkhorn, sum, weighted } from 'dinograph/losses'

/** What is trained where no network is named. */
const alone = { model: { patch: 7, width: 64, depth: 3, heads: 4, image: 28 }, data: {}, augmentation: { globalSize: 28, localSize: 14 } }

export default command(
  import.meta.url,
  goingOn(alone, (from) =>
    experiment({
      name: 'continue',
      about: 'Continues the training of a backbone (--model DIR|FILE|ID) on your images (--data DIR|FILE) with DINO + iBOT + KoLeo.',
      steps: 300,
      batch: 32,
      data: images({ train: 4000, test: 1000, ...from.data }),
      augmentation: crops({ locals: 4, ...from.augmentation }),
      method: dinov2({
        masks: hidden(),
        model: anyNetwork(from.model),
        head: prototypes({ hidden: 256, bottleneck: 64, prototypes: 1024, normLastLayer: false }),
        patchHead: 'shared',
        loss: ({ head: { prototypes } }) =>
          sum([
            dino({ prototypes, centring: sinkhorn(), split: true }),
            ibot({ prototypes, centring: sinkhorn() }),
            weighted(0.1)(koleo()),
          ]),
      }),
      optimizer: { lr: 5e-4, minLr: 1e-6, clipBy: 'network', groups: 'v2', layerDecay: 0.9, patchEmbed: 0.2 },
      schedule: { warmup: 0.1, momentum: 0.994, temperature: 0.06, temperatureWarmup: 0.667, freezeLastLayer: 0.033, frozenBy: 'rate' },
      from: namedOrMade,
    }),
  ),
)
