/**
 * Batches without end: each epoch visits the data set in an order drawn for it. What a step sees is a function of (seed,
 * step) alone, so that a run may resume, or be repeated, at any step, and with any number of worker threads.
 */
import { availableParallelism } from 'node:os'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { isDimension } from '../../core/type.ts'
import type { Subject } from '../augment/draws.ts'
import { inputsOf, tablesOf } from '../augment/draws.ts'
import type { Canvases, MultiCrop } from '../augment/multicrop.ts'
import type { Dataset } from '../readers/dataset.ts'
import { cacheOf } from './canvas-cache.ts'
import type { Cache } from './canvas-cache.ts'
import type { FillOptions, Filler, Job } from './fill.ts'
import { hereFiller } from './fill.ts'
import type { Order } from './order.ts'
import { epochOrder } from './order.ts'
import { poolFiller } from './pool.ts'
import type { Threads } from './threads.ts'
import type { Origin } from '../readers/origin.ts'
import type { OnError } from '../readers/result.ts'

export interface Batch extends Canvases {
  readonly step: number
  readonly epoch: number
  /** The items' numbers in the data set: fewer than rows where the batch is the last of a pass (`whole`). */
  readonly indices: Int32Array
  /** -1 where an item has none. */
  readonly labels: Int32Array
  /** What was done to images on their way here. */
  readonly notes: ReadonlyArray<string>
}

export interface Loader {
  /** Steps of one pass over the data set. */
  readonly stepsPerEpoch: number
  readonly channels: number
  readonly side: number
  /** Images in what `batch` gives. */
  readonly size: number
  /** Threads that read beside the calling one. */
  readonly workers: number
  readonly batch: (step: number) => TaskEither<Fault, Batch>
  /** The faults of items that could not be read so far, each once; others stood in their place. */
  readonly skipped: () => ReadonlyArray<Fault>
  /** Ends the threads. */
  readonly close: () => void
}

export interface LoaderOptions {
  readonly seed: number
  /** Images of one step, over all ranks. */
  readonly batch: number
  /** Side of the canvases, see `sideFor`. */
  readonly side: number
  /** The part of the step's images that this process loads: all of them by default. */
  readonly rows?: { readonly from: number; readonly to: number }
  /** Memory for canvases that are kept once decoded; 512 MiB by default. */
  readonly cacheBytes?: number
  /** Visit the data set in its own order. */
  readonly ordered?: boolean
  /** Items that do not fill a batch come in a last one, whose other rows stay empty; by default they are left out of a pass. */
  readonly whole?: boolean
  /**
   * Threads that read, lay and draw beside the calling one; 0 reads on the calling thread. 'auto' (the default): none for
   * images in memory and for data sets of a program's own functions, else one less than there are cores, at least 1 and at most 4.
   */
  readonly workers?: number | 'auto'
  /** Where these threads come from, and rest when the loader is closed; by default they start and end with it. */
  readonly threads?: Threads
  /** Draws the crops of each batch while it is loaded. */
  readonly crops?: MultiCrop
  /** What an item that cannot be read does: it stops the run (the default), or the next one stands in its place. */
  readonly onError?: OnError
  /** Images larger than their canvas are shrunk to it; by default, where it holds the crops, these are cut from all pixels of the image. */
  readonly shrink?: boolean
}

/** How a run loads its images, as its data say. */
export interface Loading extends Pick<LoaderOptions, 'workers' | 'threads' | 'cacheBytes' | 'onError' | 'shrink'> {
  /** Batches that are begun before they are asked for; 2 by default. */
  readonly prefetch?: number
}

const mostWorkers = 64

/** How many threads a data set is read with, and its origin where there are any. Fault: threads for what only this thread has. */
const workersFor = (d: Dataset, o: LoaderOptions): TaskEither<Fault, { readonly workers: number; readonly origin: Origin } | undefined> => {
  const { workers = 'auto' } = o
  if (workers === 0 || (workers === 'auto' && d.origin === undefined)) return TE.right(undefined)
  if (d.origin === undefined)
    return TE.left(
      fault('data', {
        place: `loader of ${d.name}`,
        found: `${workers} worker threads for a data set of a program's own functions`,
        allowed: 'threads for data sets of readers and arrays, and of functions that are threaded (dinograph/data)',
        remedy: 'set workers to 0, or open them by threaded(import.meta.url, …), so that threads can open them too',
      }),
    )
  return pipe(
    d.origin,
    TE.map((origin) => {
      const n = workers === 'auto' ? (origin.inMemory ? 0 : Math.max(1, Math.min(4, availableParallelism() - 1))) : workers
      return n === 0 ? undefined : { workers: n, origin }
    }),
  )
}

