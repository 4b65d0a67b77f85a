/**
 * Algebra on graphs; values are preserved (up to the rounding of folded constants, and for finite values).
 *
 * ```
 * constants   add(fill 2, fill 3) → fill 5;  broadcast(fill c) → fill c;  sum(fill c) over n → fill nc
 * neutral     add(x, 0), mul(x, 1), sub(x, 0), div(x, 1) → x;  mul(x, 0) → 0 is left alone: x may be infinite
 * signs       neg(neg x) → x;  add(x, neg y) → sub(x, y);  mul(x, -1) → neg x
 * scaling     mul(mul(x, a), b) → mul(x, ab)
 * movement    reshape(reshape x) → reshape x;  transpose(transpose x) → transpose x;  identities disappear
 *             broadcast(broadcast x) → broadcast x;  sum(sum x) → sum x
 * select      select(c, x, x) → x;  stopGradient x → x (gradients have been taken)
 * boxes       slice(concat(x, y)) within x → slice x;  add(pad(slice x), pad(slice x)) of boxes that fill x → x
 * ```
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { fromNullable, none, some } from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import { fill } from '../../core/expr.ts'
import type { Rewrite, Rule } from '../../core/rewrite.ts'
import { firstOf, rewriteBottomUp } from '../../core/rewrite.ts'
import { equalShape } from '../../core/type.ts'
import { broadcasting } from '../../ops/broadcast.ts'
import { elementwise as e } from '../../ops/elementwise.ts'
import { reshaping } from '../../ops/reshape.ts'
import { windowing } from '../../ops/window.ts'
import { constantOf, folded } from './constants.ts'

/** What follows from constants alone (constants.ts). Arithmetic of integers, which wraps around, is left to the target. */
const constants: Rule = (x) => fromNullable(x._tag === 'Apply' ? folded(x) : undefined)

type Arguments = ReadonlyArray<Expr>

/** A rule on the arguments of one primitive. */
const on =
  (p: { readonly match: (x: Expr) => Option<{ readonly args: Arguments }> }, f: (args: Arguments, x: Expr) => Expr | undefined): Rule =>
  (x) => {
    const m = p.match(x)
    if (m._tag === 'None') return none
    const r = f(m.value.args, x)
    return r === undefined ? none : some(r)
  }

const is = (x: Expr, c: number): boolean => constantOf(x) === c
const argOf = (p: { readonly match: (x: Expr) => Option<{ readonly args: Arguments }> }, x: Expr): Arguments | undefined => {
  const m = p.match(x)
  return m._tag === 'None' ? undefined : m.value.args
}

const neutral: ReadonlyArray<Rule> = [
  on(e.add, ([x, y]) => (is(y, 0) ? x : is(x, 0) ? y : undefined)),
  on(e.sub, ([x, y]) => (is(y, 0) ? x : undefined)),
  on(e.mul, ([x, y]) => (is(y, 1) ? x : is(x, 1) ? y : undefined)),
  on(e.div, ([x, y]) => (is(y, 1) ? x : undefined)),
  on(e.select, ([, x, y]) => (x === y ? x : undefined)),
  on(e.stopGradient, ([x]) => x),
]

const signs: ReadonlyArray<Rule> = [
  on(e.neg, ([x]) => argOf(e.neg, x)?.[0]),
  on(e.add, ([x, y]) => {
    const negated = argOf(e.neg, y)
    return negated === undefined ? undefined : e.sub(null, x, negated[0])
  }),
  on(e.mul, ([x, y]) => (is(y, -1) ? e.neg(null, x) : is(x, -1) ? e.neg(null, y) : undefined)),
]

/** A product with its constant factor behind. */
const scaling: Rule = on(e.mul, ([x, y], whole) => {
  const [outer, rest] = constantOf(y) !== undefined ? [constantOf(y), x] : [constantOf(x), y]
  const inner = argOf(e.mul, rest)
  if (outer === undefined || inner === undefined || whole.type.dtype !== 'f32') return undefined
  const [c, z] = constantOf(inner[1]) !== undefined ? [constantOf(inner[1]), inner[0]] : [constantOf(inner[0]), inner[1]]
  return c === undefined ? undefined : e.mul(null, z, fill('f32', whole.type.shape, outer * c))
})

