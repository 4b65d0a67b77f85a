/**
 * The targets `pjrt:…`: graphs as StableHLO, compiled and run by the PJRT plugin of the hardware. Several devices of one machine run one
 * program, each on its share of the batch (compiler/distribute); to the rest of the house they are one device, that is given and hands
 * back whole tensors.
 */
import { cpus } from 'node:os'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph, NamedLeaf } from '../../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { range } from '../../../core/type.ts'
import type { Distributed, Split } from '../../distribute/placement.ts'
import type { DistributionName } from '../../distribute/strategy.ts'
import { distribute, stateSplit } from '../../distribute/strategy.ts'
import type { Road } from '../../road.ts'
import { followGraph, plannedBytes } from '../../road.ts'
import type { CompileOptions, Device, Executable, Feed, HostValues } from '../../target.ts'
import { fed } from '../feed.ts'
import { asFault, openResidents } from '../residents.ts'
import { accelerators } from './accelerators.ts'
import type { Client, MemoryUse } from './client.ts'
import type { Built } from './plans.ts'
import { builtOf } from './plans.ts'
import type { Plugin } from './plugin.ts'
import { identityOf } from './plugin.ts'
import { moduleOf } from './print.ts'
import { estimate, pjrtRoad } from './road.ts'
import type { Buffers, Lying } from './spread.ts'
import { spreadOver } from './spread.ts'
import type { Precision } from './writer.ts'

/** Where a resident tensor lies now: a donated buffer is gone, and its result takes its place. */
interface Cell {
  buffers: Buffers | undefined
}

export interface PjrtExecutable extends Executable {
  /** Bytes on the device, as XLA has planned them. */
  readonly memory: MemoryUse
}

export interface PjrtDevice extends Device {
  readonly compile: (g: Graph, o?: Parameters<Device['compile']>[1]) => TE.TaskEither<Fault, PjrtExecutable>
  /** Where a resident lies, for tests of donation. */
  readonly addressOf: (path: string) => bigint | undefined
}

const lost = (place: string, path: string): Fault =>
  fault('target', {
    place: `${place}, resident ${path}`,
    found: 'no value: a run that failed has used it up, or none was written',
    allowed: 'a resident tensor that was written',
    remedy: 'write the residents again, or resume from the last checkpoint',
  })

/** Everything that a device is made of. */
export interface Parts {
  readonly name: string
  readonly client: Client
  readonly plugin: Plugin
  /** Where compiled programs are kept, and what plugins say while they are opened. */
  readonly folder: string
  readonly code: string
  readonly options: Uint8Array
  readonly precision: Precision
  readonly devices: number
  readonly strategy: DistributionName
  readonly least: number | undefined
}

const described = ({ client, plugin, precision, devices, strategy }: Parts): string => {
  const tried = accelerators.find((a) => plugin.path.endsWith(a.library))?.tried ?? 'not tried'
  return `XLA by PJRT ${client.api.join('.')} on ${devices === 1 ? '' : `${devices} devices, `}${client.device} (plugin of ${plugin.found}${tried === 'run' ? '' : `; by this version ${tried}`})${precision === 'highest' ? '' : `, products in ${precision}`}${devices === 1 ? '' : `: ${strategy}`}`
}

