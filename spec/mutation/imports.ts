/** Which files of the repository import which: by their text, types and dynamic imports included. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** Files by their path from the root, and what each imports. */
export type Imports = ReadonlyMap<string, ReadonlyArray<string>>

const rooms = ['core', 'ops', 'models', 'losses', 'compiler', 'data', 'train', 'examples', 'spec']

const filesUnder = (root: string, folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((f) =>
    (f.isDirectory() ? filesUnder(root, join(folder, f.name)) : /\.(ts|c|h)$/.test(f.name) ? [join(folder, f.name)] : []))

const imported = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g

export const importsOf = (root: string): Imports =>
  new Map(rooms.flatMap((room) => filesUnder(root, room)).map((path) => [
    path,
    path.endsWith('.ts') ? [...readFileSync(join(root, path), 'utf8').matchAll(imported)].map((m) => normalize(join(dirname(path), m[1]))) : [],
  ]))

/** How many imports lie between each file and `target`, for files that reach it at all; 0 is the file itself. */
export const distancesTo = (imports: Imports, target: string): ReadonlyMap<string, number> => {
  const users = new Map<string, Array<string>>()
  for (const [path, used] of imports) for (const u of used) users.set(u, [...users.get(u) ?? [], path])
  const distances = new Map([[target, 0]])
  for (const path of distances.keys()) {
    for (const user of users.get(path) ?? []) if (!distances.has(user)) distances.set(user, (distances.get(path) ?? 0) + 1)
  }
  return distances
}

/** Test files that reach a file, nearest first. */
export const testsOf = (imports: Imports, target: string): ReadonlyArray<string> =>
  [...distancesTo(imports, target)].filter(([path]) => path.endsWith('.test.ts')).sort(([a, m], [b, n]) => m - n || a.localeCompare(b)).map(([path]) => path)
