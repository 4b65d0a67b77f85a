/** Some items of a dataset, or all in another order. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { isIndex, outside, viewOrigin } from './dataset.ts'
import type { Dataset } from './dataset.ts'
import { originOf } from './origin.ts'
import type { Origin } from './origin.ts'
import { reopener } from './reader.ts'

const origin = originOf<{ readonly of: Origin; readonly indices: Int32Array; readonly name: string }>('subset')

/**
 * The items with these numbers, in this order. A number may come twice.
 * Fault: a number that the dataset does not have.
 */
export const subset =
  (indices: ArrayLike<number>, name?: string) =>
  (d: Dataset): Either<Fault, Dataset> => {
    const chosen = Int32Array.from(indices)
    const bad = chosen.findIndex((_, k) => !isIndex(indices[k], d.length))
    if (bad >= 0) return E.left(outside(d.name, indices[bad], d.length))
    const own = name ?? d.name
    const { sourceOf, group, shard, sizeOf, volume } = d
    return E.right({
      ...d,
      ...(sourceOf === undefined ? {} : { sourceOf: (i: number) => sourceOf(chosen[i]) }),
      ...(volume === undefined ? {} : { volume: (i: number) => volume(chosen[i]) }),
      ...(sizeOf === undefined ? {} : { sizeOf: (i: number) => sizeOf(chosen[i]) }),
      ...(shard === undefined ? {} : { shard: (i: number) => shard(chosen[i]) }),
      ...(group === undefined ? {} : { group: (i: number) => group(chosen[i]) }),
      ...viewOrigin(d, (of) => origin.of({ of, indices: chosen, name: own }, of.inMemory)),
      name: own,
      length: chosen.length,
      label: (i) => (isIndex(i, chosen.length) ? d.label(chosen[i]) : O.none),
      item: (i) => (isIndex(i, chosen.length) ? d.item(chosen[i]) : TE.left(outside(own, i, chosen.length))),
    })
  }

export const subsetView = reopener(origin, ({ of, indices, name }, again) => pipe(again(of), TE.chainEitherK(subset(indices, name))))

/** Gives the order of n items: a permutation of 0 .. n - 1. Seeded ones come from `core`'s random streams. */
export type Order = (n: number) => ArrayLike<number>

/** The items in another order. Fault: `order` gives no permutation. */
export const reorder =
  (order: Order) =>
  (d: Dataset): Either<Fault, Dataset> => {
    const indices = Array.from(order(d.length))
    return indices.length === d.length && new Set(indices).size === d.length
      ? subset(indices)(d)
      : E.left(
          fault('data', {
            place: d.name,
            found: `an order of ${indices.length} numbers, ${new Set(indices).size} of them different`,
            allowed: `a permutation of 0 .. ${d.length - 1}`,
            remedy: 'name every item once',
          }),
        )
  }
