/** Arbitrary values for tensors: on grids that f16 holds exactly, and at a distance from the kinks of the primitives. */
import fc from 'fast-check'
import type { DType, Shape } from '../../core/type.ts'
import { range, sizeOf } from '../../core/type.ts'
import type { Tensor } from './tensor.ts'
import { tensor } from './tensor.ts'

export type Element = fc.Arbitrary<number>

/** -3 .. 3 in odd 128ths: never zero and never whole. */
export const odd: Element = fc.integer({ min: -192, max: 191 }).map((k) => (2 * k + 1) / 128)
/** 0.25 .. 3 */
export const positive: Element = fc.integer({ min: 16, max: 191 }).map((k) => (2 * k + 1) / 128)
/** 0.25 .. 3 on either side of zero. */
export const divisor: Element = fc.tuple(positive, fc.boolean()).map(([x, minus]) => (minus ? -x : x))
/** Few whole numbers, so that ties happen. */
export const small: Element = fc.integer({ min: -3, max: 3 })
/** All of 32 bits, with the ends more often than chance would have it. */
export const word: Element = fc.integer({ min: -2147483648, max: 2147483647 })
export const bit: Element = fc.integer({ min: 0, max: 1 })

export const dimension: Element = fc.integer({ min: 1, max: 4 })

export const shapes = (minRank = 0, maxRank = 3): fc.Arbitrary<Shape> => fc.array(dimension, { minLength: minRank, maxLength: maxRank })

export const tensors = (dtype: DType, shape: Shape, element: Element): fc.Arbitrary<Tensor> => {
  const n = sizeOf(shape)
  return fc.array(element, { minLength: n, maxLength: n }).map((values) => tensor(dtype, shape, values))
}

/** The numbers 0 .. n-1 in some order. */
export const permutation = (n: number): fc.Arbitrary<Array<number>> => fc.shuffledSubarray([...range(n)], { minLength: n })

/** No two values are equal. */
export const distinct = (shape: Shape): fc.Arbitrary<Tensor> => {
  const n = sizeOf(shape)
  return permutation(n).map((order) =>
    tensor(
      'f32',
      shape,
      order.map((k) => (2 * k + 1 - n) / 64),
    ),
  )
}

/** Some axes of a shape, ascending. */
export const axesOf = (shape: Shape, minLength = 0): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.subarray([...range(shape.length)], { minLength })

const given = process.env.DINOGRAPH_SEED ?? ''

/** The seed of every property of the specification: the same on every run, or what `DINOGRAPH_SEED` says (`npm run reseeded`). */
export const seed = given === '' ? 20240229 : Number(given)

/** Whether this is a run with a seed of its own, beside the one that is always the same. */
export const isReseeded = given !== ''

const wanted = Number(process.env.DINOGRAPH_SHARE ?? '')

/**
 * How many graphs are drawn where a property has so many: all of them; a third with a seed of its own, since kernels of some networks take
 * seconds to interpret; or the share that `DINOGRAPH_SHARE` says, for a first look (`npm run mutate`).
 */
export const drawn = (count: number): number => Math.ceil(count * (wanted > 0 && wanted < 1 ? wanted : isReseeded ? 1 / 3 : 1))

/** Seed and size of a property. */
export const runs = (numRuns: number): { readonly seed: number; readonly numRuns: number } => ({ seed, numRuns })
