/** Small runs of recipes, step by step on a device: phases, micro-batches and crops as in training, without files. */
import type { Device, Executable } from '../../compiler/target.ts'
import type { Graph } from '../../core/graph.ts'
import { loader } from '../../data/loading/loader.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import type { Given } from '../../train/config/section.ts'
import type { Config } from '../../train/recipes/recipe.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import type { Assembled, AssembledPhase } from '../../train/run/assembly.ts'
import { enter, microBatchAt, phaseAt } from '../../train/run/phases.ts'
import { amongOthers, partOf } from '../../train/run/share.ts'
import { writeResidents } from '../../train/run/state.ts'
import type { Program } from '../../train/step/step.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'
import { firstValues } from './networks.ts'

const side = 14

const images = right(
  arrayDataset({
    name: 'waves',
    channels: 1,
    height: side,
    width: side,
    range: [-1, 1],
    labels: new Int32Array(12),
    classes: ['waves'],
    images: Float32Array.from(wave(12 * side * side)),
  }),
)

/** What a configuration makes of these images. */
export const assembledBy = (config: Given<Config>): Assembled => right(right(recipe(config).resolve([])).assemble({ channels: 1, side }))

export interface Stepped {
  /** Of each micro-batch. */
  readonly losses: ReadonlyArray<number>
  readonly state: ReadonlyMap<string, ArrayLike<number>>
}

/** Runs some steps on a device, a rank's or one that is alone; `as`: the graph that is compiled of a step's. */
export const stepped = async (
  device: Device,
  a: Assembled,
  steps: number,
  as: (g: Graph, phase: AssembledPhase) => Graph = (g) => g,
): Promise<Stepped> => {
  const { adapters } = a.phases[0].turns[0]
  right(await writeResidents(device, a.residents)(firstValues({ residents: a.residents, adapters }))())
  const losses: Array<number> = []
  const compiled = new Map<Program, Executable>()
  for (let step = 0; step < steps; step++) {
    const n = phaseAt(a.phases, step)
    const phase = a.phases[n]
    if (n > 0 && phase.from === step) right(await enter(device, a.residents, a.phases, n)())
    const { batch } = phase
    const part = right(partOf(device.share, phase.crops))
    const batches = amongOthers(device.share)(right(loader(images, { seed: 3, batch, side, ...part.rows })))
    for (const [turn, program] of phase.turns.entries()) {
      const micro =
        microBatchAt(
          a.phases.map((p) => ({ from: p.from, turns: p.turns.length })),
          step,
        ) + turn
      const run = compiled.get(program) ?? right(await device.compile(as(program.graph, phase), part.compile)())
      compiled.set(program, run)
      const crops = right(part.crops.feed(3, right(await batches.batch(micro)())))
      const hypers = Object.entries(phase.hypers).map(([name, s]) => [`hyper.${name}`, Float32Array.of(s(step))] as const)
      const values = new Map([...crops, ...phase.feed(3, micro), ...hypers])
      losses.push(right(await run.run({ values, seed: 3, step: micro })()).get('loss')?.[0] ?? NaN)
    }
  }
  const state = new Map<string, ArrayLike<number>>()
  for (const r of a.residents) state.set(r.path, right(await device.read(r.path)()))
  return { losses, state }
}
