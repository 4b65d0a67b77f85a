/** DINO's DINOHead. */
import { head } from '../../../models/head.ts'
import { headCase } from '../heads.ts'
import type { Kind } from '../kind.ts'

export const kind: Kind = (c, device) =>
  headCase(c, device, (o, { norm_last_layer: normLastLayer = true }) => head({ ...o, normLastLayer }), 'eval')
