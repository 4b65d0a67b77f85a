/** The data of an evaluation: labelled parts, their values as intensities in 0..1. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import { labelled, splitByLabel, trainAndTest } from '../../../data/readers/split.ts'
import type { Intensity } from '../../../data/loading/intensity.ts'
import { showIntensity, usualIntensity, withIntensity } from '../../../data/loading/intensity.ts'
import { showOpened } from '../../../data/loading/summary.ts'
import { mnistSplit } from '../../../data/readers/mnist.ts'
import { whatIs } from '../../../data/formats/file.ts'
import type { OpenOptions } from '../../../data/readers/reader.ts'
import type { OpenedData, Opener } from '../../../data/readers/opener.ts'
import { openData } from '../../../data/readers/index.ts'

export interface Parts {
  readonly train: Dataset
  /** Where the data have one of their own. */
  readonly val?: Dataset
  readonly test: Dataset
}

/**
 * Shares, class by class, that are kept for a test where the data have none, and for choosing among classifiers where they have no
 * validation.
 */
const testShare = 0.2
const validationShare = 0.1

/** The digits that a dependency ships, by name: `--data mnist`. */
export const shippedDigits = 'mnist'

/** A data set through the intensity that suits it, unless one is given. */
export const asIntensities =
  (say: (text: string) => void, intensity?: Intensity) =>
  (d: Dataset): TaskEither<Fault, Dataset> => {
    const i = intensity ?? usualIntensity(d)
    say(`${d.name}: ${d.length} images through ${showIntensity(i)}`)
    return withIntensity(i)(d)
  }

/** Every split that lies at a path, as intensities; `open` is what opens it, by default the readers. */
export const splitsAt = (
  path: string,
  say: (text: string) => void,
  intensity?: Intensity,
  reading: OpenOptions = {},
  open: Opener = openData,
): TaskEither<Fault, ReadonlyMap<string, Dataset>> =>
  pipe(
    whatIs(path),
    TE.chain((what) =>
      what === 'nothing' && path === shippedDigits
        ? pipe(
            mnistSplit(),
            TE.map(
              ({ train, test }): OpenedData['splits'] =>
                new Map([
                  ['train', train],
                  ['test', test],
                ]),
            ),
          )
        : pipe(
            open(path, reading),
            TE.map((o) => {
              for (const note of [...showOpened(o), ...o.skipped.map((f) => `left out ${f.place}: ${f.found}`)]) say(note)
              return o.splits
            }),
          ),
    ),
    TE.chain((splits) =>
      pipe(
        [...splits],
        TE.traverseSeqArray(([name, d]) =>
          pipe(
            asIntensities(say, intensity)(d),
            TE.map((x) => [name, x] as const),
          ),
        ),
        TE.map((all) => new Map<string, Dataset>(all)),
      ),
    ),
  )

/** What has no label is left out of parts that have some. */
const withLabels = (p: Parts, say: (text: string) => void): Either<Fault, Parts> => {
  const part = (d: Dataset): Either<Fault, Dataset> =>
    pipe(
      labelled(d),
      E.map((own) => {
        if (own.length === 0 || own.length === d.length) return d
        say(`note: ${d.length - own.length} of ${d.length} images of ${d.name} have no label and are left out of the evaluation`)
        return own
      }),
    )
  return pipe(
    E.Do,
    E.apS('train', part(p.train)),
    E.apS('test', part(p.test)),
    E.apS('val', p.val === undefined ? E.right(undefined) : part(p.val)),
    E.map(({ train, test, val }): Parts => ({ train, test, ...(val === undefined ? {} : { val }) })),
  )
}

/** Train, validation and test of splits; the only split is divided class by class, and that is said. Fault: no such splits. */
export const partsOf = (splits: ReadonlyMap<string, Dataset>, say: (text: string) => void): Either<Fault, Parts> => {
  const named = {
    kind: 'pictures',
    splits: new Map(
      [...splits].flatMap(([k, d]) => (k === 'all' || k === 'train' || k === 'val' || k === 'test' ? [[k, d] as const] : [])),
    ),
    skipped: [],
    notes: [],
  } as const
  const [train, test, val] = [splits.get('train'), splits.get('test'), splits.get('val')]
  if (train !== undefined && test !== undefined) return withLabels({ train, test, ...(val === undefined ? {} : { val }) }, say)
  return pipe(
    trainAndTest(named, testShare),
    E.map((s) => {
      for (const line of s.said ?? []) say(`note: ${line}`)
      if (val === undefined && s.test.length > 0)
        say(
          `no split of its own to test with: ${s.test.length} of ${s.train.length + s.test.length} images, the same share of each class, are kept for it`,
        )
      return s
    }),
    E.chain((s) => withLabels(s, say)),
  )
}

export interface Choosing {
  readonly fit: Dataset
  readonly choose: Dataset
  /** Whether `choose` was taken out of the training part. */
  readonly heldOut: boolean
}

/** What classifiers are fitted on, and what the best of them is chosen by: the validation part, or a tenth of the training part. */
export const choosing = (p: Parts): Either<Fault, Choosing> =>
  p.val !== undefined
    ? E.right({ fit: p.train, choose: p.val, heldOut: false })
    : pipe(
        splitByLabel(validationShare)(p.train),
        E.map((s) => ({ fit: s.train, choose: s.test, heldOut: true })),
      )
