/** The table that terms of one kernel are made in: equal ones are the same object, and what ranges decide is simplified. */
import type { BinaryName, ReduceName, UnaryName } from '../../core/scalar.ts'
import type { DType } from '../../core/type.ts'
import { affineArithmetic } from './affine.ts'
import type { Base, Term, Var } from './term.ts'
import { int32, within } from './term.ts'

/** Builds the terms of one kernel. Equal terms are one object; operands always have smaller ids. */
export interface TermTable {
  readonly num: (dtype: DType, value: number) => Term
  readonly variable: (extent: number) => Var
  /** Variables made so far. Terms name theirs in masks of 32 bits, so what makes more than a nest needs asks first. */
  readonly variables: () => number
  readonly read: (buffer: number, dtype: DType, offset: Term) => Term
  readonly unary: (op: UnaryName, x: Term) => Term
  readonly binary: (op: BinaryName, x: Term, y: Term) => Term
  readonly select: (when: Term, x: Term, y: Term) => Term
  readonly cast: (dtype: DType, x: Term) => Term
  /** `x`, taken to lie in lo .. hi where its own range is not known to be small. */
  readonly assume: (x: Term, lo: number, hi: number) => Term
  readonly reduce: (op: ReduceName, variable: Var, body: Term) => Term
  /** Sum of coefficient times term, plus a constant; canonical. */
  readonly affine: (terms: ReadonlyArray<readonly [Term, number]>, constant: number) => Term
  /** `x` as an atom that affine sums do not take apart: a part of an offset that is computed once, outside of a loop. */
  readonly opaque: (x: Term) => Term
  /** Replaces terms (variables, reads) wherever they occur, and simplifies again. What is put in is not replaced itself. */
  readonly replace: (map: ReadonlyMap<Term, Term>, t: Term) => Term
  /** Gives every buffer another number. */
  readonly renumber: (buffer: (old: number) => number, t: Term) => Term
  /** A table of its own that has the same terms: what is made in one is not in the other. */
  readonly copy: () => TermTable
}

type Fields<T> = T extends Base ? Omit<T, 'id' | 'vars'> : never

export const termTable = (): TermTable => tableOf(new Map(), 0)

