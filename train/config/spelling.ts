/** The nearest valid name to one that was mistyped. */

/** Damerau's distance of adjacent swaps: letters added, dropped, changed, or swapped with their neighbour. */
export const editDistance = (a: string, b: string): number => {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      const best = Math.min(changed, row[j] + 1, next[j - 1] + 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2] + 1 : best
      next.push(Math.min(best, swapped))
    }
    before = row
    row = next
  }
  return row[b.length]
}

/**
 * The valid name that is nearest to what was given, whatever the case of letters; of equals the first. A name that begins
 * with what was given (two letters at least) is nearer than all but those one edit away (`lrr` is lr, not lrRule). Undefined where none
 * is near: more than 2 edits and more than a third of the letters away, or more than half of the letters of the longer name.
 */
export const nearest = (given: string, names: ReadonlyArray<string>): string | undefined => {
  const text = given.toLowerCase()
  const begun = text.replace(/^-+/, '').length >= 2 ? names.find((n) => n.toLowerCase().startsWith(text)) : undefined
  let best = begun
  let least = begun === undefined ? Math.max(2, Math.floor(given.length / 3)) + 1 : text.length > 2 ? 1.5 : 0
  for (const name of names) {
    const d = editDistance(text, name.toLowerCase())
    if (d < least && 2 * d <= Math.max(text.length, name.length)) {
      best = name
      least = d
    }
  }
  return best
}
