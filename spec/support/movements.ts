/** Moves of elements that random graphs make: anywhere, at both ends of an axis, and back. They take every rank, from 0 to 5. */
import type { Expr } from '../../core/expr.ts'
import { range, sizeOf } from '../../core/type.ts'
import { broadcastTo, commonShape } from '../../ops/broadcast.ts'
import { add, mod, mul } from '../../ops/elementwise.ts'
import { gather, iota } from '../../ops/gather.ts'
import { mean } from '../../ops/reduce.ts'
import { expandDims, reshape, transpose } from '../../ops/reshape.ts'
import { concat, flip, pad, slice } from '../../ops/window.ts'
import type { Chooser } from './generator.ts'

export const dims = (x: Expr): ReadonlyArray<number> => x.type.shape
export const rank = (x: Expr): number => dims(x).length
export const axes = (x: Expr): ReadonlyArray<number> => range(rank(x))

/** Elements that a tensor of a random graph may have. */
export const most = 2304

/** At least one axis. */
export const ranked = (x: Expr): Expr => (rank(x) === 0 ? expandDims(0)(x) : x)

/** No more than five axes, of no more than 24 entries each, nor too many elements. */
export const trimmed = (x: Expr): Expr => {
  const flat = rank(x) > 5 ? reshape([sizeOf(dims(x).slice(0, -4)), ...dims(x).slice(-4)])(x) : x
  const cut = dims(flat).reduce((y, d, a) => (d > 24 ? slice(a, d - 24)(y) : y), flat)
  return dims(cut).reduce((y, d, a) => (sizeOf(dims(y)) > most && d > 3 ? slice(a, 0, 3)(y) : y), cut)
}

/** `y` brought to a shape that broadcasts with that of `x`: means over what does not fit. */
export const beside = (x: Expr, y: Expr): Expr => {
  const shared = rank(y) > rank(x) ? mean({ axes: range(rank(y) - rank(x)) })(y) : y
  const shift = rank(x) - rank(shared)
  const odd = axes(shared).filter((a) => dims(shared)[a] !== dims(x)[a + shift] && dims(x)[a + shift] !== 1)
  const fits = mean({ axes: odd, keep: true })(shared)
  return commonShape(dims(x), dims(fits))._tag === 'Some' ? fits : mean()(y)
}

/** `y` with the very shape. */
export const shapedAs = (shape: ReadonlyArray<number>, y: Expr): Expr => {
  const shared = rank(y) > shape.length ? mean({ axes: range(rank(y) - shape.length) })(y) : y
  const shift = shape.length - rank(shared)
  return broadcastTo(shape)(mean({ axes: axes(shared).filter((a) => dims(shared)[a] !== shape[a + shift]), keep: true })(shared))
}

/** A list of `n` positions below `size`, some of them twice. */
export const positions = (n: number, size: number, shift: number): Expr => mod(add(mul(iota([n]), 3), shift), size)

/** One axis as two, where its extent has a divisor. */
const split = (c: Chooser, x: Expr): Expr => {
  const a = c.nat(rank(x))
  const d = dims(x)[a]
  const inner = c.of([2, 3, 4, 8, 17].filter((k) => k < d && d % k === 0).concat(1))
  return reshape([...dims(x).slice(0, a), d / inner, inner, ...dims(x).slice(a + 1)])(x)
}

const merged = (c: Chooser, x: Expr): Expr => {
  if (rank(x) < 2) return x
  const a = c.nat(rank(x) - 1)
  return reshape([...dims(x).slice(0, a), dims(x)[a] * dims(x)[a + 1], ...dims(x).slice(a + 2)])(x)
}

/** A part of one axis: from its beginning, to its end, or from its middle. */
export const part = (c: Chooser, x: Expr): Expr => {
  const a = c.nat(rank(x))
  const d = dims(x)[a]
  const kept = 1 + c.nat(d)
  const from = c.of([0, d - kept, Math.floor((d - kept) / 2)])
  return slice(a, from, from + kept)(x)
}

/** Each takes a tensor of at least one axis. */
export const movements: ReadonlyArray<(c: Chooser, x: Expr) => Expr> = [
  part,
  part,
  part,
  split,
  merged,
  (_, x) => reshape([-1])(x),
  (c, x) => transpose(c.shuffled(axes(x)))(x),
  (c, x) => flip(c.some(axes(x), 1))(x),
  (c, x) => expandDims(c.nat(rank(x) + 1))(x),
  (_, x) => reshape(dims(x).filter((d) => d !== 1))(x),
  (c, x) => pad(c.nat(rank(x)), c.nat(3), c.nat(3))(x),
  (c, x) => {
    const a = c.nat(rank(x))
    const p = part(c, x)
    return dims(p).every((d, i) => i === a || d === dims(x)[i]) ? concat(a)([p, x]) : concat(a)([x, x])
  },
  (c, x) => broadcastTo([c.of([2, 3, 7]), ...dims(x)])(x),
  (c, x) => {
    const a = c.nat(rank(x))
    return gather(a)(x, positions(1 + c.nat(7), dims(x)[a], c.nat(5)))
  },
]

export const moved = (c: Chooser, x: Expr): Expr => c.of(movements)(c, ranked(x))
