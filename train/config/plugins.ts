/**
 * The setting `plugins`: files of a person's own that bring further parts. In a configuration it is a list of paths, each from the folder
 * of its file; what a run has used is written down as names of files with their digests, which load nothing.
 */
import { resolve } from 'node:path'
import * as t from 'io-ts'
import { isRecord } from '../../data/formats/codec.ts'
import { Field } from './field.ts'

/** What a run writes down of a plugin: which file it was, and the SHA-256 of it and of what it imports by relative paths. */
export interface Note {
  readonly file: string
  readonly sha256: string
  /** That of each of them, by its path from the file; earlier runs did not note it. */
  readonly files?: Readonly<Record<string, string>>
}

export const pluginsKey = 'plugins'

const isDigests = (u: unknown): boolean => u === undefined || (isRecord(u) && Object.values(u).every((x) => typeof x === 'string'))

const isNote = (u: unknown): u is Note =>
  isRecord(u) && typeof u['file'] === 'string' && typeof u['sha256'] === 'string' && isDigests(u['files'])

/** The notes of a run among what a configuration says of plugins. */
export const notesIn = (u: unknown): ReadonlyArray<Note> => (Array.isArray(u) ? u.filter(isNote) : [])

/** The files that a configuration names. */
export const filesIn = (u: unknown): ReadonlyArray<string> =>
  typeof u === 'string' ? [u] : Array.isArray(u) ? u.filter((x): x is string => typeof x === 'string') : []

/** The same, each from the root of the disk; what is no path stays as it is. */
export const pathsIn = (u: unknown, folder: string): unknown => {
  const at = (x: unknown): unknown => (typeof x === 'string' ? resolve(folder, x) : x)
  return Array.isArray(u) ? u.map(at) : at(u)
}

const allowed = 'files, each by its path'

/** What an earlier run wrote down, with what is known of the same file now. */
const completed =
  (loaded: ReadonlyArray<Note>) =>
  ({ file, sha256, files }: Note): Note =>
    loaded.find((l) => l.file === file && l.sha256 === sha256) ?? { file, sha256, ...(files === undefined ? {} : { files }) }

/** Paths are loaded elsewhere, to which `loaded` is what came of them; what an earlier run wrote down says the same as it did. */
export const pluginsField = (loaded: ReadonlyArray<Note>): Field<ReadonlyArray<Note>> =>
  new Field<ReadonlyArray<Note>>(
    {
      initial: loaded.map(({ file }) => file),
      about: 'files of your own that bring further objectives, backbones, strategies, readers and augmentations',
      allowed,
      schema: { type: 'array', items: { type: 'string' } },
    },
    (u, c) => {
      if (typeof u === 'string' || (Array.isArray(u) && u.every((x) => typeof x === 'string'))) return t.success(loaded)
      return Array.isArray(u) && u.every(isNote) ? t.success(u.map(completed(loaded))) : t.failure(u, c)
    },
  )
