/** The boxes of a row: lists in JSON, records, numbers with blanks between, or four columns of their own. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { faultsOf, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Box } from '../dataset.ts'
import { note } from '../note.ts'
import type { BoxForm } from './form.ts'
import { candidates, named } from './columns.ts'
import { listOf } from './lists.ts'
import { placeOf } from './table.ts'
import type { Table } from './table.ts'
import { isRecord } from '../../formats/codec.ts'

/** A row that says what it cannot mean. */
export const wrongRow = (place: string, found: string, allowed: string): Fault =>
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

/** Names of the numbers of a box, in columns or records of their own. */
const forms: ReadonlyArray<readonly [form: BoxForm, names: ReadonlyArray<string>]> = [
  ['sides', ['x', 'y', 'width', 'height']],
  ['corners', ['xmin', 'ymin', 'xmax', 'ymax']],
  ['sides', ['x', 'y', 'w', 'h']],
  ['corners', ['x1', 'y1', 'x2', 'y2']],
  ['corners', ['x0', 'y0', 'x1', 'y1']],
  ['corners', ['left', 'top', 'right', 'bottom']],
  ['sides', ['left', 'top', 'width', 'height']],
  ['sides', ['bboxx', 'bboxy', 'bboxwidth', 'bboxheight']],
  ['sides', ['bboxx', 'bboxy', 'bboxw', 'bboxh']],
  ['sides', ['bboxx', 'y', 'w', 'h']],
  ['corners', ['bboxxmin', 'bboxymin', 'bboxxmax', 'bboxymax']],
  ['corners', ['bboxx1', 'bboxy1', 'bboxx2', 'bboxy2']],
]

const numbersOf = (u: unknown, form: BoxForm): readonly [BoxForm, ReadonlyArray<number>] => {
  if (Array.isArray(u)) return [form, u.map(Number)]
  if (!isRecord(u)) return [form, []]
  const [own, names] = forms.find(([, ks]) => ks.every((k) => k in u)) ?? forms[0]
  return [own, names.map((k) => Number(u[k]))]
}

/** A box of four numbers of a form, or of a record that names them; or why it is none. */
export const boxOf = (place: string, u: unknown, form: BoxForm = 'sides'): Either<Fault, Box> => {
  const [own, [x = NaN, y = NaN, third = NaN, fourth = NaN, ...rest]] = numbersOf(u, form)
  const [width, height] = own === 'sides' ? [third, fourth] : [third - x, fourth - y]
  return rest.length === 0 && [x, y, width, height].every(Number.isFinite) && width > 0 && height > 0
    ? E.right({ x, y, width, height })
    : E.left(
        wrongRow(
          place,
          `the box ${JSON.stringify(isRecord(u) ? Object.values(u) : u)}`,
          own === 'sides'
            ? 'x, y, width and height in pixels, the latter two above 0'
            : 'a corner and the corner opposite, x and y of each in pixels, the latter further than the first',
        ),
      )
}

/** Whether numbers without names, read as a corner and sides, may as well be two corners: in all of them the second lies further. */
export const mayBeCorners = (boxes: Iterable<unknown>): boolean => {
  let some = false
  for (const u of boxes) {
    if (!Array.isArray(u)) continue
    const [x, y, right, bottom] = u.map(Number)
    if (!(right > x && bottom > y)) return false
    some = true
  }
  return some
}

/** What is said of those. */
export const readAsSides = (name: string): string =>
  note(`boxes of ${JSON.stringify(name)} are read as x, y, width, height`, [], 'data.boxes=corners reads them as two corners')

/** Whether boxes are shares of their images' sides: none reaches further than 1, so that in pixels they would be of none. */
export const areShares = (boxes: Iterable<ReadonlyArray<Box>>): boolean => {
  let some = false
  for (const own of boxes) {
    for (const { x, y, width, height } of own) {
      if (x < 0 || y < 0 || x + width > 1 + 1e-6 || y + height > 1 + 1e-6) return false
      some ||= width < 1 || height < 1
    }
  }
  return some
}

