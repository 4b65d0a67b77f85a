/** The rows of a table, decoded: a file with what is known of it. What a column means, `columns.ts` says; paths are found by `paths.ts`. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { faultsOf, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Box, SplitName } from '../dataset.ts'
import { counted, note } from '../note.ts'
import { splitNames, splitOf } from '../split.ts'
import { binaryColumns, candidates, named } from './columns.ts'
import type { ColumnNames, Role } from './columns.ts'
import { labelText, onlyOne, singleLabels, vectorLabels, wordLabels } from './labels.ts'
import type { Labels } from './labels.ts'
import { isFile, placeOf } from './table.ts'
import type { Table } from './table.ts'
import { isRecord } from '../../formats/codec.ts'

/** One row, decoded. What it does not say is not there. */
export interface Row {
  readonly line: number
  readonly path: string
  readonly split: SplitName
  readonly label?: number
  readonly labels?: ReadonlyArray<number>
  readonly boxes?: ReadonlyArray<Box>
  readonly mask?: string
  readonly frame?: number
  readonly group?: string
}

export interface Rows {
  readonly rows: ReadonlyArray<Row>
  readonly classes: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
}

export interface RowOptions {
  readonly columns: ColumnNames
  /** Texts that stand for no label; none: those that people usually write. */
  readonly unlabelled: ReadonlyArray<string>
  readonly skip: boolean
}

const wrong = (place: string, found: string, allowed: string): Fault =>
  faultsOf('data')(
    place,
    found,
    allowed,
    'correct the row, or leave out what cannot be read (npm run data: --on-error skip; training: --set data.onError=skip)',
  )

/** A cell as text: what a person wrote, or a record of a file (`{"path": …}`, as Hugging Face has it). */
export const cellText = (u: unknown): string => {
  if (typeof u === 'string') return u.trim()
  if (typeof u === 'number' || typeof u === 'boolean') return String(u)
  return isRecord(u) ? cellText(u['path'] ?? u['file_name'] ?? u['src']) : ''
}

const numbersOf = (u: unknown): ReadonlyArray<number> =>
  Array.isArray(u) ? u.map(Number) : isRecord(u) ? ['x', 'y', 'width', 'height'].map((k) => Number(u[k])) : []

/** A box, or why it is none. */
const boxOf = (place: string, u: unknown): Either<Fault, Box> => {
  const [x = NaN, y = NaN, width = NaN, height = NaN, ...rest] = numbersOf(u)
  return rest.length === 0 && [x, y, width, height].every(Number.isFinite) && width > 0 && height > 0
    ? E.right({ x, y, width, height })
    : E.left(
        wrong(
          place,
          `the box ${JSON.stringify(isRecord(u) ? Object.values(u) : u)}`,
          'x, y, width and height in pixels, the latter two above 0',
        ),
      )
}

/** A cell that may be a list in JSON, or numbers with blanks between. */
const listIn = (place: string, u: unknown): Either<Fault, unknown> => {
  if (typeof u !== 'string' || u === '') return E.right(u === '' ? undefined : u)
  if (/^[-\d. ,]+$/.test(u)) return E.right(u.trim().split(/[ ,]+/).map(Number))
  return E.tryCatch(
    (): unknown => JSON.parse(u),
    (e) => wrong(place, messageOf(e), 'a list in JSON'),
  )
}

const boxesOf = (t: Table, r: number): Either<Fault, ReadonlyArray<Box>> => {
  const out: unknown[] = []
  for (const role of ['box', 'boxes'] as const) {
    const [c] = candidates(t, role)
    if (c === undefined) continue
    const parsed = listIn(`${placeOf(t, r)}: ${t.names[c]}`, t.columns[c][r])
    if (E.isLeft(parsed)) return parsed
    if (parsed.right === undefined || parsed.right === null) continue
    const all: ReadonlyArray<unknown> = role === 'boxes' && Array.isArray(parsed.right) ? parsed.right : [parsed.right]
    out.push(...all)
  }
  const cell = (name: string): string => {
    const c = named(t, name)
    return c === undefined ? '' : cellText(t.columns[c][r])
  }
  const sides = ['x', 'y', 'width', 'height'].map(cell)
  if (sides.every((s) => s !== '')) out.push(sides.map(Number))
  const [left, top, right, bottom] = ['xmin', 'ymin', 'xmax', 'ymax'].map(cell)
  if ([left, top, right, bottom].every((s) => s !== ''))
    out.push([Number(left), Number(top), Number(right) - Number(left), Number(bottom) - Number(top)])
  return E.traverseArray((b: unknown) => boxOf(placeOf(t, r), b))(out)
}

