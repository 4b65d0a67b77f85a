/** DINOv3's DinoVisionTransformer: features with and without masks, inner layers and rotary tables; local crops in training. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { features, v3Backbone, v3Config } from '../backbones.ts'
import { configOf } from '../case.ts'
import type { Kind } from '../kind.ts'

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(v3Config, c)),
    TE.chain((o) => features(c, device, v3Backbone(o))),
  )
