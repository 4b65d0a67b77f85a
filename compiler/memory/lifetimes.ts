/**
 * How long every tensor of a program is needed, whatever kind of memory it gets, and how each new state takes the old one's place:
 *
 * ```
 * direct   its kernel writes over the old state: nothing reads that any more, or the kernel itself does, in a way that the target allows
 * copied   it waits among the temporaries, and is copied over the old state after its kernel and after the old state's last reader
 * ```
 */
import type { Output } from '../../core/graph.ts'
import type { Fused, Kernels, Made, Tensor } from '../kernel/fused.ts'
import { residentPath } from '../kernel/fused.ts'

export interface Lifetimes {
  /** The kernel after which a tensor is not needed: -1 where it never is, infinite for what is handed back. */
  readonly end: (t: Tensor) => number
  /** The state that a tensor is written to by its kernel. */
  readonly direct: ReadonlyMap<Tensor, string>
  /** New states that are copied after a kernel. */
  readonly copiedAfter: (kernel: number) => ReadonlyArray<Output>
}

/** Whether a kernel may write its output `write` over the buffer `read` that it reads. */
export type InPlace = (f: Fused, write: number, read: number) => boolean

export const lifetimesOf = ({ graph, kernels }: Kernels, inPlace: InPlace): Lifetimes => {
  const end = new Map<Tensor, number>()
  const lastReadOfState = new Map<string, number>()
  const madeBy = new Map<Tensor, number>()
  kernels.forEach((k, i) => {
    for (const w of k.writes) madeBy.set(w, i)
    for (const r of k.reads) {
      end.set(r, i)
      const path = residentPath(r)
      if (path !== undefined) lastReadOfState.set(path, i)
    }
  })
  const until = (t: Tensor, i: number): void => {
    end.set(t, Math.max(i, end.get(t) ?? -1))
  }
  // an output that is a leaf has a kernel of its own, which copies it: so every new state is made by one
  const maker = (u: Output): number => madeBy.get(u.expr) ?? -1
  const direct = new Map<Tensor, string>()
  const copied = new Map<number, ReadonlyArray<Output>>()
  const overwrites = (u: Output): boolean => {
    const f = kernels[maker(u)]
    if (f === undefined || direct.has(u.expr) || (lastReadOfState.get(u.path) ?? -1) > maker(u)) return false
    const old = f.reads.findIndex((r) => residentPath(r) === u.path)
    const write: Made | undefined = f.writes.find((w) => w === u.expr)
    return write !== undefined && (old < 0 || inPlace(f, f.writes.indexOf(write), old))
  }
  for (const u of graph.outputs) {
    if (u.role === 'value') until(u.expr, Infinity)
    else if (residentPath(u.expr) !== u.path) {
      if (overwrites(u)) direct.set(u.expr, u.path)
      else {
        const at = Math.max(maker(u), lastReadOfState.get(u.path) ?? -1)
        copied.set(at, [...(copied.get(at) ?? []), u])
        until(u.expr, at)
      }
    }
  }
  return { end: (t) => end.get(t) ?? -1, direct, copiedAfter: (i) => copied.get(i) ?? [] }
}
