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
import { restingThreads } from '../../../data/loading/threads.ts'
import type { NormalisationChoice } from '../../../data/loading/measure.ts'
import { normalisationFor } from '../../../data/loading/measure.ts'
import { valueAt } from '../../../data/formats/codec.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { OpenOptions } from '../../../data/readers/reader.ts'
import { openData } from '../../../data/readers/index.ts'
import { mnistSplit } from '../../../data/readers/mnist.ts'
import { openTraining } from '../../../data/loading/training.ts'
import type { TrainingSplit } from '../../../data/loading/training.ts'
import type { Opener } from '../../../data/readers/opener.ts'
import type { Say } from '../../config/common.ts'
import { oneOf } from '../../config/field.ts'
import type { Part } from '../part.ts'
import { part, partOf } from '../part.ts'
import { once } from './once.ts'
import type { Images } from './image-settings.ts'
import { imageSettings } from './image-settings.ts'
import { localModel } from '../../exchange/huggingface/hub.ts'
import { viewAt } from '../../exchange/transfer/view.ts'

const remedy = `name ${Object.keys(windowPresets).join(', ')}, file, or give centre and width: 40/400`

/** How values become intensities, as the settings say; undefined: as suits the images. */
export const intensityOf = ({ intensity, windows, ends: [low, high] }: Images): Either<Fault, Intensity | undefined> => {
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
  threads: restingThreads(),
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
  ...(o.boxes === 'sides' ? {} : { boxes: o.boxes }),
  ...(o.sign === 'said' ? {} : { sign: o.sign }),
  columns: o.columns,
  ...(o.unlabelled.length === 0 ? {} : { unlabelled: o.unlabelled }),
  ...(o.channels === 'usual' ? {} : { channels: o.channels === '1' ? 1 : o.channels === '2' ? 2 : o.channels === '3' ? 3 : 4 }),
  ...(o.volume === 'all' ? {} : { volume: Number(o.volume) }),
  ...(o.layout === 'usual' ? {} : { layout: o.layout }),
  ...(o.pages === 'images' ? {} : { pages: o.pages }),
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
export interface Source {
  (say: Say, from: string, base?: string): TaskEither<Fault, TrainingSplit>
  /** What opens a path, where that is a function of the program's own. */
  readonly opens?: Opener
  /**
   * The same images, opened by another function; `usual`: what opens them where none does. Default: they are opened in one way alone.
   */
  readonly by?: By
}

type By = (open: Opener | undefined, usual?: Opener) => Source

type Open = (say: Say, from: string, base?: string) => TaskEither<Fault, TrainingSplit>

const opensBy = (source: Open, opens: Opener | undefined, by: By | undefined): Source =>
  Object.assign(source, { ...(opens === undefined ? {} : { opens }), ...(by === undefined ? {} : { by }) })

const unnamed = fault('config', {
  place: 'data.path',
  found: 'nothing',
  allowed: 'the path that the data are opened from',
  remedy: 'name it with --data, or where the part is made: imagesBy(open)({ path })',
})

const sourceOf =
  (open?: Opener, usual: Opener = openData) =>
  (o: Images): Source =>
    opensBy(
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
                    // asked for what decides how the path is read, and nothing else
                    open: (path, { listed }) => (open ?? usual)(path, { ...readingOf(o), ...(listed === undefined ? {} : { listed }) }),
                    ...(intensity === undefined ? {} : { intensity }),
                    ...(normalisation === undefined ? {} : { normalisation }),
                  }),
                  TE.map((split) =>
                    o.canvas === null ? split : { ...split, canvas: o.canvas, loading: { ...split.loading, shrink: true } },
                  ),
                ),
          ),
        ),
      open,
      (other, then = usual) => sourceOf(other, then)(o),
    )

/** Images at a path, or digits. */
export const images = part(imageSettings, sourceOf())

/** What a function of one's own has opened, as readers give it. */
const opening =
  (open: (path: string) => TaskEither<Fault, Dataset>): Opener =>
  (path) =>
    pipe(
      open(path),
      TE.map((d) => ({ kind: 'own', splits: new Map([['all', d]] as const), skipped: [], notes: [] })),
    )

/** Images, and what opens their path where that is not what its files are. */
export interface OpenedImages extends Part<Images, Source> {
  readonly opener: (o: Images) => Opener | undefined
  /** Opens a path by the readers, for those parts of `sharing` to take what was opened. */
  readonly before: Opener
  readonly sharing: <D extends object>(p: Part<D, Source>) => Part<D, Source>
}

/** The reader of no plugin. */
export const usualReader = 'usual'

/** Readers of plugins, by name. */
type Readers = ReadonlyMap<string, (path: string) => TaskEither<Fault, Dataset>>

/** What opens a path where `data.reader` of settings names one of these. */
const openerOf =
  (readers: Readers) =>
  (o: object): Opener | undefined => {
    const open = readers.get(String(valueAt(o, 'reader')))
    return open === undefined ? undefined : opening(open)
  }

const oneWay = fault('config', {
  place: 'data.reader',
  found: 'a reader of a plugin for images that the program opens in a way of its own',
  allowed: `${usualReader}, or the part images(…) in the program`,
  remedy: `leave data.reader at ${usualReader}`,
})

/** The same images, by a reader of a plugin where `data.reader` names it. */
export const readBy =
  (readers: Readers) =>
  <D extends object>(p: Part<D, Source>): Part<D, Source> => {
    if (readers.size === 0) return p
    const own = p.settings.beside({
      reader: oneOf([usualReader, ...readers.keys()], 'what opens the path: usual, what its files are; or a reader of a plugin'),
    })
    return partOf(own, (s) => {
      const [source, open] = [p.make(s), openerOf(readers)(s)]
      if (open === undefined) return source
      return source.by?.(open) ?? (() => TE.left(oneWay))
    })
  }

/** Images that take what was opened before, where the readers open them. */
const sharingOf =
  (taken: Opener) =>
  <D extends object>(p: Part<D, Source>): Part<D, Source> =>
    partOf(p.settings, (s) => {
      const source = p.make(s)
      return source.opens === undefined ? (source.by?.(undefined, taken) ?? source) : source
    })

/** Images at a path, or digits, with the readers of plugins. */
export const imagesWith = (readers: Readers): OpenedImages => {
  const { kept, taken } = once(openData)
  const sharing = sharingOf(taken)
  return { ...sharing(readBy(readers)(images())), opener: openerOf(readers), before: kept, sharing }
}

/**
 * Images that a function of one's own opens from a path, with all settings of `images`: `imagesBy(openRaw)({ path: 'scans' })`. Worker
 * threads open them too where the function is `threaded`; else they are read on the thread of the run.
 */
export const imagesBy = (open: (path: string) => TaskEither<Fault, Dataset>) => part(imageSettings, sourceOf(opening(open)))

/** The same images, changed once they are open: `shownAs(negatives)(images())`. */
export const shownAs =
  (f: (s: TrainingSplit) => TrainingSplit) =>
  <D extends object>(p: Part<D, Source>): Part<D, Source> =>
    partOf(p.settings, (s) => {
      const shown = (source: Source): Source => {
        const { opens, by } = source
        return opensBy(
          (say, from, base) => pipe(source(say, from, base), TE.map(f)),
          opens,
          by === undefined ? undefined : (open, usual) => shown(by(open, usual)),
        )
      }
      return shown(p.make(s))
    })