export const deviceOf = (parts: Parts): PjrtDevice => {
  const { name, client, plugin, folder, code, options, precision, devices, strategy, least } = parts
  const spread = spreadOver(client, devices)
  const road: Road = { ...pjrtRoad, ranks: devices > 1 }
  /** How a resident tensor is split among devices. */
  const splitOf = (type: TensorType): Split | undefined =>
    strategy === 'fsdp' && devices > 1 ? stateSplit(type, devices, least) : undefined
  /** Of a graph of which no batch is known, what is given is the same on all devices. */
  const distributed = (g: Graph, { images = 0, own }: CompileOptions = {}): E.Either<Fault, Distributed> =>
    devices === 1
      ? E.right({ graph: g, ranks: 1, parts: new Map() })
      : distribute({ strategy, ranks: devices, images, ...(own === undefined ? {} : { own }), ...(least === undefined ? {} : { least }) })(
          g,
        )
  const programs = new Set<Built>()
  const cells = new Set<Cell>()
  const replace = (cell: Cell, buffers: Buffers | undefined): void => {
    if (cell.buffers !== undefined) spread.free(cell.buffers)
    cell.buffers = buffers
  }
  /** Programs of one device run one after the other, since each takes the state that the one before has left. */
  const queue = { last: Promise.resolve() }
  const inTurn = <A>(work: () => Promise<A>): Promise<A> => {
    const now = queue.last.then(work)
    queue.last = now.then(
      () => undefined,
      () => undefined,
    )
    return now
  }
  const residents = openResidents<Cell>({
    name,
    allocate: () => {
      const cell: Cell = { buffers: undefined }
      cells.add(cell)
      return E.right(cell)
    },
    store: ({ type, memory }, data) => {
      replace(memory, spread.put(type, splitOf(type), data))
    },
    load: ({ type, memory }) =>
      inTurn(async () => {
        if (memory.buffers === undefined) throw lost(name, '')
        const [data] = await spread.get([{ type, split: splitOf(type), buffers: memory.buffers }])
        return data
      }),
  })

  /** The buffers of one run's arguments: those of residents as they lie, the others made now. */
  const argumentsOf = (
    leaves: ReadonlyArray<NamedLeaf>,
    { parts: split }: Distributed,
    feed: Feed,
    made: Array<Buffers>,
  ): E.Either<Fault, ReadonlyArray<Buffers>> => {
    const args: Array<Buffers> = []
    for (const l of leaves) {
      if (l.source._tag === 'Param' || l.source._tag === 'State') {
        const buffers = residents.find(l.path)?.memory.buffers
        if (buffers === undefined) return E.left(lost(name, l.path))
        args.push(buffers)
        continue
      }
      const data = fed(l.type, l.source, feed)
      if (E.isLeft(data)) return data
      const buffers = spread.put(l.type, split.get(l.path), data.right)
      made.push(buffers)
      args.push(buffers)
    }
    return E.right(args)
  }

  /** `g`: as it was given, before it was distributed. */
  const executable = (g: Graph, d: Distributed, built: Built): PjrtExecutable => {
    const byPath = new Map(leavesOfGraph(g).map((l) => [l.path, l]))
    const leaves = built.given.flatMap((path) => byPath.get(path) ?? [])
    const states = new Set(g.outputs.filter((o) => o.role === 'state').map((o) => o.path))
    const once = async (feed: Feed): Promise<E.Either<Fault, HostValues>> => {
      const made: Array<Buffers> = []
      try {
        const args = argumentsOf(leaves, d, feed, made)
        if (E.isLeft(args)) return args
        const results = await built.loaded.run(range(devices).map((r) => args.right.map((buffers) => buffers[r])))
        // a donated buffer is empty, but its handle has to be freed as any other
        const values: Array<Lying & { readonly path: string }> = []
        g.outputs.forEach((o, i) => {
          const buffers = results.map((r) => r[i])
          const cell = o.role === 'state' ? residents.find(o.path)?.memory : undefined
          if (cell !== undefined) replace(cell, buffers)
          else {
            made.push(buffers)
            values.push({ path: o.path, type: o.expr.type, split: undefined, buffers })
          }
        })
        const read = await spread.get(values)
        return E.right(new Map(values.map(({ path }, i) => [path, read[i]])))
      } catch (e) {
        // the states may have been given away
        for (const l of leaves) if (isResident(l) && states.has(l.path)) forget(l.path)
        return E.left(asFault(name)(e))
      } finally {
        for (const b of made) spread.free(b)
      }
    }
    return {
      source: [built.text],
      launches: 1,
      memory: built.loaded.memory(),
      run: (feed) => () => inTurn(() => once(feed)),
    }
  }
  const forget = (path: string): void => {
    const cell = residents.find(path)?.memory
    if (cell !== undefined) replace(cell, undefined)
  }
  const maker = {
    client,
    folder,
    options,
    print: (g: Graph) =>
      pipe(
        g,
        followGraph(road),
        E.chain((graph) => moduleOf(graph, { precision, apart: client.platform === 'cpu', devices })),
      ),
    context: [precision, code, identityOf(plugin), client.version, client.api.join('.'), client.device, cpus()[0]?.model ?? ''],
  }
  return {
    name,
    description: described(parts),
    memory: client.platform === 'cpu' ? 'machine' : 'own',
    road,
    parts: devices,
    ...residents.device,
    planned: (g) =>
      pipe(
        distributed(g),
        E.chain((d) => plannedBytes({ ...estimate, ranks: devices > 1 })(d.graph)),
        // processors that are several devices have one memory
        E.map((bytes) => (client.platform === 'cpu' ? devices * bytes : bytes)),
      ),
    addressOf: (path) => {
      const [buffer] = residents.find(path)?.memory.buffers ?? []
      return buffer === undefined ? undefined : client.addressOf(buffer)
    },
    compile: (g, o = {}) =>
      pipe(
        TE.fromEither(residents.prepare(g)),
        TE.chainEitherK(() => distributed(g, o)),
        TE.bindTo('d'),
        TE.bind('built', ({ d }) => {
          o.progress?.({ done: 0, total: 1, unit: 'program' })
          return pipe(
            TE.tryCatch(() => builtOf(d.graph, maker), asFault(name)),
            TE.chain(TE.fromEither),
          )
        }),
        TE.map(({ d, built }) => {
          programs.add(built)
          o.progress?.({ done: 1, total: 1, unit: 'program' })
          return executable(g, d, built)
        }),
      ),
    close: () => {
      // what runs is let end: its memory must not be taken away under it
      void inTurn(async () => {
        for (const p of programs) p.loaded.free()
        for (const c of cells) replace(c, undefined)
        programs.clear()
        residents.clear()
        client.close()
        await Promise.resolve()
      })
    },
  }
}
