/** What every reader gives, how it treats what it cannot read, and work on many files at once. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import type { Dataset, Image, Item } from './dataset.ts'

/** What a file that cannot be read does: it stops the work, or it is left out and counted. */
export type OnError = 'stop' | 'skip'

/** An opened dataset, the faults of what was left out, and what else a person should know. */
export interface Opened {
  readonly dataset: Dataset
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
}

/** Output how many of how many are done. */
export type Progress = (done: number, total: number) => void

/** Channels of the images that a reader gives: a number that all are turned into, or as each file has them. */
export type Channels = 1 | 2 | 3 | 4 | 'stored'

const atOnce = 8

/** Files that could be read, in order, and the faults of the others. */
export interface Sorted<A> {
  readonly read: ReadonlyArray<A>
  readonly skipped: ReadonlyArray<Fault>
}

/** Opens many files, a few at once. With 'stop' the first fault (in order) is the result. */
export const openAll =
  <A>(open: (path: string) => TaskEither<Fault, A>, onError: OnError, progress: Progress = () => undefined) =>
  (paths: ReadonlyArray<string>): TaskEither<Fault, Sorted<A>> =>
  async () => {
    const read: A[] = []
    const skipped: Fault[] = []
    for (let at = 0; at < paths.length; at += atOnce) {
      for (const result of await Promise.all(paths.slice(at, at + atOnce).map((p) => open(p)()))) {
        if (E.isRight(result)) read.push(result.right)
        else if (onError === 'stop') return result
        else skipped.push(result.left)
      }
      progress(Math.min(at + atOnce, paths.length), paths.length)
    }
    return E.right({ read, skipped })
  }

/**
 * The image with another number of channels: gray is repeated, colour becomes gray by .299 R + .587 G + .114 B (ITU-R
 * 601), a missing alpha channel is `opaque`, and one too many is dropped.
 */
export const toChannels =
  (channels: Channels, opaque: number) =>
  (image: Image): Image => {
    if (channels === 'stored' || channels === image.channels) return image
    const n = image.height * image.width
    const plane = (c: number): Float32Array => image.data.subarray(c * n, (c + 1) * n)
    const colour = image.channels >= 3
    const alpha = image.channels === 2 || image.channels === 4 ? plane(image.channels - 1) : new Float32Array(n).fill(opaque)
    const data = new Float32Array(channels * n)
    if (channels >= 3) for (let c = 0; c < 3; c++) data.set(plane(colour ? c : 0), c * n)
    else if (!colour) data.set(plane(0))
    else for (let i = 0; i < n; i++) data[i] = 0.299 * image.data[i] + 0.587 * image.data[n + i] + 0.114 * image.data[2 * n + i]
    if (channels === 2 || channels === 4) data.set(alpha, (channels - 1) * n)
    return { ...image, channels, data }
  }

/**
 * Reads every item once and keeps those that can be read; the others' faults come with them. A dataset that has been
 * checked so gives no fault as long as its files stay as they are.
 */
export const readable =
  (progress: Progress = () => undefined) =>
  (d: Dataset): TaskEither<Fault, Sorted<number>> =>
  async () => {
    const read: number[] = []
    const skipped: Fault[] = []
    for (let at = 0; at < d.length; at += atOnce) {
      const numbers = Array.from({ length: Math.min(atOnce, d.length - at) }, (_, k) => at + k)
      const items = await Promise.all(numbers.map((i) => d.item(i)()))
      items.forEach((item: Either<Fault, Item>, k) => {
        if (E.isRight(item)) read.push(at + k)
        else skipped.push(item.left)
      })
      progress(Math.min(at + atOnce, d.length), d.length)
    }
    return E.right({ read, skipped })
  }

/**
 * The same dataset, in which an item that cannot be read is replaced by the next one that can, so that batches keep
 * their size; `report` receives each fault. Fault: no item can be read.
 */
export const substituting =
  (report: (f: Fault) => void) =>
  (d: Dataset): Dataset => {
    const next = (i: number, left: number): TaskEither<Fault, Item> =>
      pipe(
        d.item(i),
        TE.orElse((f) => {
          if (f.kind !== 'data' && f.kind !== 'io') return TE.left(f)
          report(f)
          return left <= 1 ? TE.left(f) : next((i + 1) % d.length, left - 1)
        }),
      )
    const { name, length, channels, range, classes, label } = d
    // without an origin: reports are for this thread
    return { name, length, channels, range, classes, label, item: (i) => (i >= 0 && i < length ? next(i, length) : d.item(i)) }
  }
