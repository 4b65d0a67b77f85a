/** Which reader knows a file: by its path, or by its first bytes. */
import { open as openFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { Reader } from './reader.ts'
import { grouped } from './walk.ts'
import type { Left } from './walk.ts'

/** Bytes that tell what a file is. */
const headBytes = 132

/** The first bytes of a file; none where it cannot be read. */
export const headOf = async (path: string, length = headBytes): Promise<Uint8Array | undefined> => {
  const handle = await openFile(path, 'r').catch(() => undefined)
  if (handle === undefined) return undefined
  try {
    const head = new Uint8Array(length)
    const { bytesRead } = await handle.read(head, 0, length, 0)
    return head.subarray(0, bytesRead)
  } catch {
    return undefined
  } finally {
    await handle.close()
  }
}

/** Files below `root` by the readers that know them, in the order of readers, and those of none. */
export interface Sorted {
  readonly root: string
  readonly known: ReadonlyArray<{ readonly reader: Reader; readonly paths: ReadonlyArray<string> }>
  readonly unknown: ReadonlyArray<string>
}

const readerOf = async (readers: ReadonlyArray<Reader>, root: string, path: string): Promise<Reader | undefined> => {
  const first = readers.find((r) => r.matches(path) !== false)
  if (first === undefined || first.matches(path) === true) return first
  const matches = readers.map((r) => [r, r.matches(path)] as const)
  const head = await headOf(join(root, path))
  return matches.find(([r, m]) => m === true || (m === 'perhaps' && head !== undefined && r.begins?.(head) === true))?.[0]
}

export const sorted = async (readers: ReadonlyArray<Reader>, root: string, paths: ReadonlyArray<string>): Promise<Sorted> => {
  // for each path the number of its reader, and one more for those of none: no lists that grow by a million paths
  const of = new Uint8Array(paths.length)
  const counts = new Uint32Array(readers.length + 1)
  for (const [i, p] of paths.entries()) {
    const known = readers.find((r) => r.matches(p) !== false)
    const reader = known === undefined || known.matches(p) === true ? known : await readerOf(readers, root, p)
    of[i] = reader === undefined ? readers.length : readers.indexOf(reader)
    counts[of[i]]++
  }
  const own = (k: number): ReadonlyArray<string> => (counts[k] === paths.length ? paths : paths.filter((_, i) => of[i] === k))
  return {
    root,
    known: readers.flatMap((reader, k) => (counts[k] === 0 ? [] : [{ reader, paths: own(k) }])),
    unknown: own(readers.length),
  }
}

/** 'pictures (.png), DICOM (.dcm), or a manifest (.csv)' */
const filesText = (readers: ReadonlyArray<Reader>): string => {
  const files = readers.map((r) => r.files)
  return files.length < 2 ? files.join('') : `${files.slice(0, -1).join(', ')}, or ${files[files.length - 1]}`
}

const archive = /\.(zip|tar|tgz|tar\.gz|7z|rar)$/i

/** Files of none of these kinds: unsupported, which is neither missing nor damaged. */
export const unknown = (readers: ReadonlyArray<Reader>, place: string, found: string, paths: ReadonlyArray<string> = []): Fault =>
  fault('data', {
    place,
    found,
    allowed: filesText(readers),
    remedy: paths.some((p) => archive.test(p))
      ? 'unpack the archive, and name the folder that comes of it'
      : 'convert the files to one of these kinds, or name another file or folder',
  })

/** Files of no reader by their endings, the most frequent first: `30 .bmp, 1 .gif`. */
export const byEnding = (paths: ReadonlyArray<string>): ReadonlyArray<Left> =>
  [...grouped(paths, (p) => extname(p).toLowerCase())]
    .map(([ending, own]) => ({ what: ending || `${own.length === 1 ? 'file' : 'files'} without an ending`, paths: own }))
    .sort((a, b) => b.paths.length - a.paths.length)
