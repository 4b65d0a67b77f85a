/** N ranks compute what one computes: distributed, and put side by side again, a graph gives what it gave. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { distributed } from '../../compiler/distribute/distribute.ts'
import type { Split } from '../../compiler/distribute/placement.ts'
import { ranksOf } from '../../compiler/distribute/alone.ts'
import { stack } from '../../compiler/distribute/stack.ts'
import { grad } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Graph } from '../../core/graph.ts'
import { isResident, leavesOfGraph, nodesOf, roots, value } from '../../core/graph.ts'
import { print } from '../../core/print.ts'
import { isFloat } from '../../core/type.ts'
import { sum } from '../../ops/reduce.ts'
import { right } from '../data/either.ts'
import { runs, seed } from '../support/arbitrary.ts'
import { generators, listsOf } from '../support/generators.ts'
import type { RandomGraph } from '../support/graphs.ts'
import { graphs } from '../support/graphs.ts'
import { expectClose } from '../support/tensor.ts'
import { valuesOf } from '../support/values.ts'

/** Some leaves split, along any axis that N divides, as numbers choose. */
const partsOf = (g: Graph, ranks: number, numbers: ReadonlyArray<number>): ReadonlyMap<string, Split> =>
  new Map(
    leavesOfGraph(g).flatMap((l, i): ReadonlyArray<readonly [string, Split]> => {
      const axes = l.type.shape.flatMap((d, a) => (d % ranks === 0 ? [a] : []))
      const n = numbers[i % numbers.length]
      if (axes.length === 0 || n % 4 === 0) return []
      const axis = axes[n % axes.length]
      const extent = l.type.shape[axis]
      const half = extent % (2 * ranks) === 0 && n % 3 === 0 ? [extent / 2, extent / 2] : [extent]
      return [[l.path, { _tag: 'Split', axis, blocks: half, of: isResident(l) ? 'state' : 'batch' }]]
    }),
  )

/** The graph with gradients of what is smooth. */
const withGradients = (r: RandomGraph): Graph => {
  const smooth = r.graph.outputs.filter((o) => o.path === 'smooth' || o.path === 'loss')
  const losses = smooth.filter((o) => isFloat(o.expr.type.dtype)).map((o) => sum()(o.expr))
  return losses.length === 0
    ? r.graph
    : { ...r.graph, outputs: [...r.graph.outputs, ...grad(losses[0], r.floats).map((d, i) => value(`gradient ${i}`, d))] }
}

const agrees = (r: RandomGraph, g: Graph, ranks: number, numbers: ReadonlyArray<number>, tolerance: number): number => {
  const values = valuesOf(r)
  const d = right(distributed({ ranks, images: ranks, parts: partsOf(g, ranks, numbers), regionOf: () => '' })(g))
  const together = right(stack(d))
  const expected = evaluate(roots(g), values)
  const got = evaluate(roots(together), values)
  try {
    g.outputs.forEach((o, i) => {
      expectClose(got[i], expected[i], tolerance, o.path)
    })
  } catch (e) {
    throw new Error(`on ${ranks} ranks\n${print(g)}\nas\n${print(d.graph)}`, { cause: e })
  }
  return nodesOf(d.graph).filter((e) => ranksOf(e) > 0).length
}

describe.each([1, 2, 3, 4])('on %i ranks', (ranks) => {
  it('random graphs and their gradients, split anywhere', { timeout: 120000 }, () => {
    let collectives = 0
    fc.assert(
      fc.property(graphs(), fc.array(fc.nat(), { minLength: 6, maxLength: 6 }), (r, numbers) => {
        collectives += agrees(r, withGradients(r), ranks, numbers, 1e-10)
      }),
      runs(60),
    )
    expect(collectives).toBeGreaterThan(100)
  })

  it.each(generators.filter((g) => g.name !== 'mixed').map((g) => [g.name, g] as const))('%s', { timeout: 120000 }, (name, g) => {
    let collectives = 0
    listsOf(g, seed, name === 'networks' ? 6 : 16).forEach((list, i) => {
      const r = g.make(list, { half: false })
      collectives += agrees(r, r.graph, ranks, [i + 1, 2 * i + 1, 3, 5, 7 * i], 1e-8)
    })
    expect(collectives).toBeGreaterThan(20)
  })
})
