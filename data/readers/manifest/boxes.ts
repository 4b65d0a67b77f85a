/** The boxes of a row: lists in JSON, records, numbers with blanks between, or four columns of their own. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { faultsOf, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Box } from '../dataset.ts'
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

const numbersOf = (u: unknown): ReadonlyArray<number> =>
  Array.isArray(u) ? u.map(Number) : isRecord(u) ? ['x', 'y', 'width', 'height'].map((k) => Number(u[k])) : []

/** A box, or why it is none. */
export const boxOf = (place: string, u: unknown): Either<Fault, Box> => {
  const [x = NaN, y = NaN, width = NaN, height = NaN, ...rest] = numbersOf(u)
  return rest.length === 0 && [x, y, width, height].every(Number.isFinite) && width > 0 && height > 0
    ? E.right({ x, y, width, height })
    : E.left(
        wrongRow(
          place,
          `the box ${JSON.stringify(isRecord(u) ? Object.values(u) : u)}`,
          'x, y, width and height in pixels, the latter two above 0',
        ),
      )
}

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

/** Names of boxes in columns of their own: a corner and sides, or two corners. */
const sideNames = ['x', 'y', 'width', 'height']
const cornerNames = ['xmin', 'ymin', 'xmax', 'ymax']

/** The columns of these names, where all of them are there. */
const together = (t: Table, names: ReadonlyArray<string>): ReadonlyArray<number> => {
  const own = names.map((s) => named(t, s)).filter((c) => c !== undefined)
  return own.length === names.length ? own : []
}

/** The columns that boxes come from; of sides and corners all four. */
export const boxColumns = (t: Table): ReadonlyArray<number> => [
  ...candidates(t, 'box').slice(0, 1),
  ...candidates(t, 'boxes').slice(0, 1),
  ...together(t, sideNames),
  ...together(t, cornerNames),
]

/** What reads the boxes of a row. Fault: what is no box, by its line. */
export const boxesIn = (t: Table): ((r: number) => Either<Fault, ReadonlyArray<Box>>) => {
  const lists = (['box', 'boxes'] as const).flatMap((role) => candidates(t, role).slice(0, 1))
  const [sides, corners] = [together(t, sideNames), together(t, cornerNames)]
  const filled = (columns: ReadonlyArray<number>, r: number): ReadonlyArray<number> => {
    const cells = columns.map((c) => cellText(t.columns[c][r]))
    return cells.every((s) => s !== '') ? cells.map(Number) : []
  }
  return (r) => {
    const out: unknown[] = []
    for (const c of lists) {
      const parsed = listIn(`${placeOf(t, r)}: ${t.names[c]}`, t.columns[c][r])
      if (E.isLeft(parsed)) return parsed
      if (parsed.right === undefined || parsed.right === null) continue
      out.push(...boxesOfCell(parsed.right))
    }
    const own = filled(sides, r)
    if (own.length > 0) out.push(own)
    const ends = filled(corners, r)
    if (ends.length > 0) out.push([ends[0], ends[1], ends[2] - ends[0], ends[3] - ends[1]])
    return E.traverseArray((b: unknown) => boxOf(placeOf(t, r), b))(out)
  }
}
