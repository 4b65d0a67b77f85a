/** The ways in which an op can be computed by ranks that have its arguments in given places, and which of them is taken. */
import * as E from 'fp-ts/lib/Either.js'
import type { Apply } from '../../core/expr.ts'
import { apply } from '../../core/primitive.ts'
import type { Scalar } from '../../core/scalar.ts'
import { under } from '../../core/scalar.ts'
import type { TensorType } from '../../core/type.ts'
import { equalShape, tensorType } from '../../core/type.ts'
import { costOf } from './convert.ts'
import type { Placement, Split } from './placement.ts'
import { elements, isSplit, partShape, same } from './placement.ts'
import { isLinear, partialOf, reach, readingAt } from './reach.ts'
import type { Known, Way } from './special.ts'
import { special } from './special.ts'

const typeAt = (ranks: number, t: TensorType, p: Placement): TensorType =>
  isSplit(p) ? tensorType(t.dtype, partShape(ranks, p, t.shape)) : t

/** A way with these wants, where the op takes what they leave and gives what is said. */
const through = (e: Apply, wants: ReadonlyArray<Placement>, gives: Placement, ranks: number): Way | undefined => {
  const shape = isSplit(gives) ? partShape(ranks, gives, e.type.shape) : e.type.shape
  const op = isSplit(gives) ? e.op.resized(shape, [gives.axis]) : e.op
  const type = op.type(e.args.map((a, i) => typeAt(ranks, a.type, wants[i])))
  return E.isRight(type) && equalShape(type.right.shape, shape) ? { wants, gives, make: (args) => apply(op, args, e.region) } : undefined
}

/** The way that one split axis of one argument leads to. */
const along = (e: Apply, meaning: Scalar, arg: number, s: Split, ranks: number): Way | undefined => {
  const v = readingAt(meaning, arg, s.axis)
  const at =
    v === undefined
      ? undefined
      : reach(
          meaning,
          v,
          e.args.map((a) => a.type),
        )
  if (v === undefined || at === undefined) return undefined
  const op = v._tag === 'Bound' ? partialOf(meaning, v.id) : undefined
  if (v._tag === 'Bound' && (op === undefined || e.type.dtype === 'bool')) return undefined
  const gives: Placement = op === undefined ? { ...s, axis: v.id } : { _tag: 'Partial', op }
  return through(
    e,
    at.map((axis): Placement => (axis < 0 ? same : { ...s, axis })),
    gives,
    ranks,
  )
}

/** The way to a part of the result, of arguments that all ranks have. */
export const wayTo = (e: Apply, meaning: Scalar, to: Split, ranks: number): Way | undefined => {
  const at = reach(
    meaning,
    { _tag: 'Axis', id: to.axis, extent: e.type.shape[to.axis] },
    e.args.map((a) => a.type),
  )
  return at === undefined
    ? undefined
    : through(
        e,
        at.map((axis): Placement => (axis < 0 ? same : { ...to, axis })),
        to,
        ranks,
      )
}

const costOfWay = (e: Apply, at: ReadonlyArray<Placement>, w: Way): number =>
  e.args.reduce((n, a, i) => n + costOf(a, at[i], w.wants[i]), w.gives._tag === 'Partial' ? elements(e) : 0)

/** Addends go on as addends through what is linear in them, as long as there are not more of them. */
const asAddends = (e: Apply, meaning: Scalar, at: ReadonlyArray<Placement>): Way | undefined => {
  const addends = new Set(at.flatMap((p, i) => (p._tag === 'Partial' && p.op === 'sum' ? [i] : [])))
  const largest = Math.max(...[...addends].map((i) => elements(e.args[i])))
  return addends.size > 0 && elements(e) <= largest && at.every((p, i) => addends.has(i) || p._tag === 'Same') && isLinear(meaning, addends)
    ? { wants: at, gives: { _tag: 'Partial', op: 'sum' }, make: (args) => apply(e.op, args, e.region) }
    : undefined
}

/** All ranks compute the same. */
export const whole = (e: Apply): Way => ({ wants: e.args.map(() => same), gives: same, make: (args) => apply(e.op, args, e.region) })

/**
 * Images before state: what has a part of the images goes on with it, and gathers what is split of parameters. Parts of state go on as
 * parts where nothing grows, and are gathered for products. Else all ranks compute the same.
 */
export const chosenWay = (e: Apply, meaning: Scalar, at: ReadonlyArray<Placement>, k: Known): Way => {
  const splits = at.flatMap((p, i) => (isSplit(p) ? [{ arg: i, split: p }] : []))
  const ofBatch = splits.filter(({ split }) => split.of === 'batch')
  const considered = ofBatch.length > 0 ? ofBatch : splits
  const largest = Math.max(0, ...splits.map(({ arg }) => elements(e.args[arg])))
  const isGathered = ofBatch.length === 0 && (elements(e) > largest || isProduct(meaning))
  if (considered.length === 0 || isGathered) return asAddends(e, meaning, at) ?? whole(e)
  let best: Way | undefined
  for (const { arg, split } of considered) {
    const way = special(e, split, at, k) ?? along(e, meaning, arg, split, k.ranks)
    if (way !== undefined && (best === undefined || costOfWay(e, at, way) < costOfWay(e, at, best))) best = way
  }
  return best ?? whole(e)
}

/** Whether a meaning puts two arguments together in a sum: a product of matrices. */
const isProduct = (meaning: Scalar): boolean =>
  under(meaning).some((s) => s._tag === 'Reduce' && new Set(under(s).flatMap((x) => (x._tag === 'Read' ? [x.arg] : []))).size > 1)

/** Whether a meaning sums over nothing: what it takes to compute a part of the result is a part of the arguments. */
export const isPlain = (meaning: Scalar): boolean => !under(meaning).some((s) => s._tag === 'Reduce')
