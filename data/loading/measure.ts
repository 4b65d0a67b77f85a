/** What is measured on a dataset before training: percentiles, and the mean and deviation of each channel. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { Normalisation } from '../augment/augmentation.ts'
import { imagenet } from '../augment/presets.ts'
import type { Dataset, Item } from '../readers/dataset.ts'
import { isNumber, measured } from './missing.ts'

export interface MeasureOptions {
  /** Items looked at, evenly spread over the dataset; by default 256 for percentiles and all for means. */
  readonly items?: number
  /** Output how many of how many items are done. */
  readonly progress?: (done: number, total: number) => void
}

/** Values of one image that percentiles look at, evenly spread. */
const valuesPerImage = 16384

/** Numbers of `count` items, evenly spread over `length`. */
const spread = (length: number, count: number): ReadonlyArray<number> => {
  const n = Math.min(length, Math.max(1, count))
  return Array.from({ length: n }, (_, i) => Math.floor((i * length) / n))
}

const nothing = (d: Dataset): Fault =>
  fault('data', {
    place: d.name,
    found: d.length === 0 ? 'an empty dataset' : 'no finite value',
    allowed: 'images with finite values',
    remedy: 'check the path and the files',
  })

/** Reads items one after the other and folds them. Fault: the first item that cannot be read. */
const foldItems =
  (d: Dataset, numbers: ReadonlyArray<number>, progress: MeasureOptions['progress'], take: (item: Item) => void): TaskEither<Fault, void> =>
  async () => {
    for (const [k, i] of numbers.entries()) {
      const item = await d.item(i)()
      if (E.isLeft(item)) return item
      take(item.right)
      progress?.(k + 1, numbers.length)
    }
    return E.right(undefined)
  }

/** The percentile of sorted values, between neighbours by a straight line, as NumPy has it. */
export const percentile = (sorted: ArrayLike<number>, p: number): number => {
  const place = ((sorted.length - 1) * p) / 100
  const below = Math.floor(place)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below)
}

/** Percentiles (in [0, 100]) of a sample of all values; those that are not finite do not count. Faults: as `d.item`; no value. */
export const percentilesOf =
  (ps: ReadonlyArray<number>, o: MeasureOptions = {}) =>
  (d: Dataset): TaskEither<Fault, ReadonlyArray<number>> => {
    const numbers = d.length === 0 ? [] : spread(d.length, o.items ?? 256)
    const values: number[] = []
    return pipe(
      foldItems(d, numbers, o.progress, (item) => {
        const data = measured(item)
        const step = Math.max(1, data.length / valuesPerImage)
        for (let at = 0; at < data.length; at += step) {
          const v = data[Math.floor(at)]
          if (isNumber(v)) values.push(v)
        }
      }),
      TE.chainEitherK((): Either<Fault, ReadonlyArray<number>> => {
        const sorted = Float32Array.from(values).sort()
        return sorted.length === 0 ? E.left(nothing(d)) : E.right(ps.map((p) => percentile(sorted, p)))
      }),
    )
  }

/**
 * The mean and the (population) standard deviation of every channel, of values with the dataset's range laid to 0..1, as
 * crops are. Faults: as `d.item`; an image with another number of channels; a constant channel.
 */
export const moments =
  (o: MeasureOptions = {}) =>
  (d: Dataset): TaskEither<Fault, Normalisation> =>
  async () => {
    const [low, high] = d.range
    if (!Number.isFinite(high - low))
      return E.left(
        fault('data', { place: d.name, found: 'values without bounds', allowed: 'a finite range', remedy: 'choose an intensity first' }),
      )
    const sums = Array.from({ length: d.channels }, () => ({ n: 0, mean: 0, squares: 0 }))
    let other: number | undefined
    const numbers = d.length === 0 ? [] : spread(d.length, o.items ?? d.length)
    const done = await foldItems(d, numbers, o.progress, (item) => {
      const { image, padding } = item
      if (image.channels !== d.channels) {
        other = image.channels
        return
      }
      const plane = image.height * image.width
      const counts = (i: number): boolean => padding === undefined || padding[i % plane] === 0
      const n = padding === undefined ? plane : padding.reduce((k, p) => k + 1 - p, 0)
      if (n === 0) return
      sums.forEach((s, c) => {
        let mean = 0
        let squares = 0
        for (let i = c * plane; i < (c + 1) * plane; i++) if (counts(i)) mean += (image.data[i] - low) / (high - low)
        mean /= n
        for (let i = c * plane; i < (c + 1) * plane; i++) if (counts(i)) squares += ((image.data[i] - low) / (high - low) - mean) ** 2
        // joins the image's moments to those before it (Chan, Golub, LeVeque 1979)
        const delta = mean - s.mean
        const total = s.n + n
        s.squares += squares + (delta * delta * s.n * n) / total
        s.mean += (delta * n) / total
        s.n = total
      })
    })()
    if (E.isLeft(done)) return done
    if (other !== undefined)
      return E.left(
        fault('data', {
          place: d.name,
          found: `an image of ${other} channels`,
          allowed: `${d.channels} channels`,
          remedy: 'convert the images of a dataset to one number of channels',
        }),
      )
    const std = sums.map((s) => Math.sqrt(s.squares / s.n))
    return std.length > 0 && std.every((v) => v > 0 && Number.isFinite(v))
      ? E.right({ mean: sums.map((s) => s.mean), std })
      : E.left(nothing(d))
  }

/** How crops are normalised at the end: by ImageNet's statistics, by those of the data, or by given ones. */
export type NormalisationChoice = 'imagenet' | 'computed' | Normalisation

/** The statistics of a choice, for an augmentation's `normalisation`. Faults: as `moments`. */
export const normalisationFor =
  (choice: NormalisationChoice, o: MeasureOptions = {}) =>
  (d: Dataset): TaskEither<Fault, Normalisation> =>
    choice === 'imagenet' ? TE.right(imagenet) : choice === 'computed' ? moments(o)(d) : TE.right(choice)
