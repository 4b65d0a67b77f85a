/** Comma-separated values (RFC 4180), also separated by semicolons or tabs: the columns that the first line names. */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'

/** A table by columns: of a million rows, few large lists take far less memory than many small records. */
export interface CsvTable {
  /** As they are written. */
  readonly names: ReadonlyArray<string>
  readonly columns: ReadonlyArray<ReadonlyArray<string>>
  /** The line where each row begins, counted from 1. */
  readonly lines: ArrayLike<number>
}

/** Texts of a column of which each is kept once, as long as there are few different ones; then once for rows that follow each other. */
const keptOnce = (): ((text: string) => string) => {
  const most = 65_536
  let known: Map<string, string> | undefined = new Map()
  let before = ''
  return (text) => {
    if (known === undefined) return text === before ? before : (before = text)
    const same = known.get(text)
    if (same !== undefined) return same
    if (known.size < most) known.set(text, text)
    else known = undefined
    return text
  }
}

const [quote, newline] = ['"', '\n'].map((c) => c.charCodeAt(0))

/** The end of a quoted cell that begins at `from`: where its closing quote stands, -1 for none. */
const closing = (text: string, from: number): number => {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 2)) if (text.charCodeAt(at + 1) !== quote) return at
  return -1
}

/** Hands over the cells of every line. Left: a quote that is not closed, by its line. */
const eachLine = (
  text: string,
  separator: string,
  take: (line: number, cells: ReadonlyArray<string>) => string | undefined,
): string | undefined => {
  const mark = separator.charCodeAt(0)
  let line = 1
  for (let at = 0; at < text.length;) {
    const first = line
    const cells: string[] = []
    for (;;) {
      let start = at
      let quoted = ''
      let closed = false
      while (text.charCodeAt(start) === 32) start++
      if (text.charCodeAt(start) === quote) {
        const end = closing(text, start)
        if (end < 0) return `a quote in line ${line} that is not closed`
        quoted = text.slice(start + 1, end)
        for (let n = quoted.indexOf('\n'); n >= 0; n = quoted.indexOf('\n', n + 1)) line++
        if (quoted.includes('""')) quoted = quoted.replace(/""/g, '"')
        at = end + 1
        start = at
        closed = true
      }
      while (at < text.length && text.charCodeAt(at) !== mark && text.charCodeAt(at) !== newline) at++
      const plain = text.slice(start, at)
      if (closed && plain.trim() !== '') return `${JSON.stringify(plain.trim().slice(0, 40))} behind a closing quote in line ${line}`
      cells.push((closed ? quoted : plain).trim())
      if (at >= text.length || text.charCodeAt(at) === newline) break
      at++
    }
    at++
    line++
    const wrong = cells.length === 1 && cells[0] === '' ? undefined : take(first, cells)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

const separatorOf = (line: string): string =>
  [',', ';', '\t', '|'].reduce((best, s) => (line.split(s).length > line.split(best).length ? s : best), ',')

/** Blank lines for those that begin with #, up to the one that names as many columns as the line after it has cells. */
const withoutRemarks = (text: string): string => {
  let at = 0
  while (text[at] === '#') {
    const end = text.indexOf('\n', at)
    if (end < 0) break
    const next = text.indexOf('\n', end + 1)
    const [own, following] = [text.slice(at, end), text.slice(end + 1, next < 0 ? undefined : next)]
    const separator = separatorOf(following)
    if (!following.startsWith('#') && own.split(separator).length >= following.split(separator).length) break
    at = end + 1
  }
  return at === 0 ? text : text.slice(0, at).replace(/[^\n]/g, '') + text.slice(at)
}

/** Lines that a text has at most. */
const countLines = (text: string): number => {
  let n = 1
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) n++
  return n
}

const parsed = (text: string): Either<string, CsvTable> => {
  const unix = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  // a first line that says the separator, as spreadsheets write it
  const [stated, mark] = /^"?sep=([,;\t|])"?(?=\n)/i.exec(unix) ?? ['', undefined]
  const plain = withoutRemarks(unix.slice(stated.length))
  const separator = mark ?? separatorOf(/^\n*(.*)/.exec(plain)?.[1] ?? '')
  let names: ReadonlyArray<string> | undefined
  const columns: string[][] = []
  const once: Array<(text: string) => string> = []
  let lines = new Int32Array(0)
  let rows = 0
  const wrong = eachLine(plain, separator, (line, cells) => {
    if (names === undefined) {
      names = cells
      // lists that grow are copied again and again: all rows, of a mark for each cell, have room from the beginning
      const room = Math.min(countLines(plain), Math.floor(plain.length / cells.length) + 1)
      lines = new Int32Array(room)
      for (let c = 0; c < cells.length; c++) {
        columns.push(new Array<string>(room))
        once.push(keptOnce())
      }
      return new Set(cells.map((c) => c.toLowerCase())).size === cells.length ? undefined : 'two columns with one name'
    }
    if (cells.length !== names.length)
      return `${cells.length} cell${cells.length === 1 ? '' : 's'} in line ${line}, where there are ${names.length} columns`
    for (let c = 0; c < cells.length; c++) columns[c][rows] = once[c](cells[c])
    lines[rows++] = line
    return undefined
  })
  for (const column of columns) column.length = rows
  return wrong !== undefined
    ? E.left(wrong)
    : names === undefined
      ? E.left('no line with the names of columns')
      : E.right({ names, columns, lines: lines.subarray(0, rows) })
}

/** Parses a table. Left: no lines, two columns of one name, a line with too many or too few cells; no memory for so many rows. */
export const parseCsv = (text: string): Either<string, CsvTable> =>
  pipe(
    E.tryCatch(() => parsed(text), String),
    E.flatten,
  )
