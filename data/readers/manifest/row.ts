/** The rows of a table, decoded: each a file with what is known of it. They are kept by columns, as there may be millions. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { sharedBytes, sharedNumbers } from '../../formats/memory.ts'
import type { Box, SplitName } from '../dataset.ts'
import { counted, note } from '../note.ts'
import { splitNames, splitOf } from '../split.ts'
import { areShares, boxColumns, boxesIn, cellText, wrongRow } from './boxes.ts'
import { candidates, named } from './columns.ts'
import type { ColumnNames, Role } from './columns.ts'
import { distinct } from './distinct.ts'
import type { BoxForm } from './form.ts'
import { maskColumn } from './mask-column.ts'
import { labelsOf, meaningOf } from './meaning.ts'
import type { Meaning } from './meaning.ts'
import { placeOf } from './table.ts'
import type { Table } from './table.ts'

/** One row. What it does not say is not there. */
export interface Row {
  readonly line: number
  readonly label?: number
  readonly labels?: ReadonlyArray<number>
  readonly boxes?: ReadonlyArray<Box>
  /** Its boxes are shares of the image's sides. */
  readonly shares?: boolean
  readonly mask?: string
}

/** The splits, in the order of their numbers. */
export const splitOrder: ReadonlyArray<SplitName> = ['train', 'val', 'test', 'all']

/** Rows by columns, as plain data that threads share. */
export interface Rows {
  readonly lines: Int32Array
  /** A class for each, -1 for none. */
  readonly labels: Int32Array
  /** 0 or 1 for each of `width` classes, one row after the other; and which rows say anything. */
  readonly several?: { readonly width: number; readonly values: Uint8Array; readonly given: Uint8Array }
  /** By the rows that have some. */
  readonly boxes: Readonly<Record<number, ReadonlyArray<Box> | undefined>>
  /** Boxes are shares of the sides of their images. */
  readonly shares: boolean
  readonly masks: Readonly<Record<number, string | undefined>>
  /** What rows belong to, by numbers, -1 for none. */
  readonly groups?: { readonly names: ReadonlyArray<string>; readonly of: Int32Array }
}

/** What is needed of rows to find their images. */
export interface Reading {
  readonly rows: Rows
  /** The file of each row, a number of `files`. */
  readonly fileOf: Int32Array
  readonly files: ReadonlyArray<string>
  /** The split of each, a number of `splitOrder`. */
  readonly splits: Uint8Array
  readonly frames: ReadonlyMap<number, number>
  readonly classes: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
}

export interface RowOptions {
  readonly columns: ColumnNames
  /** Texts that stand for no label; none: those that people usually write. */
  readonly unlabelled: ReadonlyArray<string>
  readonly skip: boolean
  /** What boxes without names are; by default a corner and sides. */
  readonly boxes?: BoxForm
}

/** Row r. */
export const rowAt = (rows: Rows, r: number): Row => {
  const { lines, labels, several, boxes, masks } = rows
  const [own, mask] = [boxes[r], masks[r]]
  return {
    line: lines[r],
    ...(labels[r] < 0 ? {} : { label: labels[r] }),
    ...(several === undefined || several.given[r] === 0
      ? {}
      : { labels: Array.from(several.values.subarray(r * several.width, (r + 1) * several.width)) }),
    ...(own === undefined ? {} : { boxes: own, shares: rows.shares }),
    ...(mask === undefined ? {} : { mask }),
  }
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
    ...(boxColumns(t).length === 0 ? [] : [`boxes are ${boxColumns(t).map(name).join(', ')}`]),
  ]
  const used = new Set([
    path,
    ...m.from,
    split,
    group,
    maskColumn(t, path),
    ...(['frame', 'labels'] as const).flatMap((r) => candidates(t, r).slice(0, 1)),
    ...boxColumns(t),
  ])
  const rest = t.names.filter((_, c) => !used.has(c) && t.names[c] !== '')
  return `columns: ${parts.join('; ')}${rest.length === 0 ? '' : `; not used: ${rest.slice(0, 8).join(', ')}${rest.length > 8 ? ` and ${rest.length - 8} more` : ''}`}`
}

/** Notes of images that several rows name, and of those that these call differently. */
const contradictions = ({ rows: { labels }, fileOf, files, frames }: Omit<Reading, 'notes'>): ReadonlyArray<string> => {
  const none = -2
  const first = new Int32Array(files.length).fill(none)
  const ofFrames = new Map<string, number>()
  const [odd, again] = [new Set<number>(), new Set<number>()]
  for (let r = 0; r < labels.length; r++) {
    const [file, frame] = [fileOf[r], frames.get(r)]
    const key = frame === undefined ? '' : `${file} ${frame}`
    const known = frame === undefined ? first[file] : (ofFrames.get(key) ?? none)
    if (known !== none) (known === labels[r] ? again : odd).add(file)
    else if (frame === undefined) first[file] = labels[r]
    else ofFrames.set(key, labels[r])
  }
  const said = (own: ReadonlySet<number>, labelled: string): ReadonlyArray<string> =>
    own.size === 0
      ? []
      : [
          note(
            `${counted(own.size, 'image is', 'images are')} in several rows${labelled}: each row is an image of its own`,
            [...own].map((f) => files[f]),
          ),
        ]
  return [...said(odd, ' with different labels'), ...said(new Set([...again].filter((f) => !odd.has(f))), '')]
}

