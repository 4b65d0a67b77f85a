/** The targets `pjrt:…`: graphs as StableHLO, compiled and run by the PJRT plugin of the hardware. */
import { cpus } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault } from '../../../core/fault.ts'
import type { Graph, NamedLeaf } from '../../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { followGraph, plannedBytes } from '../../road.ts'
import type { Device, Executable, Feed, HostValues, Target } from '../../target.ts'
import { fed } from '../feed.ts'
import { codeFingerprint } from '../native/fingerprint.ts'
import { asFault, openResidents } from '../residents.ts'
import type { Platform } from './accelerators.ts'
import { accelerators } from './accelerators.ts'
import { readyPlugin } from './beside.ts'
import type { Client, DeviceBuffer, MemoryUse } from './client.ts'
import { openClient } from './client.ts'
import type { Settings } from './options.ts'
import { compileOptions } from './options.ts'
import { withLog } from './logs.ts'
import type { Built } from './plans.ts'
import { builtOf } from './plans.ts'
import type { Plugin } from './plugin.ts'
import { identityOf } from './plugin.ts'
import { moduleOf } from './print.ts'
import { estimate, pjrtRoad } from './road.ts'
import type { Precision } from './writer.ts'
import type { Say } from '../native/cache.ts'
import { openCache, toTerminal } from '../native/cache.ts'

