/** A change that breaks the compiler on purpose, as plain data: a specification that does not notice it says too little. */
export interface Mutant {
  /** A file under compiler/ by the end of its path, as short as names it alone: `fuse.ts`, `native/attention.ts`. */
  readonly file: string
  /** Text that stands in it exactly once; where it has blanks, lines may end too, so that the formatter loses none. */
  readonly find: string
  readonly replace: string
  /** What no longer holds. */
  readonly breaks: string
}

/** Its name in results, which stays when others come and go. */
export const nameOf = (m: Mutant): string => `${m.file}: ${m.breaks}`

export interface Found {
  /** From the root. */
  readonly path: string
  readonly mutant: Mutant
}

export type Lookup = { readonly _tag: 'Found'; readonly found: Found } | { readonly _tag: 'Lost'; readonly why: string }

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

const patternOf = (m: Mutant): RegExp => new RegExp(m.find.split(/\s+/).map(literal).join('\\s+'), 'g')

/** The text of a file with the mutant in it. */
export const applied =
  (m: Mutant) =>
  (text: string): string =>
    text.replace(patternOf(m), () => m.replace)

/** Where a mutant applies, among files under compiler/ by path and text. */
export const lookup =
  (files: ReadonlyMap<string, string>) =>
  (mutant: Mutant): Lookup => {
    const lost = (why: string): Lookup => ({ _tag: 'Lost', why: `${nameOf(mutant)}: ${why}` })
    const paths = [...files.keys()].filter((p) => p.endsWith(`/${mutant.file}`))
    const [path] = paths
    if (path === undefined || paths.length > 1)
      return lost(paths.length === 0 ? 'there is no such file under compiler/' : `several files: ${paths.join(', ')}`)
    const times = [...(files.get(path) ?? '').matchAll(patternOf(mutant))].length
    return times === 1 ? { _tag: 'Found', found: { path, mutant } } : lost(`its text is found ${times} times in ${path}`)
  }
