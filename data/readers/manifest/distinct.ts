/** Texts by numbers: each different one once, and for every place which it is. */

/** A number of a text's letters (FNV-1a). */
const hashOf = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h ^ (h >>> 15)
}

/**
 * The different ones among `count` texts in the order in which they come, and the number of each; -1 for ''. A map of a million texts
 * takes sixty bytes for each, and as much again while it grows: this takes at most eight.
 */
export const distinct = (
  count: number,
  textAt: (k: number) => string,
): { readonly names: ReadonlyArray<string>; readonly of: Int32Array } => {
  let size = 4
  while (size < 1.5 * count) size *= 2
  // the place of a text is where its hash says, or the next that was free
  const places = new Int32Array(size).fill(-1)
  const names = new Array<string>(count)
  const of = new Int32Array(count).fill(-1)
  let known = 0
  for (let k = 0; k < count; k++) {
    const text = textAt(k)
    if (text === '') continue
    let at = hashOf(text) & (size - 1)
    while (places[at] >= 0 && names[places[at]] !== text) at = (at + 1) & (size - 1)
    if (places[at] < 0) {
      places[at] = known
      names[known++] = text
    }
    of[k] = places[at]
  }
  names.length = known
  return { names, of }
}
