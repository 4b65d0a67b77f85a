/** From one placement of a value to another: the collectives of a distributed program. */
import type { Expr } from '../../core/expr.ts'
import { labelScope, mark, table } from '../../core/expr.ts'
import type { Option } from 'fp-ts/lib/Option.js'
import { apply } from '../../core/primitive.ts'
import { range } from '../../core/type.ts'
import { add, equal, floorDiv, less, mod, mul, sub, where } from '../../ops/elementwise.ts'
import { allGather, allReduce, reduceScatter, shard } from '../../ops/collective.ts'
import { reshape } from '../../ops/reshape.ts'
import type { Placement, Split } from './placement.ts'
import { cutOf, elements, isSplit, partOf, sameCut, starts } from './placement.ts'

/** What it costs, in elements that travel. */
export const costOf = (e: Expr, from: Placement, to: Placement): number => {
  if (from._tag === 'Same') return 0
  if (from._tag === 'Partial') return to._tag === 'Same' ? 2 * elements(e) : elements(e)
  return isSplit(to) && sameCut(from, to) ? 0 : elements(e)
}

/** A rank's part of what it has whole; of a constant of one value no rank has to be asked. */
export const cutFrom =
  (ranks: number, s: Split) =>
  (x: Expr): Expr =>
    x._tag === 'Leaf' && x.source._tag === 'Fill' ? partOf(cutOf(ranks, s), 0)(x) : shard(cutOf(ranks, s))(x)

/** `x`, which is at `from`, at `to`. What is gathered belongs to `region`. */
export const converted = (ranks: number, x: Expr, from: Placement, to: Placement, region: Option<string>): Expr => {
  if (from._tag === 'Partial') {
    if (isSplit(to) && from.op === 'sum') return reduceScatter(cutOf(ranks, to))(x)
    const whole = allReduce(ranks, from.op)(x)
    return isSplit(to) ? cutFrom(ranks, to)(whole) : whole
  }
  if (from._tag === 'Same') return isSplit(to) ? cutFrom(ranks, to)(x) : x
  const gathered = allGather(cutOf(ranks, from))(x)
  const whole = gathered._tag === 'Apply' && region._tag === 'Some' ? apply(gathered.op, gathered.args, region) : gathered
  return isSplit(to) ? cutFrom(ranks, to)(whole) : whole
}

/** Where positions along a split axis are: whether this rank has them, and at which place of its part (any place of those it has not). */
export interface Own {
  readonly mine: Expr
  readonly at: Expr
}

/** Of i32 positions along the whole axis. */
export const own = (ranks: number, { blocks }: Split, positions: Expr, scope: string): Own => {
  const since = mark()
  const rank = reshape([])(shard({ ranks, axis: 0, blocks: [ranks] })(table('i32', [ranks], range(ranks))))
  const from = starts(blocks)
  const inBlock = (block: Expr | number, begin: Expr | number, extent: number): { readonly owner: Expr; readonly at: Expr } => {
    const share = extent / ranks
    const q = sub(positions, begin)
    return { owner: floorDiv(q, share), at: add(mod(q, share), block) }
  }
  const [first] = blocks
  const uniform = blocks.every((b) => b === first)
  const block = floorDiv(positions, first)
  const { owner, at } = uniform
    ? inBlock(mul(block, first / ranks), mul(block, first), first)
    : blocks
        .map((b, i) => inBlock(from[i] / ranks, from[i], b))
        .reduceRight((rest, here, i) => {
          const isHere = less(positions, from[i] + blocks[i])
          return { owner: where(isHere, here.owner, rest.owner), at: where(isHere, here.at, rest.at) }
        })
  const mine = equal(owner, rank)
  const found = { mine, at: where(mine, at, 0) }
  labelScope(scope, since, [found.mine, found.at])
  return found
}

/** Blocks for an axis of which nothing is known: of `images` each where it is rows of all images, else one. */
export const blocksFor = (ranks: number, images: number, extent: number): ReadonlyArray<number> | undefined =>
  extent % images === 0 && images % ranks === 0 ? range(extent / images).map(() => images) : extent % ranks === 0 ? [extent] : undefined
