/** Every pass of every road preserves values: passes over graphs by the reference, passes over kernels by interpreting their terms. */
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import type { Kernels } from '../../compiler/kernel/fused.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { followGraph } from '../../compiler/road.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import { roots } from '../../core/graph.ts'
import { isHalf } from '../../core/type.ts'
import { right } from '../data/either.ts'
import { drawn, seed } from '../support/arbitrary.ts'
import type { Generator } from '../support/generator.ts'
import { generators, listsOf } from '../support/generators.ts'
import type { RandomGraph } from '../support/graphs.ts'
import { interpreted } from '../support/kernels.ts'
import { expectClose } from '../support/tensor.ts'
import { valuesOf } from '../support/values.ts'
import { tolerance } from '../support/verdict.ts'

const roads: ReadonlyArray<readonly [string, KernelRoad]> = [
  ['gpujs', gpujsRoad({ maxInputs: 7, packs: true })],
  ['native', nativeRoad()],
  ['native, recomputing whatever it can', nativeRoad(0)],
]

/** Graphs of each kind. */
const counts: Readonly<Record<string, number>> = { mixed: 60, extents: 40, networks: 12 }

const graphsOf = (g: Generator, half = false): ReadonlyArray<RandomGraph> =>
  listsOf(g, seed, drawn(counts[g.name] ?? 20)).map((list) => g.make(list, { half }))

/** float64 everywhere: only the order of sums differs, and 16 bits where they are rounded. */
const close = (r: RandomGraph, what: string, got: ReadonlyArray<ArrayLike<number>>, expected: ReadonlyArray<ArrayLike<number>>): void => {
  const narrow = r.graph.outputs.flatMap((o) => (isHalf(o.expr.type.dtype) ? [tolerance[o.expr.type.dtype]] : []))
  r.graph.outputs.forEach((o, i) => {
    expectClose(got[i], expected[i], Math.max(1e-8, ...narrow), `${o.path} after ${what}`)
  })
}

test.each(generators.flatMap((g) => roads.map(([name, road]) => [g.name, name, g, road] as const)))(
  '%s graphs on the road to %s',
  (_, name, g, road) => {
    for (const r of graphsOf(g, name !== 'gpujs')) {
      const values = valuesOf(r)
      const expected = evaluate(roots(r.graph), values)
      let graph = r.graph
      for (const pass of road.graph) {
        graph = right(pass.run(graph))
        close(r, pass.name, evaluate(roots(graph), values), expected)
      }
      let kernels: Kernels = right(road.fuse.run(right(followGraph(road)(r.graph))))
      close(r, road.fuse.name, interpreted(kernels, values), expected)
      for (const pass of road.kernels) {
        kernels = right(pass.run(kernels))
        // what recomputes leaves readers before makers: who orders comes next
        if (pass.name !== 'recompute') close(r, `${pass.name} (${name})`, interpreted(kernels, values), expected)
      }
    }
    expect(E.isRight(followGraph(road)(graphsOf(g)[0].graph))).toBe(true)
  },
  600_000,
)

/** Another pass may give one more to do (simplify, to narrow), so each is asked at its own place. */
test.each(generators.map((g) => [g.name, g] as const))(
  'graph passes have nothing left to do a second time: %s',
  (_, g) => {
    for (const r of graphsOf(g).slice(0, 15)) {
      for (const [name, road] of roads.slice(0, 2)) {
        let once = r.graph
        for (const pass of road.graph) {
          once = right(pass.run(once))
          const again = right(pass.run(once))
          expect(again.outputs.flatMap((o, i) => (o.expr === once.outputs[i].expr ? [] : [`${pass.name} (${name}) of ${o.path}`]))).toEqual(
            [],
          )
        }
      }
    }
  },
  600_000,
)
