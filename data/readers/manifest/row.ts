/**
 * The rows of a manifest: a table (.csv, .tsv) or JSON records by line (.jsonl, .ndjson) that list files with what is
 * known of them. Columns or keys: `path` (also `file`, `image`, `filename`); `label` (a class by number or name); `labels`
 * (several classes: a list of 0 and 1); `split` (train, val, test); `box` ([x, y, width, height] in pixels, in tables also
 * the four columns x, y, width, height) or `boxes` (a list of such); `mask` (a picture, 0 outside); `frame`.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { faultsOf, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Box } from '../dataset.ts'
import { Whole, decodeAs } from '../../formats/codec.ts'
import { parseCsv } from '../../formats/csv.ts'
import type { CsvRecord } from '../../formats/csv.ts'
import type { SplitName } from '../dataset.ts'
import { splitNames, splitOf } from '../split.ts'

/** One row, decoded. */
export interface Row {
  /** Where the row is, for faults: the file and its line. */
  readonly place: string
  readonly path: string
  readonly label: string | number | undefined
  readonly labels: ReadonlyArray<number> | undefined
  readonly split: SplitName
  readonly boxes: ReadonlyArray<Box>
  readonly mask: string | undefined
  readonly frame: number | undefined
}

const remedy = 'correct the row: path, label, labels, split, box or boxes, mask, frame'

const wrong = (place: string, found: string, allowed: string): Fault => faultsOf('data')(place, found, allowed, remedy)

const BoxCodec = t.union([
  t.tuple([t.number, t.number, t.number, t.number]),
  t.type({ x: t.number, y: t.number, width: t.number, height: t.number }),
], '[x, y, width, height] or {"x", "y", "width", "height"}')

const Label = t.union([t.string, Whole], 'a class, by its number or name')

const RowCodec = t.intersection([
  t.type({ path: t.string }),
  t.partial({
    label: t.union([Label, t.null]), labels: t.array(Whole), split: t.string,
    box: BoxCodec, boxes: t.array(BoxCodec), mask: t.string, frame: Whole,
  }),
])

const boxOf = (b: t.TypeOf<typeof BoxCodec>): Box => ('x' in b ? { x: b.x, y: b.y, width: b.width, height: b.height } : { x: b[0], y: b[1], width: b[2], height: b[3] })

const isBox = (b: Box): boolean => [b.x, b.y, b.width, b.height].every(Number.isFinite) && b.width > 0 && b.height > 0

const rowOf = (place: string) => (u: unknown): Either<Fault, Row> => {
  const decoded = decodeAs(RowCodec, 'data', place, remedy)(u)
  if (E.isLeft(decoded)) return decoded
  const r = decoded.right
  if (r.path === '') return E.left(wrong(place, 'an empty path', 'the path of a file'))
  const split = r.split === undefined || r.split === '' ? 'all' : splitOf(r.split)
  if (split === undefined) return E.left(wrong(place, `the split ${JSON.stringify(r.split)}`, [...splitNames.keys()].join(', ')))
  const boxes = [...(r.box === undefined ? [] : [r.box]), ...(r.boxes ?? [])].map(boxOf)
  const bad = boxes.find((b) => !isBox(b))
  if (bad !== undefined) return E.left(wrong(place, `the box ${JSON.stringify(Object.values(bad))}`, 'x, y, width and height in pixels, the latter two above 0'))
  return E.right({
    place, path: r.path, split, boxes, labels: r.labels, frame: r.frame,
    label: r.label === null || r.label === '' ? undefined : r.label,
    mask: r.mask === '' ? undefined : r.mask,
  })
}

const aliases: ReadonlyMap<string, string> = new Map([
  ['file', 'path'], ['image', 'path'], ['filename', 'path'], ['filepath', 'path'], ['image_path', 'path'],
  ['class', 'label'], ['target', 'label'], ['bbox', 'box'], ['bboxes', 'boxes'], ['set', 'split'],
])

const canonical = (key: string): string => aliases.get(key) ?? key

/** Cells that are JSON where they begin as lists or records. */
const listKeys: ReadonlyArray<string> = ['labels', 'box', 'boxes']

/** A record of a table as the values that its JSON form would have. */
const valuesOf = (place: string, r: CsvRecord): Either<Fault, unknown> => {
  const out: Record<string, unknown> = {}
  for (const [name, text] of r.values) {
    const key = canonical(name)
    if (text === '') continue
    if (listKeys.includes(key)) {
      const parsed = E.tryCatch((): unknown => JSON.parse(text), (e) => wrong(`${place}: ${name}`, messageOf(e), 'a list in JSON'))
      if (E.isLeft(parsed)) return parsed
      out[key] = parsed.right
    } else out[key] = key === 'frame' ? Number(text) : text
  }
  const sides = ['x', 'y', 'width', 'height'].map((k) => r.values.get(k) ?? '')
  if (sides.every((s) => s !== '')) out.box = sides.map(Number)
  return E.right(out)
}

const withPath = (u: unknown): unknown =>
  typeof u === 'object' && u !== null && !Array.isArray(u)
    ? Object.fromEntries(Object.entries(u).map(([k, v]): readonly [string, unknown] => [canonical(k), v]))
    : u

/** Decodes a manifest's text. Faults name the line: text that is no table or JSON, a missing path, a wrong value. */
export const parseManifest = (file: string, text: string): Either<Fault, ReadonlyArray<Row>> => {
  const rows: Row[] = []
  const add = (place: string, u: Either<Fault, unknown>): Fault | undefined => {
    const row = E.chain(rowOf(place))(u)
    if (E.isLeft(row)) return row.left
    rows.push(row.right)
    return undefined
  }
  if (/\.(jsonl|ndjson)$/i.test(file)) {
    for (const [i, line] of text.replace(/^\uFEFF/, '').split('\n').entries()) {
      if (line.trim() === '') continue
      const place = `${file}: line ${i + 1}`
      const parsed = E.tryCatch((): unknown => JSON.parse(line), (e) => wrong(place, messageOf(e), 'a JSON record'))
      const bad = add(place, E.map(withPath)(parsed))
      if (bad !== undefined) return E.left(bad)
    }
  } else {
    const table = E.mapLeft((found: string) => wrong(file, found, 'a table whose first line names its columns, path among them'))(parseCsv(text))
    if (E.isLeft(table)) return table
    for (const record of table.right) {
      const place = `${file}: line ${record.line}`
      const bad = add(place, valuesOf(place, record))
      if (bad !== undefined) return E.left(bad)
    }
  }
  return rows.length > 0 ? E.right(rows) : E.left(wrong(file, 'no row', 'at least one row with a path'))
}