/** Names of boxes in columns of their own. */
const sides = ['x', 'y', 'width', 'height', 'xmin', 'ymin', 'xmax', 'ymax']

interface Meaning {
  readonly labels: Labels
  /** The columns that labels come from. */
  readonly from: ReadonlyArray<number>
  readonly how: string
}

/** A column of labels: a class a row, or several where cells are lists or have `|` or `;` between. */
const ofColumn = (t: Table, c: number, none: ReadonlyArray<string>): Meaning => {
  const cells = t.columns[c].map((u) =>
    typeof u === 'string' && /^\[.*\]$/.test(u) ? E.getOrElse<Fault, unknown>(() => u)(listIn('', u)) : u,
  )
  const from = [c]
  if (cells.some(Array.isArray)) {
    const lists = cells.map((u): ReadonlyArray<string> | undefined => (Array.isArray(u) ? u.map(labelText) : undefined))
    const vectors =
      lists.every((l) => l === undefined || l.every((v) => /^(-?\d+)?$/.test(v))) &&
      new Set(lists.flatMap((l) => (l === undefined ? [] : [l.length]))).size === 1
    const n = lists.find((l) => l !== undefined)?.length ?? 0
    return {
      from,
      how: 'several a row',
      labels: vectors
        ? vectorLabels(
            lists,
            Array.from({ length: n }, (_, i) => String(i)),
          )
        : wordLabels(lists.map((l) => l ?? [])),
    }
  }
  const texts = cells.map(labelText)
  const mark = ['|', ';'].find((m) => texts.some((x) => x.includes(m)))
  if (mark !== undefined)
    return { from, how: `several a row, with ${mark} between`, labels: wordLabels(texts.map((x) => x.split(mark).map((w) => w.trim()))) }
  return texts.some((x) => x !== '') && texts.every((x) => x === '' || isFile(x))
    ? { from: [], how: '', labels: { classes: [], said: [`the column ${t.names[c]} names files and is no label`] } }
    : { from, how: '', labels: singleLabels(texts, none) }
}

const unlabelled: Meaning = { labels: { classes: [], said: [] }, from: [], how: '' }

const labelsOf = (t: Table, o: RowOptions, taken: ReadonlySet<number>): Meaning => {
  if (o.columns.label === 'none') return unlabelled
  const chosen =
    o.columns.label === '' ? [...candidates(t, 'label'), ...candidates(t, 'labels')].find((c) => !taken.has(c)) : named(t, o.columns.label)
  if (chosen !== undefined) return ofColumn(t, chosen, o.unlabelled)
  const binary = binaryColumns(t, taken)
  if (binary.length === 0) return unlabelled
  const labels = onlyOne(
    vectorLabels(
      t.lines.map((_, r) => binary.map((c) => labelText(t.columns[c][r]))),
      binary.map((c) => t.names[c]),
    ),
  )
  return { labels, from: binary, how: labels.single === undefined ? 'several a row' : 'one of the columns' }
}

/** What of the columns is what, in one line. */
const described = (t: Table, path: number, m: Meaning, split: number | undefined, group: number | undefined): string => {
  const name = (c: number): string => JSON.stringify(t.names[c])
  const parts = [
    `path is ${name(path)}`,
    m.from.length === 0
      ? 'no label'
      : `label is ${m.from.length > 4 ? `${m.from.slice(0, 3).map(name).join(', ')} and ${m.from.length - 3} more` : m.from.map(name).join(', ')}${m.how === '' ? '' : ` (${m.how})`}, ${m.labels.classes.length} classes`,
    ...(split === undefined ? [] : [`split is ${name(split)}`]),
    ...(group === undefined ? [] : [`group is ${name(group)}`]),
  ]
  const used = new Set([
    path,
    ...m.from,
    split,
    group,
    ...(['box', 'boxes', 'mask', 'frame', 'labels'] as const).flatMap((r) => candidates(t, r).slice(0, 1)),
    ...sides.map((s) => named(t, s)),
  ])
  const rest = t.names.filter((_, c) => !used.has(c) && t.names[c] !== '')
  return `columns: ${parts.join('; ')}${rest.length === 0 ? '' : `; not used: ${rest.slice(0, 8).join(', ')}${rest.length > 8 ? ` and ${rest.length - 8} more` : ''}`}`
}

