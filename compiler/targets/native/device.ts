/** The target `native`: fused kernels as C, compiled by the system's compiler, run by a pool of threads. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { sizeOf } from '../../../core/type.ts'
import { plannedBytes } from '../../road.ts'
import type { CompileOptions, Device, Target } from '../../target.ts'
import { memoryBytes } from '../machine.ts'
import { asFault, openResidents } from '../residents.ts'
import type { Compiler } from './compiler.ts'
import { findCompiler, runtimeLibrary } from './compiler.ts'
import { codeFingerprint } from './fingerprint.ts'
import { collectGarbage, keepYoungSmall } from './heap.ts'
import type { Memory, Runtime } from './library.ts'
import { allCores, openRuntime } from './library.ts'
import type { Host, NativeExecutable } from './program.ts'
import { builtOf } from './plans.ts'
import { bytesOfType, programOf } from './program.ts'
import { nativeRoad, nearBytes } from './road.ts'
import { load, store } from './storage.ts'

export interface NativeOptions {
  /** Threads that share a kernel; all cores when not given. */
  readonly threads?: number
  /** Operations of a kernel under which other threads are not woken. */
  readonly least?: number
  /** Bytes that stay near while others are made: what is read again later than that may be computed again. */
  readonly near?: number
  /** Reports what is not as it should be, such as a damaged cache; by default on the terminal. */
  readonly say?: (text: string) => void
  /** Where programs reach other ranks (ranks/ranks.ts); default: there are none. */
  readonly collective?: bigint
  /** Further flags for the compiler, such as sanitizers'. */
  readonly flags?: ReadonlyArray<string>
}

/** A device that can also say where its time goes. */
export interface NativeDevice extends Device {
  readonly compile: (g: Graph, options?: CompileOptions) => TE.TaskEither<Fault, NativeExecutable>
}

const noMemory = (bytes: number, taken: number): Fault =>
  fault('target', {
    place: 'native',
    found: `no memory for ${bytes} bytes beside ${taken} that are taken`,
    allowed: `what the machine, or the limit of its control group, has: ${memoryBytes()} bytes`,
    remedy: 'use a smaller batch or model, or recompute (strategies.remat)',
  })

/** What a device is opened with. */
interface Parts extends Required<Pick<NativeOptions, 'threads' | 'least' | 'near'>> {
  readonly compiler: Compiler
  /** The fingerprint of the compiler's own code. */
  readonly code: string
  readonly runtime: Runtime
  /** Whether it has others to speak to. */
  readonly ranks: boolean
}

const deviceOf = ({ compiler, code, runtime, threads, least, near, ranks }: Parts): NativeDevice => {
  const memories: Array<Memory> = []
  let taken = 0
  const allocate = (bytes: number): E.Either<Fault, Memory> => {
    // the system gives what it has not, and ends the process when it is used: a plan that cannot fit is refused before
    const m = taken + bytes > memoryBytes() ? undefined : runtime.allocate(bytes)
    if (m === undefined) return E.left(noMemory(bytes, taken))
    taken += bytes
    memories.push(m)
    return E.right(m)
  }
  const residents = openResidents<Memory>({
    name: 'native',
    allocate: (type) => allocate(bytesOfType(type)),
    store: ({ type, memory }, data) => {
      store(type.dtype, memory.view, 0, data)
    },
    load: ({ type, memory }) => load(type.dtype, memory.view, 0, sizeOf(type.shape)),
  })
  const settle = (): void => {
    collectGarbage()
    runtime.trim()
  }
  const host: Host = { runtime, threads, least, allocate, settle, resident: residents.find }
  const road = nativeRoad(near, ranks)
  const maker = { compiler, road, context: [code, `near ${near}`] }
  return {
    name: 'native',
    description: `C by ${compiler.version.split('\n')[0]}, ${threads} thread${threads === 1 ? '' : 's'}`,
    memory: 'machine',
    road,
    ...residents.device,
    planned: plannedBytes(road),
    compile: (g, o = {}) =>
      pipe(
        TE.fromEither(residents.prepare(g)),
        TE.chain(() => TE.tryCatch(() => builtOf(g, maker, o), asFault('native'))),
        TE.chain(TE.fromEither),
        TE.chainEitherK((built) =>
          pipe(
            E.tryCatch(() => programOf(g, built, host), asFault('native')),
            E.flatten,
          ),
        ),
      ),
    close: () => {
      residents.clear()
      for (const m of memories.splice(0)) runtime.free(m)
    },
  }
}

/** Opens a device: finds the compiler, and makes or loads the runtime. */
export const openNative =
  (o: NativeOptions = {}): TE.TaskEither<Fault, NativeDevice> =>
  async () => {
    try {
      keepYoungSmall()
      const compiler = await findCompiler(o.flags, o.say)
      if ('_tag' in compiler) return E.left(compiler)
      const [path, code] = await Promise.all([runtimeLibrary(compiler), codeFingerprint()])
      if (typeof path !== 'string') return E.left(path)
      const threads = Math.max(1, o.threads ?? allCores())
      const runtime = openRuntime(path)
      if (o.collective !== undefined) runtime.speak(o.collective)
      const ranks = o.collective !== undefined
      // fused or not, each operation rounds by itself: so ranks have the same bits whatever their strategy lets be one kernel
      const units = ranks ? { ...compiler, flags: [...compiler.flags, '-ffp-contract=off'] } : compiler
      return E.right(deviceOf({ compiler: units, code, runtime, threads, least: o.least ?? 20000, near: o.near ?? nearBytes, ranks }))
    } catch (e) {
      return E.left(asFault('native')(e))
    }
  }

export const nativeWith = (o: NativeOptions): Target => ({ name: 'native', open: openNative(o) })

/** The target `native`, on all cores. */
export const native: Target = nativeWith({})
