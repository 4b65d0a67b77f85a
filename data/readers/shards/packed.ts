/** Pictures that lie in larger files, as they were encoded: members of archives, cells of tables. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Item, SplitName } from '../dataset.ts'
import { counted, note } from '../note.ts'
import type { Shared } from '../manifest/labels.ts'
import { decodingOf, stated } from '../pictures/decoding.ts'
import type { Decoding } from '../pictures/decoding.ts'
import { decodePicture, pictureFields } from '../pictures/file.ts'
import { peekPicture } from '../pictures/header.ts'
import type { Peeked } from '../pictures/header.ts'
import type { OpenOptions } from '../reader.ts'
import { splitOf } from '../split.ts'

/** What is known of them, as plain data. */
export interface PackedParts extends Shared, Decoding {
  readonly name: string
  readonly length: number
  /** The shard of each: what is read one after the other. */
  readonly shards: Int32Array
}

/** Where the bytes of a picture are. */
export interface Source {
  readonly sourceOf: (i: number) => string
  /** What faults name: the file, and the picture in it. */
  readonly placeOf: (i: number) => string
  readonly bytes: (i: number) => TaskEither<Fault, Uint8Array>
}

/** Packed pictures as a dataset. */
export const packed = (p: PackedParts, s: Source): Omit<Dataset, 'origin'> => {
  const label = (i: number): number | undefined => (p.labels[i] >= 0 ? p.labels[i] : undefined)
  return {
    name: p.name,
    length: p.length,
    ...stated(p),
    classes: p.classes,
    label: (i) => O.fromNullable(label(i)),
    sourceOf: s.sourceOf,
    shard: (i) => p.shards[i],
    item: (i) => {
      if (!(Number.isSafeInteger(i) && i >= 0 && i < p.length)) return TE.left(outside(p.name, i, p.length))
      const own = label(i)
      const n = p.classes.length
      const several = p.several?.given[i] === 1 ? Array.from(p.several.values.subarray(i * n, (i + 1) * n)) : undefined
      return pipe(
        s.bytes(i),
        TE.chain((bytes) => decodePicture(s.placeOf(i), p.options)(bytes)),
        TE.map((picture): Item => ({
          ...pictureFields(picture),
          source: s.sourceOf(i),
          ...(own === undefined ? {} : { label: own }),
          ...(several === undefined ? {} : { labels: several }),
        })),
      )
    },
  }
}

/** Pictures whose first bytes are looked at, spread over all. */
const looked = 64

/** What some of them are. */
export interface Look extends Decoding {
  readonly notes: ReadonlyArray<string>
}

/** Looks at some pictures, and says how all are decoded. */
export const look = async (length: number, bytes: Source['bytes'], o: OpenOptions): Promise<Look> => {
  const seen: Peeked[] = []
  const n = Math.min(looked, length)
  for (let k = 0; k < n; k++) {
    const b = await bytes(Math.floor((k * length) / n))()
    const p = E.isRight(b) ? await peekPicture(b.right, o) : undefined
    if (p !== undefined) seen.push(p)
  }
  const gray = seen.filter((p) => p.channels <= 2)
  const pages = seen.filter((p) => p.pages.length > 1)
  return {
    ...decodingOf(seen, o),
    notes: [
      ...(gray.length === 0 || gray.length === seen.length
        ? []
        : [
            note(
              `${gray.length} of ${counted(seen.length, 'picture')} looked at are gray, the others have colours`,
              [],
              'data.channels=1 turns all gray',
            ),
          ]),
      ...(pages.length === 0
        ? []
        : [`${pages.length} of ${counted(seen.length, 'picture')} looked at have several pages: the first is read`]),
    ],
  }
}

/** The split that a shard's name says: train-00000-of-00002.parquet, imagenet1k-validation-07.tar, train/0000.parquet. */
export const shardSplit = (path: string): SplitName => {
  const words = path
    .toLowerCase()
    .replace(/\.[^/]*$/, '')
    .split(/[/\\._-]/)
  return words.map(splitOf).findLast((s) => s !== undefined) ?? 'all'
}

/** How rows or members of files were parted: by their splits, what has none beside parts is left out. */
export const partsOf = (
  paths: ReadonlyArray<string>,
): { readonly splits: ReadonlyArray<SplitName>; readonly left: ReadonlyArray<string> } => {
  const splits = paths.map(shardSplit)
  // a single part that is not trained on is all that there is
  if (splits.every((s) => s === 'all') || new Set(splits).size === 1)
    return { splits: splits.map((s) => (s === 'train' ? 'train' : 'all')), left: [] }
  return splits.includes('train') ? { splits, left: paths.filter((_, i) => splits[i] === 'all') } : { splits, left: [] }
}
