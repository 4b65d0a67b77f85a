/** Boxes in columns of Parquet: `objects` of Hugging Face (lists by names, or of records), or boxes alone. */
import { separate } from 'fp-ts/lib/ReadonlyArray.js'
import type { Fault } from '../../../core/fault.ts'
import { isRecord } from '../../formats/codec.ts'
import { sharedNumbers } from '../../formats/memory.ts'
import type { Box } from '../dataset.ts'
import { areShares, boxOf } from '../manifest/boxes.ts'
import type { BoxForm } from '../manifest/form.ts'

/** What columns of boxes are called, and boxes within others. */
const outer = ['objects', 'bbox', 'bboxes', 'boxes', 'annotations', 'faces', 'object']
const inner = ['bbox', 'bboxes', 'boxes', 'box']

const isInner = (name: string): boolean => inner.includes(name.toLowerCase())

/** The column that has boxes, of the paths that a schema has; none where there is no such. */
export const boxColumn = (paths: ReadonlyArray<ReadonlyArray<string>>): string | undefined =>
  outer
    .flatMap((w) => paths.filter(([name]) => name.toLowerCase() === w))
    .find((p) => p.length > 1 && p.some((part, k) => isInner(part) && (k > 0 || p.includes('list') || p.includes('array'))))?.[0]

const isList = (u: unknown): u is ReadonlyArray<unknown> => Array.isArray(u)

/** Whole numbers of 64 bits as numbers. */
const numberOf = (u: unknown): unknown => (typeof u === 'bigint' ? Number(u) : u)

/** The boxes of a cell: a list of boxes, one box, or what records call so. */
const listed = (cell: unknown): ReadonlyArray<unknown> => {
  if (isList(cell)) {
    const items = cell.map(numberOf)
    return items.length === 4 && items.every((v) => typeof v === 'number') ? [items] : items.flatMap(listed)
  }
  if (!isRecord(cell)) return cell === undefined || cell === null ? [] : [numberOf(cell)]
  const within = Object.entries(cell).find(([name]) => isInner(name))
  return within === undefined ? [Object.fromEntries(Object.entries(cell).map(([k, v]) => [k, numberOf(v)]))] : listed(within[1])
}

/** Boxes of rows: those of row i are the numbers from `from[i]` to `from[i + 1]`, four by four; shares of the image's sides, or pixels. */
export interface Boxes {
  readonly from: Int32Array
  readonly values: Float64Array
  readonly shares: boolean
}

/** The boxes of some cells, in order, with what is no box, by its row. */
export const boxesOf = (
  cells: ReadonlyArray<unknown>,
  placeOf: (i: number) => string,
  form?: BoxForm,
): { readonly boxes: Boxes; readonly faults: ReadonlyArray<Fault> } => {
  const from = new Int32Array(cells.length + 1)
  const all: Array<ReadonlyArray<Box>> = []
  const faults: Fault[] = []
  for (const [i, cell] of cells.entries()) {
    const { left, right } = separate(listed(cell).map((u) => boxOf(placeOf(i), u, form)))
    faults.push(...left)
    all.push(right)
    from[i + 1] = from[i] + 4 * right.length
  }
  const values = all.flatMap((own) => own.flatMap((b) => [b.x, b.y, b.width, b.height]))
  return { boxes: { from: sharedNumbers(Int32Array, from), values: sharedNumbers(Float64Array, values), shares: areShares(all) }, faults }
}

/** The boxes of row i. */
export const boxesAt = ({ from, values }: Boxes, i: number): ReadonlyArray<Box> =>
  Array.from({ length: (from[i + 1] - from[i]) / 4 }, (_, k) => {
    const [x, y, width, height] = values.subarray(from[i] + 4 * k, from[i] + 4 * k + 4)
    return { x, y, width, height }
  })
