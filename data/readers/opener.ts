/**
 * Opens any data that a person names: what it is, the readers tell from the path and the files below it. What comes is one `Dataset` per
 * split.
 */
import { stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { codeOf, fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { guarded, systemFault } from '../formats/file.ts'
import { openFolder } from './folder.ts'
import type { OpenedData } from './folder.ts'
import type { OpenFiles, OpenOptions, Reader } from './reader.ts'
import type { Opened } from './result.ts'
import { selectionOf } from './select.ts'
import { headOf, sorted, unknown } from './sorting.ts'

export type { OpenedData } from './folder.ts'

/** What opens the data at a path: the readers, or a function of a program's own. */
export type Opener = (path: string, o: OpenOptions) => TaskEither<Fault, OpenedData>

const many = (readers: ReadonlyArray<Reader>): ReadonlyArray<Reader> => readers.filter((r) => r.open._tag === 'Many')

/** The files of a list, which must be of one kind: of the kind that most of them have. */
const openListed =
  (readers: ReadonlyArray<Reader>, o: OpenOptions): OpenFiles =>
  (root, paths) =>
    pipe(
      guarded('data', root)(async () => E.right(await sorted(many(readers), root, paths))),
      TE.chain(({ known, unknown: none }) => {
        const [most] = [...known].sort((a, b) => b.paths.length - a.paths.length)
        if (most === undefined)
          return TE.left(unknown(readers, join(root, paths[0] ?? ''), 'a manifest without a file that is read', paths))
        const {
          reader: { tag, open },
          paths: own,
        } = most
        if (open._tag !== 'Many') return TE.left(unknown(readers, root, `files of the kind ${tag}`))
        const strange = [...known.filter((k) => k !== most).flatMap((k) => k.paths), ...none]
        const odd = strange.map((p) => unknown(readers, join(root, p), `a file that is not of the kind ${tag}, as the others are`, [p]))
        if (odd.length > 0 && o.onError !== 'skip') return TE.left(odd[0])
        return pipe(
          open.files({ name: basename(root), root, paths: own, classes: [] }, o),
          TE.map((opened): Opened => ({ ...opened, skipped: [...opened.skipped, ...odd] })),
        )
      }),
    )

/** A single file; where no reader knows its path, its first bytes tell. */
const openOne = (readers: ReadonlyArray<Reader>, path: string, o: OpenOptions): TaskEither<Fault, OpenedData> => {
  const [root, name] = [dirname(path), basename(path)]
  const one = readers.find((r) => r.open._tag === 'One' && r.matches(path) !== false)
  if (one !== undefined && one.open._tag === 'One') {
    return pipe(
      one.open.file(path, o, openListed(readers, o)),
      TE.map((parts) => ({ kind: one.tag, ...parts })),
    )
  }
  const sharded = readers.find((r) => r.open._tag === 'Shards' && r.matches(path) !== false)
  if (sharded !== undefined && sharded.open._tag === 'Shards') {
    return pipe(
      sharded.open.files({ name: name.replace(/\.\w+$/, ''), root, paths: [name] }, o),
      TE.map((parts) => ({ kind: sharded.tag, ...parts })),
    )
  }
  return pipe(
    guarded(
      'data',
      path,
    )(async () => {
      const [known] = (await sorted(many(readers), root, [name])).known
      const head = known === undefined ? await headOf(path) : undefined
      return E.right(known?.reader ?? (head === undefined ? undefined : many(readers).find((r) => r.begins?.(head) === true)))
    }),
    TE.chain((reader) =>
      reader === undefined || reader.open._tag !== 'Many'
        ? TE.left(unknown(readers, path, `a file that ends in ${extname(path) || 'nothing'}`, [path]))
        : pipe(
            reader.open.files({ name, root, paths: [name], classes: [] }, o),
            TE.map(({ dataset, skipped, notes }): OpenedData => ({
              kind: reader.tag,
              splits: new Map([['all', dataset]]),
              skipped,
              notes,
            })),
          ),
    ),
  )
}

/** A path that is no folder must be a file: a pipe or a device would be waited for. */
const kindOf =
  (path: string): TaskEither<Fault, 'folder' | 'file'> =>
  async (): Promise<Either<Fault, 'folder' | 'file'>> => {
    try {
      const s = await stat(path)
      if (s.isDirectory()) return E.right('folder')
      return s.isFile()
        ? E.right('file')
        : E.left(
            fault('data', {
              place: path,
              found: 'a pipe, a socket or a device',
              allowed: 'a file or a folder',
              remedy: 'write what comes from it into a file first',
            }),
          )
    } catch (e) {
      const f = systemFault('data', path)(e)
      return E.left(
        codeOf(e) === 'ENOENT' ? { ...f, allowed: 'a file or folder that exists', remedy: 'check --data for a typing error' } : f,
      )
    }
  }

/**
 * Opens a file or folder by some of these readers. Opening reads headers at most; items are read when they are asked for.
 * Faults: no such path, nothing that is read below it, with onError 'stop' the first file that cannot be opened.
 */
export const openWith =
  (readers: ReadonlyArray<Reader>) =>
  (path: string, options: OpenOptions = {}): TaskEither<Fault, OpenedData> => {
    const selection = selectionOf(
      options.select ?? [],
      readers.map((r) => r.tag),
    )
    const o: OpenOptions = { ...options, select: selection.words }
    // tables and lists are made of the size of what is there
    return guarded(
      'data',
      path,
    )(
      pipe(
        kindOf(path),
        TE.chain((kind) =>
          kind === 'folder' ? openFolder(readers, path, selection, o, openListed(readers, o)) : openOne(readers, path, o),
        ),
      ),
    )
  }
