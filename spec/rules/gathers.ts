/** Samples of gather and scatterAdd: shared batch axes, axes before and behind, and lists of any rank. */
import fc from 'fast-check'
import type { Shape } from '../../core/type.ts'
import { odd, shapes, tensors } from '../support/arbitrary.ts'
import { indices } from '../support/tensor.ts'
import type { Draft } from './sample.ts'

interface Layout {
  readonly batch: Shape
  readonly before: Shape
  readonly size: number
  readonly list: Shape
  readonly behind: Shape
}

const layouts: fc.Arbitrary<Layout> = fc.record({
  batch: shapes(0, 1),
  before: shapes(0, 1),
  size: fc.integer({ min: 1, max: 4 }),
  list: shapes(0, 2),
  behind: shapes(0, 1),
})

const at = (l: Layout): { readonly axis: number; readonly batch: number } => ({
  axis: l.batch.length + l.before.length,
  batch: l.batch.length,
})

/** The place in the full tensor that the place `i` of the gathered one comes from. */
const origin = (l: Layout, i: ReadonlyArray<number>, entry: (index: ReadonlyArray<number>) => number): ReadonlyArray<number> => {
  const { axis, batch } = at(l)
  const behind = axis + l.list.length
  return [...i.slice(0, axis), entry([...i.slice(0, batch), ...i.slice(axis, behind)]), ...i.slice(behind)]
}

const lists = (l: Layout): ReturnType<typeof tensors> => tensors('i32', [...l.batch, ...l.list], fc.nat(l.size - 1))

export const gathers = layouts.chain((l) =>
  fc
    .tuple(tensors('f32', [...l.batch, ...l.before, l.size, ...l.behind], odd), lists(l))
    .map((args): Draft<{ axis: number; batch: number }> => ({
      params: at(l),
      args,
      formula: ([get, entry], i) => get(origin(l, i, entry)),
    })),
)

export const scatters = layouts.chain((l) => {
  const gathered = [...l.batch, ...l.before, ...l.list, ...l.behind]
  return fc.tuple(tensors('f32', gathered, odd), lists(l)).map((args): Draft<{ axis: number; batch: number; size: number }> => ({
    params: { ...at(l), size: l.size },
    args,
    formula: ([get, entry], i) =>
      indices(gathered)
        .filter((j) => String(origin(l, j, entry)) === String(i))
        .reduce((s, j) => s + get(j), 0),
  }))
})
