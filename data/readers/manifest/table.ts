/**
 * Tables of any format by columns: CSV and its like, JSON records by line, a list in JSON, and COCO's annotations. What a table holds
 * means the same in each.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { CsvTable } from '../../formats/csv.ts'
import { parseCsv } from '../../formats/csv.ts'
import { isRecord } from '../../formats/codec.ts'
import { counted } from '../note.ts'

export interface Table {
  readonly file: string
  /** The names of the columns as they are written. */
  readonly names: ReadonlyArray<string>
  readonly columns: ReadonlyArray<ReadonlyArray<unknown>>
  /** Where each row is: its line, or its place in a list. */
  readonly lines: ArrayLike<number>
  /** What was taken for granted of its form. */
  readonly said?: ReadonlyArray<string>
}

/** Whether a text names a file that may be an image. */
export const isFile = (text: string): boolean => /\.(png|jpe?g|tiff?|webp|bmp|gif|jp2|nii|nii\.gz|dcm|npy)$/i.test(text)

/** Where a row is, for faults. */
export const placeOf = (t: Pick<Table, 'file' | 'lines'>, row: number): string =>
  `${t.file}: ${/\.json$/i.test(t.file) ? 'record' : 'line'} ${t.lines[row]}`

const wrong = (place: string, found: string, allowed: string): Fault =>
  fault('data', { place, found, allowed, remedy: 'correct the table: one row for each image, a column with its path' })

/** JSON as Python writes it, with NaN, which JSON has not: nothing. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (e) {
    const plain = text.replace(/([:[,]\s*)(?:NaN|-?Infinity)(?=\s*[,\]}])/g, '$1null')
    if (plain === text) throw e
    return parseJson(plain)
  }
}

/** Records as columns; what a record does not say is undefined. Left: what is no record, by its number. */
const columnsOf = (file: string, records: Iterable<readonly [line: number, record: unknown]>): Either<Fault, Table> => {
  const columns = new Map<string, unknown[]>()
  const lines: number[] = []
  for (const [line, record] of records) {
    if (!isRecord(record)) return E.left(wrong(placeOf({ file, lines: [line] }, 0), 'no record', 'a record {"path": …}'))
    for (const [name, value] of Object.entries(record)) {
      const column = columns.get(name) ?? []
      column[lines.length] = value
      columns.set(name, column)
    }
    lines.push(line)
  }
  // what no record said is undefined, not a hole that loops pass over
  return E.right({ file, names: [...columns.keys()], columns: [...columns.values()].map((c) => Array.from(lines, (_, r) => c[r])), lines })
}

const fromLines = (file: string, text: string): Either<Fault, Table> => {
  const records: Array<readonly [number, unknown]> = []
  let line = 0
  for (const part of text.split('\n')) {
    line++
    if (part.trim() === '') continue
    try {
      records.push([line, parseJson(part)])
    } catch (e) {
      return E.left(wrong(`${file}: line ${line}`, messageOf(e), 'a JSON record'))
    }
  }
  return columnsOf(file, records)
}

const numbered = (list: ReadonlyArray<unknown>): ReadonlyArray<readonly [number, unknown]> => list.map((r, i) => [i + 1, r])

/** A box of COCO, whose numbers are a corner and sides. */
const sidesOf = (u: unknown): unknown => {
  const list: ReadonlyArray<unknown> = Array.isArray(u) ? u : []
  const [x, y, width, height] = list
  return list.length === 4 ? { x, y, width, height } : u
}

/** COCO: images, with the boxes of their annotations and the categories that they show. */
const fromCoco = (
  file: string,
  images: ReadonlyArray<unknown>,
  annotations: ReadonlyArray<unknown>,
  categories: ReadonlyArray<unknown>,
): Either<Fault, Table> => {
  const names = new Map(
    categories.flatMap((c) =>
      isRecord(c) ? [[c['id'], typeof c['name'] === 'string' ? c['name'] : JSON.stringify(c['id'])] as const] : [],
    ),
  )
  const boxes = new Map<unknown, unknown[]>()
  const shown = new Map<unknown, Set<string>>()
  const there = new Set(images.map((i) => (isRecord(i) ? i['id'] : undefined)))
  let [strangers, outlines] = [0, 0]
  for (const a of annotations) {
    if (!isRecord(a)) continue
    if (!there.has(a['image_id'])) strangers++
    if (a['segmentation'] !== undefined) outlines++
    if (a['bbox'] !== undefined) {
      const own = boxes.get(a['image_id'])
      if (own === undefined) boxes.set(a['image_id'], [sidesOf(a['bbox'])])
      else own.push(sidesOf(a['bbox']))
    }
    if (a['category_id'] !== undefined)
      shown.set(a['image_id'], (shown.get(a['image_id']) ?? new Set()).add(names.get(a['category_id']) ?? JSON.stringify(a['category_id'])))
  }
  const said = [
    ...(outlines === 0
      ? []
      : [`${counted(outlines, 'outline')} of annotations (segmentation) ${outlines === 1 ? 'is' : 'are'} not read: their boxes are`]),
    ...(strangers === 0
      ? []
      : [`${counted(strangers, 'annotation')} of images that are not listed ${strangers === 1 ? 'is' : 'are'} left out`]),
  ]
  const table = columnsOf(
    file,
    numbered(
      images.map((i) =>
        isRecord(i)
          ? {
              path: i['file_name'],
              boxes: boxes.get(i['id']) ?? [],
              ...(shown.size === 0 ? {} : { label: [...(shown.get(i['id']) ?? [])].join('|') }),
            }
          : i,
      ),
    ),
  )
  return E.map((t: Table): Table => ({ ...t, said }))(table)
}

