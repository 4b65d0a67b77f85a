/** Integer arithmetic of indices: sums, quotients and remainders in the one form that makes equal ones the same term. */
import type { Affine, Binary, Term } from './term.ts'
import { within } from './term.ts'

type Quotient = Binary & { readonly op: 'idiv' }

const isQuotientBy = (q: Term, n: number): q is Quotient => q._tag === 'Binary' && q.op === 'idiv' && q.y._tag === 'Num' && q.y.value === n

/** Whether `q` is `floor(x/n)`; where x is `floor(y/m)`, that is written `floor(y/mn)`. */
const isQuotientOf = (q: Term, x: Term, n: number): boolean =>
  (isQuotientBy(q, n) && q.x === x) ||
  (x._tag === 'Binary' && x.op === 'idiv' && x.y._tag === 'Num' && isQuotientBy(q, x.y.value * n) && q.x === x.x)

/** Whether `x` is `y mod m`, m being a multiple of n. */
const isRemainderOf = (x: Term, y: Term, n: number): boolean =>
  x._tag === 'Binary' && x.op === 'mod' && x.x === y && x.y._tag === 'Num' && x.y.value % n === 0

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b))

/** What it is made of: numbers, and a term with its fields, shared by its key. */
export interface Makers {
  readonly num: (dtype: 'i32', value: number) => Term
  readonly intern: (key: string, operands: ReadonlyArray<Term>, fields: Omit<Affine, 'id' | 'vars'> | Omit<Binary, 'id' | 'vars'>) => Term
}

export interface AffineArithmetic {
  /** `constant + k1 x1 + k2 x2 …`, where no sum wraps around. */
  readonly affine: (terms: ReadonlyArray<readonly [Term, number]>, constant: number) => Term
  /** `x + k y`; undefined where it may wrap around. */
  readonly sum: (x: Term, k: number, y: Term) => Term | undefined
  /** `floor(x / n)` of a positive `n`. */
  readonly divide: (x: Term, n: number) => Term
  /** `x - n floor(x / n)` of a positive `n`. */
  readonly remainder: (x: Term, n: number) => Term
}

export const affineArithmetic = ({ num, intern }: Makers): AffineArithmetic => {
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

  /** A sum as `base high + low`, where 0 <= low < base and base divides n: then `floor(x / n) = floor(high / (n / base))`. */
  const digitsOf = (
    terms: ReadonlyArray<readonly [Term, number]>,
    constant: number,
    n: number,
  ): { readonly base: number; readonly high: Term; readonly low: Term } | undefined => {
    const common = terms.reduce((a, [, k]) => gcd(a, k), n)
    for (const base of new Set([common, ...terms.map(([, k]) => gcd(k, n))])) {
      if (base === 1) continue
      const low = affine(
        terms.filter(([, k]) => k % base !== 0),
        constant % base,
      )
      if (low.lo < 0 || low.hi >= base) continue
      const multiples = terms.filter(([, k]) => k % base === 0)
      const high = affine(
        multiples.map(([t, k]) => [t, k / base]),
        Math.floor(constant / base),
      )
      return { base, high, low }
    }
    return undefined
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
    const digits = digitsOf(rest, c, n)
    if (digits !== undefined)
      return affine(
        [
          [outside, 1],
          [divide(digits.high, n / digits.base), 1],
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
    const digits = digitsOf(rest, c, n)
    if (digits !== undefined)
      return affine(
        [
          [remainder(digits.high, n / digits.base), digits.base],
          [digits.low, 1],
        ],
        0,
      )
    if (inside._tag === 'Binary' && inside.op === 'mod' && inside.y._tag === 'Num' && inside.y.value % n === 0)
      return remainder(inside.x, n)
    const y = num('i32', n)
    return intern(`b mod ${inside.id} ${y.id}`, [inside], { _tag: 'Binary', dtype: 'i32', op: 'mod', x: inside, y, lo: 0, hi: n - 1 })
  }

  return { affine, sum, divide, remainder }
}
