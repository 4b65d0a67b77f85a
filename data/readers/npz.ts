/**
 * Arrays of images in .npz archives and .npy files: MedMNIST (Yang et al. 2023; train_images, train_labels, val_*, test_*),
 * Keras' x_train and y_train, or a single array. Images are [n, H, W], [n, H, W, C], or volumes [n, D, H, W] and
 * [n, D, H, W, C], of which every slice is an item. Values are as stored.
 */

import { tmpdir, userInfo } from 'node:os'
import { basename, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { outside } from './dataset.ts'
import type { Dataset, Image, Item, SplitName, Splits } from './dataset.ts'
import { readAt, withFile } from '../formats/file.ts'
import { sharedBytes } from '../formats/memory.ts'
import { originOf } from './origin.ts'
import { reopener } from './reader.ts'
import type { Reader } from './reader.ts'
import { countOf } from '../formats/tensor.ts'
import { npyHeader, npyHeaderBytes, npyNumbers, npyRange, rowMajor } from '../formats/npy.ts'
import type { NpyHeader } from '../formats/npy.ts'
import { contentBytes, wrongArchive, zipMembers } from '../formats/zip.ts'
import type { Content, Member } from '../formats/zip.ts'

export interface NpzOptions {
  /** The axis of volumes [D, H, W] along which slices are taken: 0 by default. */
  readonly axis?: 0 | 1 | 2
  /** Arrays up to so many bytes are kept in memory, as they are stored; 512 MiB by default. */
  readonly memoryBytes?: number
  /** Where large packed arrays are unpacked; a folder of the user's below the system's temporary one by default. */
  readonly folder?: string
}

/** An array whose header has been read. */
interface NpyArray {
  readonly place: string
  readonly header: NpyHeader
  /** Its numbers, row-major. */
  readonly content: TaskEither<Fault, Content>
}

/** What comes after the first `n` bytes. */
const after = (n: number) => (c: Content): Content => (c._tag === 'File' ? { ...c, base: c.base + n } : { ...c, bytes: c.bytes.subarray(n) })

/** Reads a member's header and checks that its bytes are as many as its shape says. */
const arrayOf = (path: string, m: Member, memoryBytes: number): TaskEither<Fault, NpyArray> => {
  const place = `${path}: ${m.name}`
  return pipe(
    m.head(npyHeaderBytes),
    TE.chainEitherK((head) => E.mapLeft((found: string) => wrongArchive(place, found))(npyHeader(head))),
    TE.chainEitherK((header): Either<Fault, NpyArray> => {
      const bytes = countOf(header.shape) * header.bytes
      if (m.length !== header.offset + bytes) return E.left(wrongArchive(place, `${m.length - header.offset} bytes for ${header.type}[${header.shape.join(', ')}]`))
      if (!header.fortran) return E.right({ place, header, content: pipe(m.content, TE.map(after(header.offset))) })
      if (bytes > memoryBytes) return E.left(wrongArchive(place, `a column-major array of ${bytes} bytes, too large to be turned in memory`))
      let turned: Promise<Either<Fault, Content>> | undefined
      const turn = pipe(
        m.content,
        TE.chain((c) => contentBytes(c)(header.offset, bytes)),
        TE.map((all): Content => ({ _tag: 'Memory', place, bytes: sharedBytes(rowMajor(header, all)) })),
      )
      return E.right({ place, header, content: () => (turned ??= turn()) })
    }),
  )
}

/** How the images of an array lie: `depth` slices per entry, 1 for pictures. */
interface Layout {
  readonly count: number
  readonly sides: readonly [number, number, number]
  readonly channels: number
  readonly volume: boolean
}

/** Left: an array that holds no images. A last axis of 1, 3 or 4 is channels, any other one a side of volumes. */
const layoutOf = (shape: ReadonlyArray<number>): Either<string, Layout> => {
  const last = shape[shape.length - 1]
  const coloured = shape.length === 5 || (shape.length === 4 && (last === 1 || last === 3 || last === 4))
  const sides = shape.slice(1, coloured ? -1 : undefined)
  const channels = coloured ? last : 1
  if (shape.length < 3 || shape.length > 5 || shape.some((s) => s < 1) || channels > 4) return E.left(`an array of shape [${shape.join(', ')}], which holds no images`)
  return E.right(sides.length === 3
    ? { count: shape[0], sides: [sides[0], sides[1], sides[2]], channels, volume: true }
    : { count: shape[0], sides: [1, sides[0], sides[1]], channels, volume: false })
}

/** Labels of all entries: one number each, or a vector of several classes. */
interface Labels {
  readonly perEntry: number
  readonly values: Float64Array
}

const readLabels = (a: NpyArray, count: number): TaskEither<Fault, Labels> => {
  const { shape } = a.header
  const perEntry = countOf(shape.slice(1))
  if (shape.length < 1 || shape.length > 2 || shape[0] !== count || perEntry < 1) {
    return TE.left(wrongArchive(a.place, `labels of shape [${shape.join(', ')}] for ${count} images`))
  }
  return pipe(
    a.content,
    TE.chain((c) => contentBytes(c)(0, countOf(shape) * a.header.bytes)),
    TE.chainEitherK((bytes) => {
      const values = npyNumbers(a.header, bytes)
      const bad = values.findIndex((v) => !Number.isSafeInteger(v) || v < 0)
      return bad < 0 ? E.right({ perEntry, values }) : E.left(wrongArchive(a.place, `the label ${values[bad]} of image ${Math.floor(bad / perEntry)}`))
    }),
  )
}

/** One slice of an entry, [C, H, W], from the entry's numbers [D, H, W, C]. */
const sliceOf = (l: Layout, axis: number, k: number, numbers: Float64Array): Image => {
  const { sides, channels } = l
  const strides = [sides[1] * sides[2] * channels, sides[2] * channels, channels]
  const [q, p] = [0, 1, 2].filter((a) => a !== axis)
  const [height, width] = [sides[q], sides[p]]
  const data = new Float32Array(channels * height * width)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) data[(c * height + y) * width + x] = numbers[k * strides[axis] + y * strides[q] + x * strides[p] + c]
    }
  }
  return { channels, height, width, data }
}

