/** One whole training step of every method on a target against the oracle: what the step says, and every tensor that it leaves behind. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { describe, expect, test } from 'vitest'
import type { Device, Feed, HostArray, HostValues } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { reference } from '../../compiler/targets/reference.ts'
import { showFault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import type { TensorType } from '../../core/type.ts'
import type { Given } from '../../train/config/section.ts'
import type { Config } from '../../train/recipes/recipe.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { run } from '../../train/cli/run.ts'
import { left, right } from '../data/either.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose } from '../support/tensor.ts'
import { quiet } from '../train/tiny.ts'

type Held = ReadonlyMap<string, { readonly type: TensorType; readonly data: HostArray }>

/** A training step as it was run: the graph, what the device held before and after, what it was fed and what it handed back. */
interface Taken {
  readonly graph: Graph
  readonly before: Held
  readonly feed: Feed
  readonly values: HostValues
  readonly after: Held
}

const heldBy = async (device: Device): Promise<Held> => {
  const held = new Map<string, { readonly type: TensorType; readonly data: HostArray }>()
  for (const [path, type] of device.resident()) held.set(path, { type, data: right(await device.read(path)()).slice() })
  return held
}

/** The oracle, which tells of every run that changes its state. */
const watching = (device: Device, taken: (t: Taken) => void): Device => ({
  ...device,
  compile: (graph, o) =>
    pipe(
      device.compile(graph, o),
      TE.map((program) =>
        graph.outputs.every((out) => out.role !== 'state')
          ? program
          : {
              ...program,
              run: (feed) => async () => {
                const before = await heldBy(device)
                const ran = await program.run(feed)()
                if (E.isRight(ran)) taken({ graph, before, feed, values: ran.right, after: await heldBy(device) })
                return ran
              },
            },
      ),
    ),
})

/** The step of a run of one step on the oracle, and the run's folder. */
const stepOf = async (given: Given<Config>): Promise<Taken & { readonly out: string }> => {
  const taken: Array<Taken> = []
  const device = watching(right(await reference.open()), (t) => {
    taken.push(t)
  })
  const out = await mkdtemp(join(tmpdir(), 'dinograph-'))
  right(await run(recipe({ ...small, ...given }), { out, progress: quiet, device: TE.right(device) })())
  expect(taken.length).toBe(1)
  return { ...taken[0], out }
}

// with an eps of this size an update follows its gradient: with the usual one, the first is the gradient's sign, noise or not
const small: Given<Config> = {
  name: 'small',
  steps: 1,
  batch: 2,
  model: { patch: 14, width: 16, depth: 2, heads: 2 },
  head: { hidden: 16, bottleneck: 8, prototypes: 16 },
  augmentation: { locals: 1 },
  data: { train: 8, test: 4 },
  evaluation: { k: 1, during: 0 },
  optimizer: { eps: 1e-3 },
  schedule: { warmup: 0 },
}

const v1: Given<Config> = { objective: { kind: 'dinov1' } }

/** Adapters need a network that learned before. */
const adapted = async (): Promise<Given<Config>> => ({
  ...v1,
  start: { from: (await stepOf(v1)).out },
  strategies: { lora: { rank: 2, alpha: 4, targets: 'backbone\\.blocks\\..*' } },
})

const methods: Readonly<Record<string, () => Promise<Given<Config>>>> = {
  v1: () => Promise.resolve(v1),
  v2: () => Promise.resolve({ objective: { kind: 'dinov2' } }),
  v3: () => Promise.resolve({ objective: { kind: 'dinov3' }, model: { ...small.model, registers: 2, rope: { base: 100 } } }),
  lora: adapted,
  f16: () => Promise.resolve({ ...v1, strategies: { half: { contractions: true, storage: true } } }),
  bf16: () => Promise.resolve({ ...v1, strategies: { half: { type: 'bf16', contractions: true, storage: true } } }),
}

/** Where values are rounded to 16 bits they may be rounded the other way; of what is said, and of what is left behind. */
const rounded: Readonly<Record<string, readonly [number, number]>> = { f16: [2e-3, 1e-3], bf16: [2e-2, 1e-2] }

/** The tests of a target; of an optional one only where it runs. `half`: whether it has types of 16 bits; else they are a fault. */
export const stepsHold = async (target: string, half: boolean): Promise<void> => {
  const opened = await openTarget(target)()
  if (E.isRight(opened)) opened.right.close()
  else process.stderr.write(`steps on ${target} are not tested: ${showFault(opened.left)}\n`)
  describe.skipIf(E.isLeft(opened) && isOptional(target))(`a training step on ${target} agrees with reference`, () => {
    test.each(Object.entries(methods))('%s', async (name, settings) => {
      const [said, kept] = rounded[name] ?? [2e-4, 2e-5]
      const step = await stepOf(await settings())
      const device = right(await openTarget(target)())
      for (const [path, { type, data }] of step.before) right(await device.write(path, type, data)())
      const compiled = await device.compile(step.graph)()
      if (!half && name in rounded) {
        expect(left(compiled).found).toBe(`${name} tensors in the graph`)
        return
      }
      const values = right(await right(compiled).run(step.feed)())
      expect([...values.keys()].sort()).toEqual([...step.values.keys()].sort())
      for (const [path, expected] of step.values) expectClose(values.get(path) ?? [], expected, said, path)
      expect([...device.resident().keys()].sort()).toEqual([...step.after.keys()].sort())
      for (const [path, { data }] of step.after) expectClose(right(await device.read(path)()), data, kept, path)
      device.close()
    })
  })
}
