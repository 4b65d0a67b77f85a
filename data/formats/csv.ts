/** Comma-separated values (RFC 4180), also separated by semicolons or tabs: records of the columns that the first line names. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'

/** One record: values by column, and the line where it begins, counted from 1. */
export interface CsvRecord {
  readonly line: number
  readonly values: ReadonlyMap<string, string>
}

/** Cells of all lines. Left: a quote that is not closed, by its line. */
const cellsOf = (text: string, separator: string): Either<string, ReadonlyArray<{ readonly line: number; readonly cells: ReadonlyArray<string> }>> => {
  const rows: Array<{ readonly line: number; readonly cells: string[] }> = []
  let line = 1
  let row: { readonly line: number; readonly cells: string[] } = { line, cells: [] }
  let cell = ''
  for (let i = 0; i <= text.length; i++) {
    const c = i < text.length ? text[i] : '\n'
    if (c === '"' && cell === '') {
      const from = line
      for (i++; ; i++) {
        if (i >= text.length) return E.left(`a quote in line ${from} that is not closed`)
        if (text[i] === '"' && text[i + 1] !== '"') break
        if (text[i] === '"') i++
        if (text[i] === '\n') line++
        cell += text[i]
      }
    } else if (c === separator || c === '\n') {
      row.cells.push(cell.trim())
      cell = ''
      if (c === '\n') {
        if (row.cells.length > 1 || row.cells[0] !== '') rows.push(row)
        line++
        row = { line, cells: [] }
      }
    } else cell += c
  }
  return E.right(rows)
}

/** Parses a table. Column names are taken in lower case. Left: no lines, a line with too many or too few cells. */
export const parseCsv = (text: string): Either<string, ReadonlyArray<CsvRecord>> => {
  const plain = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const [first] = plain.split('\n', 1)
  const separator = [',', ';', '\t'].reduce((best, s) => (first.split(s).length > first.split(best).length ? s : best), ',')
  const rows = cellsOf(plain, separator)
  if (E.isLeft(rows)) return rows
  const head = rows.right.at(0)
  if (head === undefined) return E.left('no line with the names of columns')
  const names = head.cells.map((c) => c.toLowerCase())
  if (new Set(names).size !== names.length) return E.left('two columns with one name')
  const wrong = rows.right.find((r) => r.cells.length !== names.length)
  if (wrong !== undefined) return E.left(`${wrong.cells.length} cells in line ${wrong.line}, where there are ${names.length} columns`)
  return E.right(rows.right.slice(1).map((r) => ({ line: r.line, values: new Map(names.map((n, i) => [n, r.cells[i]])) })))
}
