/** The parameters of a random network and their values, which keep what passes through of the order of 1. */
import type { Expr } from '../../core/expr.ts'
import type { Declaration, Exprs } from '../../core/model.ts'
import { declarations, expressions, leavesOf } from '../../core/model.ts'
import { join } from '../../core/tree.ts'
import type { Shape } from '../../core/type.ts'
import { sizeOf } from '../../core/type.ts'
import type { Tensor } from './tensor.ts'
import { tensor } from './tensor.ts'
import { uniformOf } from './values.ts'

export interface Parameters {
  /** The leaves of a tree of declarations, under a name of their own. */
  readonly of: <P>(name: string, params: P) => Exprs<P>
  /** Values for another leaf, in -1 .. 1. */
  readonly give: (path: string, shape: Shape) => void
  readonly set: (path: string, t: Tensor) => void
  /** All leaves to be trained, by path. */
  readonly all: () => ReadonlyArray<readonly [string, Expr]>
  readonly values: () => ReadonlyMap<string, Tensor>
}

/** Factors lie about where they begin, offsets are small, and a matrix keeps the size of what it multiplies. */
const valuesOf = (path: string, { init, shape }: Declaration): Tensor => {
  const drawn = uniformOf(path, shape)
  const fan = sizeOf(shape.length > 1 ? shape.slice(1) : [1])
  const [middle, spread] = init._tag === 'Constant' ? [init.value, 0.25] : [0, shape.length > 1 ? (3 / fan) ** 0.5 : 1]
  return tensor(
    'f32',
    shape,
    drawn.values.map((x) => Math.fround(middle + spread * x)),
  )
}

export const parameters = (): Parameters => {
  const values = new Map<string, Tensor>()
  const leaves: Array<readonly [string, Expr]> = []
  return {
    of: (name, params) => {
      const made = leavesOf(name, params)
      for (const [path, d] of declarations(params)) values.set(join(name, path), valuesOf(join(name, path), d))
      leaves.push(...expressions(made).map(([path, e]) => [join(name, path), e] as const))
      return made
    },
    give: (path, shape) => {
      values.set(path, uniformOf(path, shape))
    },
    set: (path, t) => {
      values.set(path, t)
    },
    all: () => leaves,
    values: () => values,
  }
}
