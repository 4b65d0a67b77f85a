/** Whole numbers that may go below 0, and files that say otherwise. */

/** How whole numbers of DICOM, NIfTI and gray pictures of 16 bits are read: as headers say, or whatever they say. */
export type Sign = 'said' | 'signed' | 'unsigned'

/** Bits of numbers that are worth asking: of few bits, images reach the top. */
const least = 12

/**
 * Whether unsigned numbers of so many bits look as if some were below 0 when they were written: some lie in the topmost eighth, others in
 * the lowest, and none between. The top alone does not count, which is where sensors end. `skipped`: 1 where a number is padding.
 */
export const looksWrapped = (numbers: ArrayLike<number>, bits: number, skipped?: Uint8Array): boolean => {
  if (bits < least || bits > 32) return false
  const top = 2 ** bits - 1
  const [low, high] = [top / 8, (7 * top) / 8]
  let [below, above] = [false, false]
  for (let i = 0; i < numbers.length; i++) {
    if (skipped?.[i] === 1) continue
    const v = numbers[i]
    if (v < low) below = true
    else if (v < high) return false
    else above ||= v < top
  }
  return below && above
}
