/** What an expression is to fusion: its scalar and what that costs; and where the arguments of a target's own kernels lie. */
import type { Apply, Expr } from '../../core/expr.ts'
import type { Scalar } from '../../core/scalar.ts'
import * as S from '../../core/scalar.ts'
import { showType } from '../../core/type.ts'
import { ranksOf } from '../distribute/alone.ts'
import { flatten, inRange, instantiate } from './instantiate.ts'
import type { Operand, Whole } from './kernel.ts'
import type { TermTable } from './table.ts'
import type { Term } from './term.ts'
import { termTable } from './table.ts'
import { termsOf } from './term.ts'

export interface Costs {
  /** Cost of a transcendental function, in additions. */
  readonly transcendental: number
  /** Meanings that the target has a kernel of its own for: each is a kernel by itself that reads its arguments from memory. */
  readonly whole?: (meaning: Scalar) => boolean
  /** Whether the target has ranks: what they do together is a kernel by itself. */
  readonly ranks?: boolean
}

/** A constant that costs no read. */
export const isFree = (e: Expr): boolean => e._tag === 'Leaf' && e.source._tag === 'Fill'

/** What an expression is made of, as fusion sees it. */
export interface Meaning {
  readonly scalar: Scalar
  readonly args: ReadonlyArray<Expr>
  /** Arithmetic of one element, reductions counted in full. */
  readonly cost: number
  /** Arithmetic operations in its text. */
  readonly ops: number
  readonly reduces: boolean
  /** It is a kernel of the target's own. */
  readonly whole: boolean
  /** Of one that ranks run together: its arguments are read as they lie in memory. */
  readonly together: boolean
}

type Measure = Pick<Meaning, 'cost' | 'ops' | 'reduces'>

/** What one operation of a scalar costs by itself, in additions; index arithmetic costs nothing: it mostly disappears. */
const ownCost = (s: Scalar, costs: Costs): number => {
  switch (s._tag) {
    case 'Unary':
      return S.transcendental.has(s.op) ? costs.transcendental : s.op === 'sqrt' || s.op === 'rsqrt' ? 4 : 1
    case 'Binary':
      return s.dtype === 'i32' && s.x._tag !== 'Read' && s.y._tag !== 'Read' ? 0 : s.op === 'div' ? 4 : 1
    case 'Select':
    case 'Cast':
      return 1
    default:
      return 0
  }
}

const measure = (s: Scalar, costs: Costs): Measure => {
  const parts = S.partsOf(s)
    .filter((x) => s._tag !== 'Read' || x._tag === 'Read')
    .map((x) => measure(x, costs))
  const [cost, ops] = [parts.reduce((n, p) => n + p.cost, 0), parts.reduce((n, p) => n + p.ops, 0)]
  if (s._tag === 'Reduce') return { cost: s.extent * (cost + 1), ops: ops + 2, reduces: true }
  const own = ownCost(s, costs)
  return { cost: cost + own, ops: ops + (own > 0 ? 1 : 0), reduces: parts.some((p) => p.reduces) }
}

const ofApply = (e: Apply, costs: Costs): Omit<Meaning, 'args'> => {
  const scalar = scalarOf(e)
  // ranks read each other's memory, which no scalar says: for fusion something is read, and no more is known
  if (costs.ranks === true && ranksOf(e) > 1) {
    const [x] = e.args
    const first = S.read(
      0,
      x.type,
      x.type.shape.map(() => S.int(0)),
    )
    return {
      scalar: e.type.dtype === x.type.dtype ? first : S.cast(e.type.dtype, first),
      cost: 1,
      ops: 1,
      reduces: true,
      whole: true,
      together: true,
    }
  }
  const measured = measure(scalar, costs)
  // only what reduces is worth a kernel of the target's own
  return { scalar, ...measured, whole: measured.reduces && costs.whole?.(scalar) === true, together: false }
}

/** Meanings of expressions, each kind of application measured once. A leaf that is an output is copied. */
export const meanings = (costs: Costs): ((e: Expr) => Meaning) => {
  const kinds = new Map<string, Omit<Meaning, 'args'>>()
  const known = new Map<Expr, Meaning>()
  const meaningOf = (e: Expr): Meaning => {
    if (e._tag !== 'Apply') {
      const scalar: Scalar =
        e._tag === 'Leaf' && e.source._tag === 'Fill' ? S.num(e.type.dtype, e.source.value) : S.read(0, e.type, S.axesOf(e.type))
      return { scalar, args: isFree(e) ? [] : [e], cost: 0, ops: 0, reduces: false, whole: false, together: false }
    }
    const kind = [e.op.key, ...e.args.map((a) => showType(a.type)), showType(e.type)].join(' ')
    const found = kinds.get(kind) ?? ofApply(e, costs)
    kinds.set(kind, found)
    return { ...found, args: e.args }
  }
  return (e) => {
    const found = known.get(e) ?? meaningOf(e)
    known.set(e, found)
    return found
  }
}

/** What one element of an application is. */
export const scalarOf = (e: Apply): Scalar =>
  e.op.lower(
    e.args.map((a) => a.type),
    e.type,
  )

/** Whether an element is but another place in memory, at positions that loops count: what a kernel of the target's own can read instead. */
export const isPlace = (table: TermTable, m: Meaning, index: ReadonlyArray<Term>): boolean => {
  if (m.scalar._tag !== 'Read') return false
  let reads = 0
  const offset = instantiate(table, m.scalar, index, (k, positions) => {
    reads++
    return flatten(table, m.args[k].type.shape, inRange(table, m.args[k].type.shape, positions))
  })
  return reads === 1 && termsOf([offset]).every((t) => t._tag === 'Num' || t._tag === 'Var' || t._tag === 'Affine')
}

/** Where the arguments of a kernel of the target's own lie. */
export const wholeOf = (root: Expr, meaning: (e: Expr) => Meaning, inlined: ReadonlySet<Expr>, bufferIndex: (e: Expr) => number): Whole => {
  const { scalar, args, together } = meaning(root)
  return {
    meanings: [scalar],
    ...(together && root._tag === 'Apply'
      ? { together: { op: root.op.key, name: root.op.name, params: root.op.params, from: root.args[0].type, to: root.type } }
      : {}),
    operands: args.map((given): Operand => {
      const table = termTable()
      const axes = given.type.shape.map((n) => table.variable(n))
      let [e, index] = [given, inRange(table, given.type.shape, axes)]
      while (inlined.has(e)) {
        const m = meaning(e)
        instantiate(table, m.scalar, index, (k, positions) => {
          e = m.args[k]
          index = inRange(table, e.type.shape, positions)
          return table.num('f32', 0)
        })
      }
      const offset = flatten(table, e.type.shape, index)
      const terms: ReadonlyArray<readonly [Term, number]> = offset._tag === 'Affine' ? offset.terms : [[offset, 1]]
      return {
        buffer: bufferIndex(e),
        offset: offset._tag === 'Affine' ? offset.constant : offset._tag === 'Num' ? offset.value : 0,
        strides: axes.map((v) => terms.find(([t]) => t === v)?.[1] ?? 0),
      }
    }),
  }
}
