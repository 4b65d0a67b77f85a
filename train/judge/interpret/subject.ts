/** Images to look at. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { Box, Dataset, Image } from '../../../data/readers/dataset.ts'
import type { Split } from '../../../data/readers/split.ts'
import { unitImage } from '../evaluate/encoder.ts'

/** An image to look at, in 0..1. */
export interface Subject {
  readonly image: Image
  readonly source: string
  readonly label: string | undefined
  readonly boxes: ReadonlyArray<Box>
}

/** The name of a class; undefined where an item has none. */
export const labelOf = (d: Dataset, i: number): string | undefined =>
  pipe(
    d.label(i),
    O.map((k) => d.classes[k] ?? String(k)),
    O.toUndefined,
  )

/** Some items, read; those that cannot be read are left out. */
export const subjects =
  (d: Dataset, indices: ReadonlyArray<number>): TaskEither<Fault, ReadonlyArray<Subject>> =>
  async () => {
    const read = await Promise.all(
      indices.map((i) =>
        pipe(
          TE.Do,
          TE.bind('item', () => d.item(i)),
          TE.bind('image', () => unitImage(d, i)),
          TE.map(({ item, image }): Subject => ({
            image,
            source: item.source,
            label: labelOf(d, i),
            boxes: item.boxes ?? (item.box === undefined ? [] : [item.box]),
          })),
        )(),
      ),
    )
    return E.right(read.flatMap((r) => (E.isRight(r) ? [r.right] : [])))
  }

/** The first `n`, of the part to test with and then of the other, that can be read. */
export const firstSubjects = ({ test, train }: Split, n: number): TaskEither<Fault, ReadonlyArray<Subject>> =>
  pipe(
    [test, train].map((d) =>
      subjects(
        d,
        Array.from({ length: Math.min(n, d.length) }, (_, i) => i),
      ),
    ),
    TE.sequenceSeqArray,
    TE.map((both) => both.flat().slice(0, n)),
  )
