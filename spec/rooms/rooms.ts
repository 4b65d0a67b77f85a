/**
 * The rooms of the house, read from its files: what is in each, and which imports go from one to another. Types count as everything else
 * does.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import ts from 'typescript'

export const root = fileURLToPath(new URL('../..', import.meta.url))

const orderCodec = t.record(t.string, t.readonlyArray(t.string))

/** Which rooms each room may import, as `order.json` says it to the lint rule too. A name stands for all rooms below it. */
export type Order = t.TypeOf<typeof orderCodec>

export const readOrder = (): Order => {
  const decoded = orderCodec.decode(JSON.parse(readFileSync(join(root, 'spec/rooms/order.json'), 'utf8')))
  if (E.isLeft(decoded)) throw new Error('spec/rooms/order.json is no table of rooms')
  return decoded.right
}

/** A source file with what it imports of this repository, both by their paths. */
export interface Source {
  readonly path: string
  readonly lines: number
  readonly imports: ReadonlyArray<string>
}

const isSource = (path: string): boolean => /\.[jt]s$/.test(path)

const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((f) => join(folder, f))
    .filter(isSource)
    .sort()

/** What `import`, `import type`, `export … from` and `import(…)` name in a text, of files alone. */
export const importsIn = (text: string): ReadonlyArray<string> =>
  ts
    .preProcessFile(text, true, true)
    .importedFiles.map((f) => f.fileName)
    .filter((name) => name.startsWith('.'))

/** All source files of these folders. */
export const sources = (folders: ReadonlyArray<string>): ReadonlyArray<Source> =>
  folders.flatMap(filesBelow).map((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    const imports = importsIn(text).map((name) => relative(root, join(root, dirname(path), name)))
    return { path, lines: text.split('\n').length - 1, imports: [...new Set(imports)].filter((f) => existsSync(join(root, f))) }
  })

/** The room that a file stands in: the longest name of one that its path begins with. */
export const roomOf =
  (rooms: ReadonlyArray<string>) =>
  (path: string): string | undefined =>
    rooms
      .filter((r) => path.startsWith(`${r}/`))
      .sort((a, b) => b.length - a.length)
      .at(0)

/** Imports from one room to another, by `from -> to`. */
export interface Arrow {
  readonly from: string
  readonly to: string
  /** `file -> file` */
  readonly imports: ReadonlyArray<string>
}

export const arrows = (rooms: ReadonlyArray<string>, all: ReadonlyArray<Source>): ReadonlyArray<Arrow> => {
  const found = new Map<string, { readonly from: string; readonly to: string; readonly imports: Array<string> }>()
  for (const s of all)
    for (const target of s.imports) {
      const [from, to] = [s.path, target].map(roomOf(rooms))
      if (from === undefined || to === undefined || from === to) continue
      const known = found.get(`${from} ${to}`) ?? { from, to, imports: [] }
      known.imports.push(`${s.path} -> ${target}`)
      found.set(`${from} ${to}`, known)
    }
  return [...found.values()]
}

/** Whether an order permits an arrow. */
export const isPermitted =
  (order: Order) =>
  ({ from, to }: Arrow): boolean =>
    (order[from] ?? []).some((allowed) => to === allowed || to.startsWith(`${allowed}/`))

/** Files that import each other in a circle: every strongly connected part of more than one file, and files that import themselves. */
export const circles = (all: ReadonlyArray<Source>): ReadonlyArray<ReadonlyArray<string>> => {
  const byPath = new Map(all.map((s) => [s.path, s.imports]))
  const reach = (from: string): ReadonlySet<string> => {
    const seen = new Set<string>()
    const open = [...(byPath.get(from) ?? [])]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue
      seen.add(at)
      open.push(...(byPath.get(at) ?? []))
    }
    return seen
  }
  const reached = new Map(all.map((s) => [s.path, reach(s.path)]))
  const circular = all.map((s) => s.path).filter((p) => reached.get(p)?.has(p) === true)
  const parts = new Map(
    circular.map((p) => {
      const part = circular.filter((q) => reached.get(p)?.has(q) === true && reached.get(q)?.has(p) === true)
      return [part.join(' '), part] as const
    }),
  )
  return [...parts.values()]
}
