/** Compiling for a machine that is not here: what a step will take on it, and what XLA makes of the step. Nothing is run. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { isFault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { followGraph } from '../../road.ts'
import { asFault } from '../residents.ts'
import type { Api } from './api.ts'
import { openApi } from './api.ts'
import { readyPlugin } from './beside.ts'
import type { MemoryUse } from './client.ts'
import { aboutOf, namedValues } from './client.ts'
import { operationsIn } from './hlo.ts'
import type { Machine } from './machines.ts'
import { withScratchLater } from './memory.ts'
import { compileOptions } from './options.ts'
import { moduleOf } from './print.ts'
import { pjrtRoad } from './road.ts'
import type { Precision } from './writer.ts'

export interface Ahead {
  readonly machine: string
  /** Devices of the machine; the step is compiled for one. */
  readonly devices: number
  readonly seconds: number
  readonly memory: MemoryUse
  /** Operations of the program as XLA has changed it, by their name in HLO. */
  readonly operations: ReadonlyMap<string, number>
}

const compiled = async (api: Api, text: string, m: Machine): Promise<Ahead> =>
  withScratchLater(async (s) => {
    const [values, count] = namedValues(s, m.create)
    const [name, format, code] = [s.text(m.topology), s.text('mlir'), s.text(text)]
    const [, , , , topology] = api.call('TopologyDescription_Create', [name.address, m.topology.length, values, count, 0])
    try {
      const [, , devices] = api.call('TopologyDescription_GetDeviceDescriptions', [topology, 0, 0])
      const program = s.struct([code.address, Buffer.byteLength(text), format.address, 4])
      const options = compileOptions(m.xla)
      const began = performance.now()
      const made = await api.later('Compile', [topology, program.address, s.bytes(options).address, options.length, 0, 0])
      const executable = made[5]
      try {
        const about = aboutOf(api, executable)
        const optimized = about.optimized()
        return {
          machine: m.name,
          devices: Number(devices),
          seconds: (performance.now() - began) / 1000,
          memory: about.memory(),
          operations: operationsIn(optimized.program, optimized.format),
        }
      } finally {
        api.call('Executable_Destroy', [executable])
      }
    } finally {
      api.call('TopologyDescription_Destroy', [topology])
    }
  })

/** Compiles a graph for a machine. Faults: no plugin for it, with what to install; what the plugin refuses. */
export const compileAhead =
  (g: Graph, m: Machine, precision: Precision): TaskEither<Fault, Ahead> =>
  async () => {
    const module = pipe(
      g,
      followGraph(pjrtRoad),
      E.chain((graph) => moduleOf(graph, { precision, apart: false })),
    )
    if (E.isLeft(module)) return module
    try {
      for (const [name, value] of Object.entries(m.environment)) process.env[name] ??= value
      const plugin = readyPlugin(m.platform)
      if (isFault(plugin)) return E.left(plugin)
      const api = openApi(plugin.path)
      return isFault(api) ? E.left(api) : E.right(await compiled(api, module.right.text, m))
    } catch (e) {
      return E.left(asFault(`compile for ${m.name}`)(e))
    }
  }
