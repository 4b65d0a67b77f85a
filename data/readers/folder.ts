/**
 * Opens a folder: its files by the reader that knows most of them, a dataset for each part, and says of every other file why it is not
 * read.
 */
import { basename, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { guarded } from '../formats/file.ts'
import { byFolder } from './by-folder.ts'
import { choose } from './choice.ts'
import { areClasses, foldersOf } from './folders.ts'
import type { Folder, Folders } from './folders.ts'
import { counted, note } from './note.ts'
import { openJoined } from './pieces.ts'
import type { Read } from './pieces.ts'
import type { FileCount, OpenFiles, OpenOptions, Parts, Reader } from './reader.ts'
import type { Opened } from './result.ts'
import type { Selection } from './select.ts'
import { sorted } from './sorting.ts'
import { list } from './walk.ts'
import type { Left, Listing } from './walk.ts'

/** Opened data, and the tag of the reader that opened them. */
export interface OpenedData extends Parts {
  readonly kind: string
}

/** Which files came into a dataset, were faults, or were left out by the reader for reasons that its notes say. */
const readOf = (root: string, p: Folder, opened: Opened): Read => {
  const { dataset: d, skipped, notes } = opened
  // most often every file is one item, in order
  if (d.length === p.paths.length && skipped.length === 0 && p.paths.every((path, i) => d.sourceOf?.(i) === path))
    return { dataset: d, split: p.split, used: p.paths.length, left: [], skipped, notes }
  const used = new Set<string>()
  for (let i = 0; i < d.length; i++) used.add(d.sourceOf?.(i) ?? '')
  const places = new Set(skipped.map((f) => f.place))
  const rest = p.paths.filter((path) => !used.has(path) && !places.has(join(root, p.folder, path)))
  return {
    dataset: d,
    split: p.split,
    used: p.paths.length - rest.length - skipped.length,
    left: rest.map((path) => (p.folder === '' ? path : `${p.folder}/${path}`)),
    skipped,
    notes,
  }
}

/** What a reader that knows no classes has opened, with those that its folders are called after. */
const withClasses =
  (folders: ReadonlyArray<string>, o: OpenOptions) =>
  (opened: Opened): Opened => {
    if (opened.dataset.classes.length > 0 || folders.length < 2) return opened
    if (o.folders === 'classes' || areClasses(folders))
      return {
        ...opened,
        dataset: byFolder(folders)(opened.dataset),
        notes: [...opened.notes, note('folders are taken for classes', folders, 'data.folders=none reads them without labels')],
      }
    return {
      ...opened,
      notes: [
        ...opened.notes,
        note('folders are taken for patients, studies or series, and no classes', folders, 'data.folders=classes takes them for classes'),
      ],
    }
  }

/** Files of which all make one dataset. */
const openMany = (reader: Reader, root: string, f: Folders, o: OpenOptions): TaskEither<Fault, ReadonlyArray<Read>> =>
  pipe(
    f.parts,
    TE.traverseSeqArray((p) =>
      reader.open._tag === 'Many'
        ? pipe(
            reader.open.files(
              {
                name: p.split === 'all' ? basename(root) : `${basename(root)}/${p.split}`,
                root: join(root, p.folder),
                paths: p.paths,
                classes: f.classes,
              },
              o,
            ),
            TE.map((opened) => readOf(root, p, withClasses(f.classes, o)(opened))),
          )
        : TE.right<Fault, Read | undefined>(undefined),
    ),
    TE.map((all) => all.filter((r) => r !== undefined)),
  )

/** `read 4 of 34 files; not read: 29 .bmp, 1 with a fault` */
export const showCount = ({ found, read, left, faults }: FileCount): string => {
  const not = [...left.map((l) => `${l.paths.length} ${l.what.replace(/ \(.*$/, '')}`), ...(faults === 0 ? [] : [`${faults} with a fault`])]
  return `read ${read} of ${counted(found, 'file')}${not.length === 0 ? '' : `; not read: ${not.join(', ')}`}`
}

/** What was read, with a note for all that was not. */
const openedOf = (reader: Reader, listing: Listing, f: Folders, before: ReadonlyArray<Left>, reads: ReadonlyArray<Read>): OpenedData => {
  const unread = reads.flatMap((r) => r.left)
  const left = [
    ...before,
    ...f.left,
    ...(unread.length === 0 ? [] : [{ what: 'left out by the reader, which says why', paths: unread }]),
    ...listing.left,
  ]
  const skipped = [...listing.faults, ...reads.flatMap((r) => r.skipped)]
  const found = listing.files.length + listing.faults.length + listing.left.reduce((n, l) => n + l.paths.length, 0)
  const labelled = reads.some((r) => r.dataset.classes.length > 0)
  return {
    kind: reader.tag,
    splits: new Map(reads.map((r) => [r.split, r.dataset])),
    skipped,
    notes: [
      ...left.map((l) => note(`not read: ${l.paths.length} ${l.what}`, l.paths, l.setting)),
      ...f.notes,
      ...(labelled ? f.labelNotes : []),
      ...new Set(reads.flatMap((r) => r.notes)),
    ],
    files: { found, read: reads.reduce((n, r) => n + r.used, 0), left, faults: skipped.length },
  }
}

/** Shards as they were opened, with a note for all files that were not. */
const shardsOf = (
  reader: Reader,
  listing: Listing,
  before: ReadonlyArray<Left>,
  paths: ReadonlyArray<string>,
  { splits, skipped: own, notes, left: beside = [] }: Parts,
): OpenedData => {
  const left = [...before, ...(beside.length === 0 ? [] : [{ what: 'beside train, val, test', paths: beside }]), ...listing.left]
  const skipped = [...listing.faults, ...own]
  const found = listing.files.length + listing.faults.length + listing.left.reduce((n, l) => n + l.paths.length, 0)
  return {
    kind: reader.tag,
    splits,
    skipped,
    notes: [...left.map((l) => note(`not read: ${l.paths.length} ${l.what}`, l.paths, l.setting)), ...notes],
    files: { found, read: paths.length - own.length - beside.length, left, faults: skipped.length },
  }
}

/** Opens what a folder holds. Faults: nothing that is read; with onError 'stop' what cannot be listed or opened. */
export const openFolder = (
  readers: ReadonlyArray<Reader>,
  root: string,
  s: Selection,
  o: OpenOptions,
  listed: OpenFiles,
): TaskEither<Fault, OpenedData> =>
  pipe(
    guarded('data', root)(async () => E.right(await list(root, o.listed))),
    TE.chainEitherK((l) => (l.faults.length > 0 && o.onError !== 'skip' ? E.left(l.faults[0]) : E.right(l))),
    TE.bindTo('listing'),
    TE.let('unwanted', ({ listing }): ReadonlyArray<Left> => {
      const paths = listing.files.filter((p) => !s.wants(p))
      return paths.length === 0 ? [] : [{ what: 'files that data.select does not name', paths }]
    }),
    TE.bind('found', ({ listing, unwanted }) =>
      guarded(
        'data',
        root,
      )(async () => E.right(await sorted(readers, root, unwanted.length === 0 ? listing.files : listing.files.filter(s.wants)))),
    ),
    TE.bind('chosen', ({ found, unwanted }) => TE.fromEither(choose(readers, root, found, s, unwanted))),
    TE.chain(({ listing, unwanted, chosen: { reader, paths, left } }) => {
      const before = [...unwanted, ...left]
      const { open, tag } = reader
      if (open._tag === 'One' && !open.joins) {
        return pipe(
          open.file(join(root, paths[0]), o, listed),
          TE.map((parts): OpenedData => ({
            kind: tag,
            ...parts,
            notes: [note('the images that a table lists are read', paths), ...parts.notes],
          })),
        )
      }
      if (open._tag === 'Shards') {
        return pipe(
          open.files({ name: basename(root), root, paths }, o),
          TE.map((parts) => shardsOf(reader, listing, before, paths, parts)),
        )
      }
      const f = foldersOf(paths, o.folders)
      return pipe(
        open._tag === 'Many' ? openMany(reader, root, f, o) : openJoined(reader, root, f, o, listed),
        TE.map((reads) => openedOf(reader, listing, f, before, reads)),
      )
    }),
  )
