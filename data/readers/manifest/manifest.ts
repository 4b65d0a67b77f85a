/**
 * A manifest (see `row.ts`) as a dataset: pictures, or DICOM and NIfTI files, in the order of its rows, with their labels,
 * boxes and masks. Paths count from the manifest's folder. A file of several frames gives all of them, unless the row
 * names one.
 */

import { readFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve, sep } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside, viewOrigin } from '../dataset.ts'
import type { Dataset, Item, SplitName } from '../dataset.ts'
import { originOf } from '../origin.ts'
import type { Origin } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { OpenFiles, Parts, Reader } from '../reader.ts'
import { subset } from '../subset.ts'
import { guarded } from '../../formats/file.ts'
import { parseManifest } from './row.ts'
import type { Row } from './row.ts'
import { readPicture } from '../pictures/file.ts'

/** Classes and each row's: numbers stay as they are, names are numbered in their order. */
const classesOf = (rows: ReadonlyArray<Row>): { readonly classes: ReadonlyArray<string>; readonly labels: ReadonlyArray<number | undefined> } => {
  const texts = rows.map((r) => (r.label === undefined ? undefined : String(r.label)))
  const given = texts.filter((l) => l !== undefined)
  const several = rows.reduce((n, r) => Math.max(n, r.labels?.length ?? 0), 0)
  const count = (n: number): ReadonlyArray<string> => Array.from({ length: n }, (_, i) => String(i))
  if (given.length === 0) return { classes: count(several), labels: texts.map(() => undefined) }
  if (given.every((l) => /^\d{1,9}$/.test(l))) {
    const labels = texts.map((l) => (l === undefined ? undefined : Number(l)))
    return { classes: count(Math.max(...given.map(Number)) + 1), labels }
  }
  const classes = [...new Set(given)].sort((a, b) => (a < b ? -1 : 1))
  return { classes, labels: texts.map((l) => (l === undefined ? undefined : classes.indexOf(l))) }
}

const readMask = (path: string, item: Item): TaskEither<Fault, Uint8Array> =>
  pipe(
    readPicture(path, { channels: 1, values: 'stored', upright: false }),
    TE.chainEitherK(({ height, width, data }): Either<Fault, Uint8Array> =>
      height === item.image.height && width === item.image.width
        ? E.right(Uint8Array.from(data, (v) => (v > 0 ? 1 : 0)))
        : E.left(fault('data', { place: path, found: `a mask of ${height} x ${width} for an image of ${item.image.height} x ${item.image.width}`, allowed: 'masks as large as their images', remedy: 'make the mask again' }))),
  )

/** The item with what its row knows. Fault: a box outside the image, a mask of another size. */
const annotated = (row: Row, label: number | undefined, root: string) => (item: Item): TaskEither<Fault, Item> => {
  const { height, width } = item.image
  const stray = row.boxes.find((b) => b.x >= width || b.y >= height || b.x + b.width <= 0 || b.y + b.height <= 0)
  if (stray !== undefined) {
    return TE.left(fault('data', { place: row.place, found: `the box ${JSON.stringify(Object.values(stray))}`, allowed: `boxes that meet the image of ${height} x ${width}`, remedy: 'correct the box: x, y, width, height in pixels' }))
  }
  const known: Item = {
    ...item,
    ...(label === undefined ? {} : { label }),
    ...(row.labels === undefined ? {} : { labels: row.labels }),
    ...(row.boxes.length === 0 ? {} : { box: row.boxes[0], boxes: row.boxes }),
  }
  return row.mask === undefined ? TE.right(known) : pipe(readMask(resolve(root, row.mask), item), TE.map((mask): Item => ({ ...known, mask })))
}

/** One item of a manifest: a row, and the number of its image among those of the files. */
export interface Entry {
  readonly row: Row
  readonly label: number | undefined
  readonly image: number
}

