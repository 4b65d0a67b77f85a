/** What distribution makes of a step of two layers, and which collectives it has. `vitest -u` rewrites the files. */
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import type { DistributionName } from '../../compiler/distribute/strategy.ts'
import { distribute } from '../../compiler/distribute/strategy.ts'
import { ranksOf } from '../../compiler/distribute/alone.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf, value } from '../../core/graph.ts'
import { hyper, input } from '../../core/leaves.ts'
import { context, inScope, leavesOf, param, truncNormal, zeros } from '../../core/model.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { square, sub, tanh } from '../../ops/elementwise.ts'
import { linear } from '../../ops/nn.ts'
import { mean } from '../../ops/reduce.ts'
import { clipGroups } from '../../train/step/clip.ts'
import { uniformGroups } from '../../train/step/groups.ts'
import type { ForwardStage } from '../../train/step/step.ts'
import { derive } from '../../train/step/step.ts'
import { scaleByRate } from '../../train/step/optimizer.ts'
import { chain } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'

const layer = { weight: param([6, 4], truncNormal(0.02)), bias: param([6], zeros) }
const params = { blocks: { 0: layer, 1: { weight: param([2, 6], truncNormal(0.02)), bias: param([2], zeros) } } }

/** tanh(x W0ᵀ + b0) W1ᵀ + b1 of 8 images, against what they should give; clipped gradient descent. */
const step = (): Graph => {
  const p = leavesOf('student', params)
  const x = input('batch.x', [8, 4])
  const hidden = inScope(context('train', 'student'), 'blocks.0', () => tanh(linear(x, p.blocks[0].weight, p.blocks[0].bias)))
  const y = inScope(context('train', 'student'), 'blocks.1', () => linear(hidden, p.blocks[1].weight, p.blocks[1].bias))
  const loss = mean()(square(sub(y, input('batch.y', [8, 2]))))
  const stage: ForwardStage = {
    stage: 'forward',
    objective: E.right({
      graph: right(trace('objective', [value('loss', loss)])),
      residents: ([0, 1] as const).flatMap((i) =>
        (['weight', 'bias'] as const).map((name) => ({
          path: `student.blocks.${i}.${name}`,
          declaration: params.blocks[i][name],
          role: 'trained' as const,
        })),
      ),
    }),
    update: { optimizer: chain([clipGroups(3), scaleByRate(hyper('lr'), uniformGroups)]) },
  }
  return right(simplify.run(right(derive(stage).program).graph))
}

/** Collectives by name, with the elements of the larger of argument and result. */
const counted = (g: Graph): Readonly<Record<string, ReadonlyArray<number>>> => {
  const by: Record<string, Array<number>> = {}
  for (const e of nodesOf(g))
    if (e._tag === 'Apply' && ranksOf(e) > 0) (by[e.op.name] ??= []).push(Math.max(sizeOf(e.type.shape), sizeOf(e.args[0].type.shape)))
  return by
}

const expected: Readonly<Record<DistributionName, Readonly<Record<string, ReadonlyArray<number>>>>> = {
  // the loss, and all gradients in one bucket: 24 + 6 + 12 + 2; then the squares of both norms, each rank of its part as in fsdp
  ddp: { allReduce: [45, 2], shard: [24, 12] },
  // each weight once forward, and the second again backward: of the images no gradient is asked. Gradients of what is split are scattered;
  // the loss, the gradients of biases and the squares of both parts' norms are one bucket: 1 + 6 + 2 + 2
  fsdp: { allGather: [24, 12, 12], reduceScatter: [24, 12], allReduce: [11] },
}

test.each(['ddp', 'fsdp'] as const)('%s', async (strategy) => {
  const { graph } = right(distribute({ strategy, ranks: 2, images: 8, least: 10 })(step()))
  expect(counted(graph)).toEqual(expected[strategy])
  await expect(`${print(step())}\n${print(graph)}`).toMatchFileSnapshot(`distribute.${strategy}.ir`)
})
