/**
 * A manifest (see `table.ts` and `columns.ts`) as a dataset: pictures, or DICOM and NIfTI files, in the order of its rows, with their
 * labels, boxes and masks. Paths count from the manifest's folder; those that people write otherwise are found, and it is said
 * (`paths.ts`). A file of several frames gives all of them, unless the row names one.
 */

import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside, viewOrigin } from '../dataset.ts'
import type { Dataset, Image, Item, SplitName } from '../dataset.ts'
import { originOf } from '../origin.ts'
import type { Origin } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { OpenFiles, OpenOptions, Parts, Reader } from '../reader.ts'
import { counted, note } from '../note.ts'
import { subset } from '../subset.ts'
import { guarded } from '../../formats/file.ts'
import { candidates, named, noNames } from './columns.ts'
import { finder } from './paths.ts'
import type { Found } from './paths.ts'
import { decodeText, looksLikeTable, parseTable } from './table.ts'
import type { Table } from './table.ts'
import { cellText, rowsOf } from './row.ts'
import type { Row } from './row.ts'
import { isPicture, readPicture } from '../pictures/file.ts'
import { isTurned } from '../pictures/header.ts'
import { storedSize, turnedBox, turnedMask } from '../pictures/orientation.ts'

/** What boxes and masks count: pixels as stored, or of the picture that is shown. */
type Counts = 'stored' | 'upright'

/** How pictures are shown whose annotations count stored pixels; nothing where both are the same. */
const shownOf = (image: Image, counts: Counts): (Image & { readonly orientation: number }) | undefined => {
  const { orientation } = image
  return orientation === undefined || counts === 'upright' ? undefined : { ...image, orientation }
}

const readMask = (path: string, item: Item, counts: Counts): TaskEither<Fault, Uint8Array> =>
  pipe(
    readPicture(path, { channels: 1, values: 'stored', upright: false }),
    TE.chainEitherK(({ height, width, data }): Either<Fault, Uint8Array> => {
      const mask = Uint8Array.from(data, (v) => (v > 0 ? 1 : 0))
      const shown = shownOf(item.image, counts)
      const stored = shown === undefined ? undefined : storedSize(shown)
      if (shown !== undefined && height === stored?.height && width === stored.width) return E.right(turnedMask(shown)(mask))
      return height === item.image.height && width === item.image.width
        ? E.right(mask)
        : E.left(
            fault('data', {
              place: path,
              found: `a mask of ${height} x ${width} for an image of ${item.image.height} x ${item.image.width}`,
              allowed: 'masks as large as their images',
              remedy: 'make the mask again',
            }),
          )
    }),
  )

/** The item with what its row knows. Fault: a box outside the image, a mask of another size. */
const annotated =
  (row: Row, file: string, root: string, counts: Counts) =>
  (item: Item): TaskEither<Fault, Item> => {
    const shown = shownOf(item.image, counts)
    const { height, width } = shown === undefined ? item.image : storedSize(shown)
    const stray = row.boxes?.find((b) => b.x >= width || b.y >= height || b.x + b.width <= 0 || b.y + b.height <= 0)
    if (stray !== undefined) {
      return TE.left(
        fault('data', {
          place: `${file}: line ${row.line}`,
          found: `the box ${JSON.stringify(Object.values(stray))}`,
          allowed: `boxes that meet the image of ${height} x ${width}`,
          remedy: 'correct the box: x, y, width, height in pixels',
        }),
      )
    }
    const boxes = shown === undefined ? row.boxes : row.boxes?.map(turnedBox(shown))
    const known: Item = {
      ...item,
      ...(row.label === undefined ? {} : { label: row.label }),
      ...(row.labels === undefined ? {} : { labels: row.labels }),
      ...(boxes === undefined ? {} : { box: boxes[0], boxes }),
    }
    return row.mask === undefined
      ? TE.right(known)
      : pipe(
          readMask(resolve(root, row.mask), item, counts),
          TE.map((mask): Item => ({ ...known, mask })),
        )
  }

/** One item of a manifest: a row, and the number of its image among those of the files. */
export interface Entry {
  readonly row: Row
  readonly image: number
}

