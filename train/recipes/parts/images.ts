/** Images as settings: the digits that a dependency ships, or whatever lies at a path. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Intensity } from '../../../data/loading/intensity.ts'
import { parseWindow, windowPresets } from '../../../data/loading/intensity.ts'
import type { Loading } from '../../../data/loading/loader.ts'
import type { NormalisationChoice } from '../../../data/loading/measure.ts'
import { normalisationFor } from '../../../data/loading/measure.ts'
import { valueAt } from '../../../data/formats/codec.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { OpenOptions } from '../../../data/readers/reader.ts'
import { layouts } from '../../../data/readers/npz/layout.ts'
import { mnistSplit } from '../../../data/readers/mnist.ts'
import { openTraining } from '../../../data/loading/training.ts'
import type { TrainingOptions, TrainingSplit } from '../../../data/loading/training.ts'
import type { Say } from '../../config/common.ts'
import type { ValueOf } from '../../config/field.ts'
import { list, oneOf, optional, pair, real, text, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { Part } from '../part.ts'
import { part, partOf } from '../part.ts'
import { localModel } from '../../exchange/huggingface/hub.ts'
import { viewAt } from '../../exchange/transfer/view.ts'

/** Sizes that files state are not believed beyond these. */
const limits = section('what one file may take', {
  item: whole(4096, 'MiB of one image, volume or array once it is unpacked; a file that states more is refused', { min: 1, max: 2 ** 22 }),
})

/** The columns of a table that has other names than those that are known. */
const columns = section('columns of a table; empty: by their names, and by what they hold', {
  path: text('', 'paths of images'),
  label: text('', 'labels; none: without'),
  split: text('', 'train, val or test; none: without'),
  group: text('', 'patients, or what else is not to be parted; none: without'),
})

const settings = section(
  'what is trained on',
  {
    path: text('', 'a file or folder of images; empty: the digits that are shipped'),
    train: whole(8000, 'digits to train on', { min: 1, max: 10000 }),
    test: whole(2000, 'digits to evaluate with', { min: 0, max: 10000 }),
    share: real(0.2, 'of images at a path without a split: share of each class that is kept for evaluation', { above: 0, below: 1 }),
    channels: oneOf(['usual', '1', '2', '3', '4'], 'channels that images are turned into; usual: what all of them can share'),
    axis: oneOf(['usual', '0', '1', '2'], 'the axis along which volumes are sliced'),
    select: list(
      text('', 'a word'),
      [],
      'what of the data is read, where it is not all of one kind: readers (dicom, nifti, pictures), patterns of paths with * or /, words of a reader (MR, SEG, a series), or all',
    ),
    folders: oneOf(
      ['usual', 'classes', 'none'],
      'what folders are; usual: parts where they are called train, val, test, else classes, those of patients aside; none: nothing',
    ),
    volume: oneOf(
      ['all', '0', '1', '2', '3', '4', '5', '6', '7'],
      'which of the volumes of a file (contrasts, times): all, or one, from 0',
    ),
    layout: oneOf(
      ['usual', ...layouts],
      'how the axes of arrays lie: n images, c channels, d slices, h rows, w columns; usual: as their lengths say',
    ),
    columns,
    unlabelled: list(text('', 'a text'), [], 'texts that stand for no label; none: blank, NaN, NA, null, -1, and 255 beyond all others'),
    annotations: oneOf(
      ['stored', 'upright'],
      'what boxes and masks of a table count: pixels as stored, or of pictures turned upright by their EXIF',
    ),
    nan: oneOf(['air', 'stop', 'zero'], 'what values that are NaN or infinite are: air, as padding; a fault; or the value 0'),
    onError: oneOf(['stop', 'skip'], 'what an image that cannot be read does'),
    intensity: oneOf(
      ['usual', 'windows', 'percentiles', 'percentiles of all', 'range', 'full'],
      'how values become intensities; usual: what suits what they measure',
    ),
    windows: list(text('', 'a window'), [], 'display windows, a channel for each: presets, file, or CENTRE/WIDTH'),
    ends: pair([0.5, 99.5], "low and high end: of percentiles, or of the range in the values' units"),
    normalisation: oneOf(
      ['recipe', 'imagenet', 'computed', 'model', 'given'],
      'mean and deviation of channels: of the recipe, of ImageNet, of these images, of the network that is gone on from, or mean and std',
    ),
    mean: list(real(0, 'a mean'), [], 'given: of intensities in 0..1, one number for each channel'),
    std: list(real(1, 'a deviation', { above: 0 }), [], 'given: the same'),
    workers: optional(whole(1, 'threads that load images; null: as many as suit the data and the machine', { min: 0, max: 64 })),
    canvas: optional(
      whole(
        512,
        'side of the squares that images are laid on before crops are taken, larger ones shrunk; null: what suits the images, at most 512, and crops of larger ones are cut from all of their pixels',
        { min: 16, max: 8192 },
      ),
    ),
    prefetch: whole(2, 'batches that are begun before they are needed', { min: 0, max: 64 }),
    cache: whole(512, 'MiB for decoded images that are kept'),
    limits,
  },
  [
    {
      at: 'windows',
      of: ['intensity', 'windows'],
      holds: (d) => (d.intensity === 'windows') === d.windows.length > 0,
      allowed: () => 'windows where intensity is windows, and only there',
      remedy: 'set both or neither',
    },
    {
      at: 'mean',
      of: ['normalisation', 'mean', 'std'],
      holds: (d) => d.mean.length === d.std.length && (d.normalisation === 'given') === d.mean.length > 0,
      allowed: () => 'as many means as deviations where normalisation is given, and only there',
      remedy: 'set all three or none',
    },
    {
      at: 'test',
      of: ['path', 'train', 'test'],
      holds: (d) => d.path !== '' || d.train + d.test <= 10000,
      allowed: (d) => `at most ${10000 - d.train} beside ${d.train} to train on: there are 10000 digits`,
      remedy: 'take fewer',
    },
  ],
)

