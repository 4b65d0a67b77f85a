/** Labels of rows, of a table or of an array: what stands for no label, one class a row, or several. One rule for all formats. */

import { sharedBytes, sharedNumbers } from '../../formats/memory.ts'
import { note } from '../note.ts'
import { grouped } from '../walk.ts'

export interface Labels {
  readonly classes: ReadonlyArray<string>
  /** A class for each row, -1 for none; nothing where rows have several. */
  readonly single?: Int32Array
  /** Of rows that may have several: 0 or 1 for each class, one row after the other; and which rows say anything. */
  readonly several?: { readonly values: Uint8Array; readonly given: Uint8Array }
  /** What was guessed, in words without the column's name. */
  readonly said: ReadonlyArray<string>
}

/** What pandas takes for missing. */
const nothing = new Set(['', 'nan', '-nan', 'na', 'n/a', '#n/a', 'null', 'none', '<na>', '-1', '-1.0'])

/** A label as text: `1.0` is 1, true is 1. */
export const labelText = (u: unknown): string => {
  if (u === undefined || u === null || (typeof u === 'number' && !Number.isFinite(u))) return ''
  if (typeof u === 'boolean') return u ? '1' : '0'
  const text = typeof u === 'string' ? u.trim() : JSON.stringify(u)
  return /^-?\d+\.0+$/.test(text) ? text.slice(0, text.indexOf('.')) : text
}

const isWhole = (text: string): boolean => /^\d{1,15}$/.test(text)

const isNegative = (text: string): boolean => /^-\d{1,15}$/.test(text)

/** Fewer classes than this are listed by number even where some have no image. */
const sparse = 1000

/** Whether labels measure something: numbers that are not whole, and many of them. */
const isMeasured = (given: ReadonlyArray<string>, rows: number): boolean =>
  given.length > Math.max(20, rows / 10) && given.every((w) => Number.isFinite(Number(w))) && given.some((w) => !isWhole(w))

/** Classes, and the number of each text that is one; nothing where there are no classes. */
export interface Classes {
  readonly classes: ReadonlyArray<string>
  readonly place: ReadonlyMap<string, number> | undefined
  readonly said: ReadonlyArray<string>
}

/**
 * Classes of texts and how often each was found: small numbers stay as they are, others and names are numbered in their order. `none`:
 * texts that stand for no label.
 */
export const classesOf = (counts: ReadonlyMap<string, number>, none: ReadonlyArray<string>): Classes => {
  const asked = new Set(none.map((w) => w.toLowerCase()))
  const rows = [...counts.values()].reduce((n, k) => n + k, 0)
  // numbers below 0 among those that count from 0
  const below = [...counts.keys()].every((t) => nothing.has(t.toLowerCase()) || isWhole(t) || isNegative(t))
  const isNone = (text: string): boolean =>
    text === '' || (asked.size > 0 ? asked.has(text.toLowerCase()) : nothing.has(text.toLowerCase()) || (below && isNegative(text)))
  const words = [...counts.keys()].filter((t) => !isNone(t))
  const said: string[] = []
  const blank = [...counts].filter(([t]) => isNone(t))
  const missing = blank.reduce((n, [, k]) => n + k, 0)
  if (words.length === 0) return { classes: [], place: undefined, said: missing === 0 ? [] : ['no row has a label'] }
  // 255, as segmentations and some sets of 8 bits write it, where no other class comes near
  const beyond =
    asked.size === 0 && words.length > 1 && counts.has('255') && words.every((w) => w === '255' || (isWhole(w) && Number(w) < 128))
  const given = beyond ? words.filter((w) => w !== '255') : words
  if (missing > 0) said.push(`${missing} of ${rows} rows have no label (${blank.map(([t]) => (t === '' ? 'blank' : t)).join(', ')})`)
  if (beyond)
    said.push(`${counts.get('255') ?? 0} rows with 255 are taken for rows without a label (--set data.unlabelled=-1 makes it a class)`)
  if (isMeasured(given, rows)) {
    said.push(`${given.length} numbers such as ${given.find((w) => !isWhole(w)) ?? ''}, which are no classes: read without labels`)
    return { classes: [], place: undefined, said }
  }
  const numbers = given.map(Number)
  const numeric = given.every((w) => /^-?\d+(\.\d+)?$/.test(w))
  const top = numbers.reduce((a, b) => Math.max(a, b), 0)
  const dense = given.every(isWhole) && top < Math.max(sparse, 10 * given.length)
  const sorted = numeric ? [...given].sort((a, b) => Number(a) - Number(b)) : [...given].sort((a, b) => (a < b ? -1 : 1))
  const classes = dense ? Array.from({ length: top + 1 }, (_, i) => String(i)) : sorted
  if (numeric && !dense) said.push(`${given.length} numbers up to ${top} are classes in their order, not by their value`)
  const alike = grouped(sorted, (w) => w.toLowerCase())
  const differing = [...alike.values()].filter((own) => own.length > 1).flat()
  if (differing.length > 0) said.push(note('classes differ in capitals alone, and are classes of their own', differing))
  const place = new Map(dense ? given.map((w) => [w, Number(w)]) : sorted.map((w, i) => [w, i]))
  return { classes, place, said }
}