/** The items of every row. Rows whose file was left out, or has no such frame, have none. */
const entriesOf = (rows: ReadonlyArray<Row>, labels: ReadonlyArray<number | undefined>, files: Dataset, key: (path: string) => string): { readonly entries: ReadonlyArray<Entry>; readonly faults: ReadonlyArray<Fault> } => {
  const images = new Map<string, number[]>()
  for (let i = 0; i < files.length; i++) {
    const source = files.sourceOf?.(i) ?? ''
    const known = images.get(source)
    if (known === undefined) images.set(source, [i])
    else known.push(i)
  }
  const faults: Fault[] = []
  const entries = rows.flatMap((row, r): ReadonlyArray<Entry> => {
    const own = images.get(key(row.path)) ?? []
    if (row.frame === undefined || own.length === 0) return own.map((image) => ({ row, label: labels[r], image }))
    if (row.frame < own.length) return [{ row, label: labels[r], image: own[row.frame] }]
    faults.push(fault('data', { place: row.place, found: `frame ${row.frame}`, allowed: `frames 0 to ${own.length - 1} of ${row.path}`, remedy: 'count frames from 0' }))
    return []
  })
  return { entries, faults }
}

/** What a manifest adds to the dataset of its files. */
export interface ManifestParts {
  readonly name: string
  readonly root: string
  readonly entries: ReadonlyArray<Entry>
  readonly classes: ReadonlyArray<string>
}

const origin = originOf<{ readonly of: Origin; readonly parts: ManifestParts }>('manifest')

/** The items that a manifest lists, with what it knows of them. Fault: an entry of an image that the files do not have. */
export const annotate = (parts: ManifestParts) => (d: Dataset): Either<Fault, Dataset> => {
  const { name, root, entries, classes } = parts
  return pipe(
    subset(entries.map((e) => e.image), name)(d),
    E.map((chosen): Dataset => ({
      ...chosen,
      ...viewOrigin(d, (of) => origin.of({ of, parts })),
      classes,
      label: (i) => (i in entries ? O.fromNullable(entries[i].label) : O.none),
      item: (i) => (i in entries ? pipe(chosen.item(i), TE.chain(annotated(entries[i].row, entries[i].label, root))) : TE.left(outside(name, i, entries.length))),
    })),
  )
}

const order: ReadonlyArray<SplitName> = ['train', 'val', 'test', 'all']

/**
 * Opens a manifest. Faults name the line: see `parseManifest`; a frame that a file does not have (with `skip` it is left
 * out and counted instead), and what opening the files gives.
 */
export const manifest = (path: string, skip: boolean, openFiles: OpenFiles): TaskEither<Fault, Parts> => {
  const root = dirname(path)
  const name = basename(path).replace(/\.\w+$/, '')
  const key = (p: string): string => relative(root, resolve(root, p)).split(sep).join('/')
  return pipe(
    guarded('data', path)(async () => parseManifest(path, await readFile(path, 'utf8'))),
    TE.bindTo('rows'),
    TE.bind('files', ({ rows }) => openFiles(root, [...new Set(rows.map((r) => key(r.path)))])),
    TE.chainEitherK(({ rows, files: { dataset, skipped, notes } }) => {
      const { classes, labels } = classesOf(rows)
      const { entries, faults } = entriesOf(rows, labels, dataset, key)
      if (faults.length > 0 && !skip) return E.left(faults[0])
      const splits = new Map<SplitName, Dataset>()
      for (const split of order) {
        const own = entries.filter((e) => e.row.split === split)
        if (own.length === 0) continue
        const d = annotate({ name: split === 'all' ? name : `${name}/${split}`, root, entries: own, classes })(dataset)
        if (E.isLeft(d)) return d
        splits.set(split, d.right)
      }
      return E.right({ splits, skipped: [...skipped, ...faults], notes })
    }),
  )
}

export const manifestReader: Reader = {
  ...reopener(origin, ({ of, parts }, again) => pipe(again(of), TE.chainEitherK(annotate(parts)))),
  files: 'a manifest (.csv, .jsonl)',
  matches: (path) => /\.(csv|tsv|jsonl|ndjson)$/i.test(path),
  open: { _tag: 'One', joins: false, file: (path, o, listed) => manifest(path, o.onError === 'skip', listed) },
}
