/** Collectives among one rank, which is all that a target of one rank runs; among several: spec/laws/collective.test.ts. */
import fc from 'fast-check'
import type { Cut } from '../../ops/collective.ts'
import { bit, shapes, small, odd, tensors } from '../support/arbitrary.ts'
import type { Tensor } from '../support/tensor.ts'
import type { Draft } from './sample.ts'

const floats = shapes(1).chain((shape) => tensors('f32', shape, odd))
const words = shapes(1).chain((shape) => tensors('i32', shape, small))
const bits = shapes(1).chain((shape) => tensors('bool', shape, bit))

const same = <P>(params: P, x: Tensor): { params: P } & Omit<Draft<null>, 'params'> => ({
  params,
  args: [x],
  formula: ([get], index) => get(index),
})

export const reductions: fc.Arbitrary<Draft<{ readonly ranks: number; readonly op: 'sum' | 'max' }>> = fc
  .tuple(fc.constantFrom('sum' as const, 'max' as const), fc.oneof(floats, words))
  .map(([op, x]) => same({ ranks: 1, op }, x))

export const varied: fc.Arbitrary<Draft<{ readonly ranks: number }>> = fc.oneof(floats, words, bits).map((x) => same({ ranks: 1 }, x))

/** One block, or two. */
export const cuts = (bools: boolean): fc.Arbitrary<Draft<Cut>> =>
  fc.tuple(bools ? fc.oneof(floats, words, bits) : fc.oneof(floats, words), fc.nat(), fc.nat()).map(([x, a, b]) => {
    const axis = a % x.type.shape.length
    const extent = x.type.shape[axis]
    const first = 1 + (b % extent)
    return same({ ranks: 1, axis, blocks: first === extent ? [extent] : [first, extent - first] }, x)
  })
