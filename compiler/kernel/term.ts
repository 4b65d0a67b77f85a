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

interface Base {
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

type Quotient = Binary & { readonly op: 'idiv' }

const isQuotientBy = (q: Term, n: number): q is Quotient => q._tag === 'Binary' && q.op === 'idiv' && q.y._tag === 'Num' && q.y.value === n

/** Whether `q` is `floor(x/n)`; where x is `floor(y/m)`, that is written `floor(y/mn)`. */
const isQuotientOf = (q: Term, x: Term, n: number): boolean =>
  (isQuotientBy(q, n) && q.x === x) ||
  (x._tag === 'Binary' && x.op === 'idiv' && x.y._tag === 'Num' && isQuotientBy(q, x.y.value * n) && q.x === x.x)

/** Whether `x` is `y mod m`, m being a multiple of n. */
const isRemainderOf = (x: Term, y: Term, n: number): boolean =>
  x._tag === 'Binary' && x.op === 'mod' && x.x === y && x.y._tag === 'Num' && x.y.value % n === 0

const int32 = { lo: -2147483648, hi: 2147483647 }
const within = (lo: number, hi: number): boolean => lo >= int32.lo && hi <= int32.hi
const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b))

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

  const parts = (t: Term): { readonly terms: ReadonlyArray<readonly [Term, number]>; readonly constant: number } =>
    t._tag === 'Affine' ? t : t._tag === 'Num' ? { terms: [], constant: t.value } : { terms: [[t, 1]], constant: 0 }

  /**
   * Collects coefficients, and joins `n k floor(x/n) + k (x mod n)` to `k x`. Where x is `y mod m` and n divides m, `x mod n` is written
   * `y mod n`.
   */
  const collect = (
    terms: ReadonlyArray<readonly [Term, number]>,
    constant: number,
  ): { terms: ReadonlyArray<readonly [Term, number]>; constant: number } => {
    const sum = new Map<Term, number>()
    let c = constant
    let remainders = 0
    const put = (t: Term, k: number): void => {
      if (t._tag === 'Num') c += k * t.value
      else if (t._tag === 'Affine') {
        c += k * t.constant
        for (const [x, q] of t.terms) put(x, k * q)
      } else {
        if (t._tag === 'Binary' && t.op === 'mod') remainders++
        sum.set(t, (sum.get(t) ?? 0) + k)
      }
    }
    for (const [t, k] of terms) put(t, k)
    const joined = (t: Term, k: number): boolean => {
      if (t._tag !== 'Binary' || t.op !== 'mod' || t.y._tag !== 'Num' || k === 0) return false
      const n = t.y.value
      const quotient = [...sum.keys()].find(
        (q) => sum.get(q) === k * n && (isQuotientOf(q, t.x, n) || (isQuotientBy(q, n) && isRemainderOf(q.x, t.x, n))),
      )
      if (quotient === undefined) return false
      sum.delete(t)
      sum.delete(quotient)
      put(isQuotientBy(quotient, n) ? quotient.x : t.x, k)
      return true
    }
    // what was joined may be a remainder again
    while (remainders > 0 && [...sum].some(([t, k]) => joined(t, k)));
    const all: Array<readonly [Term, number]> = []
    for (const entry of sum) if (entry[1] !== 0) all.push(entry)
    return { terms: all.length > 1 ? all.sort(([a], [b]) => a.id - b.id) : all, constant: c }
  }

  const affine = (given: ReadonlyArray<readonly [Term, number]>, start: number): Term => {
    if (given.length === 1 && start === 0 && given[0][1] === 1) return given[0][0]
    const { terms, constant } = collect(given, start)
    if (terms.length === 0) return num('i32', constant)
    if (terms.length === 1 && terms[0][1] === 1 && constant === 0) return terms[0][0]
    const lo = terms.reduce((s, [t, k]) => s + Math.min(k * t.lo, k * t.hi), constant)
    const hi = terms.reduce((s, [t, k]) => s + Math.max(k * t.lo, k * t.hi), constant)
    return intern(
      `a${terms.map(([t, k]) => `${t.id}*${k}`).join('+')}+${constant}`,
      terms.map(([t]) => t),
      { _tag: 'Affine', dtype: 'i32', terms, constant, lo, hi },
    )
  }

  /** A sum as affine where it cannot wrap around. */
  const sum = (x: Term, k: number, y: Term): Term | undefined => {
    const lo = x.lo + Math.min(k * y.lo, k * y.hi)
    const hi = x.hi + Math.max(k * y.lo, k * y.hi)
    return within(lo, hi)
      ? affine(
          [
            [x, 1],
            [y, k],
          ],
          0,
        )
      : undefined
  }

  const divide = (x: Term, n: number): Term => {
    if (n === 1) return x
    const { terms, constant } = parts(x)
    const whole = terms.filter(([, k]) => k % n === 0)
    const rest = terms.filter(([, k]) => k % n !== 0)
    const c = ((constant % n) + n) % n
    const outside = affine(
      whole.map(([t, k]) => [t, k / n]),
      (constant - c) / n,
    )
    const inside = affine(rest, c)
    if (inside.lo >= 0 && inside.hi < n) return outside
    const g = rest.reduce((a, [, k]) => gcd(a, k), n)
    if (g > 1)
      return affine(
        [
          [outside, 1],
          [
            divide(
              affine(
                rest.map(([t, k]) => [t, k / g]),
                Math.floor(c / g),
              ),
              n / g,
            ),
            1,
          ],
        ],
        0,
      )
    if (inside._tag === 'Binary' && inside.op === 'idiv' && inside.y._tag === 'Num')
      return affine(
        [
          [outside, 1],
          [divide(inside.x, inside.y.value * n), 1],
        ],
        0,
      )
    const y = num('i32', n)
    const quotient = intern(`b idiv ${inside.id} ${y.id}`, [inside], {
      _tag: 'Binary',
      dtype: 'i32',
      op: 'idiv',
      x: inside,
      y,
      lo: Math.floor(inside.lo / n),
      hi: Math.floor(inside.hi / n),
    })
    return affine(
      [
        [outside, 1],
        [quotient, 1],
      ],
      0,
    )
  }

  const remainder = (x: Term, n: number): Term => {
    if (n === 1) return num('i32', 0)
    const { terms, constant } = parts(x)
    const rest = terms.filter(([, k]) => k % n !== 0)
    const c = ((constant % n) + n) % n
    const inside = affine(rest, c)
    if (inside.lo >= 0 && inside.hi < n) return inside
    const g = rest.reduce((a, [, k]) => gcd(a, k), n)
    if (g > 1)
      return affine(
        [
          [
            remainder(
              affine(
                rest.map(([t, k]) => [t, k / g]),
                Math.floor(c / g),
              ),
              n / g,
            ),
            g,
          ],
        ],
        c % g,
      )
    if (inside._tag === 'Binary' && inside.op === 'mod' && inside.y._tag === 'Num' && inside.y.value % n === 0)
      return remainder(inside.x, n)
    const y = num('i32', n)
    return intern(`b mod ${inside.id} ${y.id}`, [inside], { _tag: 'Binary', dtype: 'i32', op: 'mod', x: inside, y, lo: 0, hi: n - 1 })
  }

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
