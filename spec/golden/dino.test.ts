/** The printed form of a tiny DINO step: the objective as traced, its gradients, and AdamW of one parameter. `vitest -u` rewrites them. */
import * as O from 'fp-ts/lib/Option.js'
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import { stagesOf } from '../../compiler/road.ts'
import { showGraph } from '../../compiler/show.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { state, value } from '../../core/graph.ts'
import { hyper, input, parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { dino } from '../../losses/dino.ts'
import { dinov1 } from '../../models/dino.ts'
import { head } from '../../models/head.ts'
import { vit } from '../../models/vit.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { clipEach } from '../../train/step/clip.ts'
import { uniformGroups, v1Groups } from '../../train/step/groups.ts'
import { adamw, scaleByRate } from '../../train/step/optimizer.ts'
import type { ForwardStage } from '../../train/step/step.ts'
import { derive, trainingStep } from '../../train/step/step.ts'
import { chain, gated } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'

const tiny = (local: { readonly crops: number; readonly size: number }): ForwardStage =>
  trainingStep({
    model: dinov1({
      backbone: vit({ patch: 2, width: 4, depth: 1, heads: 2, mlpRatio: 1, image: 4 }),
      head: head({ in: 4, prototypes: 3, bottleneck: 2, layers: 1 }),
    }),
    loss: dino({ prototypes: 3 }),
    batch: multiCrop({ images: 2, global: { crops: 2, size: 4 }, local }),
    optimizer: scaleByRate(hyper('lr'), uniformGroups),
  })

test('the objective as traced', async () => {
  await expect(
    print(right(E.map((o: { readonly graph: Parameters<typeof print>[0] }) => o.graph)(tiny({ crops: 1, size: 2 }).objective))),
  ).toMatchFileSnapshot('dino.traced.ir')
})

test('the step with its gradients', async () => {
  await expect(print(right(derive(tiny({ crops: 0, size: 2 })).program).graph)).toMatchFileSnapshot('dino.grad.ir')
})

/** Every pass of a road that changes something here, as `npm run ir` prints it. */
test.each([
  ['gpujs', gpujsRoad({ maxInputs: 7, packs: true })],
  ['native', nativeRoad()],
] as const)('the step on the road to %s', async (target, road) => {
  const { graph } = right(derive(tiny({ crops: 0, size: 2 })).program)
  let before = showGraph(graph)
  for (const s of right(stagesOf(road)(graph))) {
    const text = s.text()
    if (text !== before) await expect(text).toMatchFileSnapshot(`dino.${target}.${s.name}.ir`)
    before = text
  }
})

test('one parameter behind a gate: clipping and AdamW', async () => {
  const declaration = param([3, 2], zeros)
  const { proposals, kept } = chain([
    clipEach(3),
    gated('open', () => true),
    adamw({ groups: v1Groups, rate: 'rate', decay: 'decay' }),
  ]).update([
    { path: 'w', declaration, value: parameter('student.w', declaration), update: input('gradient', [3, 2]), gate: O.none, begun: O.none },
  ])
  const g = right(
    trace('adamw', [
      ...proposals.map((p) => value(`change.${p.path}`, p.update)),
      ...kept.map((k) => state(`optimizer.${k.path}`, k.next)),
    ]),
  )
  await expect(print(g)).toMatchFileSnapshot('adamw.ir')
})
