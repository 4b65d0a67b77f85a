/** All generators of random graphs. */
import fc from 'fast-check'
import { grad } from '../../compiler/grad.ts'
import { nodesOf, value } from '../../core/graph.ts'
import { isHalf } from '../../core/type.ts'
import { sum } from '../../ops/reduce.ts'
import { cast } from '../../ops/elementwise.ts'
import { extentGraphs } from './extents.ts'
import type { Generator } from './generator.ts'
import type { RandomGraph, Steps } from './graphs.ts'
import { graphOf } from './graphs.ts'
import { networks } from './networks.ts'

/** Every kind of primitive, with the gradients of what was made last. */
const mixed: Generator = {
  name: 'mixed',
  steps: 16,
  numbers: 8,
  make: (list) => {
    const r = graphOf(list)
    const gradients = grad(sum()(cast('f32')(r.graph.outputs[0].expr)), r.floats)
    return { ...r, graph: { ...r.graph, outputs: [...r.graph.outputs, ...gradients.map((g, i) => value(`grad${i}`, g))] } }
  },
}

export const generators: ReadonlyArray<Generator> = [mixed, extentGraphs, networks]

export const generatorOf = (name: string): Generator | undefined => generators.find((g) => g.name === name)

/** The steps of `count` graphs; their number grows, so that some are small. */
export const listsOf = (g: Generator, seed: number, count: number): ReadonlyArray<Steps> =>
  fc.sample(
    fc.array(fc.array(fc.nat(100000), { minLength: g.numbers, maxLength: g.numbers }), { minLength: 1, maxLength: g.steps, size: 'max' }),
    { seed, numRuns: count },
  )

export const usesHalf = (r: RandomGraph): boolean => nodesOf(r.graph).some((e) => isHalf(e.type.dtype))