/**
 * Records of a table that JSON has by columns, as pandas writes it (`{"path": {"0": …}}`, `{"path": […]}`), or by the names of images
 * (`{"a.png": {"label": …}}`). Undefined for all else.
 */
const byColumns = (entries: ReadonlyArray<readonly [string, unknown]>): ReadonlyArray<unknown> | undefined => {
  const inner = entries.map(([name, v]) => [name, Array.isArray(v) ? Object.fromEntries(Object.entries(v)) : v] as const)
  if (!inner.every((e): e is readonly [string, Readonly<Record<string, unknown>>] => isRecord(e[1]))) return undefined
  const keys = [...new Set(inner.flatMap(([, v]) => Object.keys(v)))]
  if (keys.length === 0) return undefined
  return keys.every((k) => /^\d+$/.test(k))
    ? keys.map((k) => Object.fromEntries(inner.map(([name, v]) => [name, v[k]])))
    : entries.every(([, v]) => !Array.isArray(v))
      ? inner.map(([path, v]) => ({ path, ...v }))
      : undefined
}

const fromJson = (file: string, text: string): Either<Fault, Table> => {
  try {
    const u = parseJson(text)
    if (Array.isArray(u)) return columnsOf(file, numbered(u))
    if (isRecord(u)) {
      const { images, annotations, categories } = u
      if (Array.isArray(images) && Array.isArray(annotations))
        return fromCoco(file, images, annotations, Array.isArray(categories) ? categories : [])
      const lists = Object.values(u).filter((v): v is ReadonlyArray<unknown> => Array.isArray(v) && v.length > 0 && v.every(isRecord))
      const labels = Object.entries(u)
      if (labels.length > 0 && labels.every(([name, v]) => isFile(name) && !isRecord(v)))
        return columnsOf(file, numbered(labels.map(([path, label]) => ({ path, label }))))
      if (lists.length === 1) return columnsOf(file, numbered(lists[0]))
      const own = byColumns(labels)
      if (own !== undefined) return columnsOf(file, numbered(own))
    }
    return E.left(
      wrong(
        file,
        'JSON without one list of records',
        'a list [{"path": …}, …], COCO\'s images and annotations, or records by line (.jsonl)',
      ),
    )
  } catch (e) {
    return E.left(wrong(file, messageOf(e), 'JSON'))
  }
}

const fromCsv = (file: string, text: string): Either<Fault, Table> => {
  const t = parseCsv(text)
  if (E.isLeft(t)) return E.left(wrong(file, t.left, 'a table whose first line names its columns'))
  return E.right({ file, ...withNames(t.right) })
}

const isDeep = (text: string): boolean => /[/\\].*[/\\]/.test(text)

/** A table whose first line is a row like the others: columns by their numbers, and of two the one without files is the label. */
const withNames = (t: CsvTable): CsvTable & Pick<Table, 'said'> => {
  // a file, or a folder below others, which the rows name too
  const path = t.names.findIndex((n, c) => isFile(n) || (isDeep(n) && t.columns[c].length > 0 && isDeep(t.columns[c][0])))
  if (path < 0) return t
  const names = t.names.map((_, c) => (c === path ? 'path' : t.names.length === 2 ? 'label' : `column ${c + 1}`))
  return {
    names,
    columns: t.columns.map((c, k) => [t.names[k], ...c]),
    lines: Int32Array.from({ length: t.lines.length + 1 }, (_, r) => (r === 0 ? 1 : t.lines[r - 1])),
    said: [`the first line names a file or folder and is read as a row; the columns are called ${names.join(', ')}`],
  }
}

/** Whether JSON begins as tables do: a list of records, or COCO. */
export const looksLikeTable = (head: Uint8Array): boolean =>
  /^\uFEFF?\s*(\[\s*\{|\{\s*"(info|images|licenses|annotations|categories)")/.test(new TextDecoder().decode(head))

/** The text of a table: UTF-8, UTF-16 where its first bytes say so, else Latin-1, which is said. */
export const decodeText = (bytes: Uint8Array): { readonly text: string; readonly latin1: boolean } => {
  const marked = (a: number, b: number): boolean => bytes[0] === a && bytes[1] === b
  // without a mark, every second byte of the first letters is 0
  const blank = (at: number): boolean => bytes.length >= 4 && bytes[at] === 0 && bytes[at + 2] === 0 && bytes[1 - at] !== 0
  const wide = marked(0xff, 0xfe) || blank(1) ? 'utf-16le' : marked(0xfe, 0xff) || blank(0) ? 'utf-16be' : undefined
  if (wide !== undefined) return { text: new TextDecoder(wide).decode(bytes), latin1: false }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), latin1: false }
  } catch {
    return { text: new TextDecoder('latin1').decode(bytes), latin1: true }
  }
}

/** The columns of a table's text. Faults name the line: text that is no table or JSON; no row. */
export const parseTable = (file: string, text: string): Either<Fault, Table> => {
  const plain = text.replace(/^\uFEFF/, '')
  const table = /\.(jsonl|ndjson)$/i.test(file)
    ? fromLines(file, plain)
    : /\.json$/i.test(file)
      ? fromJson(file, plain)
      : fromCsv(file, plain)
  return E.isRight(table) && table.right.lines.length === 0 ? E.left(wrong(file, 'no row', 'at least one row with a path')) : table
}
