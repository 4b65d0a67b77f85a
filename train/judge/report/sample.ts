/** Which images a report shows and counts with: the same ones for the same data and seed. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { permutation, stream } from '../../../core/random.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Split } from '../../../data/readers/split.ts'
import { subset } from '../../../data/readers/subset.ts'

export interface Sample {
  /** Those that neighbours and maps are made of: the first of the part to evaluate with, or where that has too few, of the other. */
  readonly shown: Dataset
  readonly of: 'train' | 'test'
  readonly train: Dataset
  readonly test: Dataset
}

/** The items of a data set in an order drawn by the seed. */
export const drawnOrder = (d: Dataset, seed: number): Int32Array => permutation(stream(seed, `report.${d.name}`, 0), d.length)

/** The first few of them; all of a small set. */
export const drawn =
  (n: number, seed: number) =>
  (d: Dataset): Either<Fault, Dataset> =>
    subset(drawnOrder(d, seed).subarray(0, n), d.name)(d)

/** Images that neighbours are looked for among, and a map shows: at most. */
export const mostShown = 300

/** How many images of each kind a report may use; `shown` is the least. */
export interface Sizes {
  readonly shown: number
  readonly train: number
  readonly test: number
}

export const sampleOf = (split: Split, sizes: Sizes, seed: number): Either<Fault, Sample> =>
  pipe(
    E.Do,
    E.bind('train', () => drawn(sizes.train, seed)(split.train)),
    E.bind('test', () => drawn(sizes.test, seed)(split.test)),
    E.let('of', ({ test, train }): Sample['of'] => (test.length >= Math.min(sizes.shown, train.length) ? 'test' : 'train')),
    E.bind('shown', (s) =>
      subset(
        Array.from({ length: Math.min(sizes.shown, s[s.of].length) }, (_, i) => i),
        s[s.of].name,
      )(s[s.of]),
    ),
  )

/** Items in turn of their classes, so that the first few show as many as there are. */
export const byTurns = (d: Dataset): ReadonlyArray<number> => {
  const turn = new Map<number, number>()
  return Array.from({ length: d.length }, (_, i) => {
    const label = O.getOrElse(() => -1)(d.label(i))
    const t = turn.get(label) ?? 0
    turn.set(label, t + 1)
    return { i, label, t }
  })
    .sort((a, b) => a.t - b.t || a.label - b.label || a.i - b.i)
    .map((x) => x.i)
}
