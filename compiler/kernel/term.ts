/**
 * Terms: the scalars of one kernel, hash-consed, with flat reads and canonical index arithmetic. Fusion builds them by
 * putting one lowered `Scalar` into the reads of another; loop shapes, sharing and printing are all derived from them.
 *
 * Index arithmetic is kept as an affine sum `c0 + c1 v1 + …` over variables (and over quotients and remainders that do
 * not simplify), with the range of every integer known. So a reshape of a transpose of a slice is an offset again, a
 * guard that always holds disappears, and a contraction shows its strides.
 */
import type { BinaryName, ReduceName, UnaryName } from '../../core/scalar.ts'
import type { DType } from '../../core/type.ts'

export interface Base {
  readonly id: number
  readonly dtype: DType
  /** For i32: the least and greatest possible value. */
  readonly lo: number
  readonly hi: number
  /** Bit v is set where the term depends on variable v. */
  readonly vars: number
}

export interface Num extends Base {
  readonly _tag: 'Num'
  readonly value: number
}
/** A loop of the kernel or the variable of a reduction: 0 .. extent-1. */
export interface Var extends Base {
  readonly _tag: 'Var'
  readonly index: number
  readonly extent: number
}
export interface Affine extends Base {
  readonly _tag: 'Affine'
  readonly terms: ReadonlyArray<readonly [Term, number]>
  readonly constant: number
}
/** Element `offset` of a buffer. */
export interface Read extends Base {
  readonly _tag: 'Read'
  readonly buffer: number
  readonly offset: Term
}
export interface Unary extends Base {
  readonly _tag: 'Unary'
  readonly op: UnaryName
  readonly x: Term
}
export interface Binary extends Base {
  readonly _tag: 'Binary'
  readonly op: BinaryName
  readonly x: Term
  readonly y: Term
}
export interface Select extends Base {
  readonly _tag: 'Select'
  readonly when: Term
  readonly x: Term
  readonly y: Term
}
export interface Cast extends Base {
  readonly _tag: 'Cast'
  readonly x: Term
}
/** An index that data gave, taken to be within an axis. */
export interface Assume extends Base {
  readonly _tag: 'Assume'
  readonly x: Term
}
export interface Reduce extends Base {
  readonly _tag: 'Reduce'
  readonly op: ReduceName
  readonly variable: Var
  readonly body: Term
}

export type Term = Num | Var | Affine | Read | Unary | Binary | Select | Cast | Assume | Reduce

/** What a term reads directly. */
export const operandsOf = (t: Term): ReadonlyArray<Term> => {
  switch (t._tag) {
    case 'Num':
    case 'Var':
      return []
    case 'Affine':
      return t.terms.map(([x]) => x)
    case 'Read':
      return [t.offset]
    case 'Unary':
    case 'Cast':
    case 'Assume':
      return [t.x]
    case 'Binary':
      return [t.x, t.y]
    case 'Select':
      return [t.when, t.x, t.y]
    case 'Reduce':
      return [t.body]
  }
}

/** Every term under `roots`, operands first. */
export const termsOf = (roots: ReadonlyArray<Term>): ReadonlyArray<Term> => {
  const seen = new Set<Term>()
  const stack = [...roots]
  for (let t = stack.pop(); t !== undefined; t = stack.pop()) {
    if (seen.has(t)) continue
    seen.add(t)
    stack.push(...operandsOf(t))
  }
  return [...seen].sort((a, b) => a.id - b.id)
}

/** What an i32 can hold. */
export const int32 = { lo: -2147483648, hi: 2147483647 }
export const within = (lo: number, hi: number): boolean => lo >= int32.lo && hi <= int32.hi