const tableOf = (interned: Map<string, Term>, variables: number): TermTable => {
  let made = variables

  const intern = (key: string, operands: ReadonlyArray<Term>, fields: Fields<Term>, own = 0, bound = 0): Term => {
    const found = interned.get(key)
    if (found !== undefined) return found
    const vars = operands.reduce((v, o) => v | o.vars, own) & ~bound
    const term: Term = { ...fields, id: interned.size, vars }
    interned.set(key, term)
    return term
  }
  const float = { lo: -Infinity, hi: Infinity }
  const rangeFor = (dtype: DType): { lo: number; hi: number } => (dtype === 'i32' ? int32 : dtype === 'bool' ? { lo: 0, hi: 1 } : float)

  const num = (dtype: DType, value: number): Term =>
    intern(`n${dtype}${Object.is(value, -0) ? '-0' : value}`, [], { _tag: 'Num', dtype, value, lo: value, hi: value })

  const variable = (extent: number): Var => {
    const index = made++
    const base = { id: interned.size, dtype: 'i32' as const, lo: 0, hi: extent - 1, vars: 1 << index }
    const v: Var = { ...base, _tag: 'Var', index, extent }
    interned.set(`v${index}`, v)
    return v
  }

  const { affine, sum, divide, remainder } = affineArithmetic({ num, intern })

  const truth = (b: boolean): Term => num('bool', b ? 1 : 0)

  /** Comparisons of integers whose ranges decide them. */
  const decided = (op: BinaryName, x: Term, y: Term): Term | undefined => {
    if (x.dtype !== 'i32') return undefined
    if (op === 'lt') return x.hi < y.lo ? truth(true) : x.lo >= y.hi ? truth(false) : undefined
    if (op === 'le') return x.hi <= y.lo ? truth(true) : x.lo > y.hi ? truth(false) : undefined
    if (op === 'eq') return x.hi < y.lo || y.hi < x.lo ? truth(false) : x === y ? truth(true) : undefined
    return undefined
  }

  const isNum = (t: Term, v: number): boolean => t._tag === 'Num' && t.value === v

  const integer = (op: BinaryName, x: Term, y: Term): Term | undefined => {
    switch (op) {
      case 'add':
        return sum(x, 1, y)
      case 'sub':
        return sum(x, -1, y)
      case 'mul': {
        const [k, t] = x._tag === 'Num' ? [x.value, y] : y._tag === 'Num' ? [y.value, x] : [undefined, x]
        return k !== undefined && within(Math.min(k * t.lo, k * t.hi), Math.max(k * t.lo, k * t.hi)) ? affine([[t, k]], 0) : undefined
      }
      case 'idiv':
        return y._tag === 'Num' && y.value > 0 ? divide(x, y.value) : undefined
      case 'mod':
        return y._tag === 'Num' && y.value > 0 ? remainder(x, y.value) : undefined
      case 'min':
        return x.hi <= y.lo ? x : y.hi <= x.lo ? y : undefined
      case 'max':
        return x.lo >= y.hi ? x : y.lo >= x.hi ? y : undefined
      default:
        return undefined
    }
  }

  const floating = (op: BinaryName, x: Term, y: Term): Term | undefined => {
    if (op === 'mul') return isNum(x, 1) ? y : isNum(y, 1) ? x : undefined
    if (op === 'add') return isNum(y, 0) ? x : isNum(x, 0) ? y : undefined
    if (op === 'sub') return isNum(y, 0) ? x : undefined
    if (op === 'div') return isNum(y, 1) ? x : undefined
    return undefined
  }

  const logical = (op: BinaryName, x: Term, y: Term): Term | undefined => {
    if (op === 'and') return isNum(x, 1) ? y : isNum(y, 1) ? x : isNum(x, 0) ? x : isNum(y, 0) ? y : undefined
    if (op === 'or') return isNum(x, 0) ? y : isNum(y, 0) ? x : isNum(x, 1) ? x : isNum(y, 1) ? y : undefined
    return undefined
  }

  const binary = (op: BinaryName, x: Term, y: Term): Term => {
    const comparison = op === 'lt' || op === 'le' || op === 'eq'
    const simple = comparison
      ? decided(op, x, y)
      : x.dtype === 'i32'
        ? integer(op, x, y)
        : x.dtype === 'bool'
          ? logical(op, x, y)
          : floating(op, x, y)
    if (simple !== undefined) return simple
    const dtype: DType = comparison ? 'bool' : x.dtype
    const { lo, hi } = op === 'min' || op === 'max' ? { lo: Math[op](x.lo, y.lo), hi: Math[op](x.hi, y.hi) } : rangeFor(dtype)
    return intern(`b ${op} ${x.id} ${y.id}`, [x, y], { _tag: 'Binary', dtype, op, x, y, lo, hi })
  }

  const select = (when: Term, x: Term, y: Term): Term =>
    isNum(when, 1)
      ? x
      : isNum(when, 0)
        ? y
        : x === y
          ? x
          : intern(`s ${when.id} ${x.id} ${y.id}`, [when, x, y], {
              _tag: 'Select',
              dtype: x.dtype,
              when,
              x,
              y,
              lo: Math.min(x.lo, y.lo),
              hi: Math.max(x.hi, y.hi),
            })

  const unary = (op: UnaryName, x: Term): Term => {
    const dtype: DType = op === 'not' ? 'bool' : x.dtype
    if (op === 'neg' && x.dtype === 'i32' && x.lo > int32.lo) return affine([[x, -1]], 0)
    return intern(`u ${op} ${x.id}`, [x], { _tag: 'Unary', dtype, op, x, ...rangeFor(dtype) })
  }

  const cast = (dtype: DType, x: Term): Term => {
    if (x.dtype === dtype) return x
    const range = dtype === 'i32' && x.dtype === 'bool' ? { lo: 0, hi: 1 } : rangeFor(dtype)
    return intern(`c ${dtype} ${x.id}`, [x], { _tag: 'Cast', dtype, x, ...range })
  }

  const assume = (x: Term, lo: number, hi: number): Term =>
    x.lo > -16777216 && x.hi < 16777216 ? x : intern(`i ${x.id} ${lo} ${hi}`, [x], { _tag: 'Assume', dtype: 'i32', x, lo, hi })

  const opaque = (x: Term): Term =>
    x._tag !== 'Affine' ? x : intern(`o ${x.id}`, [x], { _tag: 'Assume', dtype: 'i32', x, lo: x.lo, hi: x.hi })

  const read = (buffer: number, dtype: DType, offset: Term): Term =>
    intern(`r ${buffer} ${dtype} ${offset.id}`, [offset], { _tag: 'Read', dtype, buffer, offset, ...rangeFor(dtype) })

  const reduce = (op: ReduceName, v: Var, body: Term): Term =>
    intern(
      `R ${op} ${v.index} ${body.id}`,
      [body],
      {
        _tag: 'Reduce',
        dtype: op === 'argmax' ? 'i32' : body.dtype,
        op,
        variable: v,
        body,
        ...(op === 'argmax' ? { lo: 0, hi: v.extent - 1 } : rangeFor(body.dtype)),
      },
      0,
      v.vars,
    )

  const rewrite = (map: ReadonlyMap<Term, Term>, buffer: (old: number) => number, root: Term): Term => {
    const done = new Map<Term, Term>(map)
    const go = (t: Term): Term => {
      const found = done.get(t)
      if (found !== undefined) return found
      const made = rebuild(t)
      done.set(t, made)
      return made
    }
    const rebuild = (t: Term): Term => {
      switch (t._tag) {
        case 'Num':
        case 'Var':
          return t
        case 'Affine':
          return affine(
            t.terms.map(([x, k]) => [go(x), k]),
            t.constant,
          )
        case 'Read':
          return read(buffer(t.buffer), t.dtype, go(t.offset))
        case 'Unary':
          return unary(t.op, go(t.x))
        case 'Binary':
          return binary(t.op, go(t.x), go(t.y))
        case 'Select':
          return select(go(t.when), go(t.x), go(t.y))
        case 'Cast':
          return cast(t.dtype, go(t.x))
        case 'Assume':
          return assume(go(t.x), t.lo, t.hi)
        case 'Reduce':
          return reduce(t.op, t.variable, go(t.body))
      }
    }
    return go(root)
  }

  const replace = (map: ReadonlyMap<Term, Term>, t: Term): Term => rewrite(map, (b) => b, t)
  const renumber = (buffer: (old: number) => number, t: Term): Term => rewrite(new Map(), buffer, t)

  const copy = (): TermTable => tableOf(new Map(interned), made)

  return {
    num,
    variable,
    variables: () => made,
    read,
    unary,
    binary,
    select,
    cast,
    assume,
    reduce,
    affine,
    opaque,
    replace,
    renumber,
    copy,
  }
}
