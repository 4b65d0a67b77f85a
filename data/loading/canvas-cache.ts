/** Canvases that stay in memory once they are laid. */
import type { Filled, Laid, Row } from './fill.ts'

/** Which canvases are kept: the first that fit. With random orders no other choice would hit more often. */
export interface Cache {
  readonly memory: Float32Array
  /** The row that reads an item. */
  readonly rowOf: (at: number, item: number) => Row
  readonly keep: (wanted: number, f: Filled) => void
  readonly forget: (rows: ReadonlyArray<Row>) => void
}

/** Bytes that a typed array may have. */
const mostBytes = 2 ** 32 - 8

/** A cache for `items` canvases of so many pixels, in at most `bytes`. */
export const cacheOf = (items: number, pixels: number, bytes: number): Cache => {
  const room = Math.min(items, Math.floor(Math.min(bytes, mostBytes) / (4 * pixels)))
  const slots = new Map<number, number>()
  const free = Array.from({ length: room }, (_, i) => room - 1 - i)
  const kept = new Map<number, Laid>()
  const slotOf = (item: number): number => {
    const slot = free.pop() ?? -1
    if (slot >= 0) slots.set(item, slot)
    return slot
  }
  return {
    memory: new Float32Array(new SharedArrayBuffer(4 * room * pixels)),
    rowOf: (at, item) => {
      const known = kept.get(item)
      // an item that is being read for another batch is read again
      return { at, item, slot: known !== undefined ? (slots.get(item) ?? -1) : slots.has(item) ? -1 : slotOf(item), known }
    },
    keep: (wanted, { slot, kept: lies, item, subject }) => {
      if (lies && slot >= 0) kept.set(wanted, { item, subject })
      else if (!lies && slot >= 0 && slots.delete(wanted)) free.push(slot)
    },
    forget: (rows) => {
      for (const r of rows) if (r.slot >= 0 && r.known === undefined && slots.delete(r.item)) free.push(r.slot)
    },
  }
}
