/** What the labels of a table are: a column of classes, of lists, of texts with marks between, or a column of 0 and 1 for each class. */
import { binaryColumns, candidates, markText, named } from './columns.ts'
import { labelText, onlyOne, singleLabels, vectorLabels, wordLabels } from './labels.ts'
import type { Labels } from './labels.ts'
import { listOf } from './lists.ts'
import { isFile } from './table.ts'
import type { Table } from './table.ts'

export interface Meaning {
  readonly labels: Labels
  /** The columns that labels come from. */
  readonly from: ReadonlyArray<number>
  readonly how: string
}

/**
 * The labels of a column's cells, none where they name files: a class a row, or several where cells are lists or have `|` or `;` between.
 * Lists of -1, 0 and 1 of one length say yes or no to each class, of which there are `described` where a description counts them.
 */
export const labelsIn = (
  values: ReadonlyArray<unknown>,
  none: ReadonlyArray<string>,
  described?: number,
): Omit<Meaning, 'from'> | undefined => {
  const isList = (u: unknown): u is string => typeof u === 'string' && u.trim().startsWith('[')
  const cells = values.some(isList) ? values.map((u) => (isList(u) ? (listOf(u) ?? u) : u)) : values
  if (cells.some(Array.isArray)) {
    const lists = cells.map((u): ReadonlyArray<string> | undefined => (Array.isArray(u) ? u.map(labelText) : undefined))
    const n = lists.find((l) => l !== undefined)?.length ?? 0
    const vectors =
      n === (described ?? n) && lists.every((l) => l === undefined || (l.length === n && l.every((v) => /^(-?[01])?$/.test(v))))
    return {
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
    return { how: `several a row, with ${mark} between`, labels: wordLabels(texts.map((x) => x.split(mark).map((w) => w.trim()))) }
  return texts.some((x) => x !== '') && texts.every((x) => x === '' || isFile(x))
    ? undefined
    : { how: '', labels: singleLabels(texts, none) }
}

/** The labels of a table's column. */
export const meaningOf = (t: Table, c: number, none: ReadonlyArray<string>): Meaning => {
  const read = labelsIn(t.columns[c], none)
  return read === undefined
    ? { from: [], how: '', labels: { classes: [], said: [`the column ${t.names[c]} names files and is no label`] } }
    : { ...read, from: [c] }
}

const unlabelled: Meaning = { labels: { classes: [], said: [] }, from: [], how: '' }

/** The labels of all rows, from the column of that name, one that is called so, or columns of 0 and 1 but those that are taken. */
export const labelsOf = (t: Table, name: string, none: ReadonlyArray<string>, taken: ReadonlySet<number>): Meaning => {
  if (name === 'none') return unlabelled
  const chosen = name === '' ? [...candidates(t, 'label'), ...candidates(t, 'labels')].find((c) => !taken.has(c)) : named(t, name)
  if (chosen !== undefined) return meaningOf(t, chosen, none)
  const binary = binaryColumns(t, taken)
  if (binary.length === 0) return unlabelled
  const labels = onlyOne(
    vectorLabels(
      Array.from({ length: t.lines.length }, (_, r) => binary.map((c) => markText(t.columns[c][r]))),
      binary.map((c) => t.names[c]),
    ),
  )
  return { labels, from: binary, how: labels.single === undefined ? 'several a row' : 'one of the columns' }
}
