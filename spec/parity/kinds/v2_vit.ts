/** DINOv2's DinoVisionTransformer: features with and without masks, and inner layers, for images of several sizes. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { features, v2Backbone, v2Config } from '../backbones.ts'
import { configOf } from '../case.ts'
import type { Kind } from '../kind.ts'

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(v2Config, c)),
    TE.chain((o) => features(c, device, v2Backbone(o))),
  )