export type Images = ValueOf<typeof settings>

const remedy = `name ${Object.keys(windowPresets).join(', ')}, file, or give centre and width: 40/400`

/** How values become intensities, as the settings say. */
const intensityOf = ({ intensity, windows, ends: [low, high] }: Images): Either<Fault, Intensity | undefined> => {
  switch (intensity) {
    case 'usual':
      return E.right(undefined)
    case 'full':
      return E.right({ kind: 'full' })
    case 'range':
      return E.right({ kind: 'range', low, high })
    case 'percentiles':
      return E.right({ kind: 'percentile', low, high, of: 'image' })
    case 'percentiles of all':
      return E.right({ kind: 'percentile', low, high, of: 'dataset' })
    case 'windows':
      return pipe(
        windows,
        E.traverseArray(parseWindow),
        E.bimap(
          (found) => fault('config', { place: 'data.windows', found, allowed: 'presets, file, or CENTRE/WIDTH', remedy }),
          (all): Intensity => ({ kind: 'windows', windows: all }),
        ),
      )
  }
}

/** What the network at `from` was normalised by, reported with its numbers. Faults: no network is gone on from; those of its file. */
const ofModel = (from: string, base: string | undefined, say: Say): TaskEither<Fault, NormalisationChoice | undefined> =>
  from === ''
    ? TE.left(
        fault('config', {
          place: 'data.normalisation',
          found: 'model, in a run that goes on from no network',
          allowed: 'model where a run has --model',
          remedy: 'name a network, or choose recipe, imagenet, computed or given',
        }),
      )
    : pipe(
        localModel(process.env, say)(from),
        TE.chain((path) => viewAt(path, 0, base)),
        TE.map(
          O.match(
            () => {
              say(`${from} has no preprocessor_config.json: images are normalised as the recipe says`)
              return undefined
            },
            ({ mean, std }) => {
              say(`normalised as ${from} was: mean ${mean.join(' ')}, deviation ${std.join(' ')}`)
              return { mean, std }
            },
          ),
        ),
      )

const normalisationOf = (
  { normalisation, mean, std }: Images,
  from: string,
  base: string | undefined,
  say: Say,
): TaskEither<Fault, NormalisationChoice | undefined> =>
  normalisation === 'model'
    ? ofModel(from, base, say)
    : TE.right(normalisation === 'recipe' ? undefined : normalisation === 'given' ? { mean, std } : normalisation)

const loadingOf = ({ workers, prefetch, cache, onError }: Images): Loading => ({
  workers: workers ?? 'auto',
  prefetch,
  cacheBytes: cache * 2 ** 20,
  onError,
})

/** How data are read, as the settings say: the same for a run, for `inspect`, and for an evaluation. */
export const readingOf = (o: Images): OpenOptions => ({
  onError: o.onError,
  itemBytes: o.limits.item * 2 ** 20,
  ...(o.select.length === 0 ? {} : { select: o.select }),
  folders: o.folders,
  annotations: o.annotations,
  columns: o.columns,
  ...(o.unlabelled.length === 0 ? {} : { unlabelled: o.unlabelled }),
  ...(o.channels === 'usual' ? {} : { channels: o.channels === '1' ? 1 : o.channels === '2' ? 2 : o.channels === '3' ? 3 : 4 }),
  ...(o.volume === 'all' ? {} : { volume: Number(o.volume) }),
  ...(o.layout === 'usual' ? {} : { layout: o.layout }),
  ...(o.axis === 'usual' ? {} : { axis: o.axis === '0' ? 0 : o.axis === '1' ? 1 : 2 }),
})

