/**
 * Intensities: from a modality's units to the range 0 to 1 that crops are made of. An intensity is plain data; applied to
 * a dataset it gives a dataset, so that training, evaluation and a preview see the same images.
 *
 * Display windows follow DICOM (PS3.3 C.11.2.1): LINEAR as it is defined there, with its half steps, or LINEAR_EXACT.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault, faultsOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { viewOrigin } from '../readers/dataset.ts'
import type { Dataset, Image, Item, Window } from '../readers/dataset.ts'
import { originOf } from '../readers/origin.ts'
import type { Origin } from '../readers/origin.ts'
import { reopener } from '../readers/reader.ts'
import { percentile, percentilesOf } from './measure.ts'
import { isNumber, measured, settledItem } from './missing.ts'
import type { MeasureOptions } from './measure.ts'

/** Windows in Hounsfield units that radiologists use for CT, by the tissue that they show. */
export const windowPresets = {
  lung: { centre: -600, width: 1500 },
  mediastinum: { centre: 40, width: 400 },
  bone: { centre: 400, width: 1800 },
  abdomen: { centre: 50, width: 400 },
  liver: { centre: 60, width: 160 },
  brain: { centre: 40, width: 80 },
  subdural: { centre: 75, width: 215 },
  cta: { centre: 300, width: 600 },
} as const satisfies Readonly<Record<string, Window>>

/** The name of a preset window. */
export type WindowName = keyof typeof windowPresets

const isWindowName = (s: string): s is WindowName => Object.hasOwn(windowPresets, s)

/** A window as a person writes it: a preset's name, 'file', or centre and width as `40/400`. Left: what was found. */
export const parseWindow = (text: string): Either<string, WindowName | 'file' | Window> => {
  if (text === 'file' || isWindowName(text)) return E.right(text)
  const [centre, width, ...more] = text.split('/').map((n) => (n.trim() === '' ? NaN : Number(n)))
  return more.length === 0 && Number.isFinite(centre) && width > 0
    ? E.right({ centre, width })
    : E.left(`the window ${JSON.stringify(text)}`)
}

/** The shape of a window's ramp (VOI LUT Function, (0028,1056)). */
export type WindowShape = 'linear' | 'linear exact'

/** How values become intensities in 0..1. Small values of inverted items (MONOCHROME1) become bright. */
export type Intensity =
  /** One channel for each window: a preset's name, a window of one's own, or 'file' for the one that the item proposes. */
  | { readonly kind: 'windows'; readonly windows: ReadonlyArray<WindowName | 'file' | Window>; readonly shape?: WindowShape }
  /** Fixed ends, in the dataset's units. */
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  /** Ends at these percentiles, of each image or of (a sample of) the dataset. */
  | { readonly kind: 'percentile'; readonly low: number; readonly high: number; readonly of: 'image' | 'dataset' }
  /** The dataset's own range. */
  | { readonly kind: 'full' }

/**
 * A value through a window, in 0..1. LINEAR: 0 up to c - .5 - (w - 1) / 2, 1 above c - .5 + (w - 1) / 2, between them (x -
 * (c - .5)) / (w - 1) + .5, for w >= 1. LINEAR_EXACT: (x - c) / w + .5, clamped, for w > 0. NaN gives 0.
 */
export const throughWindow =
  ({ centre, width }: Window, shape: WindowShape = 'linear') =>
  (x: number): number => {
    if (shape === 'linear exact') return Math.max(0, Math.min(1, (x - centre) / width + 0.5)) || 0
    const half = (width - 1) / 2
    if (x > centre - 0.5 + half) return 1
    return x > centre - 0.5 - half ? (x - (centre - 0.5)) / (width - 1) + 0.5 : 0
  }

/** A value between two ends, in 0..1, clamped; NaN gives 0. */
export const throughRange =
  (low: number, high: number) =>
  (x: number): number =>
    Math.max(0, Math.min(1, (x - low) / (high - low))) || 0

/** The units of datasets whose values are intensities already. */
const intensityUnits = 'intensity'

const wrong = (place: string, found: string, allowed: string, remedy: string): Fault =>
  faultsOf('config')(`intensity: ${place}`, found, allowed, remedy)

