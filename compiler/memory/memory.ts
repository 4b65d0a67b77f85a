/**
 * Memory for every tensor of a program, from one analysis of lifetimes (lifetimes.ts) by an allocator: slots (slots.ts) or an arena
 * (arena.ts).
 *
 * ```
 * before  kernel 0 (w, x) makes %4;  kernel 1 (%4) makes %5, the new w;  kernel 2 (%5, %4) makes %6, handed back
 * after   t0 = kernel 0 (w, x);      w = kernel 1 (t0);                  t1 = kernel 2 (w, t0)
 * ```
 */
import * as E from 'fp-ts/lib/Either.js'
import { commandLine } from '../../core/command.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { sizeOf } from '../../core/type.ts'
import type { Kernels, Made, Tensor } from '../kernel/fused.ts'
import { bytesOfTensor, hypersOf, leafPlace } from '../kernel/fused.ts'
import type { Pass } from '../pass.ts'
import { showSteps } from '../show.ts'
import { fullestOf } from './fullest.ts'
import type { InPlace } from './lifetimes.ts'
import { lifetimesOf } from './lifetimes.ts'
import type { Place, Plan, Step, Temporaries } from './plan.ts'

/** Gives out memory for temporaries, and takes it back. */
export interface Allocator {
  readonly take: (t: Made) => number
  readonly give: (t: Made, at: number) => void
  /** All that was ever needed. */
  readonly temporaries: () => Temporaries
}

/** How a target's memory works. */
export interface MemoryOptions {
  readonly allocator: () => Allocator
  readonly inPlace: InPlace
}

export const planOf =
  ({ allocator, inPlace }: MemoryOptions) =>
  (program: Kernels): Plan => {
    const { graph, kernels } = program
    const { end, direct, copiedAfter } = lifetimesOf(program, inPlace)
    const memory = allocator()
    const places = new Map<Tensor, Place>()
    const placeOf = (t: Tensor): Place => {
      const place = places.get(t) ?? leafPlace(t)
      if (place === undefined) throw new Error('a kernel reads what none before it makes')
      return place
    }
    const held = new Map<Made, number>()
    let [now, most, fullest] = [0, 0, -1]
    const steps: Array<Step> = []
    kernels.forEach((k, i) => {
      const reads = k.reads.map(placeOf)
      const writes = k.writes.map((w): Place => {
        const path = direct.get(w)
        if (path !== undefined) return { _tag: 'Resident', path }
        const at = memory.take(w)
        held.set(w, at)
        now += bytesOfTensor(w)
        return { _tag: 'Temporary', at }
      })
      if (now > most) [most, fullest] = [now, i]
      steps.push({ _tag: 'Launch', fused: i, reads, writes })
      k.writes.forEach((w, n) => places.set(w, writes[n]))
      const copied = copiedAfter(i)
      for (const u of copied) {
        const { dtype, shape } = u.expr.type
        steps.push({ _tag: 'Update', from: placeOf(u.expr), path: u.path, dtype, length: sizeOf(shape) })
      }
      for (const t of new Set<Tensor>([...k.writes, ...k.reads, ...copied.map((u) => u.expr)])) {
        const at = t === 'hyper' ? undefined : held.get(t)
        if (t === 'hyper' || at === undefined || end(t) > i) continue
        memory.give(t, at)
        held.delete(t)
        now -= bytesOfTensor(t)
      }
    })
    const heldThen = kernels
      .slice(0, fullest + 1)
      .flatMap((k, i) => k.writes.filter((w) => !direct.has(w) && Math.max(i, end(w)) >= fullest))
    const values = graph.outputs.filter((o) => o.role === 'value').map((o) => ({ path: o.path, expr: o.expr, place: placeOf(o.expr) }))
    return {
      graph,
      kernels,
      steps,
      temporaries: memory.temporaries(),
      fullest: fullestOf(kernels[fullest], heldThen),
      hypers: hypersOf(graph),
      values,
    }
  }

/** Fault: kernels that read what none before them makes; a pass has then put them out of order. */
export const memory = (o: MemoryOptions): Pass<Kernels, Plan> => ({
  name: 'memory',
  run: (k) =>
    E.tryCatch(
      () => planOf(o)(k),
      (e) =>
        fault('target', {
          place: 'memory',
          found: messageOf(e),
          allowed: 'kernels that each come after what they read',
          remedy: `report this with the output of ${commandLine('ir')} FILE`,
        }),
    ),
  show: showSteps,
})
