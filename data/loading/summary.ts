/** What a dataset holds, found by reading its items once: for `npm run data -- inspect`. */

import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Fault } from '../../core/fault.ts'
import type { Dataset, Item } from '../readers/dataset.ts'
import { showCount } from '../readers/folder.ts'
import type { OpenedData } from '../readers/folder.ts'
import type { Progress } from '../readers/result.ts'
import { bulkOf } from './bulk.ts'
import { isNumber, measured } from './missing.ts'

/** How often a shape, a spacing or a label occurs. */
export interface Count<A> {
  readonly value: A
  readonly count: number
}

/** What was found in one split. */
export interface Summary {
  readonly count: number
  /** Items that were read for this summary. */
  readonly read: number
  readonly channels: ReadonlyArray<number>
  /** [C, H, W], the most frequent first. */
  readonly shapes: ReadonlyArray<Count<ReadonlyArray<number>>>
  /** The least and the largest value found; none where nothing could be read. */
  readonly values: readonly [number, number] | undefined
  /** The ends between which most values lie, of pictures. */
  readonly bulk: readonly [number, number] | undefined
  /** The least and the largest value that there can be; null where there is no bound. */
  readonly range: readonly [number | null, number | null]
  readonly units: string | undefined
  readonly modality: string | undefined
  readonly spacing: ReadonlyArray<Count<ReadonlyArray<number>>>
  /** How often each class occurs, by its name. */
  readonly labels: Readonly<Record<string, number>>
  readonly boxes: number
  /** Different series among those that were read. */
  readonly series: number
  readonly inverted: number
  /** Values that were looked at; those that are padding, and those that are no numbers. */
  readonly pixels: number
  readonly padding: number
  readonly missing: number
  /** Images of one value alone. */
  readonly constant: number
  /** Files that call numbers unsigned of which some look as if they had been below 0. */
  readonly wrapped: ReadonlyArray<string>
  readonly unreadable: ReadonlyArray<Fault>
  /** Files of which no image could be read; 0 where images lie in shards. */
  readonly unreadFiles: number
}

/**
 * What is reported of data that were opened: how many files were read, and what was left out or guessed. `inspect` and a run say the
 * same.
 */
export const showOpened = ({ files, notes }: OpenedData): ReadonlyArray<string> => [
  ...(files === undefined ? [] : [showCount(files)]),
  ...notes.map((n) => `note: ${n}`),
]

/** Data of which some files turned out not to be readable: they count as faults. */
export const recounted = (o: OpenedData, unread: number): OpenedData =>
  o.files === undefined || unread === 0 ? o : { ...o, files: { ...o.files, read: o.files.read - unread, faults: o.files.faults + unread } }

/** Counts of values that are distinguished by their text, the most frequent first. */
const tally = <A>(): { readonly add: (value: A) => void; readonly counts: () => ReadonlyArray<Count<A>> } => {
  const seen = new Map<string, { value: A; count: number }>()
  return {
    add: (value) => {
      const key = JSON.stringify(value)
      const known = seen.get(key)
      if (known === undefined) seen.set(key, { value, count: 1 })
      else known.count++
    },
    counts: () => [...seen.values()].sort((a, b) => b.count - a.count),
  }
}

const bound = (x: number): number | null => (Number.isFinite(x) ? x : null)

/** Which items of a dataset are looked at, of at most so many: the first, or such as lie evenly over all. */
export type Sample = 'first' | 'spread'

/** Reads `limit` items of a dataset, a few at once, and hands over what came, in order. */
export const eachItem = async (
  d: Dataset,
  limit: number,
  progress: Progress,
  take: (i: number, item: E.Either<Fault, Item>) => void,
  sample: Sample = 'first',
): Promise<void> => {
  const n = Math.min(limit, d.length)
  const place = (k: number): number => (sample === 'first' ? k : Math.floor((k * d.length) / n))
  const atOnce = 4
  for (let at = 0; at < n; at += atOnce) {
    const items = await Promise.all(Array.from({ length: Math.min(atOnce, n - at) }, (_, k) => d.item(place(at + k))()))
    items.forEach((item, k) => {
      take(place(at + k), item)
    })
    progress(Math.min(at + atOnce, n), n)
  }
}