/** The intensity, or a fault that names what is wrong with it. */
export const checkIntensity = (i: Intensity): Either<Fault, Intensity> => {
  switch (i.kind) {
    case 'windows': {
      const least = i.shape === 'linear exact' ? 0 : 1
      if (i.windows.length === 0) return E.left(wrong('windows', 'no window', 'at least one', 'name a window'))
      for (const w of i.windows) {
        if (typeof w === 'string') {
          if (w !== 'file' && !isWindowName(w))
            return E.left(
              wrong(
                'windows',
                JSON.stringify(w),
                [...Object.keys(windowPresets), 'file'].join(', '),
                'name one of these, or give centre and width',
              ),
            )
        } else if (!Number.isFinite(w.centre) || !Number.isFinite(w.width) || w.width < least || w.width === 0) {
          return E.left(
            wrong(
              'windows',
              `centre ${w.centre}, width ${w.width}`,
              `finite numbers, the width ${least === 1 ? 'at least 1' : 'above 0'}`,
              'correct the window',
            ),
          )
        }
      }
      return E.right(i)
    }
    case 'range':
      return Number.isFinite(i.low) && Number.isFinite(i.high) && i.low < i.high
        ? E.right(i)
        : E.left(wrong('range', `${i.low} to ${i.high}`, 'two finite numbers that rise', 'correct the range'))
    case 'percentile':
      return i.low >= 0 && i.low < i.high && i.high <= 100
        ? E.right(i)
        : E.left(wrong('percentile', `${i.low} to ${i.high}`, 'two numbers in [0, 100] that rise', 'correct the percentiles'))
    case 'full':
      return E.right(i)
  }
}

/**
 * Every value of an image through one function, or one image plane per function where it has a single channel; padding becomes 0, the
 * dark end.
 */
const mapImage = ({ image, padding, inverted }: Item, fs: ReadonlyArray<(x: number) => number>): Image => {
  const n = image.data.length
  const plane = image.height * image.width
  const data = new Float32Array(n * fs.length)
  fs.forEach((f, c) => {
    for (let i = 0; i < n; i++) {
      const y = f(image.data[i])
      data[c * n + i] = padding !== undefined && padding[i % plane] === 1 ? 0 : inverted === true ? 1 - y : y
    }
  })
  return { ...image, channels: image.channels * fs.length, data }
}

/** The window that one of a setting is for an item; none where its file proposes none. */
export const windowFor = (w: WindowName | 'file' | Window, item: Item): Window | undefined =>
  w === 'file' ? item.windows?.at(0) : typeof w === 'string' ? windowPresets[w] : w

/** A window in words: `lung (-600/1500)`. */
export const showWindow = (w: WindowName | 'file' | Window): string =>
  w === 'file'
    ? 'of each file'
    : typeof w === 'string'
      ? `${w} (${windowPresets[w].centre}/${windowPresets[w].width})`
      : `${w.centre}/${w.width}`

/** What turns an item's values into intensities. Left: what the item lacks. */
type ItemIntensity = (item: Item) => Either<string, ReadonlyArray<(x: number) => number>>

const windowed =
  (i: Intensity & { readonly kind: 'windows' }): ItemIntensity =>
  (item) => {
    const fs: Array<(x: number) => number> = []
    for (const w of i.windows) {
      if (typeof w === 'string' && w !== 'file' && item.units !== undefined && item.units !== 'HU')
        return E.left(`an image in ${item.units}, where the window ${w} is in HU`)
      const window = windowFor(w, item)
      if (window === undefined) return E.left('an image whose file proposes no window')
      fs.push(throughWindow(window, i.shape))
    }
    return E.right(fs)
  }

/** The ends of a range of which nothing is left are moved apart. */
const between = (low: number, high: number): ReadonlyArray<(x: number) => number> => [throughRange(low, high > low ? high : low + 1)]

const ofImage =
  (low: number, high: number): ItemIntensity =>
  (item) => {
    const sorted = measured(item).filter(isNumber).sort()
    return sorted.length === 0
      ? E.left('an image without a finite value')
      : E.right(between(percentile(sorted, low), percentile(sorted, high)))
  }

const origin = originOf<{ readonly of: Origin; readonly intensity: Intensity }>('intensity')