/** The items of every row. Rows whose file was left out, or has no such frame, have none. */
const entriesOf = (
  file: string,
  rows: ReadonlyArray<Row>,
  files: Dataset,
): { readonly entries: ReadonlyArray<Entry>; readonly faults: ReadonlyArray<Fault> } => {
  const images = new Map<string, number[]>()
  for (let i = 0; i < files.length; i++) {
    const source = files.sourceOf?.(i) ?? ''
    const known = images.get(source)
    if (known === undefined) images.set(source, [i])
    else known.push(i)
  }
  const faults: Fault[] = []
  const entries = rows.flatMap((row): ReadonlyArray<Entry> => {
    const own = images.get(row.path) ?? []
    if (row.frame === undefined || own.length === 0) return own.map((image) => ({ row, image }))
    if (row.frame < own.length) return [{ row, image: own[row.frame] }]
    faults.push(
      fault('data', {
        place: `${file}: line ${row.line}`,
        found: `frame ${row.frame}`,
        allowed: `frames 0 to ${own.length - 1} of ${row.path}`,
        remedy: 'count frames from 0',
      }),
    )
    return []
  })
  return { entries, faults }
}

/** What a manifest adds to the dataset of its files. */
export interface ManifestParts {
  readonly name: string
  readonly file: string
  readonly root: string
  readonly entries: ReadonlyArray<Entry>
  readonly classes: ReadonlyArray<string>
  readonly annotations: Counts
}

const origin = originOf<{ readonly of: Origin; readonly parts: ManifestParts }>('manifest')

/** The items that a manifest lists, with what it knows of them. Fault: an entry of an image that the files do not have. */
export const annotate =
  (parts: ManifestParts) =>
  (d: Dataset): Either<Fault, Dataset> => {
    const { name, file, root, entries, classes, annotations } = parts
    const grouped = entries.some((e) => e.row.group !== undefined)
    return pipe(
      subset(
        entries.map((e) => e.image),
        name,
      )(d),
      E.map((chosen): Dataset => ({
        ...chosen,
        ...viewOrigin(d, (of) => origin.of({ of, parts })),
        ...(grouped ? { group: (i: number) => entries[i].row.group ?? chosen.group?.(i) ?? entries[i].row.path } : {}),
        classes,
        label: (i) => (i in entries ? O.fromNullable(entries[i].row.label) : O.none),
        item: (i) =>
          i in entries
            ? pipe(chosen.item(i), TE.chain(annotated(entries[i].row, file, root, annotations)))
            : TE.left(outside(name, i, entries.length)),
      })),
    )
  }

/** Annotated pictures whose headers are looked at. */
const looked = 256

/** A note of pictures that are turned, with what then becomes of their boxes and masks. */
const turnedNote = async (root: string, rows: ReadonlyArray<Row>, counts: Counts): Promise<ReadonlyArray<string>> => {
  const annotatedRows = rows.filter((r) => (r.boxes !== undefined || r.mask !== undefined) && isPicture(r.path))
  const paths = [...new Set(annotatedRows.map((r) => r.path))].slice(0, looked)
  const turned: string[] = []
  for (const p of paths) if (await isTurned(resolve(root, p))) turned.push(p)
  if (turned.length === 0) return []
  return counts === 'stored'
    ? [
        note(
          `${counted(turned.length, 'picture is', 'pictures are')} turned by EXIF, and boxes and masks, which count stored pixels, with them`,
          turned,
          'data.annotations=upright leaves boxes and masks as they are',
        ),
      ]
    : [
        note(
          `${counted(turned.length, 'picture is', 'pictures are')} turned by EXIF, and boxes and masks are taken as they are`,
          turned,
          'data.annotations=stored turns them too',
        ),
      ]
}

const order: ReadonlyArray<SplitName> = ['train', 'val', 'test', 'all']

/** Rows that tell a column of paths from others. */
const tried = 16

/**
 * The column of paths: the first by its name whose files are there; of others one whose files are there. Fault: none, with the columns
 * that there are.
 */
const pathColumn = async (t: Table, find: (text: string) => Promise<Found>, name: string): Promise<Either<Fault, number>> => {
  const none = (found: string): Either<Fault, number> =>
    E.left(
      fault('data', {
        place: t.file,
        found: `${found} the columns ${t.names.join(', ')}`,
        allowed: 'a column with the paths of images: path, file_name, image, …, or any whose files are there',
        remedy: "name the column: --set data.columns.path=NAME, or correct the paths, which count from the table's folder",
      }),
    )
  if (name !== '') {
    const chosen = named(t, name)
    return chosen === undefined ? none(`no column ${name} among`) : E.right(chosen)
  }
  const likely = candidates(t, 'path')
  for (const c of [...likely, ...t.names.map((_, i) => i).filter((i) => !likely.includes(i))]) {
    const texts = t.columns[c]
      .slice(0, tried)
      .map(cellText)
      .filter((x) => x !== '')
    for (const text of texts) if ((await find(text)).how !== 'missing') return E.right(c)
  }
  return likely.length > 0 ? E.right(likely[0]) : none('no paths in')
}