/** The digits that are shipped, with statistics where they are asked for. */
const digitsOf = (o: Images, normalisation: NormalisationChoice | undefined): TaskEither<Fault, TrainingSplit> =>
  pipe(
    mnistSplit({ train: o.train, test: o.test }),
    TE.chain((split) =>
      normalisation === undefined
        ? TE.right({ ...split, loading: loadingOf(o) })
        : pipe(
            normalisationFor(normalisation)(split.train),
            TE.map((statistics) => ({ ...split, loading: loadingOf(o), normalisation: statistics })),
          ),
    ),
  )

/**
 * Opens images to train on and to evaluate with; `from`: the network that the run goes on from, or empty; `base`: what its adapters belong
 * to. Faults: those of the readers.
 */
export type Source = (say: Say, from: string, base?: string) => TaskEither<Fault, TrainingSplit>

type Open = NonNullable<TrainingOptions['open']>

const unnamed = fault('config', {
  place: 'data.path',
  found: 'nothing',
  allowed: 'the path that the data are opened from',
  remedy: 'name it with --data, or where the part is made: imagesBy(open)({ path })',
})

const sourceOf =
  (open?: Open) =>
  (o: Images): Source =>
  (say, from, base) =>
    pipe(
      TE.Do,
      TE.bind('normalisation', () => normalisationOf(o, from, base, say)),
      TE.bind('intensity', () => TE.fromEither(intensityOf(o))),
      TE.chain(({ normalisation, intensity }) =>
        o.path === ''
          ? open === undefined
            ? digitsOf(o, normalisation)
            : TE.left(unnamed)
          : pipe(
              openTraining(o.path, {
                ...readingOf(o),
                nan: o.nan,
                share: o.share,
                loading: loadingOf(o),
                say,
                ...(open === undefined ? {} : { open }),
                ...(intensity === undefined ? {} : { intensity }),
                ...(normalisation === undefined ? {} : { normalisation }),
              }),
              TE.map((split) => (o.canvas === null ? split : { ...split, canvas: o.canvas, loading: { ...split.loading, shrink: true } })),
            ),
      ),
    )

/** Images at a path, or digits. */
export const images = part(settings, sourceOf())

/** What a function of one's own has opened, as readers give it. */
const opening =
  (open: (path: string) => TaskEither<Fault, Dataset>): Open =>
  (path) =>
    pipe(
      open(path),
      TE.map((d) => ({ kind: 'own', splits: new Map([['all', d]] as const), skipped: [], notes: [] })),
    )

/** Images, and what opens their path where that is not what its files are. */
export interface OpenedImages extends Part<Images, Source> {
  readonly opener: (o: Images) => Open | undefined
}

/** The reader of no plugin. */
export const usualReader = 'usual'

/** The same, and by a reader of a plugin where `data.reader` names it. */
export const imagesWith = (readers: ReadonlyMap<string, (path: string) => TaskEither<Fault, Dataset>>): OpenedImages => {
  if (readers.size === 0) return { ...images(), opener: () => undefined }
  const own = settings.beside({
    reader: oneOf([usualReader, ...readers.keys()], 'what opens the path: usual, what its files are; or a reader of a plugin'),
  })
  const opener = (o: Images): Open | undefined => {
    const open = readers.get(String(valueAt(o, 'reader')))
    return open === undefined ? undefined : opening(open)
  }
  return { ...partOf(own, (o) => sourceOf(opener(o))(o)), opener }
}

/**
 * Images that a function of one's own opens from a path, with all settings of `images`: `imagesBy(openRaw)({ path: 'scans' })`. Worker
 * threads open them too where the function is `threaded`; else they are read on the thread of the run.
 */
export const imagesBy = (open: (path: string) => TaskEither<Fault, Dataset>) => part(settings, sourceOf(opening(open)))

/** The same images, changed once they are open: `shownAs(negatives)(images())`. */
export const shownAs =
  (f: (s: TrainingSplit) => TrainingSplit) =>
  <D extends object>(p: Part<D, Source>): Part<D, Source> =>
    partOf(p.settings, (s) => (say, from, base) => pipe(p.make(s)(say, from, base), TE.map(f)))