const movement: ReadonlyArray<Rule> = [
  on(reshaping.reshape, ([x], whole) => {
    if (equalShape(x.type.shape, whole.type.shape)) return x
    const inner = argOf(reshaping.reshape, x)
    return inner === undefined ? undefined : reshaping.reshape({ shape: whole.type.shape }, inner[0])
  }),
  (x) => {
    const outer = reshaping.transpose.match(x)
    if (outer._tag === 'None') return none
    const { perm } = outer.value.params
    if (perm.every((p, i) => p === i)) return some(outer.value.args[0])
    const inner = reshaping.transpose.match(outer.value.args[0])
    return inner._tag === 'None'
      ? none
      : some(reshaping.transpose({ perm: perm.map((p) => inner.value.params.perm[p]) }, inner.value.args[0]))
  },
  (x) => {
    const outer = broadcasting.broadcast.match(x)
    if (outer._tag === 'None') return none
    const inner = broadcasting.broadcast.match(outer.value.args[0])
    return inner._tag === 'None'
      ? none
      : some(
          broadcasting.broadcast(
            { shape: x.type.shape, axes: inner.value.params.axes.map((a) => outer.value.params.axes[a]) },
            inner.value.args[0],
          ),
        )
  },
  (x) => {
    const outer = broadcasting.sum.match(x)
    if (outer._tag === 'None') return none
    const inner = broadcasting.sum.match(outer.value.args[0])
    if (inner._tag === 'None') return none
    const source = inner.value.args[0]
    const left = source.type.shape.map((_, a) => a).filter((a) => !inner.value.params.axes.includes(a))
    const axes = [...inner.value.params.axes, ...outer.value.params.axes.map((a) => left[a])].sort((a, b) => a - b)
    return some(broadcasting.sum({ axes }, source))
  },
]

/** A part of a tensor where it lies in it, zeros elsewhere. */
interface Box {
  readonly of: Expr
  readonly start: ReadonlyArray<number>
  readonly size: ReadonlyArray<number>
}

const boxOf = (x: Expr): Box | undefined => {
  const padded = windowing.pad.match(x)
  const sliced = padded._tag === 'None' ? none : windowing.slice.match(padded.value.args[0])
  if (padded._tag === 'None' || sliced._tag === 'None') return undefined
  const { start, size } = sliced.value.params
  const [of] = sliced.value.args
  return equalShape(padded.value.params.low, start) && equalShape(x.type.shape, of.type.shape) ? { of, start, size } : undefined
}

const boxes: ReadonlyArray<Rule> = [
  on(windowing.slice, ([x], whole) => {
    const sliced = windowing.slice.match(whole)
    const parts = windowing.concat.match(x)
    if (sliced._tag === 'None' || parts._tag === 'None') return undefined
    const { axis } = parts.value.params
    const { start, size } = sliced.value.params
    let from = start[axis]
    for (const part of parts.value.args) {
      const length = part.type.shape[axis]
      if (from < length) {
        const own = start.map((s, a) => (a === axis ? from : s))
        return from + size[axis] > length
          ? undefined
          : equalShape(part.type.shape, size)
            ? part
            : windowing.slice({ start: own, size }, part)
      }
      from -= length
    }
    return undefined
  }),
  on(e.add, ([x, y]) => {
    const [a, b] = [boxOf(x), boxOf(y)]
    if (a === undefined || b === undefined || a.of !== b.of) return undefined
    const differ = a.start.map((_, k) => k).filter((k) => a.start[k] !== b.start[k] || a.size[k] !== b.size[k])
    const [axis] = differ
    const [first, last] = a.start[axis] < b.start[axis] ? [a, b] : [b, a]
    if (differ.length !== 1 || first.start[axis] + first.size[axis] !== last.start[axis]) return undefined
    const size = first.size.map((n, k) => (k === axis ? n + last.size[k] : n))
    if (equalShape(size, a.of.type.shape)) return a.of
    const high = a.of.type.shape.map((n, k) => n - first.start[k] - size[k])
    return windowing.pad({ low: first.start, high }, windowing.slice({ start: first.start, size }, a.of))
  }),
]

/** The rewrite; law: `reference` gives the same values before and after. */
export const simplify: Rewrite<'step'> = {
  name: 'simplify',
  stage: 'step',
  run: (g) => E.right(rewriteBottomUp(firstOf([constants, ...neutral, ...signs, scaling, ...movement, ...boxes]))(g)),
}