/** Where a resident tensor lies now: a donated buffer is gone, and its result takes its place. */
interface Cell {
  buffer: DeviceBuffer | undefined
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

export interface PjrtOptions {
  /** That of products of f32; by default the highest. */
  readonly precision?: Precision
  /** Settings of XLA by name. */
  readonly xla?: Settings
  /** Reports what is not as it should be with the cache; by default on the terminal. */
  readonly say?: Say
}

/** Options of clients: one device that shows itself, and memory taken as it is needed. */
const clientSettings: { readonly [P in Platform]: Settings } = {
  cpu: { cpu_device_count: 1 },
  cuda: { preallocate: false },
  rocm: { preallocate: false },
  tpu: {},
}

const lost = (place: string, path: string): Fault =>
  fault('target', {
    place: `${place}, resident ${path}`,
    found: 'no value: a run that failed has used it up, or none was written',
    allowed: 'a resident tensor that was written',
    remedy: 'write the residents again, or resume from the last checkpoint',
  })

/** Everything that a device is made of. */
interface Parts {
  readonly name: string
  readonly client: Client
  readonly plugin: Plugin
  /** Where compiled programs are kept, and what plugins say while they are opened. */
  readonly folder: string
  readonly code: string
  readonly options: Uint8Array
  readonly precision: Precision
}

const described = ({ client, plugin, precision }: Parts): string => {
  const tried = accelerators.find((a) => plugin.path.endsWith(a.library))?.tried ?? 'not tried'
  return `XLA by PJRT ${client.api.join('.')} on ${client.device} (plugin of ${plugin.found}${tried === 'run' ? '' : `; by this version ${tried}`})${precision === 'highest' ? '' : `, products in ${precision}`}`
}

const deviceOf = (parts: Parts): PjrtDevice => {
  const { name, client, plugin, folder, code, options, precision } = parts
  const programs = new Set<Built>()
  const cells = new Set<Cell>()
  const replace = (cell: Cell, buffer: DeviceBuffer | undefined): void => {
    if (cell.buffer !== undefined) client.free(cell.buffer)
    cell.buffer = buffer
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
      const cell: Cell = { buffer: undefined }
      cells.add(cell)
      return E.right(cell)
    },
    store: ({ type, memory }, data) => {
      replace(memory, client.put(type, data))
    },
    load: ({ type, memory }) =>
      inTurn(async () => {
        if (memory.buffer === undefined) throw lost(name, '')
        const [data] = await client.get([[type, memory.buffer]])
        return data
      }),
  })

  /** The buffers of one run's arguments: those of residents as they lie, the others made now. */
  const argumentsOf = (leaves: ReadonlyArray<NamedLeaf>, feed: Feed, made: Array<DeviceBuffer>): E.Either<Fault, Array<DeviceBuffer>> => {
    const args: Array<DeviceBuffer> = []
    for (const l of leaves) {
      if (l.source._tag === 'Param' || l.source._tag === 'State') {
        const buffer = residents.find(l.path)?.memory.buffer
        if (buffer === undefined) return E.left(lost(name, l.path))
        args.push(buffer)
        continue
      }
      const data = fed(l.type, l.source, feed)
      if (E.isLeft(data)) return data
      const buffer = client.put(l.type, data.right)
      made.push(buffer)
      args.push(buffer)
    }
    return E.right(args)
  }

  const executable = (g: Graph, built: Built): PjrtExecutable => {
    const byPath = new Map(leavesOfGraph(g).map((l) => [l.path, l]))
    const leaves = built.given.flatMap((path) => byPath.get(path) ?? [])
    const states = new Set(g.outputs.filter((o) => o.role === 'state').map((o) => o.path))
    const once = async (feed: Feed): Promise<E.Either<Fault, HostValues>> => {
      const made: Array<DeviceBuffer> = []
      try {
        const args = argumentsOf(leaves, feed, made)
        if (E.isLeft(args)) return args
        const results = await built.loaded.run(args.right)
        // a donated buffer is empty, but its handle has to be freed as any other
        const values: Array<readonly [string, TensorType, DeviceBuffer]> = []
        g.outputs.forEach((o, i) => {
          const cell = o.role === 'state' ? residents.find(o.path)?.memory : undefined
          if (cell !== undefined) replace(cell, results[i])
          else {
            made.push(results[i])
            values.push([o.path, o.expr.type, results[i]])
          }
        })
        const read = await client.get(values.map(([, type, b]) => [type, b]))
        return E.right(new Map(values.map(([path], i) => [path, read[i]])))
      } catch (e) {
        // the states may have been given away
        for (const l of leaves) if (isResident(l) && states.has(l.path)) forget(l.path)
        return E.left(asFault(name)(e))
      } finally {
        for (const b of made) client.free(b)
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
        followGraph(pjrtRoad),
        E.chain((graph) => moduleOf(graph, { precision, apart: client.platform === 'cpu' })),
      ),
    context: [precision, code, identityOf(plugin), client.version, client.api.join('.'), client.device, cpus()[0]?.model ?? ''],
  }
  return {
    name,
    description: described(parts),
    memory: client.platform === 'cpu' ? 'machine' : 'own',
    road: pjrtRoad,
    ...residents.device,
    planned: plannedBytes(estimate),
    addressOf: (path) => {
      const buffer = residents.find(path)?.memory.buffer
      return buffer === undefined ? undefined : client.addressOf(buffer)
    },
    compile: (g, o = {}) =>
      pipe(
        TE.fromEither(residents.prepare(g)),
        TE.chain(() => {
          o.progress?.({ done: 0, total: 1, unit: 'program' })
          return TE.tryCatch(() => builtOf(g, maker), asFault(name))
        }),
        TE.chain(TE.fromEither),
        TE.map((built) => {
          programs.add(built)
          o.progress?.({ done: 1, total: 1, unit: 'program' })
          return executable(g, built)
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

/** A client with the platform's options; without them where the plugin knows none of them, being of another platform or another age. */
const clientOf = (plugin: Plugin, platform: Platform): Client => {
  try {
    return openClient(plugin.path, clientSettings[platform])
  } catch (e) {
    try {
      return openClient(plugin.path, {})
    } catch {
      throw e
    }
  }
}

const otherPlatform = (name: string, plugin: Plugin, platform: string): Fault =>
  fault('target', {
    place: name,
    found: `${plugin.path}, a plugin for ${platform}`,
    allowed: `a plugin for ${name.slice('pjrt:'.length)}`,
    remedy: `choose --target pjrt:${platform}, or name another plugin in DINOGRAPH_PJRT_PLUGIN`,
  })

/** Opens a device of a platform. Faults: no plugin; one that does not load, is too old, or sees no device. */
export const openPjrt =
  (platform: Platform, o: PjrtOptions = {}): TE.TaskEither<Fault, PjrtDevice> =>
  async () => {
    const name = `pjrt:${platform}`
    try {
      const plugin = readyPlugin(platform)
      if (isFault(plugin)) return E.left(plugin)
      const code = await codeFingerprint()
      const folder = await openCache('pjrt', o.say ?? toTerminal)
      const client = withLog(join(folder, 'plugin.log'), () => clientOf(plugin, platform))
      if (client.platform !== platform) {
        client.close()
        return E.left(otherPlatform(name, plugin, client.platform))
      }
      return E.right(deviceOf({ name, client, plugin, folder, code, options: compileOptions(o.xla), precision: o.precision ?? 'highest' }))
    } catch (e) {
      return E.left(asFault(name)(e))
    }
  }

export const pjrt = (platform: Platform, o: PjrtOptions = {}): Target => ({ name: `pjrt:${platform}`, open: openPjrt(platform, o) })
