/**
 * The order of kernels: each after what it reads, and such that tensors live short.
 *
 * Whoever is needed by few is made first: of what a kernel waits for, the shallow comes before the deep (Sethi, Ullman 1970, section 3,
 * with depth for registers). So the gradient of a late layer's weight, with all that only it reads, is done before the gradient of an
 * early layer begins. Kernels of recompute regions come last of all that a kernel waits for: right before their first reader.
 */
import type { Expr } from '../core/expr.ts'
import type { Fused, Tensor } from './fuse.ts'

const isRecomputed = (k: Fused): boolean => {
  const [out] = k.writes
  return out._tag === 'Apply' && out.region._tag === 'Some'
}

/** A kernel with its place in line among those that somebody waits for. */
interface Waiting {
  readonly kernel: Fused
  readonly needs: ReadonlyArray<Waiting>
  readonly depth: number
  /** It belongs to a recompute region, or is a copy of what does. */
  readonly late: boolean
}

const inLine = (a: Waiting, b: Waiting): number => (a.late !== b.late ? (a.late ? 1 : -1) : a.depth - b.depth)

/** The kernels (given each after what it reads) in the order in which they run. */
export const sequence = (outputs: ReadonlyArray<Expr>, kernels: ReadonlyArray<Fused>): ReadonlyArray<Fused> => {
  const makers = new Map<Tensor, Waiting>()
  for (const kernel of kernels) {
    const needs = [...new Set(kernel.reads)].flatMap((r) => makers.get(r) ?? []).sort(inLine)
    const depth = needs.reduce((d, n) => Math.max(d, n.depth + 1), 0)
    const late = isRecomputed(kernel) || (kernel.writes[0]._tag === 'Packed' && needs.some((n) => n.late))
    makers.set(kernel.writes[0], { kernel, needs, depth, late })
  }
  const placed = new Set<Waiting>()
  const order: Array<Fused> = []
  const place = (root: Waiting): void => {
    const stack: Array<{ readonly w: Waiting; next: number }> = [{ w: root, next: 0 }]
    for (let top = stack[stack.length - 1]; top !== undefined; top = stack[stack.length - 1]) {
      if (!placed.has(top.w) && top.next < top.w.needs.length) stack.push({ w: top.w.needs[top.next++], next: 0 })
      else {
        if (!placed.has(top.w)) order.push(top.w.kernel)
        placed.add(top.w)
        stack.pop()
      }
    }
  }
  const wanted = [...new Set(outputs)].flatMap((e) => makers.get(e) ?? [])
  for (const w of wanted.sort(inLine)) place(w)
  for (const w of makers.values()) place(w)
  return order
}