/** Reads a dataset's items and says what they are; what cannot be read is listed. */
export const summarize = async (d: Dataset, limit: number, progress: Progress, sample: Sample = 'first'): Promise<Summary> => {
  const [shapes, spacing, channels] = [tally<ReadonlyArray<number>>(), tally<ReadonlyArray<number>>(), tally<number>()]
  const labels: Record<string, number> = {}
  const series = new Set<string>()
  const unreadable: Fault[] = []
  const [sound, broken, wrapped] = [new Set<string>(), new Set<string>(), new Set<string>()]
  let [low, high, boxes, inverted, read, pixels, padding, missing, constant] = [Infinity, -Infinity, 0, 0, 0, 0, 0, 0, 0]
  const bulk = d.units === undefined && Number.isFinite(d.range[0]) && Number.isFinite(d.range[1]) ? bulkOf(d.range) : undefined
  const countLabel = (name: string): void => {
    labels[name] = (labels[name] ?? 0) + 1
  }
  const countOf = (label: number): void => {
    countLabel(d.classes[label] ?? String(label))
  }
  // labels that are listed cost nothing: they are those of all images, also where some are looked at
  if (sample === 'spread')
    for (let i = 0; i < d.length; i++) {
      const listed = O.toUndefined(d.label(i))
      if (listed !== undefined) countOf(listed)
    }
  const take = (i: number, e: E.Either<Fault, Item>): void => {
    const source = d.shard === undefined ? d.sourceOf?.(i) : undefined
    if (source !== undefined) (E.isLeft(e) ? broken : sound).add(source)
    if (E.isLeft(e)) {
      unreadable.push(e.left)
      return
    }
    const { image, labels: several } = e.right
    read++
    shapes.add([image.channels, image.height, image.width])
    channels.add(image.channels)
    if (e.right.spacing !== undefined) spacing.add(e.right.spacing)
    const own = measured(e.right)
    pixels += image.data.length
    padding += image.data.length - own.length
    let [least, most] = [Infinity, -Infinity]
    for (const v of own) {
      if (!isNumber(v)) {
        missing++
        continue
      }
      if (v < least) least = v
      if (v > most) most = v
      bulk?.add(v)
    }
    if (least >= most) constant++
    low = Math.min(low, least)
    high = Math.max(high, most)
    const listed = O.toUndefined(d.label(i))
    const label = sample === 'spread' && listed !== undefined ? undefined : (e.right.label ?? listed)
    if (label !== undefined) countOf(label)
    several?.forEach((v, c) => {
      if (v > 0) countLabel(d.classes[c] ?? String(c))
    })
    boxes += e.right.boxes?.length ?? (e.right.box === undefined ? 0 : 1)
    if (e.right.inverted === true) inverted++
    if (e.right.wrapped === true) wrapped.add(e.right.source)
    if (e.right.series !== undefined) series.add(e.right.series)
  }
  await eachItem(d, limit, progress, take, sample)
  return {
    count: d.length,
    read,
    shapes: shapes.counts(),
    spacing: spacing.counts(),
    labels,
    boxes,
    series: series.size,
    inverted,
    unreadable,
    unreadFiles: [...broken].filter((f) => !sound.has(f)).length,
    pixels,
    padding,
    missing,
    constant,
    wrapped: [...wrapped],
    channels: channels.counts().map((c) => c.value),
    values: low <= high ? [low, high] : undefined,
    bulk: bulk?.ends(),
    range: [bound(d.range[0]), bound(d.range[1])],
    units: d.units,
    modality: d.modality,
  }
}

const shownCounts = (xs: ReadonlyArray<Count<ReadonlyArray<number>>>): string => {
  const shown = xs
    .slice(0, 6)
    .map((x) => `[${x.value.join(', ')}]${xs.length > 1 ? ` x ${x.count}` : ''}`)
    .join('  ')
  return xs.length > 6 ? `${shown}  and ${xs.length - 6} more` : shown
}

/** A summary as lines of text. */
export const showSummary = (name: string, s: Summary): string => {
  const labels = Object.entries(s.labels)
  const line = (key: string, text: string): ReadonlyArray<string> => (text === '' ? [] : [`  ${key.padEnd(12)}${text}`])
  return [
    `${name}: ${s.count} images${s.read + s.unreadable.length < s.count ? `, ${s.read + s.unreadable.length} of them looked at` : ''}`,
    ...line('shapes', shownCounts(s.shapes)),
    ...line('channels', s.channels.join(', ')),
    ...line(
      'values',
      s.values === undefined
        ? ''
        : `${s.values[0]} to ${s.values[1]}${s.units === undefined ? '' : ` ${s.units}`} (possible: ${s.range[0] ?? 'unbounded'} to ${s.range[1] ?? 'unbounded'})`,
    ),
    ...line('modality', s.modality ?? ''),
    ...line('series', s.series === 0 ? '' : String(s.series)),
    ...line('spacing', s.spacing.length === 0 ? '' : `${shownCounts(s.spacing)} mm`),
    ...line(
      'labels',
      labels.length === 0
        ? 'none'
        : `${labels
            .slice(0, 20)
            .map(([k, n]) => `${k}: ${n}`)
            .join('  ')}${labels.length > 20 ? `  and ${labels.length - 20} more` : ''}`,
    ),
    ...line('boxes', s.boxes === 0 ? '' : String(s.boxes)),
    ...line('inverted', s.inverted === 0 ? '' : `${s.inverted} (small values are to be shown bright)`),
    ...line('unreadable', s.unreadable.length === 0 ? '' : String(s.unreadable.length)),
  ].join('\n')
}
