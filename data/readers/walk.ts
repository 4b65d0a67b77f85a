/** The files below a folder, in an order that does not depend on the system, and what else is there. */

import type { Dirent } from 'node:fs'
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { systemFault } from '../formats/file.ts'

/** Compares by code units: the same order on every system and in every language. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** What is left out for one reason: `{ what: '.bmp', paths }`, and what reads it after all. */
export interface Left {
  readonly what: string
  readonly setting?: string
  readonly paths: ReadonlyArray<string>
}

/** What lies below a folder, by paths with `/` below it. */
export interface Listing {
  /** Files, sorted. */
  readonly files: ReadonlyArray<string>
  /** What is no file, or hidden. */
  readonly left: ReadonlyArray<Left>
  /** What the system does not let be listed or named. */
  readonly faults: ReadonlyArray<Fault>
}

/** Things by what they are called, each list in the order of coming. */
export const grouped = <A>(things: Iterable<A>, name: (a: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, A[]>()
  for (const a of things) {
    const key = name(a)
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [a])
    else known.push(a)
  }
  return groups
}

/** What an entry is that is neither file nor folder: reading it could wait for ever. */
const strange = (e: Pick<Dirent, 'isFIFO' | 'isSocket'>): string => (e.isFIFO() ? 'named pipe' : e.isSocket() ? 'socket' : 'device')

/** Folders and files that systems put beside a person's own. */
const system: ReadonlySet<string> = new Set([
  ...['__macosx', '@eadir', '#recycle', 'lost+found', '$recycle.bin', 'system volume information', 'thumbs.db', 'desktop.ini'],
])

/** Node gives this character for bytes that are no UTF-8: such a name leads nowhere. */
const isUnnamed = async (path: string): Promise<boolean> =>
  path.includes('\uFFFD') && (await lstat(path).catch(() => undefined)) === undefined

const unnamed = (path: string): Fault =>
  fault('data', {
    place: path,
    found: 'a name that is not UTF-8',
    allowed: 'names in UTF-8',
    remedy: 'rename it, or leave out what cannot be read (npm run data: --on-error skip; training: --set data.onError=skip)',
  })

/** Files after which it is said how many there are so far. */
const reportedEvery = 100_000

/**
 * What lies below `root`. Hidden files and folders are left out, links are followed once, and what cannot be listed is a fault of the
 * listing. Throws what the file system says of `root` itself.
 */
export const list = async (root: string, listed: (files: number) => void = () => undefined): Promise<Listing> => {
  const files: string[] = []
  const others: Array<readonly [what: string, path: string]> = []
  const faults: Fault[] = []
  const seen = new Set<string>()
  const open: string[] = ['']
  let said = 0
  const enter = async (below: string): Promise<ReadonlyArray<Dirent>> => {
    try {
      const real = await realpath(join(root, below))
      if (seen.has(real)) {
        others.push(['link to a folder that is read already', below])
        return []
      }
      seen.add(real)
      return await readdir(join(root, below), { withFileTypes: true })
    } catch (e) {
      if (below === '' || !codeOf(e).startsWith('E')) throw e
      faults.push(systemFault('data', join(root, below))(e))
      return []
    }
  }
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    const folders: string[] = []
    for (const entry of [...(await enter(below))].sort((a, b) => byText(a.name, b.name))) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.name.startsWith('.') || system.has(entry.name.toLowerCase())) others.push(['hidden', path])
      else if (entry.isFile() || entry.isDirectory()) {
        if (await isUnnamed(join(root, path))) faults.push(unnamed(join(root, path)))
        else if (entry.isFile()) files.push(path)
        else folders.push(path)
      } else if (entry.isSymbolicLink()) {
        const target = await stat(join(root, path)).catch(() => undefined)
        if (target === undefined) others.push(['link to nothing', path])
        else if (target.isDirectory()) folders.push(path)
        else if (target.isFile()) files.push(path)
        else others.push([strange(target), path])
      } else others.push([strange(entry), path])
    }
    open.push(...folders.reverse())
    if (files.length >= said + reportedEvery) {
      said = files.length
      listed(files.length)
    }
  }
  const left = [...grouped(others, ([what]) => what)].map(([what, own]) => ({ what, paths: own.map(([, p]) => p) }))
  return { files: files.sort(byText), left, faults }
}

/** Paths of the files below `root` that `wanted` accepts (it receives the path), sorted. Throws what the file system throws. */
export const walk = async (root: string, wanted: (path: string) => boolean): Promise<ReadonlyArray<string>> =>
  (await list(root)).files.filter(wanted)

/** The first folder of a path below a root. */
export const folderOf = (path: string): string | undefined => {
  const slash = path.indexOf('/')
  return slash < 0 ? undefined : path.slice(0, slash)
}

const foldersIn = (paths: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const p of paths) {
    const folder = folderOf(p)
    if (folder !== undefined) found.add(folder)
  }
  return found
}

/** The names of the classes of files: their first folders, sorted. */
export const classesOf = (paths: ReadonlyArray<string>): ReadonlyArray<string> => [...foldersIn(paths)].sort(byText)
