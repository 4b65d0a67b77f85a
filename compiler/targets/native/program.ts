/** A plan as a loaded program: its kernels compiled, its memory given out, its steps as the runtime reads them. */
import * as E from 'fp-ts/lib/Either.js'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { bytesOf, sizeOf } from '../../../core/type.ts'
import type { Fused } from '../../fuse.ts'
import { hypersOf } from '../../fuse.ts'
import type { Kernel } from '../../kernel.ts'
import { pointsOf, workOf } from '../../kernel.ts'
import type { CompileOptions, Executable, Feed, HostArray, HostValues } from '../../target.ts'
import { fed } from '../feed.ts'
import type { Compiler } from './compiler.ts'
import { libraryOf } from './compiler.ts'
import { contractionOf } from './contraction.ts'
import type { Place } from './layout.ts'
import { layoutOf } from './layout.ts'
import type { LoadedUnit, Memory, Runtime } from './library.ts'
import { openUnit } from './library.ts'
import type { Profile } from './profile.ts'
import { profileOf } from './profile.ts'
import { unitsOf } from './source.ts'
import { load, store } from './storage.ts'

/** What programs of one device share. */
export interface Host {
  readonly compiler: Compiler
  readonly runtime: Runtime
  readonly threads: number
  /** Work under which other threads are not woken, in operations. */
  readonly least: number
  /** Memory that is freed with the device. */
  readonly allocate: (bytes: number) => E.Either<Fault, Memory>
  readonly resident: (path: string) => { readonly type: TensorType; readonly memory: Memory } | undefined
}

export const bytesOfType = (t: TensorType): number => sizeOf(t.shape) * bytesOf(t.dtype)

export interface NativeExecutable extends Executable {
  /** Seconds of each kernel over `steps` runs, with its work. */
  readonly profile: (feed: Feed, steps: number) => Promise<E.Either<Fault, Profile>>
}

interface Compiled {
  /** Of each kernel, by its key. */
  readonly addresses: ReadonlyMap<string, bigint>
  readonly source: ReadonlyArray<string>
  readonly units: ReadonlyArray<LoadedUnit>
}

/** Into how many parts a kernel is cut: some for each thread, so that one that is late takes fewer. A product packs in every part. */
const partsOf = (k: Kernel, h: Host): number => {
  if (h.threads === 1) return 1
  const work = Math.max(pointsOf(k), workOf(k).flops)
  const most = contractionOf(k) === undefined ? 4 : work > 1e8 ? 3 : 1
  return Math.max(1, Math.min(Math.floor(work / h.least), most * h.threads))
}

/** Compiles units side by side and loads them. */
const compileAll = async (kernels: ReadonlyArray<Fused>, h: Host, o: CompileOptions): Promise<E.Either<Fault, Compiled>> => {
  const units = unitsOf(kernels.map((k) => k.kernel))
  const paths = new Array<string | Fault>(units.length)
  const state = { next: 0, done: 0 }
  o.progress?.(0, units.length)
  const worker = async (): Promise<void> => {
    for (let i = state.next++; i < units.length; i = state.next++) {
      paths[i] = await libraryOf(h.compiler, 'step', [units[i].source])
      o.progress?.(++state.done, units.length)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, h.threads) }, worker))
  const addresses = new Map<string, bigint>()
  const loaded: Array<LoadedUnit> = []
  for (const [i, path] of paths.entries()) {
    if (typeof path !== 'string') return E.left(path)
    const unit = openUnit(path, units[i].keys.length)
    unit.kernels.forEach((a, n) => addresses.set(units[i].keys[n], a))
    loaded.push(unit)
  }
  return E.right({ addresses, source: units.map((u) => u.source), units: loaded })
}

/** Values of a constant leaf. */
const constantValues = (e: Expr): HostArray =>
  e._tag === 'Leaf' && e.source._tag === 'Table' ? Float64Array.from(e.source.values)
  : new Float64Array(sizeOf(e.type.shape)).fill(e._tag === 'Leaf' && e.source._tag === 'Fill' ? e.source.value : 0)

/** A tensor's memory during runs. */
interface Located {
  readonly memory: Memory
  readonly offset: number
}

