/** Which column of a table names masks. */
import { cellText } from './boxes.ts'
import { candidates } from './columns.ts'
import type { Table } from './table.ts'

/** Run lengths and outlines, as competitions write them into cells, are no paths. */
const isDrawn = (text: string): boolean => text.length > 1024 || /^\d+( \d+)+$/.test(text) || /^[[{]/.test(text)

/** The column of masks: one that is called so, and has paths. */
export const maskColumn = (t: Table, path: number): number | undefined =>
  candidates(t, 'mask').find((c) => c !== path && !t.columns[c].some((u) => isDrawn(cellText(u))))
