/** The order of native kernels: everything after what it reads, old states read before they are replaced, and less memory. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it } from 'vitest'
import type { Fused, Tensor } from '../../compiler/passes/fuse.ts'
import { fuse } from '../../compiler/passes/fuse.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import { layoutOf } from '../../compiler/targets/native/layout.ts'
import { ordered } from '../../compiler/passes/order.ts'
import { kernelsOf, limits } from '../../compiler/targets/native/road.ts'
import type { Graph } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { grad } from '../../compiler/grad.ts'
import { add, mul, sub, tanh } from '../../ops/elementwise.ts'
import { linear } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'

const right = <A>(e: E.Either<{ readonly found: string }, A>): A => {
  if (E.isLeft(e)) throw new Error(e.left.found)
  return e.right
}

/** A chain of layers with gradients of their weights, all of which wait for a common sum, as clipping does. */
const chainOfLayers = (depth: number): Graph => {
  const weights = Array.from({ length: depth }, (_, i) => parameter(`w${i}`, param([64, 64], zeros)))
  const last = weights.reduce((x, w) => tanh(linear(x, w)), input('x', [512, 64]))
  const gradients = grad(sum()(mul(last, last)), weights)
  const norm = gradients.map((g) => sum()(mul(g, g))).reduce((a, b) => add(a, b))
  return right(trace('chain', [value('norm', norm), ...gradients.map((g, i) => state(`w${i}`, sub(weights[i], mul(g, norm))))]))
}

const fusedOf = (g: Graph): { readonly graph: Graph; readonly kernels: ReadonlyArray<Fused> } => {
  const graph = right(simplify.run(g))
  return { graph, kernels: fuse(limits)(graph) }
}

describe('the order of kernels', () => {
  it('runs each kernel once, after what it reads', () => {
    const { graph, kernels } = fusedOf(chainOfLayers(6))
    const order = ordered(graph, kernels)
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
    const { graph, kernels } = fusedOf(chainOfLayers(6))
    expect(layoutOf(graph, ordered(graph, kernels)).steps.filter((s) => s._tag === 'Copy').length)
      .toBeLessThanOrEqual(layoutOf(graph, kernels).steps.filter((s) => s._tag === 'Copy').length)
  })

  it('takes less memory: gradients of weights are made while what they read is near', () => {
    const { graph, kernels } = fusedOf(chainOfLayers(12))
    const [before, after] = [layoutOf(graph, kernels), layoutOf(graph, ordered(graph, kernels))].map((l) => l.arenaBytes)
    expect(after).toBeLessThan(0.7 * before)
    expect(pipe(kernelsOf(chainOfLayers(12)), E.map((r) => layoutOf(r.graph, r.kernels).arenaBytes <= after))).toEqual(E.right(true))
  })
})
