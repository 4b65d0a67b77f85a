/** Supervised learning of the same crops: a linear classifier of 1000 on every class token of ViT-Ti/14, mean cross-entropy, AdamW. */
import type { HostArray } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import { leaf } from '../../../core/expr.ts'
import type { Model } from '../../../core/model.ts'
import { call, inScope } from '../../../core/model.ts'
import { tensorType } from '../../../core/type.ts'
import type { Loss } from '../../../losses/loss.ts'
import { pureLoss } from '../../../losses/loss.ts'
import type { LinearParams } from '../../../models/linear.ts'
import { linear } from '../../../models/linear.ts'
import type { VitParams } from '../../../models/vit.ts'
import { vit } from '../../../models/vit.ts'
import { crossEntropy, oneHot } from '../../../ops/nn.ts'
import { mean } from '../../../ops/reduce.ts'
import { concat } from '../../../ops/window.ts'
import type { MultiCrop } from '../../../train/step/batch.ts'
import { multiCrop } from '../../../train/step/batch.ts'
import { v1Groups } from '../../../train/step/groups.ts'
import { adamw } from '../../../train/step/optimizer.ts'
import { derive, trainingStep } from '../../../train/step/step.ts'
import { prepared } from '../prepare.ts'
import type { Workload } from '../workload.ts'
import { crops } from './w2-dinov2-tiny.ts'

const classes = 1000
const rows = crops.images * (crops.global.crops + crops.local.crops)

interface Params {
  readonly backbone: VitParams
  readonly classifier: LinearParams
}

/** Logits `[64, 1000]` of all crops, the large ones first. */
const classifier = (): Model<Params, MultiCrop, Expr> => {
  const backbone = vit.tiny({ generation: 2, patch: 14, image: crops.global.size, layerScale: 1e-5, maskToken: false, wholePatches: true })
  const last = linear({ in: backbone.width, out: classes })
  return {
    params: { backbone: backbone.params, classifier: last.params },
    apply:
      (c, p) =>
      ({ global, local = global }) => {
        const cls = [['global', global] as const, ['local', local] as const].map(
          ([name, images]) => inScope(c, name, (inner) => call(backbone, inner, 'backbone', p.backbone, images)).cls,
        )
        return call(last, c, 'classifier', p.classifier, concat(0)(cls))
      },
  }
}

/** There is no teacher here. */
const nobody: Model<Readonly<Record<string, never>>, MultiCrop, null> = { params: {}, apply: () => () => null }

const labelled = leaf(tensorType('i32', [rows]), { _tag: 'Input', path: 'batch.labels' })
const labels: ReadonlyMap<string, HostArray> = new Map([['batch.labels', Int32Array.from({ length: rows }, (_, i) => (i * 37) % classes)]])

const loss: Loss<{ readonly student: Expr }> = pureLoss('cross_entropy', ({ student }) =>
  mean()(crossEntropy(student, oneHot(classes)(labelled))),
)

export const w2ce: Workload = {
  name: 'w2ce',
  images: crops.images,
  gflop: 62.3,
  prepare: () =>
    prepared(
      derive(
        trainingStep({
          model: { student: classifier(), teacher: nobody },
          loss,
          batch: multiCrop(crops),
          optimizer: adamw({ groups: v1Groups }),
        }),
      ).program,
      labels,
    ),
}
