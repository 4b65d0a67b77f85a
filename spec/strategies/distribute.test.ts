/** Distribution with other strategies: N ranks side by side take the step that one takes, and a rank has its share of the memory. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, test } from 'vitest'
import { distribute, distributionNames } from '../../compiler/distribute/strategy.ts'
import { stack } from '../../compiler/distribute/stack.ts'
import { residentBytes } from '../../compiler/memory/plan.ts'
import { remat } from '../../compiler/passes/remat.ts'
import { plannedBytes } from '../../compiler/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { showFault } from '../../core/fault.ts'
import { clipGroups } from '../../train/step/clip.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { StepStage } from '../../train/step/step.ts'
import { derive, rewriteForward, rewriteStep } from '../../train/step/step.ts'
import { accumulate } from '../../train/step/strategies/accumulate.ts'
import { freeze } from '../../train/step/strategies/freeze.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import type { Strategy } from '../../train/step/strategies/strategy.ts'
import { noStrategy, strategies } from '../../train/step/strategies/strategy.ts'
import { chain } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { expectClose } from '../support/tensor.ts'
import { programOf, run, stage } from './networks.ts'

const options = { images: 2, optimizer: chain([clipGroups(0.5), adamw()]) }

const adapted = lora({ targets: ['qkv'], slices: {}, rank: 2, alpha: 4 })
const same = (s: StepStage): StepStage => s

const kinds: ReadonlyArray<readonly [string, Strategy, (s: StepStage) => StepStage]> = [
  ['nothing else', noStrategy, same],
  ['recomputation', noStrategy, rewriteStep(remat())],
  ['accumulation', noStrategy, accumulate({ steps: 1 })],
  ['LoRA on what is frozen in part', strategies([adapted, freeze({ prefix: 1 })]), same],
]

test.each(kinds.flatMap(([name, forward, step]) => distributionNames.map((strategy) => [strategy, name, forward, step] as const)))(
  '%s with %s',
  async (strategy, _, forward, step) => {
    const program = right(pipe(stage(options), rewriteForward(forward), derive, step).program)
    const { graph } = program
    const together = right(pipe(graph, distribute({ strategy, ranks: 2, images: 2, least: 16 }), E.chain(stack)))
    const apply = new Map([['hyper.apply', Float32Array.of(1)]])
    const [one, two] = [await run(program, 2, options, apply), await run({ ...program, graph: together }, 2, options, apply)]
    two.values.forEach((values, i) => {
      for (const [path, v] of one.values[i]) expectClose(values.get(path) ?? [], v, 1e-9, path)
    })
    for (const [path, v] of one.state) expectClose(two.state.get(path) ?? [], v, 1e-6, path)
  },
)

test('a rank of N has an N-th of the state, and of what a step is planned to take', () => {
  const { graph } = programOf(noStrategy, { images: 8, width: 64, image: 16 })
  const road = nativeRoad(undefined, true)
  const whole = right(plannedBytes(road)(graph))
  for (const ranks of [2, 4]) {
    const part = right(distribute({ strategy: 'fsdp', ranks, images: 8 })(graph)).graph
    // what is small is the same on all ranks
    expect(residentBytes(part) / residentBytes(graph)).toBeLessThan(1 / ranks + 0.06)
    expect(right(plannedBytes(road)(part)) / whole).toBeLessThan(1 / ranks + 0.15)
  }
})

test('a batch that ranks cannot share is told with one that they can', () => {
  const f = distribute({ strategy: 'ddp', ranks: 3, images: 8 })(programOf(noStrategy, { images: 8 }).graph)
  expect(E.isLeft(f) ? showFault(f.left) : '').toBe(
    [
      'config fault at batch',
      '  found:   8 images for 3 ranks or devices',
      '  allowed: a multiple of 3: every rank, or device, has as many images',
      '  remedy:  set batch=9, or another number of ranks (mpirun -n) or devices (--devices)',
    ].join('\n'),
  )
  // as it says
  expect(E.isRight(distribute({ strategy: 'ddp', ranks: 3, images: 9 })(programOf(noStrategy, { images: 9 }).graph))).toBe(true)
})
