/**
 * Ops of which parts are made in a way of their own, beside what reach.ts reads off their meaning: what cuts, joins and renames the split
 * axis, and what reads along it where a list says.
 */
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { range } from '../../core/type.ts'
import { where } from '../../ops/elementwise.ts'
import { gather, gathering, scatterAdd } from '../../ops/gather.ts'
import { reshape, reshaping } from '../../ops/reshape.ts'
import { windowing } from '../../ops/window.ts'
import { apply } from '../../core/primitive.ts'
import { scopeOf } from '../../core/expr.ts'
import { blocksFor, own } from './convert.ts'
import type { Placement, Split } from './placement.ts'
import { elements, isSplit, partShape, same } from './placement.ts'
import { reshaped } from './reach.ts'

/** What is needed of each argument, and what is made of that. */
export interface Way {
  readonly wants: ReadonlyArray<Placement>
  readonly gives: Placement
  readonly make: (args: ReadonlyArray<Expr>) => Expr
}

/** What is known while a graph is gone through. */
export interface Known {
  readonly ranks: number
  /** Of the whole batch. */
  readonly images: number
  /** Of boxes that were cut: how the axis was split, by `boxKey`. */
  readonly boxes: Map<string, Split>
  /** Of lists: how the axis was split along which they point. */
  readonly lists: Map<Expr, Split>
}

const boxKey = (axis: number, start: number, size: number, extent: number): string => [axis, start, size, extent].join()

/** The blocks that `size` positions from `start` are made of; nothing where one is cut. */
const blocksWithin = (blocks: ReadonlyArray<number>, start: number, size: number): ReadonlyArray<number> | undefined => {
  let at = 0
  const inside: Array<number> = []
  for (const b of blocks) {
    if (at >= start && at + b <= start + size) inside.push(b)
    else if (at < start + size && at + b > start) return undefined
    at += b
  }
  return inside
}

const ofSlice = (e: Apply, s: Split, k: Known): Way | undefined => {
  const m = windowing.slice.match(e)
  if (O.isNone(m)) return undefined
  const { start, size } = m.value.params
  const extent = e.args[0].type.shape[s.axis]
  const blocks = blocksWithin(s.blocks, start[s.axis], size[s.axis])
  if (blocks === undefined) return undefined
  k.boxes.set(boxKey(s.axis, start[s.axis], size[s.axis], extent), s)
  const local = start.map((n, a) => (a === s.axis ? n / k.ranks : n))
  return {
    wants: [s],
    gives: { ...s, blocks },
    make: ([x]) => apply(windowing.slice.op({ start: local, size: partShape(k.ranks, s, size) }), [x], e.region),
  }
}

const ofPad = (e: Apply, s: Split, k: Known): Way | undefined => {
  const m = windowing.pad.match(e)
  if (O.isNone(m)) return undefined
  const { low, high } = m.value.params
  if (low[s.axis] === 0 && high[s.axis] === 0) return undefined
  const extent = e.args[0].type.shape[s.axis]
  const known = k.boxes.get(boxKey(s.axis, low[s.axis], extent, e.type.shape[s.axis]))
  const sides = [low[s.axis], high[s.axis]].map((n) => (n === 0 ? [] : blocksFor(k.ranks, k.images, n)))
  const [before, after] = sides
  const blocks =
    known !== undefined && blocksWithin(known.blocks, low[s.axis], extent)?.join() === s.blocks.join()
      ? known.blocks
      : before === undefined || after === undefined
        ? undefined
        : [...before, ...s.blocks, ...after]
  if (blocks === undefined) return undefined
  const share = (xs: ReadonlyArray<number>): ReadonlyArray<number> => xs.map((n, a) => (a === s.axis ? n / k.ranks : n))
  return {
    wants: [s],
    gives: { ...s, blocks },
    make: ([x]) => apply(windowing.pad.op({ low: share(low), high: share(high) }), [x], e.region),
  }
}

const ofConcat = (e: Apply, s: Split, at: ReadonlyArray<Placement>, k: Known): Way | undefined => {
  const m = windowing.concat.match(e)
  if (O.isNone(m) || m.value.params.axis !== s.axis) return undefined
  const wants = e.args.map((a, i): Split | undefined => {
    const p = at[i]
    if (isSplit(p) && p.axis === s.axis && p.of === s.of) return p
    const blocks = s.of === 'batch' ? blocksFor(k.ranks, k.images, a.type.shape[s.axis]) : undefined
    return blocks === undefined ? undefined : { ...s, blocks }
  })
  const all = wants.filter((w) => w !== undefined)
  return all.length < wants.length
    ? undefined
    : { wants: all, gives: { ...s, blocks: all.flatMap((w) => w.blocks) }, make: (args) => apply(e.op, args, e.region) }
}

