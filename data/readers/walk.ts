/** The files below a folder, in an order that does not depend on the system. */

import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Compares by code units: the same order on every system and in every language. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Paths of the files below `root` that `wanted` accepts (it is told the path), with `/`, sorted. Hidden files and folders
 * are passed over; links are followed once. Throws what the file system throws.
 */
export const walk = async (root: string, wanted: (path: string) => boolean): Promise<ReadonlyArray<string>> => {
  const found: string[] = []
  const seen = new Set<string>()
  const open: string[] = ['']
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    const folder = join(root, below)
    const real = await realpath(folder)
    if (seen.has(real)) continue
    seen.add(real)
    const entries = await readdir(folder, { withFileTypes: true })
    const folders: string[] = []
    for (const entry of entries.sort((a, b) => byText(a.name, b.name))) {
      if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isSymbolicLink()) {
        const target = await stat(join(root, path)).catch(() => undefined)
        if (target?.isDirectory() === true) folders.push(path)
        else if (wanted(path)) found.push(path)
      } else if (entry.isDirectory()) folders.push(path)
      else if (wanted(path)) found.push(path)
    }
    open.push(...folders.reverse())
  }
  return found.sort(byText)
}

/** The first folder of a path below a root. */
export const folderOf = (path: string): string | undefined => {
  const slash = path.indexOf('/')
  return slash < 0 ? undefined : path.slice(0, slash)
}

/** The names of the classes of files: their first folders, sorted. */
export const classesOf = (paths: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(paths.map(folderOf).filter((c) => c !== undefined))].sort(byText)
