/** DINOv2's DINOHead. */
import { head } from '../../../models/head.ts'
import { headCase } from '../heads.ts'
import type { Kind } from '../kind.ts'

export const kind: Kind = (c, device) => headCase(c, device, (o) => head({ ...o, normLastLayer: false }))
