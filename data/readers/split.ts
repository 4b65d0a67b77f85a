/** Parts of a dataset: by what folders and arrays are called, by numbers, by a share of each class. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { isIndex } from './dataset.ts'
import type { Dataset, SplitName, Splits } from './dataset.ts'
import { heldOut, labelledItems } from './groups.ts'
import { counted, note } from './note.ts'
import { subset } from './subset.ts'

/** What splits are called. */
export const splitNames: ReadonlyMap<string, SplitName> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['val', 'val'],
  ['valid', 'val'],
  ['validation', 'val'],
  ['dev', 'val'],
  ['test', 'test'],
  ['testing', 'test'],
])

/** The split that a word names, in any case; none for other words. */
export const splitOf = (word: string): SplitName | undefined => splitNames.get(word.toLowerCase())

/** Two parts of a dataset. */
export interface Split {
  readonly train: Dataset
  readonly test: Dataset
  /** How it was cut, where a person should know. */
  readonly said?: ReadonlyArray<string>
}

const upTo = (from: number, to: number): ReadonlyArray<number> => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

const partsOf = (d: Dataset, train: ReadonlyArray<number>, test: ReadonlyArray<number>): Either<Fault, Split> =>
  pipe(E.Do, E.apS('train', subset(train, `${d.name}/train`)(d)), E.apS('test', subset(test, `${d.name}/test`)(d)))

/** The first `train` items and the `test` items after them. Fault: the dataset has fewer. */
export const splitAt =
  (train: number, test: number) =>
  (d: Dataset): Either<Fault, Split> =>
    isIndex(train, d.length + 1) && isIndex(test, d.length - train + 1)
      ? partsOf(d, upTo(0, train), upTo(train, train + test))
      : E.left(
          fault('data', {
            place: d.name,
            found: `a split into ${train} and ${test} items`,
            allowed: `whole numbers that sum to at most ${d.length}`,
            remedy: 'ask for smaller parts',
          }),
        )

/**
 * A split in which every class gives the same share to `test`: of a class with n items, the last `round(n * share)`; of data with
 * patients, series or volumes, whole ones, about as many. Items without a label count as one class. Fault: a share outside [0, 1].
 */
export const splitByLabel =
  (share: number) =>
  (d: Dataset): Either<Fault, Split> => {
    if (!(share >= 0 && share <= 1)) {
      return E.left(
        fault('config', { place: d.name, found: `a test share of ${share}`, allowed: 'a number in [0, 1]', remedy: 'correct the share' }),
      )
    }
    const { test, said } = heldOut(d, share)
    const all = upTo(0, d.length)
    return pipe(
      partsOf(
        d,
        all.filter((i) => !test.has(i)),
        all.filter((i) => test.has(i)),
      ),
      E.map((s) => ({ ...s, said })),
    )
  }

/** The part of a dataset that has labels, for evaluation; the same where all items have one. */
export const labelled = (d: Dataset): Either<Fault, Dataset> => {
  const items = labelledItems(d)
  return items.length === d.length ? E.right(d) : subset(items, d.name)(d)
}

/** The dataset of a split; without a name the only one, or the one to train on. Fault: no such split. */
export const datasetOf = (o: { readonly splits: Splits }, split?: SplitName): Either<Fault, Dataset> => {
  const d = split === undefined ? (o.splits.get('all') ?? o.splits.get('train') ?? [...o.splits.values()].at(0)) : o.splits.get(split)
  return d === undefined
    ? E.left(
        fault('data', {
          place: 'the data',
          found: `no split ${split ?? ''}`,
          allowed: [...o.splits.keys()].join(', '),
          remedy: 'name a split that the data have',
        }),
      )
    : E.right(d)
}

/** A note of classes that only the test has: no image of theirs can be told. */
const notLearned = (train: Dataset, test: Dataset): ReadonlyArray<string> => {
  const learned = new Set<number>()
  for (let i = 0; i < train.length; i++) learned.add(O.getOrElse(() => -1)(train.label(i)))
  const strange = new Set<number>()
  for (let i = 0; i < test.length; i++) {
    const label = O.getOrElse(() => -1)(test.label(i))
    if (label >= 0 && !learned.has(label)) strange.add(label)
  }
  return strange.size === 0 || learned.size < 2
    ? []
    : [
        note(
          `${counted(strange.size, 'class', 'classes')} of the test ${strange.size === 1 ? 'has' : 'have'} no image that is trained on`,
          [...strange].map((c) => test.classes[c] ?? String(c)),
        ),
      ]
}

/**
 * Data to train on and to test with: the splits of these names (validation where there is no test, what belongs to no part where there is
 * nothing to train on), or the only split divided so that each class gives the same share to the test.
 */
export const trainAndTest = (o: { readonly splits: Splits }, share = 0.2): Either<Fault, Split> => {
  const [all, test] = [o.splits.get('all'), o.splits.get('test') ?? o.splits.get('val')]
  const train = o.splits.get('train') ?? (test === undefined ? undefined : all)
  const beside =
    all === undefined || all === train || o.splits.size === 1
      ? []
      : [note(`${counted(all.length, 'image')} of no part ${all.length === 1 ? 'is' : 'are'} neither trained on nor tested with`)]
  const strangers = train === undefined || test === undefined ? [] : notLearned(train, test)
  const split = train !== undefined && test !== undefined ? E.right<Fault, Split>({ train, test }) : undefined
  return pipe(
    split ?? E.chain(splitByLabel(share))(train === undefined ? datasetOf(o) : E.right(train)),
    E.map((s) => (beside.length + strangers.length === 0 ? s : { ...s, said: [...(s.said ?? []), ...beside, ...strangers] })),
  )
}
