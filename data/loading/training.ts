/** Data to train on: opened, described, with intensities and statistics decided, and how they are to be loaded. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { together } from '../../core/fault.ts'
import type { Normalisation } from '../augment/augmentation.ts'
import { subset } from '../readers/subset.ts'
import type { Dataset } from '../readers/dataset.ts'
import type { Split } from '../readers/split.ts'
import { oddValues, short } from './odd-values.ts'
import { showOpened, summarize } from './summary.ts'
import { decidedIntensity, showIntensity, usualIntensity, withIntensity } from './intensity.ts'
import type { Intensity } from './intensity.ts'
import type { Loading } from './loader.ts'
import { settled } from './missing.ts'
import type { Nan } from './missing.ts'
import { normalisationFor } from './measure.ts'
import { windowNotes } from './clipping.ts'
import type { NormalisationChoice } from './measure.ts'
import { trainAndTest } from '../readers/split.ts'
import { openData } from '../readers/index.ts'
import type { Opener } from '../readers/opener.ts'
import type { OpenOptions } from '../readers/reader.ts'
import { readable } from '../readers/result.ts'

/** A split with how it is loaded, and the statistics of its images where they are asked for. */
export interface TrainingSplit extends Split {
  readonly loading?: Loading
  readonly normalisation?: Normalisation
  /** The side of the canvases that images are laid on; by default what suits most of them. */
  readonly canvas?: number
}

export interface TrainingOptions extends OpenOptions {
  /** Share of each class that is kept for evaluation, of data without splits. */
  readonly share: number
  /** What suits the data by default (`usualIntensity`). */
  readonly intensity?: Intensity
  /** The augmentation's own statistics by default. */
  readonly normalisation?: NormalisationChoice
  readonly loading: Loading
  /** What values that are no numbers are: air by default. */
  readonly nan?: Nan
  readonly say: (text: string) => void
  /** What opens the path. Default: the readers. */
  readonly open?: Opener
}

/** Images that are looked at for a description. */
const looked = 32

/**
 * What a person should know about the images to train on: how many, of what kind, size and spacing, which values. Fault: those looked at
 * that cannot be read, of the test too, where they stop the run: all of them, before anything is compiled.
 */
const describe =
  (d: Dataset, test: Dataset, { say, onError, loading }: Pick<TrainingOptions, 'say' | 'onError' | 'loading'>): TaskEither<Fault, void> =>
  async () => {
    const s = await summarize(d, looked, () => undefined)
    const stops = (onError ?? loading.onError) !== 'skip'
    const held = stops && test.length > 0 ? (await summarize(test, looked, () => undefined)).unreadable : []
    const [first, ...more] = stops ? [...s.unreadable, ...held] : []
    if (first !== undefined) return E.left(together([first, ...more]))
    const some = (xs: ReadonlyArray<{ readonly value: ReadonlyArray<number> }>, by: string): string =>
      xs
        .slice(0, 3)
        .map((x) => x.value.join(by))
        .join(', ') + (xs.length > 3 ? ', …' : '')
    const parts = [
      `${d.length} images${d.modality === undefined ? '' : ` (${d.modality})`}`,
      ...(s.series === 0 ? [] : [`${s.series} series`]),
      some(s.shapes, ' x '),
      ...(s.spacing.length === 0 ? [] : [`spacing ${some(s.spacing, ' x ')} mm`]),
      ...(s.values === undefined
        ? []
        : [`values ${short(s.values[0])} to ${short(s.values[1])}${d.units === undefined ? '' : ` ${d.units}`}`]),
      ...(s.boxes === 0 ? [] : [`${s.boxes} boxes`]),
    ]
    say(`${d.name}: ${parts.join(', ')}${d.length > looked ? ` (looked at ${looked})` : ''}`)
    for (const n of oddValues(s)) say(`note: ${n}`)
    return E.right(undefined)
  }

