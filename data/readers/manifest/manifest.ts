/**
 * A manifest (see `table.ts` and `columns.ts`) as a dataset: pictures, or DICOM and NIfTI files, in the order of its rows, with their
 * labels, boxes and masks. Paths count from the manifest's folder; those that people write otherwise are found, and it is said
 * (`paths.ts`). A file of several frames gives all of them, unless the row names one; a folder gives all of its files.
 */
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { guarded } from '../../formats/file.ts'
import { sharedRoom } from '../../formats/memory.ts'
import { outside, viewOrigin } from '../dataset.ts'
import type { Dataset, SplitName } from '../dataset.ts'
import { note } from '../note.ts'
import { originOf } from '../origin.ts'
import type { Origin } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { OpenFiles, OpenOptions, Parts, Reader } from '../reader.ts'
import { subset } from '../subset.ts'
import { annotated, turnedNote } from './annotations.ts'
import type { Counts } from './annotations.ts'
import { cellText } from './boxes.ts'
import { noNames } from './columns.ts'
import { located, pathColumn, pathTexts } from './located.ts'
import type { Located } from './located.ts'
import { maskColumn } from './mask-column.ts'
import { finder } from './paths.ts'
import { rowAt, rowsOf, splitOrder } from './row.ts'
import type { Reading, Rows } from './row.ts'
import { decodeText, looksLikeTable, parseTable } from './table.ts'
import type { Table } from './table.ts'

/** Items of a manifest: for each its row, and the number of its image among those of the files. */
export interface Entries {
  readonly rows: Int32Array
  readonly images: Int32Array
}

/** The images of each file by its number: where files are one image each and in order, that number; else lists. */
const imagesOf = (files: ReadonlyArray<string>, folders: Located['folders'], d: Dataset): ((file: number) => ReadonlyArray<number>) => {
  if (d.length === files.length && folders.size === 0 && files.every((f, i) => d.sourceOf?.(i) === f)) return (file) => [file]
  const own = new Map<string, number[]>()
  for (let i = 0; i < d.length; i++) {
    const source = d.sourceOf?.(i) ?? ''
    const known = own.get(source)
    if (known === undefined) own.set(source, [i])
    else known.push(i)
  }
  return (file) => (folders.get(files[file]) ?? [files[file]]).flatMap((f) => own.get(f) ?? [])
}

/** The items of every row, by splits. Rows whose file was left out, or has no such frame, have none. */
const entriesOf = (
  place: string,
  { rows: { lines }, files, fileOf, frames, splits }: Reading,
  folders: Located['folders'],
  d: Dataset,
): { readonly entries: ReadonlyArray<readonly [SplitName, Entries]>; readonly faults: ReadonlyArray<Fault> } => {
  const images = imagesOf(files, folders, d)
  const faults: Fault[] = []
  const ofRow = (r: number): ReadonlyArray<number> => {
    const [all, frame] = [images(fileOf[r]), frames.get(r)]
    return frame === undefined ? all : all.slice(frame, frame + 1)
  }
  // counted first: lists of millions that grow are copied again and again
  const counts = splitOrder.map(() => 0)
  for (let r = 0; r < lines.length; r++) {
    const own = ofRow(r).length
    counts[splits[r]] += own
    const there = own > 0 ? 0 : images(fileOf[r]).length
    if (there > 0)
      faults.push(
        fault('data', {
          place: `${place}: line ${lines[r]}`,
          found: `frame ${frames.get(r) ?? 0}`,
          allowed: `frames 0 to ${there - 1} of ${files[fileOf[r]]}`,
          remedy: 'count frames from 0',
        }),
      )
  }
  const found = counts.map((n): Entries => ({ rows: sharedRoom(Int32Array, n), images: sharedRoom(Int32Array, n) }))
  const at = splitOrder.map(() => 0)
  for (let r = 0; r < lines.length; r++) {
    const split = splits[r]
    for (const image of ofRow(r)) {
      found[split].rows[at[split]] = r
      found[split].images[at[split]++] = image
    }
  }
  const entries = splitOrder.flatMap((split, k) => (counts[k] === 0 ? [] : [[split, found[k]] as const]))
  return { entries, faults }
}

/** What a manifest adds to the dataset of its files. */
export interface ManifestParts {
  readonly name: string
  readonly file: string
  readonly root: string
  readonly rows: Rows
  readonly entries: Entries
  readonly classes: ReadonlyArray<string>
  readonly annotations: Counts
}

const origin = originOf<{ readonly of: Origin; readonly parts: ManifestParts }>('manifest')

/** The items that a manifest lists, with what it knows of them. Fault: an entry of an image that the files do not have. */
export const annotate =
  (parts: ManifestParts) =>
  (d: Dataset): Either<Fault, Dataset> => {
    const { name, file, root, rows, entries, classes, annotations } = parts
    const { groups, labels } = rows
    /** What a row says that its item belongs to. */
    const groupOf = (i: number): string | undefined => {
      const g = groups === undefined ? -1 : groups.of[entries.rows[i]]
      return g < 0 ? undefined : groups?.names[g]
    }
    return pipe(
      subset(entries.images, name)(d),
      E.map((chosen): Dataset => ({
        ...chosen,
        ...viewOrigin(d, (of) => origin.of({ of, parts })),
        ...(groups === undefined ? {} : { group: (i: number) => groupOf(i) ?? chosen.group?.(i) ?? chosen.sourceOf?.(i) ?? '' }),
        classes,
        label: (i) => (i in entries.rows && labels[entries.rows[i]] >= 0 ? O.some(labels[entries.rows[i]]) : O.none),
        item: (i) =>
          i in entries.rows
            ? pipe(chosen.item(i), TE.chain(annotated(rowAt(rows, entries.rows[i]), file, root, annotations)))
            : TE.left(outside(name, i, entries.rows.length)),
      })),
    )
  }

