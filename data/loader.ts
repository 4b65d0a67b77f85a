/**
 * Batches without end: each epoch visits the data set in an order drawn for it. What a step sees is a function of (seed,
 * step) alone, so that a run may resume, or be repeated, at any step.
 *
 * Loading happens on the caller's thread; whatever loads elsewhere (worker threads, a server) stands behind `Loader`.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import { permutation, stream } from '../core/random.ts'
import { isDimension } from '../core/type.ts'
import type { Subject } from './augment/draws.ts'
import type { Canvases } from './augment/multicrop.ts'
import { lay } from './canvas.ts'
import type { Box, Dataset, Item } from './dataset.ts'

export interface Batch extends Canvases {
  readonly step: number
  readonly epoch: number
  /** The items' numbers in the data set. */
  readonly indices: Int32Array
  /** -1 where an item has none. */
  readonly labels: Int32Array
  /** What was done to images on their way here. */
  readonly notes: ReadonlyArray<string>
}

export interface Loader {
  /** Steps of one pass over the data set; items that do not fill a batch are left out of that pass. */
  readonly stepsPerEpoch: number
  readonly channels: number
  readonly side: number
  /** Images in what `batch` gives. */
  readonly size: number
  readonly batch: (step: number) => TaskEither<Fault, Batch>
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
}

/** One image, ready to be copied into a batch. */
interface Ready {
  readonly canvas: Float32Array
  readonly subject: Subject
  readonly note: string | undefined
}

/** The rectangle around a mask's pixels. */
const boxOfMask = (mask: Uint8Array, width: number): ReadonlyArray<Box> => {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1]
  mask.forEach((m, i) => {
    if (m === 0) return
    const [x, y] = [i % width, Math.floor(i / width)]
    left = Math.min(left, x)
    right = Math.max(right, x)
    top = Math.min(top, y)
    bottom = Math.max(bottom, y)
  })
  return right < 0 ? [] : [{ x: left, y: top, width: right - left + 1, height: bottom - top + 1 }]
}

/** Regions of interest in image pixels: the item's boxes, else the rectangle around its mask. */
const regionsOf = (item: Item): ReadonlyArray<Box> =>
  item.boxes !== undefined ? item.boxes : item.box !== undefined ? [item.box] : item.mask !== undefined ? boxOfMask(item.mask, item.image.width) : []

const scaled = (scale: number) => (b: Box): Box => ({ x: b.x * scale, y: b.y * scale, width: b.width * scale, height: b.height * scale })

const ready = (d: Dataset, side: number, item: Item): Either<Fault, Ready> => {
  const { image, source } = item
  const expected = image.channels * image.height * image.width
  if (image.channels !== d.channels || image.data.length !== expected || expected === 0)
    return E.left(fault('data', {
      place: `${d.name}: ${source}`,
      found: `${image.data.length} values for [${image.channels}, ${image.height}, ${image.width}]`,
      allowed: `an image of ${d.channels} channels with all of its values`,
      remedy: 'convert the images of a data set to one number of channels',
    }))
  const { canvas, size, scale } = lay(image, d.range, side)
  return E.right({
    canvas,
    subject: { size, regions: regionsOf(item).map(scaled(scale)) },
    note: scale < 1 ? `${source}: ${image.height} x ${image.width} shrunk to ${size.height} x ${size.width}` : undefined,
  })
}

/** Reads items through a cache that keeps the first that fit: with random orders no other choice would hit more often. */
const cachedItems = (d: Dataset, side: number, bytes: number): ((i: number) => Promise<Either<Fault, Ready>>) => {
  const kept = new Map<number, Ready>()
  const room = Math.floor(bytes / (d.channels * side * side * 4))
  return async (i) => {
    const known = kept.get(i)
    if (known !== undefined) return E.right({ ...known, note: undefined })
    const read = E.chain((item: Item) => ready(d, side, item))(await d.item(i)())
    if (E.isRight(read) && kept.size < room) kept.set(i, read.right)
    return read
  }
}