/** A cell that may be a list in JSON, or numbers with blanks between. */
export const listIn = (place: string, u: unknown): Either<Fault, unknown> => {
  if (typeof u !== 'string' || u === '') return E.right(u === '' ? undefined : u)
  if (/^[-\d. ,]+$/.test(u)) return E.right(u.trim().split(/[ ,]+/).map(Number))
  const list = listOf(u)
  return list !== undefined
    ? E.right(list)
    : E.tryCatch(
        (): unknown => JSON.parse(u),
        (e) => wrongRow(place, messageOf(e), 'a list in JSON'),
      )
}

const isNumbers = (u: unknown): u is ReadonlyArray<number> => Array.isArray(u) && u.every((x) => typeof x === 'number')

/** The boxes of a cell, whatever its column is called: a list of boxes, numbers four by four, or one box. */
const boxesOfCell = (u: unknown): ReadonlyArray<unknown> => {
  if (!isNumbers(u)) return Array.isArray(u) && u.every((x) => typeof x === 'object') ? u : [u]
  return u.length % 4 === 0 ? Array.from({ length: u.length / 4 }, (_, i) => u.slice(4 * i, 4 * i + 4)) : [u]
}

/** The columns of these names, where all of them are there. */
const together = (t: Table, names: ReadonlyArray<string>): ReadonlyArray<number> => {
  const own = names.map((s) => named(t, s)).filter((c) => c !== undefined)
  return own.length === names.length ? own : []
}

/** The columns of the numbers of a box, and what these are. */
const ownColumns = (t: Table): { readonly form: BoxForm; readonly columns: ReadonlyArray<number> } | undefined => {
  for (const [form, names] of forms) {
    const columns = together(t, names)
    if (columns.length > 0) return { form, columns }
  }
  return undefined
}

const listColumns = (t: Table): ReadonlyArray<number> => (['box', 'boxes'] as const).flatMap((role) => candidates(t, role).slice(0, 1))

/** The columns that boxes come from; of sides and corners all four. */
export const boxColumns = (t: Table): ReadonlyArray<number> => [...listColumns(t), ...(ownColumns(t)?.columns ?? [])]

/** What reads the boxes of rows, and of which columns it is not known whether they have sides or corners. */
export interface BoxReading {
  /** The boxes of row r. Fault: what is no box, by its line. */
  readonly of: (r: number) => Either<Fault, ReadonlyArray<Box>>
  /** What is to be said of the rows that have been read. */
  readonly said: () => ReadonlyArray<string>
}

/** What reads the boxes of a table: numbers without names as `asked`, or as a corner and sides, which is said where they may be corners. */
export const boxesIn = (t: Table, asked?: BoxForm): BoxReading => {
  const lists = listColumns(t)
  const own = ownColumns(t)
  const doubts = new Map<number, boolean>()
  const filled = (columns: ReadonlyArray<number>, r: number): ReadonlyArray<number> => {
    const cells = columns.map((c) => cellText(t.columns[c][r]))
    return cells.every((s) => s !== '') ? cells.map(Number) : []
  }
  return {
    of: (r) => {
      const out: Array<Either<Fault, Box>> = []
      for (const c of lists) {
        const parsed = listIn(`${placeOf(t, r)}: ${t.names[c]}`, t.columns[c][r])
        if (E.isLeft(parsed)) return parsed
        if (parsed.right === undefined || parsed.right === null) continue
        const boxes = boxesOfCell(parsed.right)
        if (boxes.some(Array.isArray) && doubts.get(c) !== false) doubts.set(c, mayBeCorners(boxes))
        out.push(...boxes.map((b) => boxOf(placeOf(t, r), b, asked)))
      }
      const numbers = own === undefined ? [] : filled(own.columns, r)
      if (own !== undefined && numbers.length > 0) out.push(boxOf(placeOf(t, r), numbers, own.form))
      return E.sequenceArray(out)
    },
    said: () => (asked === undefined ? [...doubts].flatMap(([c, open]) => (open ? [readAsSides(t.names[c])] : [])) : []),
  }
}
