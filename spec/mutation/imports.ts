/** Which files of the repository import which, and which tests reach which. */
import { readOrder, sources } from '../rooms/rooms.ts'

/** Files by their path from the root, and what each imports. */
export type Imports = ReadonlyMap<string, ReadonlyArray<string>>

/** Of all rooms, and of `spec`. */
export const importsOf = (): Imports => {
  const rooms = new Set([...Object.keys(readOrder()).map((room) => room.split('/')[0]), 'spec'])
  return new Map(sources([...rooms]).map((s) => [s.path, s.imports]))
}

/** Files that reach `target` through imports, and itself. */
const reaching = (imports: Imports, target: string): ReadonlySet<string> => {
  const users = new Map<string, Array<string>>()
  for (const [path, used] of imports) for (const u of used) users.set(u, [...(users.get(u) ?? []), path])
  const found = new Set([target])
  for (const path of found) for (const user of users.get(path) ?? []) found.add(user)
  return found
}

/** Test files that reach a file. */
export const testsOf = (imports: Imports, target: string): ReadonlyArray<string> =>
  [...reaching(imports, target)].filter((path) => path.endsWith('.test.ts')).sort()
