/**
 * Which expressions of a graph are printed together: the blocks of networks, forward and backward, each a function that is called. Blocks
 * that are alike are one function, so that text, and what XLA does with it before it puts functions in place, do not grow with depth.
 *
 * ```
 * before  %4 = f(%x, %w0);  %5 = g(%4);  %6 = f(%5, %w1);  %7 = g(%6)      scopes blocks.0, blocks.0, blocks.1, blocks.1
 * after   %4 = call @block(%x, %w0);  %5 = call @block(%4, %w1)
 * ```
 */
import type { Apply, Expr } from '../../../core/expr.ts'
import { scopeOf } from '../../../core/expr.ts'
import type { Graph } from '../../../core/graph.ts'
import { nodesOf } from '../../../core/graph.ts'
import { topological } from '../../../core/order.ts'
import { blocksAsRegions } from '../../passes/remat.ts'

/** What is printed at one go: expressions in order, those of a block or one alone. */
export type Unit = ReadonlyArray<Apply>

/** Fewer than these are not worth a call. */
const least = 8

const blockOf = blocksAsRegions()

/** The block of every application that is in one: by its scope, forward and backward apart, and by its recompute region. */
const blocksIn = (g: Graph, applications: ReadonlyArray<Apply>): Map<Apply, string> => {
  const loss = g.outputs.find((o) => o.role === 'value' && o.path === 'loss')
  const forward = new Set<Expr>(loss === undefined ? [] : topological([loss.expr]))
  return new Map(
    applications.flatMap((e): ReadonlyArray<readonly [Apply, string]> => {
      const block = blockOf(scopeOf(e))
      return block === ''
        ? []
        : [[e, `${forward.has(e) ? 'forward' : 'backward'} ${e.region._tag === 'Some' ? e.region.value : ''} ${block}`]]
    }),
  )
}

/** Units in an order in which each comes after what it reads; those that cannot be ordered, as what they read reads them, are left over. */
const ordered = (units: ReadonlyArray<Unit>): { readonly order: ReadonlyArray<Unit>; readonly left: ReadonlyArray<Unit> } => {
  const unitOf = new Map<Expr, number>(units.flatMap((u, i) => u.map((e) => [e, i] as const)))
  const before = units.map((u, i) => new Set(u.flatMap((e) => e.args.flatMap((a) => unitOf.get(a) ?? [])).filter((k) => k !== i)))
  const after = units.map((): Array<number> => [])
  before.forEach((reads, i) => {
    for (const k of reads) after[k].push(i)
  })
  const waits = before.map((reads) => reads.size)
  const ready = units.flatMap((_, i) => (waits[i] === 0 ? [i] : []))
  for (let next = 0; next < ready.length; next++) for (const i of after[ready[next]]) if (--waits[i] === 0) ready.push(i)
  return { order: ready.map((i) => units[i]), left: units.filter((_, i) => waits[i] > 0) }
}

/** The applications of a graph in units, in an order in which they can be computed. */
export const unitsOf = (g: Graph): ReadonlyArray<Unit> => {
  const applications = nodesOf(g).filter((e): e is Apply => e._tag === 'Apply')
  const blocks = blocksIn(g, applications)
  for (;;) {
    const members = new Map<string, Array<Apply>>()
    const units: Array<Array<Apply>> = []
    for (const e of applications) {
      const block = blocks.get(e)
      const known = block === undefined ? undefined : members.get(block)
      if (known !== undefined) known.push(e)
      else {
        const unit = [e]
        units.push(unit)
        if (block !== undefined) members.set(block, unit)
      }
    }
    const { order, left } = ordered(units.flatMap((u) => (u.length < least ? u.map((e) => [e]) : [u])))
    if (left.length === 0) return order
    // what is between two parts of a block, and reads it, would have to be computed in the middle of it
    for (const u of left) for (const e of u) blocks.delete(e)
  }
}

/** What a unit reads from outside of it, and which of its values others read: both in the order of a walk from its results. */
export interface Bounds {
  readonly body: ReadonlyArray<Apply>
  readonly reads: ReadonlyArray<Expr>
  readonly results: ReadonlyArray<Apply>
}

export const isConstant = (e: Expr): boolean => e._tag === 'Leaf' && (e.source._tag === 'Fill' || e.source._tag === 'Table')

/** The applications of a unit, arguments before readers, in the order of a walk from its results that does not leave it. */
const walk = (results: ReadonlyArray<Apply>, inside: ReadonlySet<Expr>): ReadonlyArray<Apply> => {
  const order: Array<Apply> = []
  const seen = new Set<Apply>()
  const stack: Array<{ readonly e: Apply; next: number }> = []
  const visit = (e: Apply): void => {
    if (seen.has(e)) return
    seen.add(e)
    stack.push({ e, next: 0 })
  }
  for (const result of results) {
    visit(result)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const a = top.e.args[top.next++]
      if (a === undefined) {
        order.push(top.e)
        stack.pop()
      } else if (a._tag === 'Apply' && inside.has(a)) visit(a)
    }
  }
  return order
}

/** `isRead`: whether an expression is read outside of its unit. */
export const boundsOf = (unit: Unit, isRead: (e: Apply) => boolean): Bounds => {
  const inside = new Set<Expr>(unit)
  const results = unit.filter(isRead)
  const body = walk(results, inside)
  const reads = new Set<Expr>()
  for (const e of body) for (const a of e.args) if (!inside.has(a) && !isConstant(a)) reads.add(a)
  return { body, reads: [...reads], results }
}
