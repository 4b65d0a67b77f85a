/** DINOv3's DINOHead. */
import { plainHead } from '../../../models/head.ts'
import { headCase } from '../heads.ts'
import type { Kind } from '../kind.ts'

export const kind: Kind = (c, device) => headCase(c, device, plainHead)
