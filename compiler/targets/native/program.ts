/** A blueprint as a loaded program: its kernels found, its memory given out, its steps as the runtime reads them. */
import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { bytesOf, sizeOf } from '../../../core/type.ts'
import type { Executable, Feed, HostValues } from '../../target.ts'
import { fed } from '../feed.ts'
import { asFault } from '../residents.ts'
import type { Blueprint, BlueprintPlace, Part } from './blueprint.ts'
import type { Memory, Runtime } from './library.ts'
import { openUnit } from './library.ts'
import type { Built } from './plans.ts'
import type { Profile } from './profile.ts'
import { profileOf } from './profile.ts'
import { load, store } from './storage.ts'

/** What programs of one device share. */
export interface Host {
  readonly runtime: Runtime
  readonly threads: number
  /** Work under which other threads are not woken, in operations. */
  readonly least: number
  /** Memory that is freed with the device. */
  readonly allocate: (bytes: number) => E.Either<Fault, Memory>
  /** Called before a program runs for the first time: what preparing it has left is no longer needed. */
  readonly settle: () => void
  readonly resident: (path: string) => { readonly type: TensorType; readonly memory: Memory } | undefined
}

export const bytesOfType = (t: TensorType): number => sizeOf(t.shape) * bytesOf(t.dtype)

export interface NativeExecutable extends Executable {
  /** Seconds of each kernel over `steps` runs, with its work. */
  readonly profile: (feed: Feed, steps: number) => Promise<E.Either<Fault, Profile>>
}

/**
 * Into how many parts a kernel is cut: some for each thread, so that one that is late takes fewer. Threads of a product share it out
 * themselves.
 */
const pieces = (p: Part, h: Host): number => {
  if (h.threads === 1 || p.kind === 'collective') return 1
  const work = Math.max(p.points, p.flops)
  const most = p.kind === 'rows' || p.kind === 'elements' ? 4 : p.kind === 'attention' && work > 1e8 ? 3 : 1
  return Math.max(1, Math.min(Math.floor(work / h.least), most * h.threads))
}

/** A tensor's memory during runs. */
interface Located {
  readonly memory: Memory
  readonly offset: number
}

/** The memories that a program has besides its device's. */
interface Memories {
  readonly arena: Memory
  readonly hyper: Memory
  readonly given: ReadonlyMap<string, Memory>
  readonly constants: ReadonlyArray<Memory>
}

const memoriesOf = (g: Graph, b: Blueprint, h: Host): E.Either<Fault, Memories> => {
  const failed: Array<Fault> = []
  const need = (bytes: number): Memory => {
    const m = h.allocate(Math.max(bytes, 64))
    if (E.isRight(m)) return m.right
    failed.push(m.left)
    return { address: 0n, bytes: 0, view: new ArrayBuffer(0) }
  }
  const types = new Map(leavesOfGraph(g).map((l) => [l.path, l.type]))
  const memories: Memories = {
    arena: need(b.arenaBytes),
    hyper: need(4 * b.hypers.length),
    given: new Map(
      b.given
        .filter((p) => !b.hypers.includes(p))
        .flatMap((p) => {
          const type = types.get(p)
          return type === undefined ? [] : [[p, need(bytesOfType(type))] as const]
        }),
    ),
    constants: b.constants.map((c) => {
      const m = need(c.length * bytesOf(c.dtype))
      if (m.bytes > 0)
        store(c.dtype, m.view, 0, c.values.length === 1 ? new Float64Array(c.length).fill(c.values[0]) : Float64Array.from(c.values))
      return m
    }),
  }
  return failed.length > 0 ? E.left(failed[0]) : E.right(memories)
}

export const programOf = (g: Graph, built: Built, h: Host): E.Either<Fault, NativeExecutable> => {
  const { blueprint: b, libraries, source } = built
  const units = libraries.map((path, i) => openUnit(path, b.units[i]))
  const addresses = units.flatMap((u) => u.kernels)
  const memories = memoriesOf(g, b, h)
  if (E.isLeft(memories)) return memories
  const { arena, hyper, given, constants } = memories.right
  const locate = (p: BlueprintPlace): Located => {
    switch (p._tag) {
      case 'Resident':
        return { memory: h.resident(p.path)?.memory ?? hyper, offset: 0 }
      case 'Given':
        return { memory: given.get(p.path) ?? hyper, offset: 0 }
      case 'Constant':
        return { memory: constants[p.constant], offset: 0 }
      case 'Hyper':
        return { memory: hyper, offset: 0 }
      case 'Arena':
        return { memory: arena, offset: p.offset }
    }
  }
  const located = b.places.map(locate)
  const at = located.map((l) => l.memory.address + BigInt(l.offset))
  const words: Array<bigint> = []
  const buffers: Array<bigint> = []
  for (const [part, bytes, ...places] of b.steps) {
    words.push(part < 0 ? 0n : addresses[part], part < 0 ? 0n : BigInt(pieces(b.parts[part], h)), BigInt(bytes), BigInt(places.length))
    for (const p of places) buffers.push(at[p])
  }
  const [stepWords, bufferWords] = [BigInt64Array.from(words), BigInt64Array.from(buffers)]

  const wanted = new Set(b.given)
  const leaves = leavesOfGraph(g).filter((l) => !isResident(l) && wanted.has(l.path))
  const fill = (feed: Feed): E.Either<Fault, void> => {
    for (const l of leaves) {
      if (l.source._tag === 'Param' || l.source._tag === 'State') continue
      const data = fed(l.type, l.source, feed)
      if (E.isLeft(data)) return data
      const m = given.get(l.path)
      if (m === undefined) new Float32Array(hyper.view)[b.hypers.indexOf(l.path)] = data.right[0]
      else store(l.type.dtype, m.view, 0, data.right)
    }
    return E.right(undefined)
  }
  const types = new Map(g.outputs.flatMap((o) => (o.role === 'value' ? [[o.path, o.expr.type] as const] : [])))
  const results = (): HostValues =>
    new Map(
      b.values.flatMap((v) => {
        const [l, type] = [located[v.place], types.get(v.path)]
        return type === undefined ? [] : [[v.path, load(type.dtype, l.memory.view, l.offset, sizeOf(type.shape))] as const]
      }),
    )
  const settled = { yet: false }
  const once = async (feed: Feed, times: Float64Array | null): Promise<E.Either<Fault, HostValues>> => {
    const filled = fill(feed)
    if (E.isLeft(filled)) return filled
    if (!settled.yet) h.settle()
    settled.yet = true
    if (b.steps.length > 0) await h.runtime.run({ steps: stepWords, buffers: bufferWords, threads: h.threads, times, units })
    return E.right(results())
  }
  return E.right({
    source,
    launches: b.steps.length,
    run: (feed) => () => once(feed, null).catch((e: unknown) => E.left(asFault('native')(e))),
    profile: async (feed, steps) => {
      const times = new Float64Array(b.steps.length)
      for (let i = 0; i < steps; i++) {
        const r = await once(feed, times)
        if (E.isLeft(r)) return r
      }
      return E.right(profileOf(b, times, steps))
    },
  })
}
