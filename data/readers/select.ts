/** What of a folder is wanted: readers by their tags, patterns of paths, and words for a reader (see `OpenOptions.select`). */

export interface Selection {
  readonly tags: ReadonlyArray<string>
  /** Whether a path is wanted; all are where no pattern is given. */
  readonly wants: (path: string) => boolean
  /** Masks, and what is no image by its name, are wanted too. */
  readonly everything: boolean
  /** What is left for the reader. */
  readonly words: ReadonlyArray<string>
}

const isPattern = (word: string): boolean => /[*/]/.test(word)

/** `*` stands for any text; a pattern begins at any folder, and one that ends in `/` means all below. */
const patternOf = (word: string): RegExp => {
  const text = word
    .replace(/^\.?\//, '')
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
  return new RegExp(`^(?:.*/)?${text.endsWith('/') ? `${text}.*` : text}$`)
}

export const selectionOf = (select: ReadonlyArray<string>, tags: ReadonlyArray<string>): Selection => {
  const patterns = select.filter(isPattern).map(patternOf)
  return {
    tags: select.filter((w) => tags.includes(w)),
    wants: (path) => patterns.length === 0 || patterns.some((p) => p.test(path)),
    everything: patterns.length > 0 || select.includes('all'),
    words: select.filter((w) => !isPattern(w) && !tags.includes(w)),
  }
}
