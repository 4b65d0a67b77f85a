/**
 * The order of kernels: each after what it reads, and such that tensors live short.
 *
 * Whoever is needed by few is made first: of what a kernel waits for, the shallow comes before the deep (Sethi, Ullman 1970, section 3,
 * with depth for registers). So the gradient of a late layer's weight, with all that only it reads, is done before the gradient of an
 * early layer begins. Kernels of recompute regions come last of all that a kernel waits for: right before their first reader. Those of them
 * that make a value narrower, to be kept in its place, come as soon as the value is there.
 */
import type { Expr } from '../core/expr.ts'
import type { Fused, Tensor } from './passes/fuse.ts'

const isOfRegion = (k: Fused): boolean => {
  const [out] = k.writes
  return out._tag === 'Apply' && out.region._tag === 'Some'
}

const isNarrowing = (k: Fused): boolean =>
  isOfRegion(k) && k.writes[0].type.dtype === 'f16' && k.reads.every((r) => r !== 'hyper' && r.type.dtype === 'f32')

/** A kernel with its place in line among those that somebody waits for. */
interface Waiting {
  readonly kernel: Fused
  readonly needs: ReadonlyArray<Waiting>
  readonly depth: number
  /** It belongs to a recompute region, or is a copy of what does. */
  readonly late: boolean
  /** Narrower copies of what it makes. */
  readonly copies: Array<Waiting>
}

const inLine = (a: Waiting, b: Waiting): number => (a.late !== b.late ? (a.late ? 1 : -1) : a.depth - b.depth)

/** The kernels (given each after what it reads) in the order in which they run. */
export const sequence = (outputs: ReadonlyArray<Expr>, kernels: ReadonlyArray<Fused>): ReadonlyArray<Fused> => {
  const makers = new Map<Tensor, Waiting>()
  for (const kernel of kernels) {
    const needs = [...new Set(kernel.reads)].flatMap((r) => makers.get(r) ?? []).sort(inLine)
    const depth = needs.reduce((d, n) => Math.max(d, n.depth + 1), 0)
    const narrowing = isNarrowing(kernel)
    const late = (isOfRegion(kernel) && !narrowing) || (kernel.writes[0]._tag === 'Packed' && needs.some((n) => n.late))
    const w: Waiting = { kernel, needs, depth, late, copies: [] }
    makers.set(kernel.writes[0], w)
    if (narrowing) needs[needs.length - 1]?.copies.push(w)
  }
  const placed = new Set<Waiting>()
  const order: Array<Fused> = []
  const place = (root: Waiting): void => {
    const stack: Array<{ readonly w: Waiting; next: number }> = [{ w: root, next: 0 }]
    for (let top = stack[stack.length - 1]; top !== undefined; top = stack[stack.length - 1]) {
      if (!placed.has(top.w) && top.next < top.w.needs.length) stack.push({ w: top.w.needs[top.next++], next: 0 })
      else {
        stack.pop()
        if (placed.has(top.w)) continue
        order.push(top.w.kernel)
        placed.add(top.w)
        for (const copy of top.w.copies) stack.push({ w: copy, next: 0 })
      }
    }
  }
  const wanted = [...new Set(outputs)].flatMap((e) => makers.get(e) ?? [])
  for (const w of wanted.sort(inLine)) place(w)
  for (const w of makers.values()) place(w)
  return order
}
