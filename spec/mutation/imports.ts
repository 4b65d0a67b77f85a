/** Which files of the repository import which, and which of them are near to which. */
import { readOrder, sources } from '../rooms/rooms.ts'

/** Files by their path from the root, and what each imports. */
export type Imports = ReadonlyMap<string, ReadonlyArray<string>>

/** Of all rooms, and of `spec`. */
export const importsOf = (): Imports => {
  const rooms = new Set([...Object.keys(readOrder()).map((room) => room.split('/')[0]), 'spec'])
  return new Map(sources([...rooms]).map((s) => [s.path, s.imports]))
}

/** How many imports lie between each file and `target`, for files that reach it at all; 0 is the file itself. */
export const distancesTo = (imports: Imports, target: string): ReadonlyMap<string, number> => {
  const users = new Map<string, Array<string>>()
  for (const [path, used] of imports) for (const u of used) users.set(u, [...(users.get(u) ?? []), path])
  const distances = new Map([[target, 0]])
  for (const path of distances.keys()) {
    for (const user of users.get(path) ?? []) if (!distances.has(user)) distances.set(user, (distances.get(path) ?? 0) + 1)
  }
  return distances
}

/** Test files that reach a file, nearest first. */
export const testsOf = (imports: Imports, target: string): ReadonlyArray<string> =>
  [...distancesTo(imports, target)]
    .filter(([path]) => path.endsWith('.test.ts'))
    .sort(([a, m], [b, n]) => m - n || a.localeCompare(b))
    .map(([path]) => path)
