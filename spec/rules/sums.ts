/** Samples of sums and maxima over axes. */
import fc from 'fast-check'
import type { Shape } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import { axesOf, distinct, odd, shapes, small, tensors, word } from '../support/arbitrary.ts'
import { indices } from '../support/tensor.ts'
import type { Draft } from './sample.ts'

/** A whole number as 32 bits hold it. */
export const wrap = (x: bigint): number => Number(BigInt.asIntN(32, x))

/** All elements of `shape` that agree with `kept` off the reduced axes, in order. */
const reducedFrom = (shape: Shape, axes: ReadonlyArray<number>, kept: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> => {
  const free = range(shape.length).filter((a) => !axes.includes(a))
  return indices(shape).filter((i) => free.every((a, k) => i[a] === kept[k]))
}

export const sum = shapes()
  .chain((shape) => fc.tuple(fc.oneof(tensors('f32', shape, odd), tensors('i32', shape, word)), axesOf(shape)))
  .map(([x, axes]): Draft<{ axes: ReadonlyArray<number> }> => ({
    params: { axes },
    args: [x],
    formula: ([get], i) => {
      const all = reducedFrom(x.type.shape, axes, i).map(get)
      return x.type.dtype === 'i32' ? wrap(all.reduce((s, y) => s + BigInt(y), 0n)) : all.reduce((s, y) => s + y, 0)
    },
  }))

export const reduceMax = shapes(1)
  .chain((shape) => fc.tuple(fc.oneof(distinct(shape), tensors('i32', shape, word)), axesOf(shape, 1)))
  .map(([x, axes]): Draft<{ axes: ReadonlyArray<number> }> => ({
    params: { axes },
    args: [x],
    formula: ([get], i) => Math.max(...reducedFrom(x.type.shape, axes, i).map(get)),
  }))

export const argmax = shapes(1)
  .chain((shape) =>
    fc.tuple(fc.oneof(distinct(shape), tensors('f32', shape, small), tensors('i32', shape, word)), fc.nat(shape.length - 1)),
  )
  .map(([x, axis]): Draft<{ axis: number }> => ({
    params: { axis },
    args: [x],
    formula: ([get], i) => {
      const all = reducedFrom(x.type.shape, [axis], i).map(get)
      return all.indexOf(Math.max(...all))
    },
  }))
