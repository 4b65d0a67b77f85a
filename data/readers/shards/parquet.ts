/**
 * Parquet tables of encoded pictures, as Hugging Face's `datasets` writes them: a column of {bytes, path}, or of bytes, and one of labels.
 * The features that the table's own description names are believed; row groups are read when a row of theirs is asked for.
 */
import { basename, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { recent } from '../../formats/cache.ts'
import type { Dataset, Item, SplitName } from '../dataset.ts'
import { annotated } from '../manifest/annotations.ts'
import type { Counts } from '../manifest/annotations.ts'
import { amongClasses, sharedLabels } from '../manifest/labels.ts'
import { labelsIn } from '../manifest/meaning.ts'
import { counted, note } from '../note.ts'
import { originOf } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { OpenOptions, Parts, Reader } from '../reader.ts'
import { boxesAt, boxesOf } from './boxes.ts'
import type { Boxes } from './boxes.ts'
import { columnsOf } from './columns.ts'
import type { Columns } from './columns.ts'
import { look, packed, partsOf } from './packed.ts'
import type { PackedParts, Source } from './packed.ts'
import { compressors } from './compressors.ts'
import { withTable, wrongTable } from './table.ts'
import { isRecord } from '../../formats/codec.ts'
import { sharedNumbers } from '../../formats/memory.ts'

/** Rows of a file that are read together. */
interface Group {
  readonly file: string
  /** Its first row in the file. */
  readonly from: number
  readonly rows: number
  /** Bytes of its pictures. */
  readonly bytes: number
}

interface ParquetParts extends PackedParts {
  readonly root: string
  readonly column: string
  readonly groups: ReadonlyArray<Group>
  readonly boxes?: Boxes
  /** What boxes count: pixels as stored, or of pictures turned upright. */
  readonly annotations: Counts
}

const origin = originOf<ParquetParts>('parquet')

/** Bytes of row groups that are kept unpacked. */
const keptBytes = 256 * 1024 * 1024

/** The bytes of a cell: itself, or what it holds under that name. */
const bytesIn = (cell: unknown): Uint8Array | undefined => {
  const u = isRecord(cell) && !(cell instanceof Uint8Array) ? cell['bytes'] : cell
  return u instanceof Uint8Array ? u : undefined
}

const source = (p: Pick<ParquetParts, 'root' | 'column' | 'groups' | 'shards'>): Source => {
  const starts: number[] = []
  let total = 0
  for (const g of p.groups) {
    starts.push(total)
    total += g.rows
  }
  const kept = recent<Fault, ReadonlyArray<Uint8Array | undefined>>(keptBytes)
  const rowOf = (i: number): number => p.groups[p.shards[i]].from + i - starts[p.shards[i]]
  const placeOf = (i: number): string => `${join(p.root, p.groups[p.shards[i]].file)}: row ${rowOf(i)}`
  return {
    sourceOf: (i) => `${p.groups[p.shards[i]].file}/${rowOf(i)}`,
    placeOf,
    bytes: (i) => async () => {
      const g = p.groups[p.shards[i]]
      const path = join(p.root, g.file)
      const rows = await kept(
        String(p.shards[i]),
        g.bytes,
        withTable(path, async (file) => {
          const { parquetReadObjects } = await import('hyparquet')
          const read: ReadonlyArray<Readonly<Record<string, unknown>>> = await parquetReadObjects({
            file,
            columns: [p.column],
            rowStart: g.from,
            rowEnd: g.from + g.rows,
            compressors,
            utf8: false,
          })
          return E.right(read.map((r) => bytesIn(r[p.column])))
        }),
      )()
      if (E.isLeft(rows)) return rows
      const bytes = rows.right[i - starts[p.shards[i]]]
      return bytes === undefined
        ? E.left(
            fault('data', {
              place: placeOf(i),
              found: `no bytes of a picture in the column ${p.column}`,
              allowed: 'pictures within the table',
              remedy: 'write the table with its pictures embedded (datasets: cast_column and to_parquet, or push_to_hub)',
            }),
          )
        : E.right(bytes)
    },
  }
}

/** The item i with its boxes. */
const withBoxes =
  ({ root, boxes, annotations }: ParquetParts, { placeOf }: Source, i: number) =>
  (item: Item): TaskEither<Fault, Item> => {
    const own = boxes === undefined ? [] : boxesAt(boxes, i)
    return boxes === undefined || own.length === 0
      ? TE.right(item)
      : annotated({ line: i, boxes: own, shares: boxes.shares }, placeOf(i), root, annotations)(item)
  }

const parquetDataset = (p: ParquetParts): Dataset => {
  const from = source(p)
  const plain = packed(p, from)
  return { ...plain, origin: TE.right(origin.of(p)), item: (i) => pipe(plain.item(i), TE.chain(withBoxes(p, from, i))) }
}

/** What is known of a file once its end and its labels have been read. */
interface Listed {
  readonly groups: ReadonlyArray<Group>
  readonly columns: Columns
  /** The cells of its labels. */
  readonly cells: ReadonlyArray<unknown>
  /** The cells of its boxes, where it has some. */
  readonly boxCells: ReadonlyArray<unknown>
}

/** Numbers of 64 bits, also in lists, as numbers. */
const plainOf = (u: unknown): unknown => (Array.isArray(u) ? u.map(plainOf) : typeof u === 'bigint' ? Number(u) : u)

const listed = (root: string, path: string, o: OpenOptions): TaskEither<Fault, Listed> =>
  withTable(join(root, path), async (file) => {
    const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
    const metadata = await parquetMetadataAsync(file)
    const columns = columnsOf(join(root, path), metadata, o)
    if (E.isLeft(columns)) return columns
    const { image, label, boxes } = columns.right
    const known = [label, boxes].filter((c) => c !== undefined)
    const groups: Group[] = []
    let from = 0
    for (const g of metadata.row_groups) {
      const own = g.columns.filter((c) => c.meta_data?.path_in_schema[0] === image)
      const rows = Number(g.num_rows)
      groups.push({ file: path, from, rows, bytes: own.reduce((n, c) => n + Number(c.meta_data?.total_uncompressed_size ?? 0), 0) })
      from += rows
    }
    const read: ReadonlyArray<Readonly<Record<string, unknown>>> =
      known.length === 0 ? [] : await parquetReadObjects({ file, metadata, columns: known, compressors })
    return E.right({
      groups: groups.filter((g) => g.rows > 0),
      columns: columns.right,
      cells: label === undefined ? new Array<unknown>(from).fill(undefined) : read.map((r) => plainOf(r[label])),
      boxCells: boxes === undefined ? [] : read.map((r) => r[boxes]),
    })
  })

/** The numbers of the rows of a split among those of all files. */
const inSplit = function* (read: ReadonlyArray<Listed & { readonly split: SplitName }>, split: SplitName): Generator<number> {
  let at = 0
  for (const r of read) {
    if (r.split === split) for (let i = 0; i < r.cells.length; i++) yield at + i
    at += r.cells.length
  }
}

/** The boxes of the rows of a split, and what is none. */
const boxesIn = (
  root: string,
  read: ReadonlyArray<Listed & { readonly split: SplitName; readonly file: string }>,
  split: SplitName,
  form: OpenOptions['boxes'],
): ReturnType<typeof boxesOf> => {
  const own = read.filter((r) => r.split === split)
  const rows = own.flatMap((r) => r.cells.map((_, row) => ({ cell: r.boxCells[row], file: r.file, row })))
  return boxesOf(
    rows.map((r) => r.cell),
    (i) => `${join(root, rows[i].file)}: row ${rows[i].row}`,
    form,
  )
}

/** Opens tables, their splits by their names. Faults: with onError 'stop' the first that cannot be read; no column of pictures. */
export const parquet =
  (name: string, root: string, files: ReadonlyArray<string>, o: OpenOptions): TaskEither<Fault, Parts> =>
  async () => {
    const { splits, left } = partsOf(files)
    const skipped: Fault[] = []
    const read: Array<Listed & { readonly split: SplitName; readonly file: string }> = []
    for (const [k, file] of files.entries()) {
      if (left.includes(file)) continue
      const r = await listed(root, file, o)()
      if (E.isRight(r)) read.push({ ...r.right, split: splits[k], file })
      else if (o.onError !== 'skip') return r
      else skipped.push(r.left)
      o.progress?.(k + 1, files.length)
    }
    const [first] = read
    if (first === undefined || read.every((r) => r.cells.length === 0))
      return E.left(skipped.at(0) ?? wrongTable(root, 'tables without rows'))
    const { image, label, names, rest, boxes: boxed } = first.columns
    const meaning = labelsIn(
      read.flatMap((r) => r.cells),
      o.unlabelled ?? [],
      names?.length,
    )
    const { labels, how } = meaning ?? { labels: { classes: [], said: [`the column ${label ?? ''} names files and is no label`] }, how: '' }
    const all = label === undefined || names === undefined ? labels : amongClasses(names)(labels)
    const notes = [
      note(
        `columns: pictures are ${JSON.stringify(image)}; ${label === undefined ? 'no label' : `label is ${JSON.stringify(label)}${how === '' ? '' : ` (${how})`}, ${all.classes.length} classes`}${rest.length === 0 ? '' : `; not used: ${rest.slice(0, 8).join(', ')}${rest.length > 8 ? ` and ${rest.length - 8} more` : ''}`}`,
        [],
        'data.columns.path=NAME or label chooses others',
      ),
      ...(label === undefined ? [] : all.said),
      ...(boxed === undefined
        ? []
        : o.boxes === 'corners'
          ? [note(`boxes are ${JSON.stringify(boxed)}, read as two corners`, [], 'data.boxes=sides reads x, y, width and height')]
          : [note(`boxes are ${JSON.stringify(boxed)}, read as x, y, width and height`, [], 'data.boxes=corners reads two corners')]),
    ]
    const datasets = new Map<SplitName, Dataset>()
    for (const split of ['train', 'val', 'test', 'all'] as const) {
      const groups = read.flatMap((r) => (r.split === split ? r.groups : []))
      const rows = Int32Array.from(inSplit(read, split))
      const { length } = rows
      if (length === 0) continue
      const boxes = boxed === undefined ? undefined : boxesIn(root, read, split, o.boxes)
      const [wrong] = boxes?.faults ?? []
      if (wrong !== undefined && o.onError !== 'skip') return E.left(wrong)
      if (wrong !== undefined)
        notes.push(`${counted(boxes?.faults.length ?? 0, 'box', 'boxes')} without sides left out, the first at ${wrong.place}`)
      const shards = new Int32Array(length)
      let filled = 0
      groups.forEach((g, k) => {
        shards.fill(k, filled, (filled += g.rows))
      })
      const parts = {
        root,
        column: image,
        groups,
        shards: sharedNumbers(Int32Array, shards),
        ...sharedLabels(all, rows),
        ...(boxes === undefined ? {} : { boxes: boxes.boxes }),
        annotations: o.annotations ?? ('stored' as const),
      }
      const { notes: seen, ...decoding } = await look(length, source(parts).bytes, o)
      notes.push(...seen)
      datasets.set(split, parquetDataset({ ...parts, ...decoding, name: split === 'all' ? name : `${name}/${split}`, length }))
    }
    return E.right({ splits: datasets, skipped, left, notes: [...new Set(notes)] })
  }

export const parquetReader: Reader = {
  ...reopener(origin, (parts) => TE.right(parquetDataset(parts))),
  files: 'Parquet tables of pictures (.parquet)',
  matches: (path) => /\.parquet$/i.test(basename(path)),
  open: { _tag: 'Shards', files: ({ name, root, paths }, o) => parquet(name, root, paths, o) },
}
