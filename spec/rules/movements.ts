/** Samples of what moves elements, and of casts. */
import fc from 'fast-check'
import type { DType, Shape } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import { axesOf, bit, dimension, odd, permutation, shapes, small, tensors, word } from '../support/arbitrary.ts'
import type { Tensor } from '../support/tensor.ts'
import { indices } from '../support/tensor.ts'
import type { Draft } from './sample.ts'

/** A tensor of any dtype, for what only moves elements. */
const any = (shape: Shape): fc.Arbitrary<Tensor> =>
  fc.oneof(tensors('f32', shape, odd), tensors('i32', shape, word), tensors('bool', shape, bit))

export const cast = fc.tuple(shapes(), fc.constantFrom<DType[]>('f32', 'i32', 'bool', 'f16', 'bf16')).chain(([shape, to]) =>
  fc
    .oneof(
      tensors('f32', shape, odd),
      tensors('f32', shape, small),
      tensors('i32', shape, fc.integer({ min: -1000, max: 1000 })),
      tensors('bool', shape, bit),
    )
    .map((x): Draft<{ to: DType }> => ({
      params: { to },
      args: [x],
      formula: ([get], i) => (to === 'i32' ? Math.trunc(get(i)) : to === 'bool' ? Number(get(i) !== 0) : get(i)),
    })),
)

export const reshape = shapes()
  .chain((shape) =>
    fc.tuple(
      any(shape),
      fc.constantFrom([shape.reduce((n, d) => n * d, 1)], [1, ...shape], [...shape, 1], [...shape].reverse(), [
        shape.slice(0, 2).reduce((n, d) => n * d, 1),
        ...shape.slice(2),
      ]),
    ),
  )
  .map(([x, shape]): Draft<{ shape: Array<number> }> => {
    const flat = indices(x.type.shape)
    return { params: { shape }, args: [x], formula: ([get], i) => get(flat[i.reduce((n, k, a) => n * shape[a] + k, 0)]) }
  })

export const transpose = shapes()
  .chain((shape) => fc.tuple(any(shape), permutation(shape.length)))
  .map(([x, perm]): Draft<{ perm: Array<number> }> => ({
    params: { perm },
    args: [x],
    formula: ([get], i) => get(perm.map((_, a) => i[perm.indexOf(a)])),
  }))

export const broadcast = shapes().chain((shape) =>
  axesOf(shape).chain((axes) =>
    any(axes.map((a) => shape[a])).map((x): Draft<{ shape: Shape; axes: ReadonlyArray<number> }> => ({
      params: { shape, axes },
      args: [x],
      formula: ([get], i) => get(axes.map((a) => i[a])),
    })),
  ),
)

const box = fc.array(fc.record({ start: fc.nat(2), size: dimension, rest: fc.nat(2) }), { maxLength: 3 })

export const slice = box.chain((axes) =>
  any(axes.map((a) => a.start + a.size + a.rest)).map((x): Draft<{ start: Array<number>; size: Array<number> }> => ({
    params: { start: axes.map((a) => a.start), size: axes.map((a) => a.size) },
    args: [x],
    formula: ([get], i) => get(i.map((k, a) => k + axes[a].start)),
  })),
)

export const pad = box.chain((axes) =>
  any(axes.map((a) => a.size)).map((x): Draft<{ low: Array<number>; high: Array<number> }> => ({
    params: { low: axes.map((a) => a.start), high: axes.map((a) => a.rest) },
    args: [x],
    formula: ([get], i) =>
      i.every((k, a) => k >= axes[a].start && k < axes[a].start + axes[a].size) ? get(i.map((k, a) => k - axes[a].start)) : 0,
  })),
)

export const concat = fc.tuple(shapes(1), fc.array(dimension, { minLength: 1, maxLength: 3 })).chain(([shape, sizes]) =>
  fc.nat(shape.length - 1).chain((axis) =>
    fc
      .tuple(
        ...sizes.map((n) =>
          tensors(
            'f32',
            shape.map((d, a) => (a === axis ? n : d)),
            odd,
          ),
        ),
      )
      .map((args): Draft<{ axis: number }> => {
        const owner = sizes.flatMap((n, part) => range(n).map((k) => [part, k] as const))
        return { params: { axis }, args, formula: (get, i) => get[owner[i[axis]][0]](i.map((k, a) => (a === axis ? owner[k][1] : k))) }
      }),
  ),
)

export const flip = shapes()
  .chain((shape) => fc.tuple(any(shape), axesOf(shape)))
  .map(([x, axes]): Draft<{ axes: ReadonlyArray<number> }> => ({
    params: { axes },
    args: [x],
    formula: ([get], i) => get(i.map((k, a) => (axes.includes(a) ? x.type.shape[a] - 1 - k : k))),
  }))