/** The order of an epoch; the last one asked for is remembered. */
const epochOrder = (seed: number, n: number, ordered: boolean): ((epoch: number) => Int32Array) => {
  let last: { readonly epoch: number; readonly order: Int32Array } | undefined
  return (epoch) => {
    if (last === undefined || last.epoch !== epoch)
      last = { epoch, order: ordered ? Int32Array.from({ length: n }, (_, i) => i) : permutation(stream(seed, 'loader.order', epoch), n) }
    return last.order
  }
}

const wrongOptions = (d: Dataset, o: LoaderOptions): Fault | undefined => {
  const bad = (found: string, allowed: string, remedy: string): Fault => fault('data', { place: `loader of ${d.name}`, found, allowed, remedy })
  const { from, to } = o.rows ?? { from: 0, to: o.batch }
  if (d.length === 0) return bad('an empty data set', 'at least one image', 'check the path and the kinds of files in it')
  if (!isDimension(o.batch)) return bad(`a batch of ${o.batch}`, 'a whole number of at least 1', 'correct the batch size')
  if (o.batch > d.length) return bad(`a batch of ${o.batch} from ${d.length} images`, `at most ${d.length}`, 'make the batch smaller, or give more images')
  if (!isDimension(o.side)) return bad(`canvases of side ${o.side}`, 'a whole number of pixels', 'correct the side')
  if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= o.batch)) return bad(`rows ${from} to ${to}`, `a part of the ${o.batch} rows of a batch`, 'correct the rows of this rank')
  return undefined
}

/** Batches of a data set. Faults: an empty data set, a batch larger than it, rows outside of the batch. */
export const loader = (d: Dataset, o: LoaderOptions): Either<Fault, Loader> => {
  const wrong = wrongOptions(d, o)
  if (wrong !== undefined) return E.left(wrong)
  const { from, to } = o.rows ?? { from: 0, to: o.batch }
  const stepsPerEpoch = Math.floor(d.length / o.batch)
  const orderOf = epochOrder(o.seed, d.length, o.ordered === true)
  const read = cachedItems(d, o.side, o.cacheBytes ?? 512 * 1024 * 1024)
  const pixels = d.channels * o.side * o.side
  const batch = (step: number): TaskEither<Fault, Batch> => async () => {
    if (!(Number.isSafeInteger(step) && step >= 0))
      return E.left(fault('data', { place: `loader of ${d.name}`, found: `step ${step}`, allowed: 'whole numbers from 0', remedy: 'count steps from 0' }))
    const epoch = Math.floor(step / stepsPerEpoch)
    const start = (step % stepsPerEpoch) * o.batch
    const indices = orderOf(epoch).slice(start + from, start + to)
    const items = E.sequenceArray(await Promise.all(Array.from(indices, read)))
    if (E.isLeft(items)) return items
    const canvases = new Float32Array(indices.length * pixels)
    items.right.forEach((r, b) => { canvases.set(r.canvas, b * pixels) })
    return E.right({
      step, epoch, indices, canvases,
      first: step * o.batch + from,
      subjects: items.right.map((r) => r.subject),
      labels: indices.map((i) => O.getOrElse(() => -1)(d.label(i))),
      notes: items.right.flatMap((r) => (r.note === undefined ? [] : [r.note])),
    })
  }
  return E.right({ stepsPerEpoch, channels: d.channels, side: o.side, size: to - from, batch })
}

/** The same loader, which begins to read the next `depth` batches as soon as one is asked for. */
export const ahead = (depth: number) => (l: Loader): Loader => {
  const begun = new Map<number, Promise<Either<Fault, Batch>>>()
  const begin = (step: number): Promise<Either<Fault, Batch>> => {
    const known = begun.get(step) ?? l.batch(step)()
    begun.set(step, known)
    return known
  }
  const batch = (step: number): TaskEither<Fault, Batch> => () => {
    for (const old of begun.keys()) if (old < step || old > step + depth) begun.delete(old)
    const now = begin(step)
    for (let k = 1; k <= depth; k++) void begin(step + k)
    begun.delete(step)
    return now
  }
  return { ...l, batch }
}
