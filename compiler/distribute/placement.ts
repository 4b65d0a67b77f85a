/** Where a value is, of a program that N ranks run. */
import type { Expr } from '../../core/expr.ts'
import { fill } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import type { Shape } from '../../core/type.ts'
import { equalShape, sizeOf } from '../../core/type.ts'
import type { Cut } from '../../ops/collective.ts'
import { concat, pad, slice } from '../../ops/window.ts'

/**
 * A rank has the part of an axis that `blocks` says (ops/collective.ts). `batch`: a part of the images; `state`: a part of a tensor that
 * lives on the device, which is gathered before images are computed with.
 */
export interface Split {
  readonly _tag: 'Split'
  readonly axis: number
  readonly blocks: ReadonlyArray<number>
  readonly of: 'batch' | 'state'
}

/** `Partial`: every rank has a tensor of the full shape, and the value is the sum, or the largest, of all of them. */
export type Placement = { readonly _tag: 'Same' } | Split | { readonly _tag: 'Partial'; readonly op: 'sum' | 'max' }

export const same: Placement = { _tag: 'Same' }

export const keyOfPlacement = (p: Placement): string =>
  p._tag === 'Same' ? 'same' : p._tag === 'Partial' ? p.op : `${p.axis}:${p.blocks.join()}`

export const isSplit = (p: Placement): p is Split => p._tag === 'Split'

/** Whether the same part of the same axis is meant. */
export const sameCut = (a: Split, b: Split): boolean => a.axis === b.axis && equalShape(a.blocks, b.blocks)

export const cutOf = (ranks: number, { axis, blocks }: Split): Cut => ({ ranks, axis, blocks })

/** The shape of a rank's part. */
export const partShape = (ranks: number, { axis }: Pick<Split, 'axis'>, shape: Shape): Shape =>
  shape.map((d, a) => (a === axis ? d / ranks : d))

/** A graph of one rank among N: leaves and states of its paths are parts where `parts` says so. */
export interface Distributed {
  readonly graph: Graph
  readonly ranks: number
  readonly parts: ReadonlyMap<string, Split>
}

/** Where each block begins. */
export const starts = (blocks: ReadonlyArray<number>): ReadonlyArray<number> =>
  blocks.map((_, i) => blocks.slice(0, i).reduce((n, b) => n + b, 0))

/** Rank r's part of a whole tensor. */
export const partOf =
  ({ ranks, axis, blocks }: Cut, rank: number) =>
  (x: Expr): Expr =>
    x._tag === 'Leaf' && x.source._tag === 'Fill'
      ? fill(x.type.dtype, partShape(ranks, { axis }, x.type.shape), x.source.value)
      : concat(axis)(
          starts(blocks).map((from, i) => {
            const share = blocks[i] / ranks
            return slice(axis, from + rank * share, from + (rank + 1) * share)(x)
          }),
        )

/** The whole of the parts of all ranks, in order of ranks. */
export const wholeOf =
  ({ ranks, axis, blocks }: Cut) =>
  (parts: ReadonlyArray<Expr>): Expr =>
    concat(axis)(starts(blocks).flatMap((from, i) => parts.map((x) => slice(axis, from / ranks, (from + blocks[i]) / ranks)(x))))

/** Rank r's part where it stands in the whole, zeros elsewhere. */
export const placedOf =
  ({ ranks, axis, blocks }: Cut, rank: number) =>
  (x: Expr): Expr =>
    concat(axis)(
      starts(blocks).map((from, i) => {
        const share = blocks[i] / ranks
        return pad(axis, rank * share, (ranks - 1 - rank) * share)(slice(axis, from / ranks, from / ranks + share)(x))
      }),
    )

/** Elements, for comparing costs. */
export const elements = (e: Expr): number => sizeOf(e.type.shape)
