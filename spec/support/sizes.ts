/** Sizes of a random network. */
import type { Chooser } from './generator.ts'

export interface Sizes {
  readonly batch: number
  readonly patches: number
  readonly heads: number
  /** Of a head. */
  readonly each: number
  /** heads each */
  readonly width: number
  readonly registers: number
  /** 1 + registers */
  readonly prefix: number
}

/** Tokens and widths are rarely whole vectors of any processor. */
export const sizesOf = (c: Chooser): Sizes => {
  const [batch, patches, heads, each, registers] = [
    1 + c.nat(3),
    c.of([2, 3, 5, 17, 1, 4]),
    1 + c.nat(3),
    c.of([4, 3, 5, 8]),
    c.of([0, 1, 3, 2]),
  ]
  return { batch, patches, heads, each, width: heads * each, registers, prefix: 1 + registers }
}
