/** A whole DINO step: ViT-Ti/16, 4 images, 2 crops of 224 and 6 of 96, K = 4096 (reference/WORKLOADS.md). */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { leavesOfGraph } from '../../../core/graph.ts'
import { sizeOf, tensorType } from '../../../core/type.ts'
import { dino } from '../../../losses/dino.ts'
import { dinov1 } from '../../../models/dino.ts'
import { head } from '../../../models/head.ts'
import { vit } from '../../../models/vit.ts'
import { multiCrop } from '../../../train/batch.ts'
import { clipEach } from '../../../train/clip.ts'
import { v1Groups } from '../../../train/groups.ts'
import { initialize } from '../../../train/initialize.ts'
import { adamw } from '../../../train/optimizer.ts'
import { derive, trainingStep } from '../../../train/step.ts'
import { chain } from '../../../train/transform.ts'
import type { Workload } from '../workload.ts'
import { normals } from '../workload.ts'

const hypers: Readonly<Record<string, number>> = { lr: 1e-4, wd: 0.04, momentum: 0.996, teacher_temp: 0.04 }

export const w1: Workload = {
  name: 'w1-dinov1-tiny',
  images: 4,
  gflop: 110.7,
  prepare: () => {
    const backbone = vit.tiny()
    const step = derive(trainingStep({
      model: dinov1({ backbone, head: head({ in: backbone.width, prototypes: 4096 }) }),
      loss: dino({ prototypes: 4096 }),
      batch: multiCrop({ images: 4, global: { crops: 2, size: 224 }, local: { crops: 6, size: 96 } }),
      optimizer: chain([clipEach(3), adamw({ groups: v1Groups })]),
    }))
    return pipe(step.program, E.map(({ graph, residents }) => {
      const first = initialize(0)(residents)
      const given = leavesOfGraph(graph).filter((l) => l.source._tag === 'Input' || l.source._tag === 'Hyper')
      return {
        graph,
        residents: residents.map((r) => [r.path, tensorType(r.declaration.dtype, r.declaration.shape), first.get(r.path) ?? new Float32Array(sizeOf(r.declaration.shape))] as const),
        values: new Map(given.map((l) => [l.path, l.source._tag === 'Input' ? normals(l.path, sizeOf(l.type.shape)) : Float32Array.of(hypers[l.path.replace(/^hyper\./, '')] ?? 0)])),
      }
    }))
  },
}
