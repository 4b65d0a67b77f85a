/** The workloads that have a name of their own. */
import type { Workload } from '../workload.ts'
import { w1 } from './w1-dinov1-tiny.ts'
import { w2 } from './w2-dinov2-tiny.ts'
import { w2ce } from './w2ce.ts'
import { w3 } from './w3-vits-features.ts'
import { w4 } from './w4-lora.ts'

export const named: ReadonlyArray<Workload> = [w1, w2, w3, w4, w2ce]
