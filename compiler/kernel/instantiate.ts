/** From the meaning of a primitive to terms of a kernel: a lowered `Scalar` at given positions. */
import type { Scalar } from '../../core/scalar.ts'
import type { Shape } from '../../core/type.ts'
import { stridesOf } from '../../core/type.ts'
import type { TermTable } from './table.ts'
import type { Term, Var } from './term.ts'

/** What to put in place of a read: the argument's element at these positions. `under` are the enclosing reductions. */
export type OnRead = (arg: number, index: ReadonlyArray<Term>, under: ReadonlyArray<Var>) => Term

/** `scalar` with its axes at `axes`; reductions get variables of their own. */
export const instantiate = (table: TermTable, scalar: Scalar, axes: ReadonlyArray<Term>, onRead: OnRead): Term => {
  const go = (s: Scalar, bounds: ReadonlyMap<number, Var>, under: ReadonlyArray<Var>): Term => {
    switch (s._tag) {
      case 'Num':
        return table.num(s.dtype, s.value)
      case 'Axis':
        return axes[s.axis]
      case 'Bound':
        return bounds.get(s.id) ?? table.num('i32', 0)
      case 'Read':
        return onRead(
          s.arg,
          s.index.map((i) => go(i, bounds, under)),
          under,
        )
      case 'Unary':
        return table.unary(s.op, go(s.x, bounds, under))
      case 'Binary':
        return table.binary(s.op, go(s.x, bounds, under), go(s.y, bounds, under))
      case 'Select':
        return table.select(go(s.when, bounds, under), go(s.x, bounds, under), go(s.y, bounds, under))
      case 'Cast':
        return table.cast(s.dtype, go(s.x, bounds, under))
      case 'Reduce': {
        const v = table.variable(s.extent)
        return table.reduce(s.op, v, go(s.body, new Map(bounds).set(s.id, v), [...under, v]))
      }
    }
  }
  return go(scalar, new Map(), [])
}

/** Positions in a tensor, which are in range wherever they are read: along an axis of one element they are 0. */
export const inRange = (table: TermTable, shape: Shape, index: ReadonlyArray<Term>): ReadonlyArray<Term> =>
  index.map((t, k) => (shape[k] === 1 ? table.num('i32', 0) : t))

/** The flat offset of a position in a row-major tensor; positions that data gave are taken to be in range. */
export const flatten = (table: TermTable, shape: Shape, index: ReadonlyArray<Term>): Term => {
  const strides = stridesOf(shape)
  return table.affine(
    index.map((t, k): readonly [Term, number] => [table.assume(t, 0, shape[k] - 1), strides[k]]),
    0,
  )
}
