/**
 * Filling rows of a batch: the one work that the calling thread and worker threads share, so that a batch does not depend
 * on who made it. Jobs and what comes of them are plain data over shared memory.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../core/command.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import { atlasOf } from '../augment/atlas.ts'
import type { Subject, Tables, Whole } from '../augment/draws.ts'
import { drawImage } from '../augment/draws.ts'
import type { Plan } from '../augment/plan.ts'
import type { Dataset, Item } from '../readers/dataset.ts'
import type { OnError } from '../readers/result.ts'
import { laid, largeImage, soundImage } from './image.ts'
import { together } from './together.ts'

/** An image that has been laid onto its canvas: which item it really is, and what is known of it. */
export interface Laid {
  readonly item: number
  readonly subject: Subject
}

/** A row of a batch to be filled. */
export interface Row {
  /** Its place in the batch. */
  readonly at: number
  readonly item: number
  /** Its place in the cache, -1 for none; `known` where its canvas lies there already. */
  readonly slot: number
  readonly known: Laid | undefined
}

/** Rows to be filled in. */
export interface Job {
  /** The number of the batch's first row among all samples of the run. */
  readonly first: number
  readonly rows: ReadonlyArray<Row>
  /** `[B, C, S, S]` of the whole batch. */
  readonly canvases: Float32Array
  readonly tables: Tables
}

/** What became of a row. */
export interface Filled extends Laid {
  readonly at: number
  readonly slot: number
  /** Whether its canvas lies in the cache now. */
  readonly kept: boolean
  readonly note: string | undefined
  /** Faults of items in whose place the next one stands. */
  readonly skipped: ReadonlyArray<Fault>
  /** Crops that a region of interest has guided. */
  readonly guided: number
}

/** How rows are filled, as plain data. */
export interface FillOptions {
  readonly seed: number
  readonly side: number
  /** Crops to draw; without them none are. */
  readonly plan: Plan | undefined
  readonly onError: OnError
  /** Images larger than their canvas are shrunk to it, in place of being cropped from all of their pixels. */
  readonly shrink?: boolean
  /** `[slots, C, S, S]`: canvases that are kept. */
  readonly cache: Float32Array
}

/** Fills jobs until it is closed. */
export interface Filler {
  readonly fill: (job: Job) => TaskEither<Fault, ReadonlyArray<Filled>>
  readonly close: () => void
}

/** This many items in a row that cannot be read are no accident. */
const mostSkipped = 1000

/** A sound item. What a decoder throws, such as of an image that is too large for memory, is a fault of the item. */
const soundItem = async (d: Dataset, item: number): Promise<Either<Fault, Item>> => {
  try {
    return E.chain((x: Item) => soundImage(d, x))(await d.item(item)())
  } catch (e) {
    return E.left(
      fault('data', {
        place: d.sourceOf?.(item) ?? `${d.name}: item ${item}`,
        found: messageOf(e),
        allowed: 'an image that can be decoded',
        remedy: 'replace or remove it, or skip what cannot be read (--set data.onError=skip)',
      }),
    )
  }
}

/** Reads an item; where it is to be skipped, the next one that can be read in its place. */
const readItem = async (d: Dataset, o: FillOptions, wanted: number) => {
  const skipped: Fault[] = []
  for (let item = wanted; ; item = (item + 1) % d.length) {
    const read = await soundItem(d, item)
    if (E.isRight(read)) return E.right({ item, found: read.right, skipped })
    if (o.onError === 'stop') return read
    skipped.push(read.left)
    if (skipped.length >= Math.min(d.length, mostSkipped))
      return E.left<Fault>({
        ...read.left,
        found: `${read.left.found}; ${skipped.length} images in a row cannot be read`,
        remedy: `check the data with: ${commandLine('data')} inspect --data PATH`,
      })
  }
}

const fillRow = async (d: Dataset, o: FillOptions, job: Job, row: Row, took: (numbers: number) => void): Promise<Either<Fault, Filled>> => {
  const pixels = d.channels * o.side * o.side
  const place = row.at * pixels
  const drawn = ({ subject }: Laid): number =>
    o.plan === undefined ? 0 : drawImage(o.plan, job.tables, o.seed, row.at, job.first + row.at, subject)
  if (row.known !== undefined) {
    job.canvases.set(o.cache.subarray(row.slot * pixels, (row.slot + 1) * pixels), place)
    return E.right({ ...row.known, at: row.at, slot: row.slot, kept: true, note: undefined, skipped: [], guided: drawn(row.known) })
  }
  const read = await readItem(d, o, row.item)
  if (E.isLeft(read)) return read
  const { item, found, skipped } = read.right
  took(found.image.data.length)
  const atlas = o.plan === undefined || o.shrink === true ? undefined : atlasOf(o.plan)
  const large = atlas === undefined ? undefined : largeImage(found, o.side)
  if (o.plan !== undefined && atlas !== undefined && large !== undefined) {
    const canvas = job.canvases.subarray(place, place + pixels)
    const whole: Whole = { image: large.image, range: d.range, canvas, atlas }
    const guided = drawImage(o.plan, job.tables, o.seed, row.at, job.first + row.at, large.subject, whole)
    // its crops are others each time: nothing of them is kept
    return E.right({ item, subject: large.subject, at: row.at, slot: row.slot, kept: false, note: undefined, skipped, guided })
  }
  const ready = laid(d, o.side)(found)
  job.canvases.set(ready.canvas, place)
  if (row.slot >= 0) o.cache.set(ready.canvas, row.slot * pixels)
  const known: Laid = { item, subject: ready.subject }
  return E.right({ ...known, at: row.at, slot: row.slot, kept: row.slot >= 0, note: ready.note, skipped, guided: drawn(known) })
}

/** Fills the rows of a job with a dataset's items. Fault: the first item (in the order of rows) that cannot be read. */
export const fillRows =
  (d: Dataset, o: FillOptions) =>
  (job: Job): TaskEither<Fault, ReadonlyArray<Filled>> =>
  async () =>
    E.sequenceArray(await together(job.rows, (row, took) => fillRow(d, o, job, row, took)))

/** Fills on the calling thread. */
export const hereFiller = (d: Dataset, o: FillOptions): Filler => ({ fill: fillRows(d, o), close: () => undefined })
