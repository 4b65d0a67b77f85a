/** What follows from constants of one repeated value alone: found by evaluating the meaning of an op, whatever the op is. */
import type { Apply, Expr } from '../../core/expr.ts'
import { fill } from '../../core/expr.ts'
import type { BinaryName, Scalar } from '../../core/scalar.ts'
import { unaryValues } from '../numerics.ts'

/** The value of a constant of one repeated element. */
export const constantOf = (x: Expr): number | undefined => (x._tag === 'Leaf' && x.source._tag === 'Fill' ? x.source.value : undefined)

/** Of floats. */
const binaries: { readonly [N in BinaryName]?: (x: number, y: number) => number } = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  min: Math.min,
  max: Math.max,
}

/** The value that every element has; undefined where it depends on the position, on data, or is not of f32 arithmetic. */
const valueOf = (s: Scalar, args: ReadonlyArray<Expr>): number | undefined => {
  const of = (x: Scalar): number | undefined => valueOf(x, args)
  switch (s._tag) {
    case 'Num':
      return s.value
    case 'Read':
      return constantOf(args[s.arg])
    case 'Unary': {
      const x = of(s.x)
      return s.dtype !== 'f32' || x === undefined ? undefined : unaryValues[s.op](x)
    }
    case 'Binary': {
      const [x, y, f] = [of(s.x), of(s.y), binaries[s.op]]
      return s.dtype !== 'f32' || x === undefined || y === undefined ? undefined : f?.(x, y)
    }
    case 'Reduce': {
      const x = of(s.body)
      if (s.dtype !== 'f32' || x === undefined) return undefined
      return s.op === 'sum' ? s.extent * x : s.op === 'max' ? x : undefined
    }
    case 'Axis':
    case 'Bound':
    case 'Select':
    case 'Cast':
      return undefined
  }
}

/** An application whose elements are all one constant, as that constant. */
export const folded = (e: Apply): Expr | undefined => {
  if (!e.args.some((a) => constantOf(a) !== undefined)) return undefined
  const value = valueOf(
    e.op.lower(
      e.args.map((a) => a.type),
      e.type,
    ),
    e.args,
  )
  return value === undefined ? undefined : fill(e.type.dtype, e.type.shape, value)
}
