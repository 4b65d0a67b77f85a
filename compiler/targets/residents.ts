/** The resident tensors of a device, whatever memory they lie in: named, of one type for life, shared by every program of the device. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, isFault, messageOf } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../core/graph.ts'
import type { TensorType } from '../../core/type.ts'
import type { Device, HostArray } from '../target.ts'
import { fitting, residentFault } from './feed.ts'

export interface Held<M> {
  readonly type: TensorType
  readonly memory: M
}

/** What a device's memory can do. What is thrown becomes a fault. */
export interface MemoryOf<M> {
  /** The target's name. */
  readonly name: string
  readonly allocate: (type: TensorType) => Either<Fault, M>
  readonly store: (m: Held<M>, data: HostArray) => void
  /** A copy. */
  readonly load: (m: Held<M>) => HostArray | Promise<HostArray>
}

export interface Residents<M> {
  /** What a device says of its residents. */
  readonly device: Pick<Device, 'write' | 'read' | 'resident'>
  readonly find: (path: string) => Held<M> | undefined
  /** Memory for everything that a graph keeps between runs. Faults: a leaf that was never written; a type that is not the held one's. */
  readonly prepare: (g: Graph) => Either<Fault, void>
  readonly clear: () => void
}

/** What a device threw, unless it was a fault already. */
export const asFault =
  (place: string) =>
  (e: unknown): Fault =>
    isFault(e)
      ? e
      : fault('target', {
          place,
          found: messageOf(e),
          allowed: 'a run without device errors',
          remedy: `report this with the output of ${commandLine('ir')} FILE; try another target meanwhile`,
        })

export const openResidents = <M>(m: MemoryOf<M>): Residents<M> => {
  const held = new Map<string, Held<M>>()
  const hold = (role: string, path: string, type: TensorType): Either<Fault, Held<M>> => {
    const old = held.get(path)
    if (old !== undefined) {
      const wrong = residentFault(role, path, old.type, type)
      return wrong === undefined ? E.right(old) : E.left(wrong)
    }
    return E.map((memory: M) => {
      const made = { type, memory }
      held.set(path, made)
      return made
    })(m.allocate(type))
  }
  const guarded = <A>(work: () => Either<Fault, A>): Either<Fault, A> => pipe(E.tryCatch(work, asFault(m.name)), E.flatten)
  return {
    find: (path) => held.get(path),
    device: {
      write: (path, type, data) =>
        TE.fromIOEither(() =>
          guarded(() =>
            pipe(
              fitting('resident', path, type, data),
              E.chain((fits) =>
                pipe(
                  hold('resident', path, type),
                  E.map((h) => {
                    m.store(h, fits)
                  }),
                ),
              ),
            ),
          ),
        ),
      read: (path) => {
        const h = held.get(path)
        return h !== undefined
          ? TE.tryCatch(async () => m.load(h), asFault(m.name))
          : TE.left(
              fault('target', {
                place: `resident ${path}`,
                found: 'no such tensor',
                allowed: [...held.keys()].slice(0, 8).join(', ') || 'no resident tensors yet',
                remedy: 'write it first, or name an existing one',
              }),
            )
      },
      resident: () => new Map([...held].map(([path, h]) => [path, h.type])),
    },
    prepare: (g) =>
      guarded(() => {
        for (const l of leavesOfGraph(g).filter(isResident)) {
          const wrong = residentFault(l.source._tag.toLowerCase(), l.path, l.type, held.get(l.path)?.type)
          if (wrong !== undefined) return E.left(wrong)
        }
        for (const out of g.outputs) {
          const h = out.role === 'state' ? hold('state', out.path, out.expr.type) : E.right(undefined)
          if (E.isLeft(h)) return h
        }
        return E.right(undefined)
      }),
    clear: () => {
      held.clear()
    },
  }
}