/** The files of all rows, and their masks. */
interface Places extends Located {
  readonly column: number
  readonly maskOf: (text: string) => string
}

/** Where what a table names is. Faults: no column of paths; with `stop` the first path that leads nowhere; none that leads anywhere. */
const placesOf = async (t: Table, root: string, column: string, stop: boolean): Promise<Either<Fault, Places>> => {
  const find = finder(root, (p) => !/\.(csv|tsv|jsonl?|ndjson|txt|md|xml)$/i.test(p))
  const c = await pathColumn(t, find, column)
  if (E.isLeft(c)) return c
  const images = await located(t, pathTexts(t, c.right), find)
  const k = maskColumn(t, c.right)
  const texts = k === undefined ? [] : t.columns[k].map(cellText)
  const masks = await located(t, texts, find)
  const missing = [...images.missing, ...masks.missing]
  const paths = images.paths.map((p, r) => (texts.length > 0 && masks.paths[r] === undefined ? undefined : p))
  const nothing = paths.every((p) => p === undefined || p === '')
  if (missing.length > 0 && (stop || nothing)) {
    const all = nothing && missing.length > 1 ? `; ${[...images.notes, ...masks.notes.map((n) => `masks: ${n}`)].join('; ')}` : ''
    return E.left({ ...missing[0], found: `${missing[0].found}${all}` })
  }
  const found = new Map(texts.map((text, r) => [text, masks.paths[r] ?? text]))
  return E.right({
    column: c.right,
    paths,
    folders: images.folders,
    notes: [...images.notes, ...masks.notes.map((n) => `masks: ${n}`)],
    missing,
    maskOf: (text) => found.get(text) ?? text,
  })
}

/**
 * Opens a manifest. Faults name the line, or the columns that there are: see `parseTable` and `rowsOf`; a path that leads nowhere, a frame
 * that a file does not have (with `skip` they are left out and counted instead), and what opening the files gives.
 */
export const manifest = (path: string, o: OpenOptions, openFiles: OpenFiles): TaskEither<Fault, Parts> => {
  const root = dirname(path)
  const name = basename(path).replace(/\.\w+$/, '')
  const skip = o.onError === 'skip'
  const columns = { ...noNames, ...o.columns }
  const annotations = o.annotations ?? 'stored'
  return pipe(
    guarded('data', path)(async () => E.right(decodeText(await readFile(path)))),
    TE.bindTo('decoded'),
    TE.bind('table', ({ decoded }) => TE.fromEither(parseTable(path, decoded.text))),
    TE.bind('places', ({ table }) => guarded('data', path)(() => placesOf(table, root, columns.path, !skip))),
    TE.bind('read', ({ table, places }) =>
      TE.fromEither(
        rowsOf(table, places.column, places.paths, places.maskOf, {
          columns,
          unlabelled: o.unlabelled ?? [],
          skip,
          ...(o.boxes === undefined ? {} : { boxes: o.boxes }),
        }),
      ),
    ),
    TE.map(({ decoded, places, read }) => ({
      latin1: decoded.latin1,
      read,
      folders: places.folders,
      missing: places.missing,
      said: [...read.notes, ...places.notes],
    })),
    TE.bind('turned', ({ read: { rows, files, fileOf } }) =>
      TE.fromTask(() =>
        turnedNote(
          root,
          [...Object.keys(rows.boxes), ...Object.keys(rows.masks)].map((r) => files[fileOf[Number(r)]]),
          annotations,
        ),
      ),
    ),
    TE.bind('files', ({ read, folders }) =>
      openFiles(root, folders.size === 0 ? read.files : read.files.flatMap((f) => folders.get(f) ?? [f])),
    ),
    TE.chainEitherK(({ latin1, read, folders, missing, said, turned, files: { dataset, skipped, notes } }) => {
      const { entries, faults } = entriesOf(path, read, folders, dataset)
      if (faults.length > 0 && !skip) return E.left(faults[0])
      const splits = new Map<SplitName, Dataset>()
      for (const [split, own] of entries) {
        const d = annotate({
          name: split === 'all' ? name : `${name}/${split}`,
          file: path,
          root,
          rows: read.rows,
          entries: own,
          classes: read.classes,
          annotations,
        })(dataset)
        if (E.isLeft(d)) return d
        splits.set(split, d.right)
      }
      return E.right({
        splits,
        skipped: [...read.skipped, ...missing, ...skipped, ...faults],
        notes: [...(latin1 ? [note('not UTF-8 and read as Latin-1', [path])] : []), ...said, ...turned, ...notes],
      })
    }),
  )
}

export const manifestReader: Reader = {
  ...reopener(origin, ({ of, parts }, again) => pipe(again(of), TE.chainEitherK(annotate(parts)))),
  files: 'a manifest (.csv, .tsv, .jsonl, .json)',
  matches: (path) => /\.(csv|tsv|jsonl|ndjson)$/i.test(path) || (/\.json$/i.test(path) ? 'perhaps' : false),
  begins: looksLikeTable,
  open: { _tag: 'One', joins: false, file: (path, o, listed) => manifest(path, o, listed) },
}
