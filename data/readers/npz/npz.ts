/**
 * Arrays of images in .npz archives and .npy files: MedMNIST (Yang et al. 2023; train_images, train_labels, val_*, test_*), Keras'
 * x_train and y_train, other names (`names.ts`), or a single array. How their axes lie is in `layout.ts`. Every slice of a volume is an
 * item. Values are as stored.
 */

import { tmpdir, userInfo } from 'node:os'
import { basename, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { SplitName, Splits } from '../dataset.ts'
import { allowedBytes } from '../../formats/limits.ts'
import { reopener } from '../reader.ts'
import type { Parts, Reader } from '../reader.ts'
import { counted, note, showFiles } from '../note.ts'
import type { Channels } from '../result.ts'
import { countOf } from '../../formats/tensor.ts'
import { labelsIn } from './labels.ts'
import type { Labels, ReadLabels } from './labels.ts'
import { layoutOf, layouts } from './layout.ts'
import type { Context, Layout, Output } from './layout.ts'
import { arrayOf, bareMember, besides } from './member.ts'
import type { NpyArray } from './member.ts'
import { labelsBeside, named, pairsOf } from './names.ts'
import type { Named, Pair } from './names.ts'
import type { NpyHeader } from '../../formats/npy.ts'
import { contentBytes, zipMembers } from '../../formats/zip.ts'
import type { Member } from '../../formats/zip.ts'
import { lazily, npzDataset, npzOrigin } from './split.ts'

export interface NpzOptions {
  /** The axis of volumes [D, H, W] along which slices are taken: 0 by default. */
  readonly axis?: 0 | 1 | 2
  /** How the axes of images lie, a letter each (`layout.ts`); by default as their lengths say. */
  readonly layout?: string
  /** Texts that stand for no label; none: as in tables. */
  readonly unlabelled?: ReadonlyArray<string>
  /** Names of arrays of images; by default those that are called so. */
  readonly keys?: ReadonlyArray<string>
  readonly channels?: Channels
  /** Arrays up to this many bytes are kept in memory, as they are stored; 512 MiB by default. */
  readonly memoryBytes?: number
  /** Bytes that one array may take; 4 GiB by default. */
  readonly itemBytes?: number
  /** Where large packed arrays are unpacked; a folder of the user's below the system's temporary one by default. */
  readonly folder?: string
}

/** The fault of arrays that are whole but no images as far as can be determined. */
const unclear = (
  place: string,
  found: string,
  remedy = 'say how its axes lie (--set data.layout=nhwc), or which array holds the images (--set data.select=NAME)',
): Fault =>
  fault('data', {
    place,
    found,
    allowed: `images with axes ${layouts.join(', ')} (n images, c channels, d slices, h rows, w columns)`,
    remedy,
  })

/** What gives square images that lie flat, one a row, their axes back; undefined for other shapes. */
const unflattened = ([, row, ...more]: ReadonlyArray<number>): string | undefined => {
  const axes = [
    [Math.sqrt(row), '-1'],
    [Math.sqrt(row / 3), '-1, 3'],
  ] as const
  const found = more.length > 0 ? undefined : axes.find(([side]) => Number.isInteger(side) && side >= 8)
  return found === undefined
    ? undefined
    : `write it with its axes: np.savez(FILE, images=x.reshape(${found[1]}, ${found[0]}, ${found[0]}), labels=y)`
}

/** Bytes that a label takes on its way from a file to a number: what is stored and what is kept, texts as JavaScript has them. */
const labelBytes = (h: NpyHeader): number => (h.type === 'S' || h.type === 'U' ? 64 : h.bytes + 4)

const readLabels = (
  a: Either<Fault, NpyArray>,
  count: number,
  none: ReadonlyArray<string>,
  itemBytes: number | undefined,
): TaskEither<Fault, ReadLabels> => {
  if (E.isLeft(a)) return TE.right({ labels: undefined, notes: [`${a.left.place}: ${a.left.found}: read without labels`] })
  const { header, content, place } = a.right
  return pipe(
    TE.fromEither(allowedBytes(place, countOf(header.shape) * labelBytes(header), itemBytes)),
    TE.chain(() => content),
    TE.chain((c) => contentBytes(c)(0, countOf(header.shape) * header.bytes)),
    TE.map((bytes) => {
      const read = labelsIn(header, bytes, count, none)
      return { ...read, notes: read.notes.map((n) => `${place}: ${n}`) }
    }),
  )
}

/** What is known of a split once its headers and labels have been read. */
interface Part {
  readonly split: SplitName
  readonly images: NpyArray
  readonly layout: Layout
  readonly labels: Labels | undefined
  readonly notes: ReadonlyArray<string>
}

const defaultMemory = 512 * 1024 * 1024

/** The layout of an array of images. */
const layoutIn = (a: NpyArray, context: Context): Either<Fault, Output> =>
  a.header.type === 'S' || a.header.type === 'U'
    ? E.left(unclear(a.place, `texts [${a.header.shape.join(', ')}], which are no images`))
    : E.mapLeft((found: string) => unclear(a.place, found, unflattened(a.header.shape)))(layoutOf(a.header.shape, context))

const partOf =
  (path: string, o: NpzOptions, memoryBytes: number) =>
  ({ split, images, labels }: Pair<Member>): TaskEither<Fault, Part> =>
    pipe(
      arrayOf(path, images.array, memoryBytes),
      TE.bindTo('images'),
      TE.bind('inferred', ({ images: a }) =>
        TE.fromEither(
          layoutIn(a, { several: images.several || labels !== undefined, ...(o.layout === undefined ? {} : { layout: o.layout }) }),
        ),
      ),
      TE.bind('read', ({ inferred: { layout } }): TaskEither<Fault, ReadLabels> =>
        labels === undefined
          ? TE.right({ labels: undefined, notes: [] })
          : pipe(
              TE.fromTask(arrayOf(path, labels.array, memoryBytes)),
              TE.chain((a) => readLabels(a, layout.count, o.unlabelled ?? [], o.itemBytes)),
            ),
      ),
      TE.map(({ images: a, inferred, read }): Part => ({
        split,
        images: a,
        layout: inferred.layout,
        labels: read.labels,
        notes: [...(inferred.note === undefined ? [] : [`${a.place}: ${inferred.note}`]), ...read.notes],
      })),
    )

/** The number of classes that labels name, at least `least`. */
const mostOf = (values: Labels['values'], least: number): number => {
  let most = least
  for (const v of values) if (v >= most) most = v + 1
  return most
}

/** Classes of all splits together: their names where labels are texts, else numbers up to the largest. */
const classesOf = (parts: ReadonlyArray<Part>): ReadonlyArray<string> => {
  const names = [...new Set(parts.flatMap((p) => p.labels?.names ?? []))].sort(byClass)
  const most = parts.reduce(
    (n, { labels }) =>
      labels === undefined || labels.names !== undefined
        ? n
        : labels.perEntry > 1
          ? Math.max(n, labels.perEntry)
          : mostOf(labels.values, n),
    0,
  )
  return names.length > 0 ? names : Array.from({ length: most }, (_, c) => String(c))
}

const byClass = (a: string, b: string): number => (/^\d+$/.test(a) && /^\d+$/.test(b) ? Number(a) - Number(b) : a < b ? -1 : 1)

/** Labels by the classes of all splits. */
const renumbered = (labels: Labels | undefined, classes: ReadonlyArray<string>): Labels | undefined => {
  const { names } = labels ?? {}
  if (labels === undefined || names === undefined) return labels
  const at = names.map((n) => classes.indexOf(n))
  return { ...labels, values: labels.values.map((v) => (v < 0 ? -1 : at[v])) }
}

const splitsOf = (name: string, parts: ReadonlyArray<Part>, o: NpzOptions): Splits => {
  const classes = classesOf(parts)
  return new Map(
    parts.map((p) => [
      p.split,
      lazily(
        {
          name: p.split === 'all' ? name : `${name}/${p.split}`,
          header: p.images.header,
          layout: p.layout,
          labels: renumbered(p.labels, classes),
          classes,
          axis: o.axis ?? 0,
          channels: o.channels ?? 'stored',
        },
        p.images.content,
      ),
    ]),
  )
}

const shapeOf =
  (path: string, memoryBytes: number) =>
  (m: Named<Member>): TaskEither<Fault, string> =>
  async () => {
    const a = await arrayOf(path, m.array, memoryBytes)()
    return E.right(E.isRight(a) ? `${m.name} [${a.right.header.shape.join(', ')}]` : `${m.name} (${a.left.found})`)
  }

/**
 * Opens an .npz archive or a .npy file; nothing but headers and labels is read before an item is asked for. Notes say which arrays are
 * not read, what the shape of images was taken for, and what became of labels. Faults: a damaged archive or array, arrays that are no
 * images.
 */
export const npz = (path: string, options: NpzOptions = {}): TaskEither<Fault, Parts> => {
  const { memoryBytes = defaultMemory } = options
  const folder = options.folder ?? join(tmpdir(), `dinograph-${userInfo().uid}`)
  const bare = /\.npy$/i.test(path)
  const members: TaskEither<Fault, ReadonlyArray<Member>> = bare
    ? pipe(
        TE.fromTask(() => besides(path)),
        TE.chain((paths) => TE.traverseArray(bareMember)(paths)),
      )
    : zipMembers(path, { memoryBytes, folder, ...(options.itemBytes === undefined ? {} : { itemBytes: options.itemBytes }) })
  return pipe(
    members,
    TE.chainEitherK((all) => {
      const arrays = all
        .filter((m) => /\.npy$/i.test(m.name))
        .map((m, _, own) => named(m, bare && own.length === 1 ? '' : m.name.replace(/\.npy$/i, '')))
      const { pairs, rest } = pairsOf(arrays, bare ? [] : (options.keys ?? []))
      return pairs.length > 0
        ? E.right({ pairs, rest })
        : E.left(
            unclear(
              path,
              all.length === 0
                ? 'no array'
                : (options.keys ?? []).length > 0
                  ? `no array called ${showFiles(options.keys ?? [])} among ${arrays
                      .slice(0, 8)
                      .map((a) => a.name)
                      .join(', ')}`
                  : `the arrays ${arrays
                      .slice(0, 8)
                      .map((a) => a.name)
                      .join(', ')}, none of which is called images`,
              arrays.length > 1 && arrays.every((a) => /\d$/.test(a.name))
                ? 'write them as one array: np.savez(FILE, images=np.stack(list(np.load(FILE).values()))), or choose one (--set data.select=NAME)'
                : undefined,
            ),
          )
    }),
    TE.bind('parts', ({ pairs }) => TE.traverseSeqArray(partOf(path, options, memoryBytes))(pairs)),
    TE.bind('others', ({ rest }) => TE.traverseSeqArray(shapeOf(path, memoryBytes))(rest)),
    TE.map(({ parts, others, rest }): Parts => ({
      splits: splitsOf(basename(path).replace(/\.np[yz]$/i, ''), parts, options),
      skipped: [],
      notes: [
        ...(others.length === 0
          ? []
          : [
              note(
                `${path}: ${counted(others.length, 'array is', 'arrays are')} not read: ${others.slice(0, 8).join(', ')}`,
                [],
                `data.select=${rest[0].name} takes images from this one`,
              ),
            ]),
        ...parts.flatMap((p) => p.notes),
      ],
    })),
  )
}

export const npzReader: Reader = {
  ...reopener(npzOrigin, (parts) => TE.right(npzDataset(parts))),
  files: 'arrays (.npz, .npy)',
  matches: (path) => /\.np[yz]$/i.test(path),
  aside: (paths) => [...labelsBeside(paths).values()],
  open: {
    _tag: 'One',
    joins: true,
    file: (path, { axis, layout, channels, select, itemBytes, unlabelled }) =>
      npz(path, {
        ...(unlabelled === undefined ? {} : { unlabelled }),
        ...(axis === undefined ? {} : { axis }),
        ...(layout === undefined ? {} : { layout }),
        ...(channels === undefined ? {} : { channels }),
        ...(itemBytes === undefined ? {} : { itemBytes }),
        keys: (select ?? []).filter((w) => w !== 'all'),
      }),
  },
}
