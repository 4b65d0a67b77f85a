/**
 * The order of kernels, so that tensors live short: what frees memory, or makes little of what it reads, runs as soon as it can.
 *
 * ```
 * before: dx3, dx2, dx1, …                 all gradients of activations, each kept for
 *         dw3 = dx3 x3, dw2 = dx2 x2, …    the gradients of weights
 * after:  dx3, dw3, dx2, dw2, …            x3 and dx3 are free before dx2's block begins, and near when they are read
 * ```
 * Otherwise the given order stays. Kernels of recompute regions are not brought forward: they are to run late. The new value of a state
 * comes after everybody who has read the old one before, so that it can take its place.
 */
import type { Graph } from '../../core/graph.ts'
import type { Fused, Kernels, Tensor } from '../kernel/fused.ts'
import { bytesOfTensor, outputsOf, residentPath } from '../kernel/fused.ts'
import { kernelPass } from '../pass.ts'

/** A kernel that writes this many times less than it reads is brought forward even if it frees nothing yet. */
const little = 16

const isOfRegion = (k: Fused): boolean => k.writes.some((w) => w._tag === 'Apply' && w.region._tag === 'Some')

/** Who must run before whom: makers before readers, and readers of an old state before who makes the new one, as they were given. */
export const followersOf = (g: Graph, kernels: ReadonlyArray<Fused>): ReadonlyArray<ReadonlySet<number>> => {
  const makers = new Map<Tensor, number>(kernels.flatMap((k, i) => k.writes.map((w) => [w, i] as const)))
  const readersOfState = new Map<string, Array<number>>()
  const followers = kernels.map(() => new Set<number>())
  const updates = new Map<Tensor, ReadonlyArray<string>>()
  for (const o of g.outputs) if (o.role === 'state') updates.set(o.expr, [...updates.get(o.expr) ?? [], o.path])
  kernels.forEach((k, i) => {
    for (const r of k.reads) {
      const maker = makers.get(r)
      if (maker !== undefined && maker !== i) followers[maker].add(i)
      const path = residentPath(r)
      if (path !== undefined) readersOfState.set(path, [...readersOfState.get(path) ?? [], i])
    }
    for (const w of k.writes) {
      for (const path of updates.get(w) ?? []) for (const reader of readersOfState.get(path) ?? []) if (reader !== i) followers[reader].add(i)
    }
  })
  return followers
}

/** The kernels in the order in which they run: as they are given, but for what is brought forward, and for what reads what is made behind it. */
export const ordered = ({ graph, kernels }: Kernels): Kernels => {
  const followers = followersOf(graph, kernels)
  const awaited = kernels.map(() => 0)
  for (const fs of followers) for (const f of fs) awaited[f]++
  const outputs = outputsOf(graph)
  const temporary = new Set<Tensor>(kernels.flatMap((k) => k.writes).filter((w) => !outputs.has(w)))
  const readersOf = new Map<Tensor, Array<number>>()
  const readsOf = kernels.map((k) => [...new Set(k.reads)].filter((r) => temporary.has(r)))
  readsOf.forEach((rs, i) => {
    for (const r of rs) {
      const known = readersOf.get(r)
      if (known === undefined) readersOf.set(r, [i])
      else known.push(i)
    }
  })
  /** Readers that have not run. */
  const left = new Map([...readersOf].map(([r, who]) => [r, who.length]))
  const written = kernels.map((k) => k.writes.reduce((n, w) => n + (temporary.has(w) ? bytesOfTensor(w) : 0), 0))
  const read = readsOf.map((rs) => rs.reduce((n, r) => n + bytesOfTensor(r), 0))
  const total = kernels.map((k) => k.writes.reduce((n, w) => n + bytesOfTensor(w), 0))

  const isEarly = (i: number): boolean => {
    if (isOfRegion(kernels[i]) || read[i] === 0) return false
    const freed = readsOf[i].reduce((n, r) => n + (left.get(r) === 1 ? bytesOfTensor(r) : 0), 0)
    return written[i] < freed || total[i] * little <= read[i]
  }
  const placed = kernels.map(() => false)
  const isReady = (i: number): boolean => awaited[i] === 0 && !placed[i]
  const order: Array<Fused> = []
  /** Kernels that may have become early: who was early once stays so. */
  const early: Array<number> = []
  /** Everything before it has been placed. */
  let start = 0
  const consider = (i: number): void => { if (isReady(i) && isEarly(i)) early.push(i) }
  const place = (i: number): void => {
    placed[i] = true
    order.push(kernels[i])
    for (const r of readsOf[i]) {
      const others = (left.get(r) ?? 0) - 1
      left.set(r, others)
      if (others === 1) for (const j of readersOf.get(r) ?? []) consider(j)
    }
    for (const f of followers[i]) {
      awaited[f]--
      if (awaited[f] > 0) continue
      start = Math.min(start, f)
      consider(f)
    }
  }
  while (start < kernels.length) {
    if (!isReady(start)) {
      start++
      continue
    }
    place(start)
    for (let next = early.shift(); next !== undefined; next = early.shift()) if (isReady(next)) place(next)
  }
  return { graph, kernels: order }
}

export const order = kernelPass('order', ordered)
