/**
 * What a disk may hold when the power goes: changes that disk.c has written down are made again as far as they would have survived.
 *
 * A file's bytes are safe once the file has been forced to the disk, and a folder's names once the folder has; before, each change is
 * there or not, each page of a write for itself, in any order. Bytes that are lost within a file read as zeros. A rename within a folder is
 * one change. What POSIX leaves open is open here: no file system loses more, most lose less.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A change, in the order in which they were made. */
export type Change =
  | { readonly _tag: 'Opened'; readonly handle: number; readonly emptied: boolean; readonly path: string }
  | { readonly _tag: 'Wrote'; readonly handle: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly _tag: 'Cut'; readonly handle: number; readonly length: number }
  | { readonly _tag: 'Forced'; readonly handle: number }
  | { readonly _tag: 'Renamed' | 'Linked'; readonly from: string; readonly to: string }
  | { readonly _tag: 'Removed' | 'Folder'; readonly path: string }
  /** The program has said something on standard output. */
  | { readonly _tag: 'Said'; readonly text: string }

/** The log of disk.c. */
export const changesIn = (log: Buffer): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  for (let at = 0; at < log.length;) {
    const end = log.indexOf(10, at)
    if (end < 0) break
    const line = log.toString('utf8', at, end)
    const [letter, rest] = [line[0], line.slice(2)]
    const words = rest.split(' ')
    const [a, b, c] = words.map(Number)
    at = end + 1
    // a program that was killed has left its last line torn
    const taken = letter === 'W' ? c : letter === 'P' ? a : 0
    if (at + taken > log.length) break
    const bytes = Uint8Array.from(log.subarray(at, at + taken))
    at += taken
    if (letter === 'O') changes.push({ _tag: 'Opened', handle: a, emptied: b === 1, path: words.slice(2).join(' ') })
    else if (letter === 'W') changes.push({ _tag: 'Wrote', handle: a, at: b, bytes })
    else if (letter === 'T') changes.push({ _tag: 'Cut', handle: a, length: b })
    else if (letter === 'S') changes.push({ _tag: 'Forced', handle: a })
    else if (letter === 'R' || letter === 'L') {
      const [from, to] = rest.split('\t')
      changes.push({ _tag: letter === 'R' ? 'Renamed' : 'Linked', from, to })
    } else if (letter === 'U' || letter === 'M') changes.push({ _tag: letter === 'U' ? 'Removed' : 'Folder', path: rest })
    else if (letter === 'P') changes.push({ _tag: 'Said', text: Buffer.from(bytes).toString('utf8') })
    else throw new Error(`a line of no kind: ${line}`)
  }
  return changes
}

/** What is not safe yet survives by these: names of folders, and bytes of files, each change by a draw of its own. */
export interface Survival {
  readonly name: string
  readonly names: () => boolean
  readonly bytes: () => boolean
}

const always = (): boolean => true
const never = (): boolean => false

/** Nothing but what is safe; everything, as after kill -9; names without their bytes; bytes without their names. */
export const survivals: ReadonlyArray<Survival> = [
  { name: 'what is safe', names: never, bytes: never },
  { name: 'everything', names: always, bytes: always },
  { name: 'names', names: always, bytes: never },
  { name: 'bytes', names: never, bytes: always },
]

/** Each change by a draw. */
export const drawn = (name: string, unit: () => number): Survival => ({ name, names: () => unit() < 0.5, bytes: () => unit() < 0.5 })

type Edit =
  { readonly _tag: 'Bytes'; readonly at: number; readonly bytes: Uint8Array } | { readonly _tag: 'Length'; readonly length: number }

interface File {
  readonly _tag: 'File'
  readonly edits: Array<Edit>
  /** Edits that are safe. */
  safe: number
}

interface Folder {
  readonly _tag: 'Folder'
  readonly names: Map<string, Node>
  readonly edits: Array<ReadonlyArray<readonly [name: string, node: Node | undefined]>>
  safe: number
}

type Node = File | Folder

const folder = (): Folder => ({ _tag: 'Folder', names: new Map(), edits: [], safe: 0 })

const pageBytes = 4096

const pages = (at: number, bytes: Uint8Array): ReadonlyArray<Edit> => {
  const out: Array<Edit> = []
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + pageBytes - ((at + from) % pageBytes))
    out.push({ _tag: 'Bytes', at: at + from, bytes: bytes.subarray(from, to) })
    from = to
  }
  return out
}

/** A disk: files by their paths below the root, and folders, which have no bytes. */
export type Contents = ReadonlyMap<string, Uint8Array | undefined>

