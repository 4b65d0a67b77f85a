/**
 * The order of kernels, so that tensors live short: what frees memory, or makes little of what it reads, runs as soon as it can.
 *
 * ```
 * before: dx3, dx2, dx1, …                 all gradients of activations, each kept for
 *         dw3 = dx3 x3, dw2 = dx2 x2, …    the gradients of weights
 * after:  dx3, dw3, dx2, dw2, …            x3 and dx3 are free before dx2's block begins, and near when they are read
 * ```
 * Otherwise the given order stays. Kernels of recompute regions are put off until what they make is needed, but for those that make a
 * value narrower, to be kept in its place: they come as soon as the value is there. The new value of a state comes after everybody who
 * has read the old one before, so that it can take its place.
 */
import type { Graph } from '../../core/graph.ts'
import { isHalf } from '../../core/type.ts'
import type { Fused, Kernels, Tensor } from '../kernel/fused.ts'
import { bytesOfTensor, outputsOf, residentPath } from '../kernel/fused.ts'
import { kernelPass } from '../pass.ts'

/** A kernel that writes this many times less than it reads is brought forward even if it frees nothing yet. */
const little = 16

/** Bytes of what others may wait for and costs nothing to keep: step counters and their like. */
const scalars = 256

const isOfRegion = (k: Fused): boolean => k.writes.some((w) => w._tag === 'Apply' && w.region._tag === 'Some')

/** Makes a value narrower, to be kept in its place. */
const isNarrowing = (k: Fused): boolean =>
  isOfRegion(k) && k.writes.every((w) => isHalf(w.type.dtype)) && k.reads.every((r) => r !== 'hyper' && r.type.dtype === 'f32')

/** Which kernels wait until they are needed: those of recompute regions, and copies of what these make. */
const lateOf = (kernels: ReadonlyArray<Fused>): ReadonlyArray<boolean> => {
  const made = new Set<Tensor>()
  return kernels.map((k) => {
    const late = (isOfRegion(k) && !isNarrowing(k)) || (k.writes.every((w) => w._tag === 'Packed') && k.reads.some((r) => made.has(r)))
    if (late) for (const w of k.writes) made.add(w)
    return late
  })
}

/** Kernels by position, and what is known of them. */
export interface Placed {
  readonly at: (n: number) => Fused | undefined
  readonly readersOf: (t: Tensor) => Iterable<number>
  /** Where the new value of a state is made, by its path. */
  readonly replaced: ReadonlyMap<string, number>
}

/** Where the new value of each state is made. */
export const replacedIn = (g: Graph, kernels: ReadonlyArray<Fused>): ReadonlyMap<string, number> => {
  const made = new Map<Tensor, number>(kernels.flatMap((f, i) => f.writes.map((w) => [w, i] as const)))
  return new Map(
    g.outputs.flatMap((o): ReadonlyArray<readonly [string, number]> => (o.role === 'state' ? [[o.path, made.get(o.expr) ?? -1]] : [])),
  )
}

/** Who must run after a kernel: readers of what it makes, and who replaces a state that it reads as it was, as they were given. */
export const followersAt =
  ({ at, readersOf, replaced }: Placed) =>
  (n: number): ReadonlyArray<number> => {
    const f = at(n)
    if (f === undefined) return []
    const replacers = f.reads.flatMap((r) => {
      const path = residentPath(r)
      return path === undefined ? [] : (replaced.get(path) ?? [])
    })
    return [...f.writes.flatMap((w) => [...readersOf(w)]).filter((m) => m !== n), ...replacers.filter((m) => m > n)]
  }

/**
 * The kernels in the order in which they run: as they are given, but for what is brought forward, and for what reads what is made behind
 * it.
 */