const applied = (d: Dataset, intensity: Intensity, channels: number, f: ItemIntensity): Dataset => ({
  ...d,
  ...viewOrigin(d, (of) => origin.of({ of, intensity })),
  channels: d.channels * channels,
  range: [0, 1],
  units: intensityUnits,
  item: (i) =>
    pipe(
      d.item(i),
      // what is no number is air where no setting says otherwise
      TE.chainEitherK(settledItem('air')),
      TE.chainEitherK((item): Either<Fault, Item> =>
        pipe(
          f(item),
          E.bimap(
            (found) =>
              fault('data', {
                place: `${d.name}: ${item.source}`,
                found,
                allowed: 'what the intensity needs',
                remedy: 'choose another intensity: a window with centre and width, a range, percentiles',
              }),
            (fs): Item => ({ ...item, inverted: false, windows: [], image: mapImage(item, fs) }),
          ),
        ),
      ),
    ),
})

/**
 * The dataset with its values as intensities in 0..1; several windows give as many channels. Percentiles of the dataset
 * are measured first, on a sample and with progress. Faults: an intensity that is none; windows for images with colours;
 * a dataset without bounds where its full range is asked for.
 */
export const withIntensity =
  (intensity: Intensity, measure: MeasureOptions = {}) =>
  (d: Dataset): TaskEither<Fault, Dataset> =>
    pipe(
      TE.fromEither(checkIntensity(intensity)),
      TE.chain((i): TaskEither<Fault, Dataset> => {
        switch (i.kind) {
          case 'windows':
            return d.channels === 1
              ? TE.right(applied(d, i, i.windows.length, windowed(i)))
              : TE.left(
                  wrong(
                    'windows',
                    `windows for images of ${d.channels} channels`,
                    'gray images',
                    'use a range, percentiles, or the full range for images with colours',
                  ),
                )
          case 'range':
            return TE.right(applied(d, i, 1, () => E.right(between(i.low, i.high))))
          case 'percentile':
            return i.of === 'image'
              ? TE.right(applied(d, i, 1, ofImage(i.low, i.high)))
              : pipe(
                  percentilesOf([i.low, i.high], measure)(d),
                  TE.map(([low, high]) =>
                    applied(d, { kind: 'range', low, high: high > low ? high : low + 1 }, 1, () => E.right(between(low, high))),
                  ),
                )
          case 'full':
            return d.range.every(Number.isFinite)
              ? TE.right(applied(d, i, 1, () => E.right(between(d.range[0], d.range[1]))))
              : TE.left(
                  wrong('full', 'a dataset of floats without bounds', 'a dataset with a finite range', 'give the range, or percentiles'),
                )
        }
      }),
    )

export const intensityView = reopener(origin, ({ of, intensity }, again) => pipe(again(of), TE.chain(withIntensity(intensity))))

/** The intensity with nothing left to measure: percentiles of a dataset become their values. So other data are seen alike. */
export const decidedIntensity =
  (i: Intensity, measure: MeasureOptions = {}) =>
  (d: Dataset): TaskEither<Fault, Intensity> =>
    i.kind === 'percentile' && i.of === 'dataset'
      ? pipe(
          percentilesOf([i.low, i.high], measure)(d),
          TE.map(([low, high]): Intensity => ({ kind: 'range', low, high: high > low ? high : low + 1 })),
        )
      : TE.right(i)

/**
 * What suits a dataset where no setting says: the full range of pictures and of 8-bit data; for CT in HU the mediastinal
 * window; for all other measurements the percentiles .5 and 99.5 of each image, since MR has no scale of its own.
 */
export const usualIntensity = (d: Dataset): Intensity => {
  const bounded = d.range.every(Number.isFinite)
  const shown = d.units === undefined || d.units === intensityUnits || (d.channels > 1 && d.range[1] - d.range[0] <= 255)
  if (bounded && shown) return { kind: 'full' }
  if (d.units === 'HU' && d.channels === 1) return { kind: 'windows', windows: ['mediastinum'] }
  return { kind: 'percentile', low: 0.5, high: 99.5, of: 'image' }
}

/** What was done, in words for a log: `windows lung (-600/1500), bone (400/1800)`. */
export const showIntensity = (i: Intensity): string => {
  switch (i.kind) {
    case 'windows':
      return `windows ${i.windows.map(showWindow).join(', ')}`
    case 'range':
      return `the range ${i.low} to ${i.high}`
    case 'percentile':
      return `the percentiles ${i.low} to ${i.high} of ${i.of === 'image' ? 'each image' : 'the dataset'}`
    case 'full':
      return 'the full range'
  }
}