/** The changes as nodes; the root was there, empty and safe. */
const replayed = (root: string, changes: ReadonlyArray<Change>): Folder => {
  const top = folder()
  const handles = new Map<number, Node>()
  const at = (path: string): Node | undefined => {
    let node: Node | undefined = top
    for (const name of path
      .slice(root.length)
      .split('/')
      .filter((w) => w !== ''))
      node = node?._tag === 'Folder' ? node.names.get(name) : undefined
    return node
  }
  const change = (path: string, edits: ReadonlyArray<readonly [string, Node | undefined]>): void => {
    const parent = at(path)
    if (parent?._tag !== 'Folder') throw new Error(`no folder ${path}`)
    parent.edits.push(edits)
    for (const [name, node] of edits) {
      if (node === undefined) parent.names.delete(name)
      else parent.names.set(name, node)
    }
  }
  for (const c of changes) {
    switch (c._tag) {
      case 'Opened': {
        const known = at(c.path)
        const node: Node = known ?? { _tag: 'File', edits: [], safe: 0 }
        if (known === undefined) change(dirname(c.path), [[basename(c.path), node]])
        else if (c.emptied && node._tag === 'File') node.edits.push({ _tag: 'Length', length: 0 })
        handles.set(c.handle, node)
        break
      }
      case 'Wrote':
      case 'Cut': {
        const node = handles.get(c.handle)
        if (node?._tag !== 'File') throw new Error(`no file ${c.handle}`)
        node.edits.push(...(c._tag === 'Cut' ? [{ _tag: 'Length' as const, length: c.length }] : pages(c.at, c.bytes)))
        break
      }
      case 'Forced': {
        const node = handles.get(c.handle)
        if (node !== undefined) node.safe = node.edits.length
        break
      }
      case 'Folder':
        change(dirname(c.path), [[basename(c.path), folder()]])
        break
      case 'Removed':
        change(dirname(c.path), [[basename(c.path), undefined]])
        break
      case 'Linked':
        change(dirname(c.to), [[basename(c.to), at(c.from)]])
        break
      case 'Renamed': {
        const node = at(c.from)
        if (dirname(c.from) === dirname(c.to))
          change(dirname(c.to), [
            [basename(c.from), undefined],
            [basename(c.to), node],
          ])
        else {
          change(dirname(c.from), [[basename(c.from), undefined]])
          change(dirname(c.to), [[basename(c.to), node]])
        }
        break
      }
      case 'Said':
        break
    }
  }
  return top
}

const bytesOf = (f: File, survives: () => boolean): Uint8Array => {
  let out = new Uint8Array(0)
  const sized = (length: number): void => {
    const next = new Uint8Array(length)
    next.set(out.subarray(0, length))
    out = next
  }
  f.edits.forEach((e, i) => {
    if (i >= f.safe && !survives()) return
    if (e._tag === 'Length') sized(e.length)
    else {
      if (e.at + e.bytes.length > out.length) sized(e.at + e.bytes.length)
      out.set(e.bytes, e.at)
    }
  })
  return out
}

/** What the disk holds after these changes, of those that are not safe what survives. */
export const heldAfter = (root: string, changes: ReadonlyArray<Change>, s: Survival): Contents => {
  const contents = new Map<string, Uint8Array | undefined>()
  const visit = (f: Folder, path: string): void => {
    const names = new Map<string, Node>()
    f.edits.forEach((edits, i) => {
      if (i >= f.safe && !s.names()) return
      for (const [name, node] of edits) {
        if (node === undefined) names.delete(name)
        else names.set(name, node)
      }
    })
    for (const [name, node] of names) {
      const own = path === '' ? name : `${path}/${name}`
      contents.set(own, node._tag === 'File' ? bytesOf(node, s.bytes) : undefined)
      if (node._tag === 'Folder') visit(node, own)
    }
  }
  visit(replayed(root, changes), '')
  return contents
}

/** What tells two disks apart. */
export const digestOf = (c: Contents): string => {
  const hash = createHash('sha256')
  for (const path of [...c.keys()].sort()) {
    const bytes = c.get(path)
    hash.update(`${path}\0${bytes === undefined ? 'folder' : bytes.length}\0`)
    if (bytes !== undefined) hash.update(bytes)
  }
  return hash.digest('hex')
}

/** Writes a disk into a folder. */
export const put = async (c: Contents, out: string): Promise<void> => {
  await mkdir(out, { recursive: true })
  for (const [path, bytes] of c) {
    if (bytes === undefined) await mkdir(join(out, path), { recursive: true })
    else await writeFile(join(out, path), bytes)
  }
}