const ofReshape = (e: Apply, s: Split, k: Known): Way | undefined => {
  const to = O.isSome(reshaping.reshape.match(e)) ? reshaped(k.ranks, e.args[0].type.shape, e.type.shape, s) : undefined
  return to === undefined
    ? undefined
    : { wants: [s], gives: to, make: ([x]) => apply(e.op.resized(partShape(k.ranks, to, e.type.shape), [to.axis]), [x], e.region) }
}

/** `x`, one entry for each of a list, beside a tensor that has the list's axes from `axis` on. */
const besideList = (x: Expr, axis: number, batch: number, rank: number): Expr => {
  const [shared, list] = [x.type.shape.slice(0, batch), x.type.shape.slice(batch)]
  const between = range(axis - batch).map(() => 1)
  return reshape([...shared, ...between, ...list, ...range(rank - axis - list.length).map(() => 1)])(x)
}

/** Blocks of a list: those of the lists that it is made of. */
const blocksOfList = (list: Expr, k: Known): ReadonlyArray<number> | undefined => {
  const m = windowing.concat.match(list)
  const parts = O.isSome(m) && list.type.shape.length === 1 ? m.value.args : [list]
  const blocks = parts.map((p) => blocksFor(k.ranks, k.images, p.type.shape[0]))
  return blocks.some((b) => b === undefined) ? undefined : blocks.flatMap((b) => b ?? [])
}

/** Each rank reads what it has; the sum over ranks is what was asked for, of which each keeps a share of the list. */
const ofGather = (e: Apply, at: ReadonlyArray<Placement>, k: Known): Way | undefined => {
  const m = gathering.gather.match(e)
  const [x] = at
  if (O.isNone(m) || !isSplit(x) || x.axis !== m.value.params.axis || x.of !== 'batch' || e.type.dtype === 'bool') return undefined
  const { axis, batch } = m.value.params
  // a list for each image stays with the image
  if (batch > 0 && at[1]._tag !== 'Same') return undefined
  k.lists.set(e.args[1], x)
  return {
    wants: [x, same],
    gives: { _tag: 'Partial', op: 'sum' },
    make: ([part, list]) => {
      const { mine, at: place } = own(k.ranks, x, list, scopeOf(e))
      const found = gather(axis, batch)(part, place)
      return where(besideList(mine, axis, batch, found.type.shape.length), found, 0)
    },
  }
}

/** How the rows that a list has read are split: the list's own axis. */
export const splitOfList = (e: Apply, k: Known): Split | undefined => {
  const m = gathering.gather.match(e)
  if (O.isNone(m) || m.value.params.batch > 0) return undefined
  const blocks = e.args[1].type.shape.length === 1 ? blocksOfList(e.args[1], k) : undefined
  return blocks === undefined ? undefined : { _tag: 'Split', axis: m.value.params.axis, blocks, of: 'batch' }
}

/** The adjoint of such a read: each rank has all rows, and adds up those that point to what it has. */
const ofScatter = (e: Apply, at: ReadonlyArray<Placement>, k: Known): Way | undefined => {
  const m = gathering.scatterAdd.match(e)
  const to = k.lists.get(e.args[1])
  if (O.isNone(m) || to === undefined || at.every((p) => p._tag === 'Same')) return undefined
  const { axis, batch, size } = m.value.params
  const fits = to.axis === axis && to.blocks.reduce((n, b) => n + b, 0) === size && elements(e.args[0]) <= elements(e)
  if (!fits) return undefined
  return {
    wants: [same, same],
    gives: to,
    make: ([values, list]) => {
      const { mine, at: place } = own(k.ranks, to, list, scopeOf(e))
      const counted = where(besideList(mine, axis, batch, values.type.shape.length), values, 0)
      return scatterAdd(axis, size / k.ranks, batch)(counted, place)
    },
  }
}

/** The way of an op whose first split argument is split so, where it has one of its own. */
export const special = (e: Apply, s: Split, at: ReadonlyArray<Placement>, k: Known): Way | undefined =>
  ofSlice(e, s, k) ?? ofPad(e, s, k) ?? ofConcat(e, s, at, k) ?? ofReshape(e, s, k) ?? ofGather(e, at, k) ?? ofScatter(e, at, k)