/** Where the files of all rows are, with a note for each way in which their paths had to be understood. */
const foundPaths = async (
  t: Table,
  c: number,
  find: (text: string) => Promise<Found>,
): Promise<{ readonly paths: ReadonlyArray<string>; readonly notes: ReadonlyArray<string> }> => {
  const paths: string[] = []
  const ways = new Map<Found['how'], string[]>()
  // records may call it otherwise row by row
  const instead = candidates(t, 'path').filter((k) => k !== c)
  for (let r = 0; r < t.lines.length; r++) {
    const own = cellText(t.columns[c][r])
    const text = own !== '' ? own : (instead.map((k) => cellText(t.columns[k][r])).find((x) => x !== '') ?? '')
    if (text === '') {
      paths.push('')
      continue
    }
    const { path, how } = await find(text)
    paths.push(path)
    if (how === '') continue
    const known = ways.get(how)
    if (known === undefined) ways.set(how, [text])
    else known.push(text)
  }
  const notes = [...ways].map(([how, texts]) =>
    how !== 'missing'
      ? note(`${counted(texts.length, 'path')} found ${how}`, texts)
      : note(
          `${texts.length} of ${counted(t.lines.length, 'path')} ${texts.some((x) => /^https?:/.test(x)) ? 'are web addresses, which have to be downloaded first' : 'lead to no file'}`,
          texts,
          'data.onError=skip leaves them out',
        ),
  )
  return { paths, notes }
}

/**
 * Opens a manifest. Faults name the line, or the columns that there are: see `parseTable` and `rowsOf`; a frame that a file does not have
 * (with `skip` it is left out and counted instead), and what opening the files gives.
 */
export const manifest = (path: string, o: OpenOptions, openFiles: OpenFiles): TaskEither<Fault, Parts> => {
  const root = dirname(path)
  const name = basename(path).replace(/\.\w+$/, '')
  const skip = o.onError === 'skip'
  const columns = { ...noNames, ...o.columns }
  return pipe(
    guarded('data', path)(async () => E.right(decodeText(await readFile(path)))),
    TE.bindTo('decoded'),
    TE.bind('table', ({ decoded }) => TE.fromEither(parseTable(path, decoded.text))),
    TE.bind('found', ({ table }) =>
      guarded(
        'data',
        path,
      )(async () => {
        const find = finder(root, (p) => !/\.(csv|tsv|jsonl?|ndjson|txt|md|xml)$/i.test(p))
        const c = await pathColumn(table, find, columns.path)
        return E.isLeft(c) ? c : E.right({ column: c.right, ...(await foundPaths(table, c.right, find)) })
      }),
    ),
    TE.bind('read', ({ table, found }) =>
      TE.fromEither(rowsOf(table, found.column, found.paths, { columns, unlabelled: o.unlabelled ?? [], skip })),
    ),
    TE.bind('turned', ({ read }) => TE.fromTask(() => turnedNote(root, read.rows, o.annotations ?? 'stored'))),
    TE.bind('files', ({ read }) => openFiles(root, [...new Set(read.rows.map((r) => r.path))])),
    TE.chainEitherK(({ decoded, found, read, turned, files: { dataset, skipped, notes } }) => {
      const { entries, faults } = entriesOf(path, read.rows, dataset)
      if (faults.length > 0 && !skip) return E.left(faults[0])
      const splits = new Map<SplitName, Dataset>()
      for (const split of order) {
        const own = entries.filter((e) => e.row.split === split)
        if (own.length === 0) continue
        const d = annotate({
          name: split === 'all' ? name : `${name}/${split}`,
          file: path,
          root,
          entries: own,
          classes: read.classes,
          annotations: o.annotations ?? 'stored',
        })(dataset)
        if (E.isLeft(d)) return d
        splits.set(split, d.right)
      }
      const text = decoded.latin1 ? [note('not UTF-8 and read as Latin-1', [path])] : []
      return E.right({
        splits,
        skipped: [...read.skipped, ...skipped, ...faults],
        notes: [...text, ...read.notes, ...found.notes, ...turned, ...notes],
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
