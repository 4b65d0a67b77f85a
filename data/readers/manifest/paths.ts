/**
 * Paths of a table as files that are there. People write them from another folder, with backslashes, without an ending, or composed
 * otherwise than the disk has them; every folder is listed once.
 */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { grouped, list } from '../walk.ts'
import { isFile } from './table.ts'

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
  | 'by its name, in the folders beside'
  | 'as a folder, of which all files are read'

export interface Found {
  /** Below the table's folder, with `/`. */
  readonly path: string
  readonly how: Reading | 'missing'
  /** Of a path that is a folder: all files below it, below the table's folder. */
  readonly within?: ReadonlyArray<string>
}

/** Names in folders, as the disk has them, by how they may be written. */
interface Names {
  readonly exact: ReadonlyMap<string, string>
  readonly stems: () => ReadonlyMap<string, ReadonlyArray<string>>
}

const stemOf = (name: string): string => name.replace(/\.gz$/i, '').replace(/\.[^.]*$/, '')

const namesOf = (names: ReadonlyArray<string>): Names => {
  let stems: ReadonlyMap<string, ReadonlyArray<string>> | undefined
  return {
    exact: new Map(names.map((n) => [n.normalize('NFC'), n])),
    stems: () => (stems ??= grouped(names, (n) => stemOf(n).normalize('NFC'))),
  }
}

const noNames = namesOf([])

/** Files below a folder by their names, and by those without endings. */
interface Below {
  readonly names: ReadonlyMap<string, ReadonlyArray<string>>
  readonly stems: ReadonlyMap<string, ReadonlyArray<string>>
}

/** Folders that hold tables alone. */
const ofTables = /^(annotations?|annots?|labels?|meta(data)?|splits?|lists?|tables?|csvs?|jsons?|info)$/i

/** A text of a web address as the characters that it stands for. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What finds the files of a table. */
export interface Finder {
  /** Where a path leads, however it is written. */
  readonly find: (text: string) => Promise<Found>
  /** The numbers of those texts that may be no paths of images just as they are written, in their order. Folders are listed one by one. */
  readonly here: (texts: ReadonlyArray<string>) => Promise<ReadonlyArray<number>>
}

const folderPart = (text: string): string => text.slice(0, text.lastIndexOf('/') + 1)

/** Texts by the folders that they name: the last of each, and of every text the one before it; -1 for none. */
const byFolder = (texts: ReadonlyArray<string>): { readonly last: ReadonlyMap<string, number>; readonly before: Int32Array } => {
  const last = new Map<string, number>()
  const before = new Int32Array(texts.length)
  for (let r = 0; r < texts.length; r++) {
    const folder = folderPart(texts[r])
    before[r] = last.get(folder) ?? -1
    last.set(folder, r)
  }
  return { last, before }
}

/** Texts that lead to an image below `root` as they are written need nothing more: which may not, by their numbers. */
const otherwise = async (root: string, texts: ReadonlyArray<string>): Promise<ReadonlyArray<number>> => {
  const { last, before } = byFolder(texts)
  const rest: number[] = []
  for (const [folder, end] of last) {
    // a path that goes up, or begins at the root of all, is not below the table
    const plain = !isAbsolute(folder) && folder.split('/').every((p, k, all) => k === all.length - 1 || !['', '.', '..'].includes(p))
    const there = new Set(plain ? await readdir(join(root, folder)).catch(() => []) : [])
    for (let r = end; r >= 0; r = before[r]) {
      const name = texts[r].slice(folder.length)
      // what is called otherwise may be a folder
      if (!there.has(name) || !isFile(name)) rest.push(r)
    }
  }
  return rest.sort((a, b) => a - b)
}

/** What finds the files of a table that lies in `root`, of which `isRead` are images. */
export const finder = (root: string, isRead: (path: string) => boolean): Finder => {
  const folders = new Map<string, Promise<Names>>()
  const inFolder = (folder: string): Promise<Names> => {
    const at = folders.get(folder) ?? readdir(folder).then(namesOf, () => noNames)
    folders.set(folder, at)
    return at
  }
  const listed = (folder: string): Promise<Below> =>
    list(folder).then(
      ({ files }) => {
        const read = files.filter(isRead).map((f) => belowRoot(join(folder, f)))
        return {
          names: grouped(read, (f) => basename(f).normalize('NFC')),
          stems: grouped(read, (f) => stemOf(basename(f)).normalize('NFC')),
        }
      },
      (): Below => ({ names: new Map(), stems: new Map() }),
    )
  let [below, beside]: Array<Promise<Below> | undefined> = []
  const belowRoot = (path: string): string => relative(root, path).split(sep).join('/')
  const at = async (path: string): Promise<string | undefined> => {
    const known = (await inFolder(dirname(path))).exact.get(basename(path).normalize('NFC'))
    return known === undefined ? undefined : join(dirname(path), known)
  }
  const only = (xs: ReadonlyArray<string> | undefined): string | undefined => (xs?.length === 1 ? xs[0] : undefined)
  const withEnding = async (path: string): Promise<string | undefined> => {
    const known = only((await inFolder(dirname(path))).stems().get(basename(path).normalize('NFC'))?.filter(isRead))
    return known === undefined ? undefined : join(dirname(path), known)
  }
  const place = async (text: string): Promise<Found> => {
    const written = await at(resolve(root, text))
    if (written !== undefined) return { path: belowRoot(written), how: '' }
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
    const missing: Found = { path: belowRoot(resolve(root, text)), how: 'missing' }
    if (last === '') return missing
    const within = ({ names, stems }: Below): string | undefined => only(names.get(last)) ?? only(stems.get(last))
    const far = within(await (below ??= listed(root)))
    if (far !== undefined) return { path: far, how: 'by its name, in the folders below' }
    // a folder of tables lies beside the folders of images
    const near = ofTables.test(basename(root)) ? within(await (beside ??= listed(dirname(root)))) : undefined
    return near === undefined ? missing : { path: near, how: 'by its name, in the folders beside' }
  }
  /** The place with its files, where it is a folder. */
  const find = async (text: string): Promise<Found> => {
    const found = await place(text)
    if (found.how === 'missing' || isFile(found.path)) return found
    const folder = await stat(resolve(root, found.path)).then(
      (s) => s.isDirectory(),
      () => false,
    )
    if (!folder) return found
    const { files } = await list(resolve(root, found.path))
    const within = files.filter(isRead).map((f) => belowRoot(resolve(root, found.path, f)))
    return { ...found, how: found.how === '' ? 'as a folder, of which all files are read' : found.how, within }
  }
  return { find, here: (texts) => otherwise(root, texts) }
}
