/** All normalised tokens of ViT-S/14 for 8 images of 224, positions of a 518 pixel grid resized to 16 x 16. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { context, declarations, leavesOf } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { vitV2 } from '../../../models/presets.ts'
import { prepared } from '../prepare.ts'
import type { Workload } from '../workload.ts'

export const w3: Workload = {
  name: 'w3-vits-features',
  images: 8,
  gflop: 98.0,
  prepare: () => {
    const backbone = vitV2.small()
    const features = backbone.apply(context('eval'), leavesOf('backbone', backbone.params))(input('images', [8, 3, 224, 224]))
    const residents = declarations(backbone.params).map(([path, declaration]) => ({
      path: `backbone.${path}`,
      declaration,
      role: 'fixed' as const,
    }))
    return prepared(
      pipe(
        trace('features', [value('tokens', features.tokens)]),
        E.map((graph) => ({ graph, residents })),
      ),
    )
  },
}
