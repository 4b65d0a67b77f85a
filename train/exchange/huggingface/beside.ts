/** Paths that also read as ids of models: `runs/dinov3`, where only `runs/dinov2` is. */
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { nearest } from '../../config/spelling.ts'

/** What a path that also reads as an id may have meant: what lies in its folder, where there is such a folder. */
const beside = async (path: string): Promise<ReadonlyArray<string>> => {
  try {
    return (await readdir(dirname(path))).map((name) => join(dirname(path), name)).sort()
  } catch {
    return []
  }
}

/** Names of a folder that a fault lists. */
const shown = 8

/** The fault of an id, where its owner is a folder here: then a path was meant, most likely. */
export const orPath =
  (path: string) =>
  (f: Fault): TaskEither<Fault, string> =>
  async () => {
    const there = await beside(path)
    if (there.length === 0) return E.left(f)
    const near = nearest(path, there)
    return E.left({
      ...f,
      place: path,
      found: `nothing in the folder ${dirname(path)}; and as the id of a model: ${f.found}`,
      allowed: `what is in that folder: ${there.slice(0, shown).join(', ')}${there.length > shown ? ', …' : ''}; or ${f.allowed}`,
      remedy: near === undefined ? `name one of these, or for a model of the hub: ${f.remedy}` : `did you mean ${near}?`,
    })
  }