/** What is said of an item that could not be read, and in whose place another stands. */
export const skippedNote = (f: Fault): string => `skipped ${f.place}: ${f.found}`

/** The order of an epoch; the last one asked for is remembered. */
const orders = (d: Dataset, seed: number, ordered: boolean): ((epoch: number) => Order) => {
  let last: { readonly epoch: number; readonly order: Order } | undefined
  return (epoch) => {
    if (last === undefined || last.epoch !== epoch) last = { epoch, order: ordered ? (i) => i : epochOrder(d, seed, epoch) }
    return last.order
  }
}

const wrongOptions = (d: Dataset, o: LoaderOptions): Fault | undefined => {
  const bad = (found: string, allowed: string, remedy: string): Fault =>
    fault('data', { place: `loader of ${d.name}`, found, allowed, remedy })
  const { from, to } = o.rows ?? { from: 0, to: o.batch }
  const { workers = 'auto' } = o
  if (d.length === 0) return bad('an empty data set', 'at least one image', 'check the path and the kinds of files in it')
  if (!isDimension(o.batch)) return bad(`a batch of ${o.batch}`, 'a whole number of at least 1', 'correct the batch size')
  if (o.batch > d.length && o.whole !== true)
    return bad(
      `a batch of ${o.batch} from ${d.length} images`,
      `at most ${d.length}`,
      `set batch to ${d.length} or less (--set batch=${d.length}), or give more images`,
    )
  if (!isDimension(o.side)) return bad(`canvases of side ${o.side}`, 'a whole number of pixels', 'correct the side')
  if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= o.batch))
    return bad(`rows ${from} to ${to}`, `a part of the ${o.batch} rows of a batch`, 'correct the rows of this rank')
  if (workers !== 'auto' && !(Number.isInteger(workers) && workers >= 0 && workers <= mostWorkers))
    return bad(`${workers} worker threads`, `a whole number in [0, ${mostWorkers}], or auto`, 'correct the workers')
  if (
    o.crops !== undefined &&
    (o.crops.layout.batch !== to - from || o.crops.layout.side !== o.side || o.crops.layout.channels !== d.channels)
  )
    return bad(
      `crops of ${JSON.stringify(o.crops.layout)}`,
      JSON.stringify({ batch: to - from, channels: d.channels, side: o.side }),
      'make the crops for the batches of this loader',
    )
  return undefined
}

/** Of a row without an image. */
const nothing: Subject = { size: { height: 1, width: 1 }, regions: [] }

const shared = (count: number): SharedArrayBuffer => new SharedArrayBuffer(4 * count)

