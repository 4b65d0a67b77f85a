/**
 * What becomes of an op where an axis is split, read off its meaning. An axis of an argument is read at a variable of the op: an axis of
 * the result, which is then split too, or the variable of a sum, of which each rank has an addend. Nothing else may depend on it.
 */
import type { Scalar } from '../../core/scalar.ts'
import { partsOf, under } from '../../core/scalar.ts'
import type { Shape, TensorType } from '../../core/type.ts'
import { range, sizeOf } from '../../core/type.ts'
import type { Split } from './placement.ts'

export interface Variable {
  readonly _tag: 'Axis' | 'Bound'
  readonly id: number
  readonly extent: number
}

/** An index without the addition of nothing. */
export const bare = (i: Scalar): Scalar =>
  i._tag === 'Binary' && (i.op === 'add' || i.op === 'sub') && i.y._tag === 'Num' && i.y.value === 0 ? bare(i.x) : i

const variableOf = (s: Scalar): Variable | undefined =>
  s._tag === 'Axis'
    ? { _tag: 'Axis', id: s.axis, extent: s.extent }
    : s._tag === 'Bound'
      ? { _tag: 'Bound', id: s.id, extent: s.extent }
      : undefined

const isVariable = (s: Scalar, v: Variable): boolean =>
  v._tag === 'Axis' ? s._tag === 'Axis' && s.axis === v.id : s._tag === 'Bound' && s.id === v.id

/** The variable at which `meaning` reads axis `axis` of argument `arg`, everywhere the same. */
export const readingAt = (meaning: Scalar, arg: number, axis: number): Variable | undefined => {
  const found = under(meaning).flatMap((s) => (s._tag === 'Read' && s.arg === arg ? [variableOf(bare(s.index[axis]))] : []))
  const [first] = found
  return first !== undefined && found.every((v) => v?._tag === first._tag && v.id === first.id) ? first : undefined
}

/** For each argument the axis that is read at the variable, -1 for none; nothing where the variable means more than a place to read. */
export const reach = (meaning: Scalar, v: Variable, args: ReadonlyArray<TensorType>): ReadonlyArray<number> | undefined => {
  const found: ReadonlyArray<Set<number>> = args.map(() => new Set())
  const visit = (s: Scalar): boolean => {
    if (isVariable(s, v)) return false
    if (s._tag !== 'Read') return partsOf(s).every(visit)
    const places = s.index.map(bare)
    const at = places.findIndex((i) => isVariable(i, v))
    found[s.arg].add(at)
    return places.every((i, k) => k === at || visit(i))
  }
  if (!visit(meaning)) return undefined
  const at = found.map((f) => (f.size === 0 ? -1 : f.size === 1 ? [...f][0] : -2))
  return at.every((k, i) => k === -1 || (k >= 0 && args[i].shape[k] === v.extent)) ? at : undefined
}

/** How the parts of a reduction by variable `id` make the whole: where the meaning is that reduction, or one of the same kind of it. */
export const partialOf = (meaning: Scalar, id: number): 'sum' | 'max' | undefined => {
  if (under(meaning).filter((s) => s._tag === 'Reduce' && s.id === id).length !== 1) return undefined
  for (let s = meaning; s._tag === 'Reduce' && s.op === (meaning._tag === 'Reduce' ? meaning.op : s.op) && s.op !== 'argmax'; s = s.body)
    if (s.id === id) return s.op
  return undefined
}

type Linearity = 'free' | 'zero' | 'linear' | 'no'

/** Whether the meaning is linear in what it reads of some arguments together, and nothing but that. */
export const isLinear = (meaning: Scalar, args: ReadonlySet<number>): boolean => {
  const both = (x: Linearity, y: Linearity): Linearity =>
    x === 'no' || y === 'no'
      ? 'no'
      : x === 'linear' || y === 'linear'
        ? x === 'free' || y === 'free'
          ? 'no'
          : 'linear'
        : x === 'zero' && y === 'zero'
          ? 'zero'
          : 'free'
  const isFixed = (l: Linearity): boolean => l === 'free' || l === 'zero'
  const visit = (s: Scalar): Linearity => {
    switch (s._tag) {
      case 'Num':
        return s.value === 0 ? 'zero' : 'free'
      case 'Axis':
      case 'Bound':
        return 'free'
      case 'Read':
        return s.index.every((i) => isFixed(visit(i))) ? (args.has(s.arg) ? 'linear' : 'free') : 'no'
      case 'Unary': {
        const x = visit(s.x)
        return isFixed(x) ? 'free' : s.op === 'neg' ? x : 'no'
      }
      case 'Cast':
        return isFixed(visit(s.x)) ? 'free' : 'no'
      case 'Binary': {
        const [x, y] = [visit(s.x), visit(s.y)]
        if (isFixed(x) && isFixed(y)) return 'free'
        if (s.op === 'add' || s.op === 'sub') return both(x, y)
        if (s.op === 'mul') return x === 'linear' && isFixed(y) ? 'linear' : y === 'linear' && isFixed(x) ? 'linear' : 'no'
        return s.op === 'div' && x === 'linear' && isFixed(y) ? 'linear' : 'no'
      }
      case 'Select':
        return isFixed(visit(s.when)) ? both(visit(s.x), visit(s.y)) : 'no'
      case 'Reduce': {
        const x = visit(s.body)
        return isFixed(x) ? 'free' : s.op === 'sum' ? x : 'no'
      }
    }
  }
  return visit(meaning) === 'linear'
}

/**
 * A split of `from` as a split of the same elements, row-major, under the shape `to`: between what stands before the split axis and its
 * blocks, and what stands behind, another cut of the axes may run. Blocks must be of one extent where axes change.
 */
export const reshaped = (ranks: number, from: Shape, to: Shape, s: Split): Split | undefined => {
  const before = sizeOf(from.slice(0, s.axis))
  const same = range(to.length).find((k) => to[k] === from[s.axis] && sizeOf(to.slice(0, k)) === before)
  if (same !== undefined) return { ...s, axis: same }
  if (s.blocks.some((b) => b !== s.blocks[0])) return undefined
  const outer = before * s.blocks.length
  const axis = range(to.length).find((k) => {
    const pre = sizeOf(to.slice(0, k))
    return pre <= outer && outer < pre * to[k]
  })
  if (axis === undefined) return undefined
  const count = outer / sizeOf(to.slice(0, axis))
  const extent = to[axis] / count
  return Number.isInteger(count) && Number.isInteger(extent) && Number.isInteger(extent / ranks)
    ? { ...s, axis, blocks: range(count).map(() => extent) }
    : undefined
}
