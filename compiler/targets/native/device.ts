/** The target `native`: fused kernels as C, compiled by the system's compiler, run by a pool of threads. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { sizeOf } from '../../../core/type.ts'
import { residentBytes } from '../../schedule.ts'
import type { CompileOptions, Device, Target } from '../../target.ts'
import { fitting, residentFault } from '../feed.ts'
import type { Compiler } from './compiler.ts'
import { findCompiler, runtimeLibrary } from './compiler.ts'
import { codeFingerprint } from './fingerprint.ts'
import { collectGarbage, keepYoungSmall } from './heap.ts'
import type { Memory, Runtime } from './library.ts'
import { allCores, openRuntime } from './library.ts'
import type { Host, NativeExecutable } from './program.ts'
import { builtOf } from './plans.ts'
import { bytesOfType, programOf } from './program.ts'
import { layoutOf } from './layout.ts'
import { kernelsOf, nearBytes } from './road.ts'
import { load, store } from './storage.ts'

export interface NativeOptions {
  /** Threads that share a kernel; all cores when not given. */
  readonly threads?: number
  /** Operations of a kernel under which other threads are not woken. */
  readonly least?: number
  /** Bytes that stay near while others are made: what is read again later than that may be computed again. */
  readonly near?: number
  /** Further flags for the compiler, such as sanitizers'. */
  readonly flags?: ReadonlyArray<string>
}

/** A device that can also say where its time goes. */
export interface NativeDevice extends Device {
  readonly compile: (g: Graph, options?: CompileOptions) => TE.TaskEither<Fault, NativeExecutable>
}

interface Held {
  readonly type: TensorType
  readonly memory: Memory
}

const noMemory = (bytes: number): Fault => fault('target', {
  place: 'native', found: `no memory for ${bytes} bytes`, allowed: 'what the machine has free', remedy: 'use a smaller batch or model, or remat',
})

const failure = (e: unknown): Fault => fault('target', { place: 'native', found: messageOf(e), allowed: 'a run without errors', remedy: 'report this with the output of npm run ir; try another target meanwhile' })

const deviceOf = (compiler: Compiler, code: string, runtime: Runtime, threads: number, least: number, near: number): NativeDevice => {
  const held = new Map<string, Held>()
  const memories: Array<Memory> = []
  const allocate = (bytes: number): E.Either<Fault, Memory> => {
    const m = runtime.allocate(bytes)
    if (m === undefined) return E.left(noMemory(bytes))
    memories.push(m)
    return E.right(m)
  }
  const hold = (path: string, type: TensorType): E.Either<Fault, Held> => {
    const old = held.get(path)
    if (old !== undefined) {
      const wrong = residentFault('resident', path, old.type, type)
      return wrong === undefined ? E.right(old) : E.left(wrong)
    }
    return E.map((memory: Memory) => {
      const made = { type, memory }
      held.set(path, made)
      return made
    })(allocate(bytesOfType(type)))
  }
  const settle = (): void => {
    collectGarbage()
    runtime.trim()
  }
  const host: Host = { runtime, threads, least, allocate, settle, resident: (path) => held.get(path) }

  const compile = (g: Graph, o: CompileOptions): TE.TaskEither<Fault, NativeExecutable> => {
    const missing = leavesOfGraph(g).filter(isResident).flatMap((l) => residentFault(l.source._tag.toLowerCase(), l.path, l.type, held.get(l.path)?.type) ?? [])
    if (missing.length > 0) return TE.left(missing[0])
    for (const out of g.outputs) {
      if (out.role !== 'state') continue
      const h = hold(out.path, out.expr.type)
      if (E.isLeft(h)) return TE.left(h.left)
    }
    return pipe(
      TE.tryCatch(() => builtOf(g, compiler, code, near, o), failure),
      TE.chain(TE.fromEither),
      TE.chain((built) => TE.fromEither(pipe(E.tryCatch(() => programOf(g, built, host), failure), E.flatten))),
    )
  }

  return {
    name: 'native',
    description: `C by ${compiler.version.split('\n')[0]}, ${threads} thread${threads === 1 ? '' : 's'}`,
    write: (path, type, data) => TE.fromEither(pipe(
      fitting('resident', path, type, data),
      E.chain((fits) => E.map((h: Held) => { store(type.dtype, h.memory.view, 0, fits) })(hold(path, type))),
    )),
    read: (path) => {
      const h = held.get(path)
      return h === undefined
        ? TE.left(fault('target', { place: `resident ${path}`, found: 'no such tensor', allowed: [...held.keys()].slice(0, 8).join(', '), remedy: 'write it first, or name an existing one' }))
        : TE.fromIO(() => load(h.type.dtype, h.memory.view, 0, sizeOf(h.type.shape)))
    },
    resident: () => new Map([...held].map(([path, h]) => [path, h.type])),
    planned: (g) => pipe(kernelsOf(g, near), E.map(({ graph, kernels }) => layoutOf(graph, kernels).arenaBytes + residentBytes(graph))),
    compile: (g, o = {}) => compile(g, o),
    close: () => {
      held.clear()
      for (const m of memories.splice(0)) runtime.free(m)
    },
  }
}

/** Opens a device: finds the compiler, and makes or loads the runtime. */
export const openNative = (o: NativeOptions = {}): TE.TaskEither<Fault, NativeDevice> => async () => {
  try {
    keepYoungSmall()
    const compiler = await findCompiler(o.flags)
    if ('_tag' in compiler) return E.left(compiler)
    const [path, code] = await Promise.all([runtimeLibrary(compiler), codeFingerprint()])
    if (typeof path !== 'string') return E.left(path)
    return E.right(deviceOf(compiler, code, openRuntime(path), Math.max(1, o.threads ?? allCores()), o.least ?? 20000, o.near ?? nearBytes))
  } catch (e) {
    return E.left(failure(e))
  }
}

export const nativeWith = (o: NativeOptions): Target => ({ name: 'native', open: openNative(o) })

/** The target `native`, on all cores. */
export const native: Target = nativeWith({})