export const ordered = ({ graph, kernels }: Kernels): Kernels => {
  const readers = new Map<Tensor, Array<number>>()
  kernels.forEach((k, i) => {
    for (const r of new Set(k.reads)) {
      const known = readers.get(r)
      if (known === undefined) readers.set(r, [i])
      else known.push(i)
    }
  })
  const after = followersAt({ at: (n) => kernels[n], readersOf: (t) => readers.get(t) ?? [], replaced: replacedIn(graph, kernels) })
  const followers = kernels.map((_, i) => new Set([...after(i)].sort((a, b) => a - b)))
  const awaited = kernels.map(() => 0)
  for (const fs of followers) for (const f of fs) awaited[f]++
  const outputs = outputsOf(graph)
  const temporary = new Set<Tensor>(kernels.flatMap((k) => k.writes).filter((w) => !outputs.has(w)))
  const readsOf = kernels.map((k) => [...new Set(k.reads)].filter((r) => temporary.has(r)))
  /** Readers that have not run. */
  const left = new Map([...readers].map(([r, who]) => [r, who.length]))
  const written = kernels.map((k) => k.writes.reduce((n, w) => n + (temporary.has(w) ? bytesOfTensor(w) : 0), 0))
  const total = kernels.map((k) => k.writes.reduce((n, w) => n + bytesOfTensor(w), 0))

  const needs = kernels.map((): Array<number> => [])
  followers.forEach((fs, i) => {
    for (const f of fs) needs[f].push(i)
  })
  const late = lateOf(kernels)
  // what is late comes last of all that a kernel waits for
  for (const all of needs) all.sort((a, b) => Number(late[a]) - Number(late[b]) || a - b)
  /** Who alone reads what a kernel makes: the two may run one right after the other. */
  const servedBy = kernels.map((k): number | undefined => {
    const who = new Set(k.writes.flatMap((w) => readers.get(w) ?? []))
    return who.size === 1 && k.writes.every((w) => temporary.has(w)) ? [...who][0] : undefined
  })
  const placed = kernels.map(() => false)
  const isReady = (i: number): boolean => awaited[i] === 0 && !placed[i]
  /** A kernel with those that serve it alone, all ready to run one after the other; undefined where it waits for others. */
  const groupOf = (i: number): ReadonlyArray<number> | undefined => {
    if (placed[i]) return undefined
    const waiting = awaited[i] === 0 ? [] : needs[i].filter((n) => !placed[n])
    return waiting.every((n) => servedBy[n] === i && isReady(n)) ? [...waiting, i] : undefined
  }
  const isEarly = (i: number): boolean => {
    const group = late[i] ? undefined : groupOf(i)
    if (group === undefined) return false
    if (isNarrowing(kernels[i]) || total[i] <= scalars) return true
    const given = [...new Set(group.flatMap((n) => readsOf[n]))].filter((r) => !group.some((n) => kernels[n].writes.some((w) => w === r)))
    const read = given.reduce((n, r) => n + bytesOfTensor(r), 0)
    const freed = given.reduce((n, r) => n + (left.get(r) === group.filter((g) => readsOf[g].includes(r)).length ? bytesOfTensor(r) : 0), 0)
    return written[i] === 0 || (read > 0 && (written[i] < freed || total[i] * little <= read))
  }
  const sequence: Array<Fused> = []
  /** Kernels that may have become early: who was early once stays so. */
  const early: Array<number> = []
  const consider = (i: number): void => {
    if (isEarly(i)) early.push(i)
    const whom = servedBy[i]
    if (whom !== undefined && isEarly(whom)) early.push(whom)
  }
  const place = (i: number): void => {
    placed[i] = true
    sequence.push(kernels[i])
    for (const r of readsOf[i]) {
      const others = (left.get(r) ?? 0) - 1
      left.set(r, others)
      if (others === 1 || others === 2) for (const j of readers.get(r) ?? []) consider(j)
    }
    for (const f of followers[i]) {
      awaited[f]--
      if (awaited[f] === 0) consider(f)
    }
  }
  /** Places a kernel after all that it waits for. */
  const demand = (wanted: number): void => {
    const stack: Array<{ readonly i: number; next: number }> = [{ i: wanted, next: 0 }]
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = placed[top.i] ? undefined : needs[top.i][top.next++]
      if (need !== undefined) {
        if (!placed[need]) stack.push({ i: need, next: 0 })
        continue
      }
      stack.pop()
      if (!placed[top.i]) place(top.i)
      for (let next = early.shift(); next !== undefined; next = early.shift()) for (const i of groupOf(next) ?? []) place(i)
    }
  }
  kernels.forEach((_, i) => {
    if (awaited[i] === 0) consider(i)
  })
  for (let i = 0; i < kernels.length; i++) if (!late[i]) demand(i)
  for (let i = 0; i < kernels.length; i++) demand(i)
  return { graph, kernels: sequence }
}

export const order = kernelPass('order', ordered)
