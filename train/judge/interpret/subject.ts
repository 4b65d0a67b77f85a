/** Images to look at. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { Size } from '../../../data/augment/geometry.ts'
import type { Box, Dataset, Image } from '../../../data/readers/dataset.ts'
import type { Split } from '../../../data/readers/split.ts'
import { framed } from '../../exchange/preprocess.ts'
import { unitItem } from '../evaluate/encoder.ts'
import type { Frozen } from '../evaluate/network.ts'

/** An image to look at. */
export interface Subject {
  /** In 0..1, as the network sees it: the image itself may be too large for many of them to be held. */
  readonly image: Image
  /** Of the image itself, in whose pixels boxes are. */
  readonly size: Size
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

/** Reads items; those that cannot be read are left out. */
export type ReadSubjects = (d: Dataset, indices: ReadonlyArray<number>) => TaskEither<Fault, ReadonlyArray<Subject>>

/** One after the other, and each once: it is remembered as the network sees it. */
export const subjects = ({ preprocess }: Pick<Frozen, 'preprocess'>): ReadSubjects => {
  const known = new Map<Dataset, Map<number, Subject | undefined>>()
  const read = async (d: Dataset, i: number): Promise<Subject | undefined> => {
    const item = await unitItem(d, i)()
    if (E.isLeft(item)) return undefined
    const { image, source, box, boxes } = item.right
    const { height, width } = image
    return {
      image: framed(preprocess)(image),
      size: { height, width },
      source,
      label: labelOf(d, i),
      boxes: boxes ?? (box === undefined ? [] : [box]),
    }
  }
  return (d, indices) => async () => {
    const own = known.get(d) ?? new Map<number, Subject | undefined>()
    known.set(d, own)
    const all: Array<Subject> = []
    for (const i of indices) {
      const subject = own.has(i) ? own.get(i) : await read(d, i)
      own.set(i, subject)
      if (subject !== undefined) all.push(subject)
    }
    return E.right(all)
  }
}

/** The first `n`, of the part to test with and then of the other, that can be read. */
export const firstSubjects =
  (f: Pick<Frozen, 'preprocess'>) =>
  ({ test, train }: Split, n: number): TaskEither<Fault, ReadonlyArray<Subject>> => {
    const read = subjects(f)
    const first = (d: Dataset, most: number) =>
      read(
        d,
        Array.from({ length: Math.min(most, d.length) }, (_, i) => i),
      )
    return pipe(
      first(test, n),
      TE.chain((tested) =>
        pipe(
          first(train, n - tested.length),
          TE.map((more) => [...tested, ...more]),
        ),
      ),
    )
  }