/** Batches by a filler. */
const batchesOf = (d: Dataset, o: LoaderOptions, cache: Cache, filler: Filler, workers: number): Loader => {
  const { from, to } = o.rows ?? { from: 0, to: o.batch }
  const stepsPerEpoch = o.whole === true ? Math.ceil(d.length / o.batch) : Math.floor(d.length / o.batch)
  const orderOf = orders(d, o.seed, o.ordered === true)
  const pixels = d.channels * o.side * o.side
  const skipped = new Map<string, Fault>()
  const { crops } = o
  const batch =
    (step: number): TaskEither<Fault, Batch> =>
    async () => {
      if (!(Number.isSafeInteger(step) && step >= 0))
        return E.left(
          fault('data', {
            place: `loader of ${d.name}`,
            found: `step ${step}`,
            allowed: 'whole numbers from 0',
            remedy: 'count steps from 0',
          }),
        )
      const epoch = Math.floor(step / stepsPerEpoch)
      const start = (step % stepsPerEpoch) * o.batch
      const order = orderOf(epoch)
      const first = start + from
      const wanted = Int32Array.from({ length: Math.max(0, Math.min(start + to, d.length) - first) }, (_, i) => order(first + i))
      const job: Job = {
        first: step * o.batch + from,
        rows: Array.from(wanted, (item, at) => cache.rowOf(at, item)),
        canvases: new Float32Array(shared((to - from) * pixels)),
        tables: crops === undefined ? [] : tablesOf(crops.plan, shared),
      }
      const filled = await filler.fill(job)()
      if (E.isLeft(filled)) {
        cache.forget(job.rows)
        return filled
      }
      const rows = [...filled.right].sort((a, b) => a.at - b.at)
      const notes: string[] = []
      for (const r of rows) {
        cache.keep(wanted[r.at], r)
        if (r.note !== undefined) notes.push(r.note)
        for (const f of r.skipped.filter((x) => !skipped.has(x.place))) {
          skipped.set(f.place, f)
          notes.push(skippedNote(f))
        }
      }
      const indices = Int32Array.from(rows, (r) => r.item)
      return E.right({
        step,
        epoch,
        indices,
        canvases: job.canvases,
        first: job.first,
        notes,
        // rows without an image have no pixels, and need a size
        subjects: Array.from({ length: to - from }, (_, i) => rows[i]?.subject ?? nothing),
        labels: indices.map((i) => O.getOrElse(() => -1)(d.label(i))),
        ...(crops === undefined
          ? {}
          : { drawn: { seed: o.seed, values: inputsOf(crops.plan, job.tables), guided: rows.reduce((sum, r) => sum + r.guided, 0) } }),
      })
    }
  return {
    stepsPerEpoch,
    channels: d.channels,
    side: o.side,
    size: to - from,
    workers,
    batch,
    skipped: () => [...skipped.values()],
    close: filler.close,
  }
}

interface Prepared {
  readonly cache: Cache
  readonly options: FillOptions
}

const prepare = (d: Dataset, o: LoaderOptions): Prepared => {
  const cache = cacheOf(d.length, d.channels * o.side * o.side, o.cacheBytes ?? 512 * 1024 * 1024)
  return {
    cache,
    options: {
      seed: o.seed,
      side: o.side,
      plan: o.crops?.plan,
      onError: o.onError ?? 'stop',
      shrink: o.shrink ?? false,
      cache: cache.memory,
    },
  }
}

/** Batches of a data set, read on the calling thread. Faults: an empty data set, a batch larger than it, rows outside of the batch. */
export const loader = (d: Dataset, o: Omit<LoaderOptions, 'workers'>): Either<Fault, Loader> => {
  const wrong = wrongOptions(d, o)
  if (wrong !== undefined) return E.left(wrong)
  const { cache, options } = prepare(d, o)
  return E.right(batchesOf(d, o, cache, hereFiller(d, options), 0))
}

/**
 * Batches of a data set, read by worker threads. Law: the same batches for any number of them. Faults: as `loader`;
 * threads for a data set that only this thread can read; for a batch, a thread that died.
 */
export const openLoader = (d: Dataset, o: LoaderOptions): TaskEither<Fault, Loader> => {
  const wrong = wrongOptions(d, o)
  return wrong !== undefined
    ? TE.left(wrong)
    : pipe(
        workersFor(d, o),
        TE.map((threads) => {
          const { cache, options } = prepare(d, o)
          return threads === undefined
            ? batchesOf(d, o, cache, hereFiller(d, options), 0)
            : batchesOf(
                d,
                o,
                cache,
                poolFiller(
                  { _tag: 'Start', origin: threads.origin, options },
                  { workers: threads.workers, ...(o.threads === undefined ? {} : { between: { threads: o.threads, data: d } }) },
                ),
                threads.workers,
              )
        }),
      )
}

/** The same loader, which begins to read the next `depth` batches as soon as one is asked for, of those before step `end`. */
export const ahead =
  (depth: number, end = Infinity) =>
  (l: Loader): Loader => {
    const begun = new Map<number, Promise<Either<Fault, Batch>>>()
    const begin = (step: number): Promise<Either<Fault, Batch>> => {
      const known = begun.get(step) ?? l.batch(step)()
      begun.set(step, known)
      return known
    }
    const batch =
      (step: number): TaskEither<Fault, Batch> =>
      () => {
        for (const old of begun.keys()) if (old < step || old > step + depth) begun.delete(old)
        const now = begin(step)
        for (let k = 1; k <= depth && step + k < end; k++) void begin(step + k)
        begun.delete(step)
        return now
      }
    return { ...l, batch }
  }
