/** The order of native kernels: everything after what it reads, old states read before they are replaced, and less memory. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import type { Fused, Kernels, Tensor } from '../../compiler/kernel/fused.ts'
import { outputsOf, residentPath } from '../../compiler/kernel/fused.ts'
import type { Plan } from '../../compiler/memory/plan.ts'
import { temporaryBytes } from '../../compiler/memory/plan.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import { ordered } from '../../compiler/passes/order.ts'
import { follow } from '../../compiler/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import type { Graph } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import type { Expr } from '../../core/expr.ts'
import { input, parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { apply } from '../../core/primitive.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { grad } from '../../compiler/grad.ts'
import { add, mul, sub, tanh } from '../../ops/elementwise.ts'
import { linear } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'

const right = <A>(e: E.Either<{ readonly found: string }, A>): A => {
  if (E.isLeft(e)) throw new Error(e.left.found)
  return e.right
}

/** A chain of layers with gradients of their weights, all of which wait for a common sum, as clipping does. */
const chainOfLayers = (depth: number, width = 64): Graph => {
  const weights = Array.from({ length: depth }, (_, i) => parameter(`w${i}`, param([width, width], zeros)))
  const last = weights.reduce((x, w) => tanh(linear(x, w)), input('x', [512, width]))
  const gradients = grad(sum()(mul(last, last)), weights)
  const norm = gradients.map((g) => sum()(mul(g, g))).reduce((a, b) => add(a, b))
  return right(trace('chain', [value('norm', norm), ...gradients.map((g, i) => state(`w${i}`, sub(weights[i], mul(g, norm))))]))
}

const road = nativeRoad()
const fusedOf = (g: Graph): Kernels => right(pipe(simplify.run(g), E.chain(road.fuse.run)))
const planOf = (k: Kernels): Plan => right(road.memory.run(k))
const copies = (p: Plan): number => p.steps.filter((s) => s._tag === 'Update').length
const bytesOf = (p: Plan): number => temporaryBytes(p.temporaries)

describe('the order of kernels', () => {
  it('runs each kernel once, after what it reads', () => {
    const given = fusedOf(chainOfLayers(6))
    const { kernels } = given
    const order = ordered(given).kernels
    expect(new Set(order)).toEqual(new Set(kernels))
    expect(order.length).toBe(kernels.length)
    const all = new Set<Tensor>(kernels.flatMap((k) => k.writes))
    const made = new Set<Tensor>()
    for (const k of order) {
      for (const r of k.reads) expect(all.has(r) && !made.has(r)).toBe(false)
      k.writes.forEach((w) => made.add(w))
    }
  })

  it('replaces no state before its old value has been read', () => {
    const given = fusedOf(chainOfLayers(6))
    expect(copies(planOf(ordered(given)))).toBeLessThanOrEqual(copies(planOf(given)))
  })

  it('puts off the new value of a state, which frees memory, until the old one has been read', () => {
    const w = parameter('w', param([64, 64], zeros))
    const [x, v] = [input('x', [512, 64]), input('v', [64, 64])]
    // who reads the old state waits for a product, its new value for nothing
    const read = sum()(tanh(linear(tanh(linear(x, v)), w)))
    const given = fusedOf(right(trace('late', [value('read', read), state('w', mul(w, 0.5))])))
    const order = ordered(given).kernels
    const at = (p: (k: Fused) => boolean): ReadonlyArray<number> => order.flatMap((k, i) => (p(k) ? [i] : []))
    const [replaced] = at((k) => k.writes.some((t) => outputsOf(given.graph).has(t) && t.type.shape.length === 2))
    const readers = at((k) => k.reads.some((r) => residentPath(r) === 'w'))
    expect(readers.length).toBeGreaterThan(1)
    expect(Math.max(...readers)).toBe(replaced)
    expect(copies(planOf(ordered(given)))).toBe(0)
  })

  it('puts off what is computed again until it is needed, though it is little beside what it is made of', () => {
    const layer = (x: Expr, i: number): Expr => tanh(linear(x, input(`w${i}`, [64, 64])))
    const first = layer(input('x', [512, 64]), 0)
    const last = [1, 2, 3, 4].reduce(layer, first)
    const rows = sum({ axes: [1], keep: true })(tanh(first))
    const inRegion = (e: Expr): Expr => (e === first || e._tag !== 'Apply' ? e : apply(e.op, e.args.map(inRegion), O.some('block')))
    const given = (e: Expr): Kernels => fusedOf(right(trace('again', [value('out', sum()(mul(last, e)))])))
    const placeOf = ({ graph, kernels }: Kernels): readonly [made: number, read: number] => {
      const order = ordered({ graph, kernels }).kernels
      const made = order.findIndex((k) => k.writes.some((w) => sizeOf(w.type.shape) === 512))
      const [rowsMade] = order[made].writes
      return [made, order.findIndex((k) => k.reads.includes(rowsMade))]
    }
    // so little is made early, were it not in a region
    expect(placeOf(given(rows))).toEqual([1, 6])
    const [made, read] = placeOf(given(inRegion(rows)))
    expect(made).toBe(read - 1)
  })

  // little beside what they are made of, and so large that only what they free is more
  it.each([64, 160])('takes less memory: gradients of weights of width %i are made while what they read is near', (width) => {
    const graph = chainOfLayers(12, width)
    const given = fusedOf(graph)
    const [before, after] = [planOf(given), planOf(ordered(given))].map(bytesOf)
    expect(after).toBeLessThan(0.75 * before)
    expect(bytesOf(right(follow(road)(graph)))).toBeLessThanOrEqual(after)
  })
})