/** Each row's class by its text. */
export const singleLabels = (texts: ReadonlyArray<string>, none: ReadonlyArray<string>): Labels => {
  const counts = new Map<string, number>()
  for (const t of texts) counts.set(t, (counts.get(t) ?? 0) + 1)
  const { classes, place, said } = classesOf(counts, none)
  return place === undefined ? { classes, said } : { classes, single: Int32Array.from(texts, (t) => place.get(t) ?? -1), said }
}

/** Several labels a row, by words. */
export const wordLabels = (rows: ReadonlyArray<ReadonlyArray<string>>): Labels => {
  const classes = [...new Set(rows.flat())].filter((w) => w !== '').sort((a, b) => (a < b ? -1 : 1))
  const place = new Map(classes.map((w, i) => [w, i]))
  const values = new Uint8Array(rows.length * classes.length)
  rows.forEach((row, r) => {
    for (const w of row) {
      const c = place.get(w)
      if (c !== undefined) values[r * classes.length + c] = 1
    }
  })
  return { classes, several: { values, given: Uint8Array.from(rows, (row) => (row.some((w) => w !== '') ? 1 : 0)) }, said: [] }
}

/** Numbers as yes and no: above 0 is yes, all else no; what is neither 0 nor above it is counted. */
export const marked = (
  count: number,
  numberAt: (i: number) => number,
): { readonly values: Uint8Array; readonly said: ReadonlyArray<string> } => {
  const values = new Uint8Array(count)
  let unknown = 0
  for (let i = 0; i < count; i++) {
    const v = numberAt(i)
    if (v > 0) values[i] = 1
    else if (v !== 0) unknown++
  }
  return { values, said: unknown === 0 ? [] : [`${unknown} labels that are blank or below 0 count as 0`] }
}

/** Several labels a row, by a number for each class: 1 is yes, all else no. */
export const vectorLabels = (rows: ReadonlyArray<ReadonlyArray<string> | undefined>, classes: ReadonlyArray<string>): Labels => {
  const n = classes.length
  const { values, said } = marked(rows.length * n, (i) => {
    const v = rows[Math.floor(i / n)]?.[i % n] ?? '0'
    return v === '0' ? 0 : Number(v) > 0 ? 1 : NaN
  })
  return { classes, several: { values, given: Uint8Array.from(rows, (row) => (row === undefined ? 0 : 1)) }, said }
}

/** Labels of which exactly one holds in each row are one class a row. */
export const onlyOne = (l: Labels): Labels => {
  const { classes, several } = l
  if (several === undefined || l.said.length > 0) return l
  const n = classes.length
  const single = new Int32Array(several.given.length).fill(-1)
  for (let r = 0; r < single.length; r++) {
    for (let c = 0; c < n; c++) {
      if (several.values[r * n + c] === 0) continue
      if (single[r] >= 0) return l
      single[r] = c
    }
    if (single[r] < 0) return l
  }
  return { classes, single, said: [] }
}

/** Labels by numbers or names of classes that a description has, in its order; what it does not name is no label. */
export const amongClasses =
  (classes: ReadonlyArray<string>) =>
  ({ classes: own, single, several, said }: Labels): Labels => {
    const at = new Map(classes.map((c, i) => [c, i]))
    const place = own.map((c) => (isWhole(c) && Number(c) < classes.length ? Number(c) : (at.get(c) ?? -1)))
    const [from, to] = [own.length, classes.length]
    const values = new Uint8Array((several?.given.length ?? 0) * to)
    several?.values.forEach((v, i) => {
      const c = place[i % from]
      if (v > 0 && c >= 0) values[Math.floor(i / from) * to + c] = 1
    })
    return {
      classes,
      said,
      ...(single === undefined ? {} : { single: single.map((c) => (c < 0 ? -1 : place[c])) }),
      ...(several === undefined ? {} : { several: { values, given: several.given } }),
    }
  }

/** Labels of rows: a class for each, -1 for none; or 0 and 1 for each class, one row after the other, and which rows say anything. */
export interface Shared {
  readonly classes: ReadonlyArray<string>
  readonly labels: Int32Array
  readonly several?: { readonly values: Uint8Array; readonly given: Uint8Array }
}

/** The labels of some rows, as plain data that threads share. */
export const sharedLabels = ({ classes, single, several }: Labels, rows: Int32Array): Shared => {
  const n = classes.length
  return {
    classes,
    labels: sharedNumbers(
      Int32Array,
      rows.map((r) => single?.[r] ?? -1),
    ),
    ...(several === undefined
      ? {}
      : {
          several: {
            values: sharedBytes(
              Uint8Array.from({ length: rows.length * n }, (_, i) => several.values[rows[Math.floor(i / n)] * n + (i % n)]),
            ),
            given: sharedBytes(Uint8Array.from(rows, (r) => several.given[r])),
          },
        }),
  }
}