/** What a split is made of, beside its images' bytes. */
interface NpzFrame {
  readonly name: string
  readonly header: NpyHeader
  readonly layout: Layout
  readonly labels: Labels | undefined
  readonly classes: number
  readonly axis: number
}

/** What a split is made of. */
export interface NpzParts extends NpzFrame {
  readonly content: Content
}

const framed = ({ name, header, layout, labels, classes, axis }: NpzFrame, content: TaskEither<Fault, Content>): Dataset => {
  const depth = layout.sides[layout.volume ? axis : 0]
  const length = layout.count * depth
  const entryBytes = countOf(layout.sides) * layout.channels * header.bytes
  const single = labels?.perEntry === 1 ? labels : undefined
  const inRange = (i: number): boolean => Number.isSafeInteger(i) && i >= 0 && i < length
  return {
    name, length, channels: layout.channels, range: npyRange(header.type),
    classes: Array.from({ length: classes }, (_, c) => String(c)),
    label: (i) => (single !== undefined && inRange(i) ? O.some(single.values[Math.floor(i / depth)]) : O.none),
    item: (i) => {
      if (!inRange(i)) return TE.left(outside(name, i, length))
      const [entry, k] = [Math.floor(i / depth), i % depth]
      return pipe(
        content,
        TE.chain((c) => contentBytes(c)(entry * entryBytes, entryBytes)),
        TE.map((bytes): Item => ({
          image: sliceOf(layout, layout.volume ? axis : 0, k, npyNumbers(header, bytes)),
          source: `${name}/${entry}`,
          frame: k,
          ...(labels === undefined ? {} : labels.perEntry === 1
            ? { label: labels.values[entry] }
            : { labels: Array.from(labels.values.subarray(entry * labels.perEntry, (entry + 1) * labels.perEntry)) }),
        })),
      )
    },
  }
}

const origin = originOf<NpzParts>('npz')

/** A split as a dataset. */
const npzDataset = (parts: NpzParts): Dataset => ({ ...framed(parts, TE.right(parts.content)), origin: TE.right(origin.of(parts)) })

/** The same, its bytes not looked for before they are needed. */
const lazily = (frame: NpzFrame, content: TaskEither<Fault, Content>): Dataset => ({
  ...framed(frame, content),
  origin: pipe(content, TE.map((c) => origin.of({ ...frame, content: c }))),
})

/** Names of the arrays of images and of labels in a split, as different makers call them. */
const namesOf = (split: SplitName): ReadonlyArray<readonly [images: string, labels: string]> =>
  split === 'all'
    ? [['images', 'labels'], ['x', 'y'], ['data', 'targets'], ['arr_0', 'arr_1']]
    : [[`${split}_images`, `${split}_labels`], [`x_${split}`, `y_${split}`], [`${split}_x`, `${split}_y`], [`X_${split}`, `y_${split}`]]

