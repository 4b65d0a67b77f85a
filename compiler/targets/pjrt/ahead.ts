/**
 * Compiling for a machine that is not here: what a step will take on its devices, and what XLA makes of the step. Nothing is run.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { isFault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import type { DistributionName } from '../../distribute/strategy.ts'
import { distribute } from '../../distribute/strategy.ts'
import { followGraph } from '../../road.ts'
import { openCache, toTerminal } from '../native/cache.ts'
import type { Call } from '../foreign.ts'
import { koffi } from '../foreign.ts'
import { asFault } from '../residents.ts'
import type { Api } from './api.ts'
import { openApi } from './api.ts'
import { readyPlugin } from './beside.ts'
import type { MemoryUse } from './client.ts'
import { aboutOf, namedValues } from './client.ts'
import { operationsIn } from './hlo.ts'
import { withLog } from './logs.ts'
import type { Machine } from './machines.ts'
import { withScratchLater } from './memory.ts'
import { compileOptions } from './options.ts'
import { moduleOf } from './print.ts'
import { pjrtRoad } from './road.ts'
import type { Precision } from './writer.ts'

export interface AheadOptions {
  readonly precision: Precision
  readonly strategy: DistributionName
  /** Devices that share the batch. */
  readonly devices: number
  /** Images of the whole batch. */
  readonly images: number
}

export interface Ahead {
  readonly seconds: number
  readonly memory: MemoryUse
  /** Operations of the program as XLA has changed it, by their name in HLO. */
  readonly operations: ReadonlyMap<string, number>
}

/** The program of a number of devices, each of which runs it. Fault: a batch that they cannot share. */
const programOf = (g: Graph, { precision, strategy, images, devices }: AheadOptions): Either<Fault, string> =>
  pipe(
    devices === 1
      ? E.right(g)
      : pipe(
          g,
          distribute({ strategy, ranks: devices, images }),
          E.map((d) => d.graph),
        ),
    E.chain(followGraph({ ...pjrtRoad, ranks: devices > 1 })),
    E.chain((graph) => moduleOf(graph, { precision, apart: false, devices })),
    E.map(({ text }) => text),
  )

const compiled = async (api: Api, log: string, g: Graph, m: Machine, o: AheadOptions): Promise<Either<Fault, Ahead>> =>
  withScratchLater(async (s) => {
    const [values, count] = namedValues(s, m.create)
    const [name, format] = [s.text(m.topology), s.text('mlir')]
    const [, , , , topology] = withLog(log, () =>
      api.call('TopologyDescription_Create', [name.address, m.topology.length, values, count, 0]),
    )
    try {
      const text = programOf(g, o)
      if (E.isLeft(text)) return text
      const code = s.text(text.right)
      const program = s.struct([code.address, Buffer.byteLength(text.right), format.address, 4])
      const options = compileOptions(m.xla, o.devices)
      const began = performance.now()
      const made = await api.later('Compile', [topology, program.address, s.bytes(options).address, options.length, 0, 0])
      const executable = made[5]
      try {
        const about = aboutOf(api, executable)
        const optimized = about.optimized()
        return E.right({
          seconds: (performance.now() - began) / 1000,
          memory: about.memory(),
          operations: operationsIn(optimized.program, optimized.format),
        })
      } finally {
        api.call('Executable_Destroy', [executable])
      }
    } finally {
      api.call('TopologyDescription_Destroy', [topology])
    }
  })

/**
 * libtpu profiles its process by a timer, which goes on when its handler is gone at the end, and then kills the process: it has to end at
 * once. What was written is written by then.
 */
const endAtOnce = (): void => {
  const end: Call = koffi.load(null).func('void _exit(int code)')
  process.once('exit', (code) => {
    end(code)
  })
}

/** Compiles a graph for a machine. Faults: no plugin for it, with what to install; what the plugin refuses. */
export const compileAhead =
  (g: Graph, m: Machine, o: AheadOptions): TaskEither<Fault, Ahead> =>
  async () => {
    try {
      for (const [name, value] of Object.entries(m.environment)) process.env[name] ??= value
      const plugin = readyPlugin(m.platform)
      if (isFault(plugin)) return E.left(plugin)
      const log = join(await openCache('pjrt', toTerminal), 'plugin.log')
      const api = withLog(log, () => openApi(plugin.path))
      return isFault(api) ? E.left(api) : await compiled(api, log, g, m, o)
    } catch (e) {
      return E.left(asFault(`compile for ${m.name}`)(e))
    } finally {
      if (m.platform === 'tpu') endAtOnce()
    }
  }
