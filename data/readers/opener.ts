/**
 * Opens any data that a person names: what it is, the readers tell from the path and the files below it. What comes is one `Dataset` per
 * split.
 */
import { open as openFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { codeOf, guarded, systemFault } from '../formats/file.ts'
import type { SplitName } from './dataset.ts'
import type { Files, OpenFiles, OpenOptions, Parts, Reader } from './reader.ts'
import type { Opened } from './result.ts'
import { splitOf } from './split.ts'
import { classesOf, folderOf, walk } from './walk.ts'

/** Opened data, and the tag of the reader that opened them. */
export interface OpenedData extends Parts {
  readonly kind: string
}

/** A reader of files that make one dataset together. */
interface Many {
  readonly tag: string
  readonly matches: Reader['matches']
  readonly begins: (head: Uint8Array) => boolean
  readonly open: (f: Files, o: OpenOptions) => TaskEither<Fault, Opened>
}

const manyOf = (readers: ReadonlyArray<Reader>): ReadonlyArray<Many> => readers.flatMap(({ tag, matches, begins, open }) =>
  (open._tag === 'Many' ? [{ tag, matches, begins: begins ?? (() => false), open: open.files }] : []))

/** Bytes that tell what a file is. */
const headBytes = 132

/** The first bytes of a file, zeros where it is shorter; none where it cannot be read. */
const headOf = async (path: string): Promise<Uint8Array | undefined> => {
  const handle = await openFile(path, 'r').catch(() => undefined)
  if (handle === undefined) return undefined
  try {
    const head = new Uint8Array(headBytes)
    const { bytesRead } = await handle.read(head, 0, headBytes, 0)
    return head.subarray(0, bytesRead)
  } catch {
    return undefined
  } finally {
    await handle.close()
  }
}

/** 'pictures (.png), DICOM (.dcm), or a manifest (.csv)' */
const filesText = (readers: ReadonlyArray<Reader>): string => {
  const files = readers.map((r) => r.files)
  return files.length < 2 ? files.join('') : `${files.slice(0, -1).join(', ')}, or ${files[files.length - 1]}`
}

const unknown = (readers: ReadonlyArray<Reader>, path: string, found: string): Fault =>
  fault('data', { place: path, found, allowed: filesText(readers), remedy: 'name a file or folder of one of these kinds' })

/** Files below `root` by the readers that know them, in the order of readers; those of none are left out. */
interface Sorted {
  readonly root: string
  readonly known: ReadonlyArray<{ readonly reader: Many; readonly paths: ReadonlyArray<string> }>
}

const isOf = async (r: Many, root: string, path: string): Promise<boolean> => {
  const matches = r.matches(path)
  if (matches !== 'perhaps') return matches
  const head = await headOf(join(root, path))
  return head !== undefined && r.begins(head)
}

const sorted = async (readers: ReadonlyArray<Many>, root: string, paths: ReadonlyArray<string>): Promise<Sorted> => {
  const found = new Map<Many, Array<string>>(readers.map((r) => [r, []]))
  for (const p of paths) for (const r of readers) {
    if (!(await isOf(r, root, p))) continue
    found.get(r)?.push(p)
    break
  }
  return { root, known: [...found].flatMap(([reader, own]) => (own.length === 0 ? [] : [{ reader, paths: own }])) }
}

/** The paths of each split, where the first folders are called train, val or test; else all in one. */
const partition = (paths: ReadonlyArray<string>): ReadonlyMap<SplitName, { readonly folder: string; readonly paths: ReadonlyArray<string> }> => {
  const folders = [...new Set(paths.map((p) => folderOf(p) ?? ''))]
  const named = folders.map((f) => [splitOf(f), f] as const)
  const distinct = new Set(named.map(([s]) => s))
  if (!distinct.has('train') || distinct.has(undefined) || distinct.size < named.length) return new Map([['all', { folder: '', paths }]])
  return new Map(named.map(([s, folder]) => [s ?? 'all', { folder, paths: paths.filter((p) => p.startsWith(`${folder}/`)).map((p) => p.slice(folder.length + 1)) }]))
}

/** Opens the files of the first reader that knows some, a dataset for each split. */
const openSorted = (readers: ReadonlyArray<Reader>, name: string, { root, known }: Sorted, o: OpenOptions): TaskEither<Fault, OpenedData> => {
  if (known.length === 0) return TE.left(unknown(readers, root, 'no file of a kind that is read'))
  const [{ reader, paths }, ...others] = known
  const parts = [...partition(paths)]
  const classes = classesOf(parts.flatMap(([, p]) => p.paths))
  return pipe(
    parts,
    TE.traverseSeqArray(([split, p]) => pipe(
      reader.open({ name: split === 'all' ? name : `${name}/${split}`, root: join(root, p.folder), paths: p.paths, classes }, o),
      TE.map((opened) => [split, opened] as const),
    )),
    TE.map((opened): OpenedData => ({
      kind: reader.tag,
      splits: new Map(opened.map(([split, x]) => [split, x.dataset])),
      skipped: opened.flatMap(([, x]) => x.skipped),
      notes: [...others.map((k) => `${k.paths.length} ${k.reader.tag} file(s) passed over`), ...opened.flatMap(([, x]) => x.notes)],
    })),
  )
}

/** The files of a list, which must be of one kind. */
const openListed = (readers: ReadonlyArray<Reader>, o: OpenOptions): OpenFiles => (root, paths) => pipe(
  guarded('data', root)(async () => E.right(await sorted(manyOf(readers), root, paths))),
  TE.chain(({ known }) => {
    if (known.length === 0) return TE.left(unknown(readers, join(root, paths[0] ?? ''), 'a manifest without a file that is read'))
    const [{ reader, paths: own }] = known
    const strange = paths.filter((p) => !own.includes(p))
    if (strange.length > 0 && o.onError !== 'skip') return TE.left(unknown(readers, join(root, strange[0]), `a file that is not of the kind ${reader.tag}, as the others are`))
    const skipped = strange.map((p) => unknown(readers, join(root, p), `a file that is not of the kind ${reader.tag}`))
    return pipe(
      reader.open({ name: basename(root), root, paths: own, classes: [] }, o),
      TE.map((opened): Opened => ({ ...opened, skipped: [...opened.skipped, ...skipped] })),
    )
  }),
)

const openFolder = (readers: ReadonlyArray<Reader>, path: string, o: OpenOptions): TaskEither<Fault, OpenedData> => {
  const many = manyOf(readers)
  return pipe(
    guarded('data', path)(async () => E.right(await sorted(many, path, await walk(path, (p) => many.some((r) => r.matches(p) !== false))))),
    TE.chain((s) => openSorted(readers, basename(path), s, o)),
  )
}

/** A single file; where no reader knows its path, its first bytes tell. */
const openOne = (readers: ReadonlyArray<Reader>, path: string, o: OpenOptions): TaskEither<Fault, OpenedData> => {
  const [root, name] = [dirname(path), basename(path)]
  for (const { tag, matches, open } of readers) {
    if (open._tag === 'One' && matches(path) === true) return pipe(open.file(path, o, openListed(readers, o)), TE.map((parts) => ({ kind: tag, ...parts })))
  }
  const many = manyOf(readers)
  return pipe(
    guarded('data', path)(async () => {
      const s = await sorted(many, root, [name])
      const head = s.known.length > 0 ? undefined : await headOf(path)
      const reader = head === undefined ? undefined : many.find((r) => r.begins(head))
      return E.right(reader === undefined ? s : { root, known: [{ reader, paths: [name] }] })
    }),
    TE.chain((s) => (s.known.length === 0 ? TE.left(unknown(readers, path, `a file that ends in ${extname(path) || 'nothing'}`)) : openSorted(readers, name, s, o))),
  )
}

/**
 * Opens a file or folder by some of these readers. Opening reads headers at most; items are read when they are asked for.
 * Faults: no such path, nothing that is read below it, with onError 'stop' the first file that cannot be opened.
 */
export const openWith = (readers: ReadonlyArray<Reader>) => (path: string, options: OpenOptions = {}): TaskEither<Fault, OpenedData> => pipe(
  async (): Promise<Either<Fault, boolean>> => {
    try {
      return E.right((await stat(path)).isDirectory())
    } catch (e) {
      const f = systemFault('data', path)(e)
      return E.left(codeOf(e) === 'ENOENT' ? { ...f, allowed: 'a file or folder that exists', remedy: 'check --data for a typing error' } : f)
    }
  },
  TE.chain((isFolder) => (isFolder ? openFolder(readers, path, options) : openOne(readers, path, options))),
)