export const programOf = async (g: Graph, kernels: ReadonlyArray<Fused>, h: Host, o: CompileOptions): Promise<E.Either<Fault, NativeExecutable>> => {
  const layout = layoutOf(g, kernels)
  const compiled = await compileAll(kernels, h, o)
  if (E.isLeft(compiled)) return compiled
  const { addresses, source, units } = compiled.right
  const leaves = leavesOfGraph(g).filter((l) => !isResident(l))
  const hypers = hypersOf(g)
  const failed: Array<Fault> = []
  const need = (bytes: number): Memory => {
    const m = h.allocate(Math.max(bytes, 64))
    if (E.isRight(m)) return m.right
    failed.push(m.left)
    return { address: 0n, bytes: 0, view: new ArrayBuffer(0) }
  }
  const arena = need(layout.arenaBytes)
  const hyper = need(4 * hypers.length)
  const given = new Map(leaves.filter((l) => !hypers.includes(l.leaf)).map((l) => [l.path, need(bytesOfType(l.type))]))
  const constants = new Map<Expr, Memory>()
  const constant = (e: Expr): Memory => {
    const found = constants.get(e)
    if (found !== undefined) return found
    const m = need(bytesOfType(e.type))
    constants.set(e, m)
    if (m.bytes > 0) store(e.type.dtype, m.view, 0, constantValues(e))
    return m
  }
  const locate = (p: Place): Located => {
    switch (p._tag) {
      case 'Resident': return { memory: h.resident(p.path)?.memory ?? hyper, offset: 0 }
      case 'Given': return { memory: given.get(p.path) ?? hyper, offset: 0 }
      case 'Constant': return { memory: constant(p.expr), offset: 0 }
      case 'Hyper': return { memory: hyper, offset: 0 }
      case 'Arena': return { memory: arena, offset: p.offset }
    }
  }
  const addressOf = (p: Place): bigint => {
    const l = locate(p)
    return l.memory.address + BigInt(l.offset)
  }
  const words: Array<bigint> = []
  const buffers: Array<bigint> = []
  for (const s of layout.steps) {
    if (s._tag === 'Copy') {
      words.push(0n, 0n, BigInt(s.bytes), 2n)
      buffers.push(addressOf(s.from), addressOf(s.to))
      continue
    }
    const k = kernels[s.fused].kernel
    words.push(addresses.get(k.key) ?? 0n, BigInt(partsOf(k, h)), 0n, BigInt(s.buffers.length))
    buffers.push(...s.buffers.map(addressOf))
  }
  if (failed.length > 0) return E.left(failed[0])
  const [stepWords, bufferWords] = [BigInt64Array.from(words), BigInt64Array.from(buffers)]

  const fill = (feed: Feed): E.Either<Fault, void> => {
    for (const l of leaves) {
      if (l.source._tag === 'Param' || l.source._tag === 'State') continue
      const data = fed(l.type, l.source, feed)
      if (E.isLeft(data)) return data
      const m = given.get(l.path)
      if (m === undefined) new Float32Array(hyper.view)[hypers.indexOf(l.leaf)] = data.right[0]
      else store(l.type.dtype, m.view, 0, data.right)
    }
    return E.right(undefined)
  }
  const results = (): HostValues => new Map(layout.values.map((v) => {
    const l = locate(v.place)
    return [v.path, load(v.expr.type.dtype, l.memory.view, l.offset, sizeOf(v.expr.type.shape))]
  }))
  const once = async (feed: Feed, times: Float64Array | null): Promise<E.Either<Fault, HostValues>> => {
    const filled = fill(feed)
    if (E.isLeft(filled)) return filled
    if (layout.steps.length > 0) await h.runtime.run({ steps: stepWords, buffers: bufferWords, threads: h.threads, times, units })
    return E.right(results())
  }
  return E.right({
    source,
    launches: layout.steps.length,
    run: (feed) => () => once(feed, null).catch((e: unknown) => E.left(fault('target', { place: 'native', found: String(e), allowed: 'a run without errors', remedy: 'report this with the output of npm run ir' }))),
    profile: async (feed, steps) => {
      const times = new Float64Array(layout.steps.length)
      for (let i = 0; i < steps; i++) {
        const r = await once(feed, times)
        if (E.isLeft(r)) return r
      }
      return E.right(profileOf(kernels, layout, times, steps))
    },
  })
}
