/** Volumes of which every slice is an item, as one item each: they have one label, and published numbers count them, not their slices. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import { subset } from '../../../data/readers/subset.ts'
import { grouped } from '../../../data/readers/walk.ts'
import type { Rows } from './neighbours.ts'

export interface Volumes {
  /** The first slice of each, which has its label. */
  readonly first: Dataset
  /** The slices of each. */
  readonly members: ReadonlyArray<ReadonlyArray<number>>
}

/** The volumes of a data set; nothing where items are pictures, or slices of one volume have several labels. */
export const volumesOf = (d: Dataset): Either<Fault, Volumes | undefined> => {
  const of = d.volume ?? d.sourceOf
  if (of === undefined) return E.right(undefined)
  const members = [
    ...grouped(
      Array.from({ length: d.length }, (_, i) => i),
      of,
    ).values(),
  ]
  const label = (i: number): number => {
    const l = d.label(i)
    return l._tag === 'None' ? -1 : l.value
  }
  if (members.length === d.length || members.some((own) => own.some((i) => label(i) !== label(own[0])))) return E.right(undefined)
  return E.map((first: Dataset): Volumes => ({ first, members }))(
    subset(
      members.map((own) => own[0]),
      d.name,
    )(d),
  )
}

/** The mean of the features of each volume's slices. */
export const pooled =
  ({ members }: Volumes) =>
  ({ data, dim }: Rows): Rows => {
    const out = new Float32Array(members.length * dim)
    members.forEach((own, v) => {
      for (let k = 0; k < dim; k++) {
        let sum = 0
        for (const i of own) sum += data[i * dim + k]
        out[v * dim + k] = sum / own.length
      }
    })
    return { data: out, dim }
  }
