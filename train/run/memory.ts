/** Whether a run can be in the memory of its machine, before anything of its size is made. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { residentBytes } from '../../compiler/memory/plan.ts'
import type { Device } from '../../compiler/target.ts'
import { memoryBytes } from '../../compiler/targets/machine.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { roots } from '../../core/graph.ts'
import { topological } from '../../core/order.ts'
import { bytesOf, sizeOf } from '../../core/type.ts'
import { showBytes } from '../../data/formats/limits.ts'
import type { Assembled } from './assembly.ts'

/** Bytes that there are for this process, and what of them it has taken already: the program, and images that are in memory. */
export interface Room {
  readonly bytes: number
  readonly taken: number
}

const roomHere = (): Room => ({ bytes: memoryBytes(), taken: process.memoryUsage.rss() })

const machine = 'the machine, or the limit of its control group, has'

/** Weights, moments and all else that stays, as it is read and written: in 32-bit floats. */
const stateOf = ({ residents }: Assembled): ReadonlyArray<{ readonly path: string; readonly bytes: number }> =>
  residents.map(({ path, declaration }) => ({ path, bytes: 4 * sizeOf(declaration.shape) }))

/** What a graph would take if nothing made room for anything else. */
const atMost = (g: Graph): number => topological(roots(g)).reduce((sum, e) => sum + sizeOf(e.type.shape) * bytesOf(e.type.dtype), 0)

/** What the programs of a run's steps take together, state included. What would fit in any order is not planned for it. */
const stepsOf = (device: Pick<Device, 'planned'>, { phases }: Assembled, room: number): Either<Fault, number> => {
  const graphs = [...new Set(phases.flatMap((p) => p.turns.map((t) => t.graph)))]
  const most = graphs.reduce((sum, g) => sum + atMost(g), 0)
  if (most <= room) return E.right(most)
  let sum = 0
  for (const [i, g] of graphs.entries()) {
    const planned = device.planned(g)
    if (E.isLeft(planned)) return planned
    // programs share the state
    sum += i === 0 ? planned.right : Math.max(0, planned.right - residentBytes(g))
  }
  return E.right(sum)
}

/**
 * Whether weights, moments and all else that stays can be in memory once, as they are when they are read and saved, and, where a target
 * computes in the machine's own memory, what it needs for the steps beside that. Fault: they cannot.
 */
export const fitting = (
  device: Pick<Device, 'memory' | 'planned'>,
  assembled: Assembled,
  { bytes, taken }: Room = roomHere(),
): Either<Fault, void> => {
  const sizes = stateOf(assembled)
  const state = sizes.reduce((sum, s) => sum + s.bytes, 0)
  if (taken + state > bytes) {
    const [largest] = [...sizes].sort((a, b) => b.bytes - a.bytes)
    return E.left(
      fault('config', {
        place: `the state of the run, most of all ${largest.path}`,
        found: `${showBytes(state)} of weights, moments and averages, beside ${showBytes(taken)} that are taken`,
        allowed: `what ${machine}: ${showBytes(bytes)}`,
        remedy: 'make the model or its head smaller: model.width, model.depth, head.prototypes',
      }),
    )
  }
  if (device.memory === 'own') return E.right(undefined)
  const steps = stepsOf(device, assembled, bytes - taken - state)
  if (E.isLeft(steps)) return steps
  return taken + state + steps.right <= bytes
    ? E.right(undefined)
    : E.left(
        fault('config', {
          place: 'the training step',
          found: `${showBytes(steps.right)} that it takes, beside ${showBytes(state)} for a copy of its state and ${showBytes(taken)} that are taken`,
          allowed: `what ${machine}: ${showBytes(bytes)}`,
          remedy:
            'make less at a time: a smaller batch (strategies.accumulate=N makes one step of N of them), smaller crops (augmentation.globalSize), a smaller model',
        }),
      )
}