interface Pair {
  readonly split: SplitName
  readonly images: Member
  readonly labels: Member | undefined
}

const pairsOf = (members: ReadonlyArray<Member>): ReadonlyArray<Pair> => {
  const find = (name: string): Member | undefined => members.find((m) => m.name === `${name}.npy`)
  const splits: ReadonlyArray<SplitName> = ['train', 'val', 'test', 'all']
  const found = splits.flatMap((split): ReadonlyArray<Pair> => {
    const names = namesOf(split).find(([images]) => find(images) !== undefined)
    const images = names === undefined ? undefined : find(names[0])
    return names === undefined || images === undefined ? [] : [{ split, images, labels: find(names[1]) }]
  })
  const arrays = members.filter((m) => m.name.endsWith('.npy'))
  return found.length > 0 || arrays.length !== 1 ? found : [{ split: 'all', images: arrays[0], labels: undefined }]
}

/** What is known of a split once its headers and labels have been read. */
interface Part {
  readonly split: SplitName
  readonly images: NpyArray
  readonly layout: Layout
  readonly labels: Labels | undefined
}

const defaultMemory = 512 * 1024 * 1024

const partOf = (path: string, memoryBytes: number) => ({ split, images, labels }: Pair): TaskEither<Fault, Part> =>
  pipe(
    arrayOf(path, images, memoryBytes),
    TE.bindTo('images'),
    TE.bind('layout', ({ images: a }) => TE.fromEither(E.mapLeft((found: string) => wrongArchive(a.place, found))(layoutOf(a.header.shape)))),
    TE.bind('labels', ({ layout }) => labels === undefined
      ? TE.right(undefined)
      : pipe(arrayOf(path, labels, memoryBytes), TE.chain((a): TaskEither<Fault, Labels | undefined> => readLabels(a, layout.count)))),
    TE.map((part): Part => ({ split, ...part })),
  )

const splitsOf = (name: string, parts: ReadonlyArray<Part>, axis: number): Splits => {
  const classes = parts.reduce((n, { labels }) => (labels === undefined ? n : labels.perEntry > 1 ? Math.max(n, labels.perEntry) : labels.values.reduce((m, v) => Math.max(m, v + 1), n)), 0)
  return new Map(parts.map((p) => [p.split, lazily({ name: p.split === 'all' ? name : `${name}/${p.split}`, header: p.images.header, layout: p.layout, labels: p.labels, classes, axis }, p.images.content)]))
}

/** A .npy file as the only member of an archive. */
const bareMember = (path: string): TaskEither<Fault, Member> =>
  withFile('data', path)((_, length) => Promise.resolve(E.right({
    name: basename(path),
    length,
    head: (n: number) => withFile('data', path)((handle) => readAt('data', path)(handle, 0, Math.min(n, length))),
    content: TE.right<Fault, Content>({ _tag: 'File', path, base: 0 }),
  })))

/**
 * Opens an .npz archive or a .npy file; nothing but headers and labels is read before an item is asked for.
 * Faults: a damaged archive or array, arrays that are no images, labels that do not fit them.
 */
export const npz = (path: string, options: NpzOptions = {}): TaskEither<Fault, Splits> => {
  const { memoryBytes = defaultMemory, axis = 0 } = options
  const folder = options.folder ?? join(tmpdir(), `dinograph-${userInfo().uid}`)
  const members: TaskEither<Fault, ReadonlyArray<Member>> = /\.npy$/i.test(path)
    ? pipe(bareMember(path), TE.map((m) => [m]))
    : zipMembers(path, { memoryBytes, folder })
  return pipe(
    members,
    TE.chainEitherK((all) => {
      const pairs = pairsOf(all)
      return pairs.length > 0 ? E.right(pairs) : E.left(wrongArchive(path, all.length === 0 ? 'no array' : `the arrays ${all.map((m) => m.name).slice(0, 8).join(', ')}, none of which is called images`))
    }),
    TE.chain(TE.traverseSeqArray(partOf(path, memoryBytes))),
    TE.map((parts) => splitsOf(basename(path).replace(/\.np[yz]$/i, ''), parts, axis)),
  )
}

export const npzReader: Reader = {
  ...reopener(origin, (parts) => TE.right(npzDataset(parts))),
  files: 'arrays (.npz, .npy)',
  matches: (path) => /\.np[yz]$/i.test(path),
  open: { _tag: 'One', joins: true, file: (path, { axis }) => pipe(npz(path, axis === undefined ? {} : { axis }), TE.map((splits) => ({ splits, skipped: [], notes: [] }))) },
}