/** A note of images that rows call differently. */
const contradictions = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const first = new Map<string, number | undefined>()
  const odd = new Set<string>()
  for (const r of rows) {
    const key = r.frame === undefined ? r.path : `${r.path} ${r.frame}`
    if (first.has(key) && first.get(key) !== r.label) odd.add(r.path)
    else first.set(key, r.label)
  }
  if (odd.size === 0) return []
  return [
    note(`${counted(odd.size, 'image is', 'images are')} in several rows with different labels: each row is an image of its own`, [...odd]),
  ]
}

/**
 * The rows of a table whose column `path` has paths, found as `paths`. Faults name the line: an empty path, a split of no such name, a
 * box that is none.
 */
export const rowsOf = (t: Table, path: number, paths: ReadonlyArray<string>, o: RowOptions): Either<Fault, Rows> => {
  const only = (role: Exclude<Role, 'path' | 'label' | 'labels'>): number | undefined => candidates(t, role).find((c) => c !== path)
  const chosen = (role: 'split' | 'group'): number | undefined =>
    o.columns[role] === 'none' ? undefined : o.columns[role] === '' ? only(role) : named(t, o.columns[role])
  const given = chosen('split')
  const isSplit = given !== undefined && t.columns[given].some((u) => splitOf(cellText(u)) !== undefined)
  const split = isSplit ? given : undefined
  const [group, mask, frame] = [chosen('group'), only('mask'), only('frame')]
  const m = labelsOf(t, o, new Set([path, given ?? path, group ?? path, mask ?? path, frame ?? path]))
  const [vectors] = candidates(t, 'labels')
    .filter((c) => !m.from.includes(c))
    .map((c) => ofColumn(t, c, o.unlabelled))
  const several = m.labels.several ?? vectors?.labels.several
  const width = m.labels.several === undefined ? (vectors?.labels.classes.length ?? 0) : m.labels.classes.length
  const boxed = candidates(t, 'box').length + candidates(t, 'boxes').length > 0 || sides.some((s) => named(t, s) !== undefined)
  const rows: Row[] = []
  const skipped: Fault[] = []
  for (let r = 0; r < t.lines.length; r++) {
    const row = ((): Either<Fault, Row> => {
      if (paths[r] === '') return E.left(wrong(placeOf(t, r), 'an empty path', 'the path of a file'))
      const word = split === undefined ? '' : cellText(t.columns[split][r])
      const part = word === '' ? 'all' : splitOf(word)
      if (part === undefined) return E.left(wrong(placeOf(t, r), `the split ${JSON.stringify(word)}`, [...splitNames.keys()].join(', ')))
      const boxes = boxed ? boxesOf(t, r) : E.right([])
      if (E.isLeft(boxes)) return boxes
      const number = frame === undefined ? '' : cellText(t.columns[frame][r])
      if (number !== '' && !/^\d{1,9}$/.test(number))
        return E.left(wrong(placeOf(t, r), `the frame ${JSON.stringify(number)}`, 'a whole number from 0'))
      const label = m.labels.single === undefined ? -1 : m.labels.single[r]
      const [of, over] = [group === undefined ? '' : cellText(t.columns[group][r]), mask === undefined ? '' : cellText(t.columns[mask][r])]
      return E.right({
        line: t.lines[r],
        path: paths[r],
        split: part,
        ...(label < 0 ? {} : { label }),
        ...(several === undefined || several.given[r] === 0
          ? {}
          : { labels: Array.from(several.values.subarray(r * width, (r + 1) * width)) }),
        ...(boxes.right.length === 0 ? {} : { boxes: boxes.right }),
        ...(over === '' ? {} : { mask: over }),
        ...(number === '' ? {} : { frame: Number(number) }),
        ...(of === '' ? {} : { group: of }),
      })
    })()
    if (E.isRight(row)) rows.push(row.right)
    else if (o.skip) skipped.push(row.left)
    else return row
  }
  const unused = given !== undefined && !isSplit ? [`the column ${t.names[given]} names no split`] : []
  return E.right({
    rows,
    skipped,
    classes: m.labels.classes.length > 0 ? m.labels.classes : (vectors?.labels.classes ?? []),
    notes: [
      note(described(t, path, m, split, group), [], 'data.columns.label=NAME, or path, split, group, chooses others'),
      ...(t.said ?? []),
      ...contradictions(rows),
      ...m.labels.said,
      ...(vectors?.labels.said ?? []),
      ...unused,
    ],
  })
}