/** The items that can be read; each of the others is reported, and counted. */
const readablePart = (d: Dataset, say: (text: string) => void): TaskEither<Fault, Dataset> =>
  pipe(
    readable()(d),
    TE.chainEitherK(({ read, skipped }) => {
      for (const f of skipped) say(`note: skipped ${f.place}: ${f.found}`)
      if (skipped.length > 0) say(`note: ${d.name}: ${skipped.length} of ${d.length} images cannot be read and are left out`)
      return skipped.length === 0 ? E.right(d) : read.length === 0 ? E.left(skipped[0]) : subset(read, d.name)(d)
    }),
  )

/**
 * Opens what lies at a path for training. With onError 'skip', data that will be read as a whole anyway (labelled ones, whose features are
 * compared; percentiles and statistics of all images) are checked before; other images are left out when their turn comes.
 * Faults: those of the readers, of intensities and of measuring.
 */
export const openTraining = (path: string, o: TrainingOptions): TaskEither<Fault, TrainingSplit> => {
  const { say, normalisation } = o
  const measured = normalisation === 'computed' || (o.intensity?.kind === 'percentile' && o.intensity.of === 'dataset')
  const sound = (d: Dataset, always: boolean): TaskEither<Fault, Dataset> =>
    o.onError === 'skip' && (always || measured || d.classes.length > 1) ? readablePart(d, say) : TE.right(d)
  const progress =
    (what: string) =>
    (done: number, total: number): void => {
      if (done === total || done % 1000 === 0) say(`${what}: ${done} of ${total} images`)
    }
  const settle = o.nan === undefined || o.nan === 'air' ? (d: Dataset) => d : settled(o.nan)
  return pipe(
    (o.open ?? openData)(path, {
      ...o,
      listed: (n) => {
        say(`${n} files so far`)
      },
    }),
    TE.chainFirst((opened) => {
      const { skipped } = opened
      for (const line of showOpened(opened)) say(line)
      for (const f of skipped) say(`note: skipped ${f.place}: ${f.found}`)
      if (skipped.length > 0)
        say(
          `note: ${skipped.length} file${skipped.length === 1 ? '' : 's'} cannot be read and ${skipped.length === 1 ? 'is' : 'are'} left out`,
        )
      return TE.right(undefined)
    }),
    TE.chainEitherK((opened) => trainAndTest(opened, o.share)),
    TE.chainFirst(({ said = [] }) => {
      for (const line of said) say(`note: ${line}`)
      return TE.right(undefined)
    }),
    TE.bind('good', ({ train }) => sound(train, false)),
    TE.bind('asked', ({ test }) => sound(test, true)),
    TE.chainFirst(({ good, asked }) => describe(good, asked, o)),
    TE.map(({ good, asked, ...rest }) => ({ ...rest, good: settle(good), asked: settle(asked) })),
    TE.bind('intensity', ({ good }) => decidedIntensity(o.intensity ?? usualIntensity(good), { progress: progress('percentiles') })(good)),
    TE.chainFirst(({ intensity }) => {
      say(`intensity: ${showIntensity(intensity)}`)
      return TE.right(undefined)
    }),
    // the usual window of CT clips air, as it should
    TE.chainFirst(({ good, intensity }) =>
      pipe(
        o.intensity === undefined ? TE.right([]) : windowNotes(intensity, good),
        TE.map((notes) => {
          for (const note of notes) say(`note: ${note}`)
        }),
      ),
    ),
    TE.bind('shown', ({ good, intensity }) => withIntensity(intensity)(good)),
    // what was measured on the images to train on holds for those to evaluate with
    TE.bind('held', ({ asked, intensity }) => (asked.length === 0 ? TE.right(asked) : withIntensity(intensity)(asked))),
    TE.bind('statistics', ({ shown }): TaskEither<Fault, Normalisation | undefined> =>
      normalisation === undefined
        ? TE.right(undefined)
        : normalisationFor(normalisation, { progress: progress('mean and deviation') })(shown),
    ),
    TE.map(({ shown: train, held: test, statistics }): TrainingSplit => ({
      train,
      test,
      loading: o.loading,
      ...(statistics === undefined ? {} : { normalisation: statistics }),
    })),
  )
}
