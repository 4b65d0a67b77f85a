/** A whole DINO step: ViT-Ti/16, 4 images, 2 crops of 224 and 6 of 96, K = 4096 (reference/WORKLOADS.md). */
import { dino } from '../../../losses/dino.ts'
import { dinov1 } from '../../../models/dino.ts'
import { head } from '../../../models/head.ts'
import { vit } from '../../../models/vit.ts'
import { multiCrop } from '../../../train/step/batch.ts'
import { clipEach } from '../../../train/step/clip.ts'
import { v1Groups } from '../../../train/step/groups.ts'
import { adamw } from '../../../train/step/optimizer.ts'
import { derive, trainingStep } from '../../../train/step/step.ts'
import { chain } from '../../../train/step/transform.ts'
import { prepared } from '../prepare.ts'
import type { Workload } from '../workload.ts'

export const w1: Workload = {
  name: 'w1-dinov1-tiny',
  images: 4,
  gflop: 110.7,
  prepare: () => {
    const backbone = vit.tiny()
    return prepared(
      derive(
        trainingStep({
          model: dinov1({ backbone, head: head({ in: backbone.width, prototypes: 4096 }) }),
          loss: dino({ prototypes: 4096 }),
          batch: multiCrop({ images: 4, global: { crops: 2, size: 224 }, local: { crops: 6, size: 96 } }),
          optimizer: chain([clipEach(3), adamw({ groups: v1Groups })]),
        }),
      ).program,
    )
  },
}
