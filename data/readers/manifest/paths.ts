/**
 * Paths of a table as files that are there. People write them from another folder, with backslashes, without an ending, or composed
 * otherwise than the disk has them; every folder is listed once.
 */
import { readdir } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { grouped, list } from '../walk.ts'

/** How a path was understood; '' as it stands. */
export type Reading =
  | ''
  | 'with / for \\'
  | 'without the folders that the table lies in'
  | 'from the folder above'
  | 'with its ending'
  | 'with %20 and its like as the characters that they stand for'
  | 'without its first folders'
  | 'by its name, in the folders below'

export interface Found {
  /** Below the table's folder, with `/`. */
  readonly path: string
  readonly how: Reading | 'missing'
}

/** Names in folders, as the disk has them, by how they may be written. */
interface Names {
  readonly exact: ReadonlyMap<string, string>
  readonly stems: ReadonlyMap<string, ReadonlyArray<string>>
}

const stemOf = (name: string): string => name.replace(/\.gz$/i, '').replace(/\.[^.]*$/, '')

const namesOf = (names: ReadonlyArray<string>): Names => ({
  exact: new Map(names.map((n) => [n.normalize('NFC'), n])),
  stems: grouped(names, (n) => stemOf(n).normalize('NFC')),
})

const noNames: Names = { exact: new Map(), stems: new Map() }

/** Files below a folder by their names, and by those without endings. */
interface Below {
  readonly names: ReadonlyMap<string, ReadonlyArray<string>>
  readonly stems: ReadonlyMap<string, ReadonlyArray<string>>
}

/** A text of a web address as the characters that it stands for. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What finds the files of a table that lies in `root`. */
export const finder = (root: string, isRead: (path: string) => boolean): ((text: string) => Promise<Found>) => {
  const folders = new Map<string, Promise<Names>>()
  const inFolder = (folder: string): Promise<Names> => {
    const at = folders.get(folder) ?? readdir(folder).then(namesOf, () => noNames)
    folders.set(folder, at)
    return at
  }
  let below: Promise<Below> | undefined
  const everywhere = (): Promise<Below> =>
    (below ??= list(root).then(
      ({ files }) => {
        const read = files.filter(isRead)
        return {
          names: grouped(read, (f) => basename(f).normalize('NFC')),
          stems: grouped(read, (f) => stemOf(basename(f)).normalize('NFC')),
        }
      },
      (): Below => ({ names: new Map(), stems: new Map() }),
    ))
  const belowRoot = (path: string): string => relative(root, path).split(sep).join('/')
  const at = async (path: string): Promise<string | undefined> => {
    const known = (await inFolder(dirname(path))).exact.get(basename(path).normalize('NFC'))
    return known === undefined ? undefined : join(dirname(path), known)
  }
  const only = (xs: ReadonlyArray<string> | undefined): string | undefined => (xs?.length === 1 ? xs[0] : undefined)
  const withEnding = async (path: string): Promise<string | undefined> => {
    const known = only((await inFolder(dirname(path))).stems.get(basename(path).normalize('NFC'))?.filter(isRead))
    return known === undefined ? undefined : join(dirname(path), known)
  }
  /** Folders that are listed, by how tables write them: most paths need no more. */
  const ready = new Map<string, { readonly names: Names; readonly below: string }>()
  return async (text) => {
    const slash = text.lastIndexOf('/')
    const near = ready.get(text.slice(0, slash + 1))
    const found = near?.names.exact.get(text.slice(slash + 1))
    if (near !== undefined && found !== undefined) return { path: near.below + found, how: '' }
    const here = await at(resolve(root, text))
    if (here !== undefined) {
      const path = belowRoot(here)
      ready.set(text.slice(0, slash + 1), { names: await inFolder(dirname(here)), below: path.slice(0, path.lastIndexOf('/') + 1) })
      return { path, how: '' }
    }
    const slashed = text.replace(/\\/g, '/')
    const parts = slashed.split('/').filter((p) => p !== '' && p !== '.')
    const name = parts.lastIndexOf(basename(root))
    const ways: ReadonlyArray<readonly [Reading, string]> = [
      ['with / for \\', resolve(root, slashed)],
      ...(name < 0 ? [] : [['without the folders that the table lies in', resolve(root, ...parts.slice(name + 1))] as const]),
      ...(isAbsolute(slashed) ? [] : [['from the folder above', resolve(root, '..', slashed)] as const]),
    ]
    for (const [how, path] of ways) {
      const there = await at(path)
      if (there !== undefined) return { path: belowRoot(there), how }
    }
    for (const path of [resolve(root, text), ...ways.map(([, p]) => p)]) {
      const there = await withEnding(path)
      if (there !== undefined) return { path: belowRoot(there), how: 'with its ending' }
    }
    const plain = decoded(slashed)
    if (plain !== slashed) {
      const there = await at(resolve(root, plain))
      if (there !== undefined) return { path: belowRoot(there), how: 'with %20 and its like as the characters that they stand for' }
    }
    // the folder that a person has renamed, or put the table into
    for (let k = 1; k < parts.length; k++) {
      const path = resolve(root, ...parts.slice(k))
      const there = (await at(path)) ?? (await withEnding(path))
      if (there !== undefined) return { path: belowRoot(there), how: 'without its first folders' }
    }
    const last = (parts.at(-1) ?? '').normalize('NFC')
    const { names, stems } = await everywhere()
    const far = last === '' ? undefined : (only(names.get(last)) ?? only(stems.get(last)))
    return far === undefined
      ? { path: belowRoot(resolve(root, text)), how: 'missing' }
      : { path: far, how: 'by its name, in the folders below' }
  }
}