/**
 * The rows of a table whose column `path` has paths, found as `paths`; those of which none is there are left out. `maskOf`: where masks
 * were found. Faults name the line: an empty path, a split of no such name, a box that is none.
 */
export const rowsOf = (
  t: Table,
  path: number,
  paths: ReadonlyArray<string | undefined>,
  maskOf: (text: string) => string,
  o: RowOptions,
): Either<Fault, Reading> => {
  const only = (role: Exclude<Role, 'path' | 'label' | 'labels' | 'mask'>): number | undefined =>
    candidates(t, role).find((c) => c !== path)
  const chosen = (role: 'split' | 'group'): number | undefined =>
    o.columns[role] === 'none' ? undefined : o.columns[role] === '' ? only(role) : named(t, o.columns[role])
  const given = chosen('split')
  const isSplit = given !== undefined && t.columns[given].some((u) => splitOf(cellText(u)) !== undefined)
  const split = isSplit ? given : undefined
  const [group, mask, frame] = [chosen('group'), maskColumn(t, path), only('frame')]
  const m = labelsOf(
    t,
    o.columns.label,
    o.unlabelled,
    new Set([path, given ?? path, group ?? path, mask ?? path, frame ?? path, ...boxColumns(t)]),
  )
  const [vectors] = candidates(t, 'labels')
    .filter((c) => !m.from.includes(c))
    .map((c) => meaningOf(t, c, o.unlabelled))
  const several = m.labels.several ?? vectors?.labels.several
  const width = m.labels.several === undefined ? (vectors?.labels.classes.length ?? 0) : m.labels.classes.length
  const boxesOf = boxColumns(t).length > 0 ? boxesIn(t, o.boxes) : undefined
  const n = t.lines.length
  const kept = new Int32Array(n)
  const splits = new Uint8Array(n)
  const [boxes, masks, frames] = [new Map<number, ReadonlyArray<Box>>(), new Map<number, string>(), new Map<number, number>()]
  const skipped: Fault[] = []
  let count = 0
  /** Decodes row r as the row number `count`. */
  const take = (r: number): Fault | undefined => {
    if (paths[r] === '') return wrongRow(placeOf(t, r), 'an empty path', 'the path of a file')
    const word = split === undefined ? '' : cellText(t.columns[split][r])
    const part = word === '' ? 'all' : splitOf(word)
    if (part === undefined) return wrongRow(placeOf(t, r), `the split ${JSON.stringify(word)}`, [...splitNames.keys()].join(', '))
    const own = boxesOf === undefined ? E.right([]) : boxesOf.of(r)
    if (E.isLeft(own)) return own.left
    const number = frame === undefined ? '' : cellText(t.columns[frame][r])
    if (number !== '' && !/^\d{1,9}$/.test(number))
      return wrongRow(placeOf(t, r), `the frame ${JSON.stringify(number)}`, 'a whole number from 0')
    const over = mask === undefined ? '' : cellText(t.columns[mask][r])
    kept[count] = r
    splits[count] = splitOrder.indexOf(part)
    if (own.right.length > 0) boxes.set(count, own.right)
    if (over !== '') masks.set(count, maskOf(over))
    if (number !== '') frames.set(count, Number(number))
    count++
    return undefined
  }
  for (let r = 0; r < n; r++) {
    const wrong = paths[r] === undefined ? undefined : take(r)
    if (wrong === undefined) continue
    if (!o.skip) return E.left(wrong)
    skipped.push(wrong)
  }
  const own = kept.subarray(0, count)
  const files = distinct(count, (k) => paths[own[k]] ?? '')
  const groups = group === undefined ? undefined : distinct(count, (k) => cellText(t.columns[group][own[k]]))
  const pick = (of: (r: number) => number): Int32Array => Int32Array.from(own, of)
  const shares = areShares(boxes.values())
  const reading = {
    rows: {
      lines: sharedNumbers(
        Int32Array,
        pick((r) => t.lines[r]),
      ),
      labels: sharedNumbers(
        Int32Array,
        pick((r) => m.labels.single?.[r] ?? -1),
      ),
      ...(several === undefined
        ? {}
        : {
            several: {
              width,
              given: sharedBytes(Uint8Array.from(own, (r) => several.given[r])),
              values: sharedBytes(
                count === n
                  ? several.values
                  : Uint8Array.from({ length: count * width }, (_, k) => several.values[own[Math.floor(k / width)] * width + (k % width)]),
              ),
            },
          }),
      boxes: Object.fromEntries(boxes),
      shares,
      masks: Object.fromEntries(masks),
      ...(groups === undefined ? {} : { groups: { names: groups.names, of: sharedNumbers(Int32Array, groups.of) } }),
    },
    fileOf: files.of,
    files: files.names,
    splits: splits.subarray(0, count),
    frames,
    classes: m.labels.classes.length > 0 ? m.labels.classes : (vectors?.labels.classes ?? []),
    skipped,
  }
  const unused = given !== undefined && !isSplit ? [`the column ${t.names[given]} names no split`] : []
  return E.right({
    ...reading,
    notes: [
      note(described(t, path, m, split, group), [], 'data.columns.label=NAME, or path, split, group, chooses others'),
      ...(t.said ?? []),
      ...(boxesOf?.said() ?? []),
      ...(shares ? ['boxes of numbers up to 1 are taken as shares of the sides of their images'] : []),
      ...contradictions(reading),
      ...m.labels.said,
      ...(vectors?.labels.said ?? []),
      ...unused,
    ],
  })
}
