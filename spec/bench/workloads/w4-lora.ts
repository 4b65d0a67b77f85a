/** w2 with the backbone frozen and low-rank adapters on `attn.qkv` and `attn.proj`, in the teacher too; the heads train. */
import { pipe } from 'fp-ts/lib/function.js'
import { derive, rewriteForward } from '../../../train/step/step.ts'
import { lora } from '../../../train/step/strategies/lora.ts'
import { prepared } from '../prepare.ts'
import type { Workload } from '../workload.ts'
import { crops, masks, stage } from './w2-dinov2-tiny.ts'

export const w4: Workload = {
  name: 'w4-lora',
  images: crops.images,
  gflop: 65.0,
  // one adapter for the whole of qkv, as PEFT has it for a fused layer
  prepare: () =>
    prepared(
      pipe(stage(), rewriteForward(lora({ targets: ['attn.qkv', 'attn.proj'], rank: 8, alpha: 16, slices: {} })), derive).program,
      masks(),
    ),
}
