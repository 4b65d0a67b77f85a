/** A whole DINOv2 step: ViT-Ti/14 with LayerScale, 8 images, 2 crops of 112 and 6 of 56, DINO and iBOT heads, Sinkhorn, KoLeo. */
import type { HostArray } from '../../../compiler/target.ts'
import { dinov2 as objective } from '../../../losses/sums.ts'
import { dinov2 } from '../../../models/dinov2.ts'
import { head } from '../../../models/head.ts'
import { vit } from '../../../models/vit.ts'
import { multiCrop } from '../../../train/step/batch.ts'
import { clipGroups } from '../../../train/step/clip.ts'
import { v2Groups } from '../../../train/step/groups.ts'
import { maskInputs, maskValues } from '../../../train/step/masks.ts'
import { adamw } from '../../../train/step/optimizer.ts'
import type { ForwardStage } from '../../../train/step/step.ts'
import { derive, trainingStep } from '../../../train/step/step.ts'
import { chain } from '../../../train/step/transform.ts'
import { prepared } from '../prepare.ts'
import type { Workload } from '../workload.ts'

/** Hidden patches of each global crop. */
export const hidden = [0, 18, 0, 25, 0, 25, 0, 11, 29, 9, 0, 13, 21, 0, 0, 0]
const patches = 64
const listed = hidden.reduce((n, m) => n + m, 0)

/** Hidden patches one after the other in each crop: where they lie changes no time. */
export const masks = (): ReadonlyMap<string, HostArray> => {
  const mask = new Uint8Array(hidden.length * patches)
  const [indices, weights] = [new Int32Array(listed), new Float32Array(listed)]
  let n = 0
  hidden.forEach((count, crop) => {
    for (let i = 0; i < count; i++, n++) {
      mask[crop * patches + i] = 1
      indices[n] = crop * patches + i
      weights[n] = 1 / count
    }
  })
  return maskValues({ mask, indices, weights, count: listed })
}

/** Crops of both sizes, and what is hidden of the large ones. */
export const crops = { images: 8, global: { crops: 2, size: 112 }, local: { crops: 6, size: 56 } }

/** What w2 asks of a backbone. */
const options = { generation: 2, patch: 14, image: 112, layerScale: 1e-5, maskToken: true, wholePatches: true } as const

export type Size = 'tiny' | 'small' | 'base' | 'large'

/** The step before anything is derived: w4 puts adapters in. Of another size or depth it says what compiling costs (costs.ts). */
export const stage = (size: Size = 'tiny', depth?: number): ForwardStage => {
  const backbone = vit[size]({ ...options, ...(depth === undefined ? {} : { depth }) })
  const heads = { in: backbone.width, prototypes: 4096, normLastLayer: false }
  const { images, views } = multiCrop(crops)
  return trainingStep({
    model: dinov2({ backbone, head: head(heads), patchHead: head(heads) }),
    loss: objective({ prototypes: 4096, centring: 'sinkhorn' }),
    batch: { images, views: { ...views, masks: maskInputs(hidden.length, patches, listed) } },
    optimizer: chain([
      clipGroups(3),
      adamw({ groups: v2Groups({ decay: 0.9, blocks: depth ?? (size === 'large' ? 24 : 12), patchEmbed: 0.2 }) }),
    ]),
  })
}

export const w2: Workload = {
  name: 'w2-dinov2-tiny',
  images: crops.images,
  gflop: 84.1,
  prepare: () => prepared(derive(stage()).program, masks()),
}
