/**
 * Opens a folder: its files by the reader that knows most of them, a dataset for each part, and says of every other file why it is not
 * read.
 */
import { basename, join, posix } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { guarded } from '../formats/file.ts'
import type { Dataset, SplitName } from './dataset.ts'
import { foldersOf, partOf } from './folders.ts'
import type { Folder, Folders } from './folders.ts'
import { joined } from './joined.ts'
import { masksOf, selectingMasks } from './masks.ts'
import { counted, note } from './note.ts'
import type { FileCount, OpenFiles, OpenOptions, Parts, Reader } from './reader.ts'
import type { Opened } from './result.ts'
import type { Selection } from './select.ts'
import { byEnding, sorted, unknown } from './sorting.ts'
import type { Sorted } from './sorting.ts'
import { grouped, list } from './walk.ts'
import type { Left, Listing } from './walk.ts'

/** Opened data, and the tag of the reader that opened them. */
export interface OpenedData extends Parts {
  readonly kind: string
}

/** The files that are to be read, by one reader. */
interface Chosen {
  readonly reader: Reader
  readonly paths: ReadonlyArray<string>
  readonly left: ReadonlyArray<Left>
}

const isTable = (r: Reader): boolean => r.open._tag === 'One' && !r.open.joins

/** The kind that most files have; of equals the first reader's. A table counts only where there is nothing else. */
const choose = (
  readers: ReadonlyArray<Reader>,
  root: string,
  found: Sorted,
  s: Selection,
  before: ReadonlyArray<Left>,
): Either<Fault, Chosen> => {
  const masks = s.everything ? new Set<string>() : masksOf(found.known.filter((k) => !isTable(k.reader)).flatMap((k) => k.paths))
  const aside = new Set(found.known.flatMap((k) => k.reader.aside?.(k.paths) ?? []))
  const images = found.known
    .map((k) => ({ ...k, paths: masks.size + aside.size === 0 ? k.paths : k.paths.filter((p) => !masks.has(p) && !aside.has(p)) }))
    .filter((k) => k.paths.length > 0)
  const tables = images.filter((k) => isTable(k.reader))
  const asked = images.filter((k) => s.tags.length === 0 || s.tags.includes(k.reader.tag))
  const among = asked.some((k) => !isTable(k.reader)) ? asked.filter((k) => !isTable(k.reader)) : asked
  const [most] = [...among].sort((a, b) => b.paths.length - a.paths.length)
  const total = found.unknown.length + found.known.reduce((n, k) => n + k.paths.length, 0)
  if (most === undefined) {
    const kinds = [...byEnding(found.unknown), ...images.map((k) => ({ what: k.reader.tag, paths: k.paths }))].map(
      (l) => `${l.paths.length} ${l.what}`,
    )
    const selected = before.length === 0 ? '' : `; not looked at: ${before.map((l) => `${l.paths.length} ${l.what}`).join(', ')}`
    return E.left(
      unknown(
        readers,
        root,
        total === 0
          ? `no file${selected}`
          : `no file of a kind that is ${s.tags.length > 0 ? 'asked for' : 'read'} among ${counted(total, 'file')}: ${kinds.join(', ')}${selected}`,
        found.unknown,
      ),
    )
  }
  if (isTable(most.reader) && most.paths.length > 1) {
    return E.left(unknown(readers, root, `${most.paths.length} tables and no images: ${most.paths.slice(0, 5).join(', ')}`))
  }
  const others = images.filter((k) => k !== most && !tables.includes(k))
  return E.right({
    reader: most.reader,
    paths: most.paths,
    left: [
      ...(masks.size === 0
        ? []
        : [
            {
              what: masks.size === 1 ? 'mask of an image' : 'masks of images',
              setting: selectingMasks(masks),
              paths: [...masks],
            },
          ]),
      ...(aside.size === 0
        ? []
        : [{ what: `${aside.size === 1 ? 'file' : 'files'} of labels, which are read with their images`, paths: [...aside] }]),
      ...others.map((k) => ({ what: k.reader.tag, setting: `data.select=${k.reader.tag} reads them`, paths: k.paths })),
      ...tables
        .filter((k) => k !== most)
        .map((k) => ({
          what: `${k.paths.length === 1 ? 'table' : 'tables'} (--data ${join(root, k.paths[0])} reads the images that it lists, with its labels)`,
          paths: k.paths,
        })),
      ...byEnding(found.unknown),
    ],
  })
}

/** What became of a part of the folder: where its files lie, which came into a dataset, and what came of them. */
interface Read {
  readonly dataset: Dataset
  readonly split: SplitName
  readonly used: number
  readonly left: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
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
            TE.map((opened) => readOf(root, p, opened)),
          )
        : TE.right<Fault, Read | undefined>(undefined),
    ),
    TE.map((all) => all.filter((r) => r !== undefined)),
  )

interface Piece {
  readonly split: SplitName
  /** Where it lies, from the folder that is read. */
  readonly folder: string
  readonly label: number
  readonly dataset: Dataset
}

/** Notes of files: what is true of several is said once. */
const together = (notes: ReadonlyArray<readonly [file: string, note: string]>): ReadonlyArray<string> =>
  [...grouped(notes, ([file, text]) => text.split(`${basename(file)}: `).join(''))].map(([text, own]) => {
    const files = [...new Set(own.map(([f]) => f))]
    return files.length === 1
      ? `${files[0]}: ${own[0][1].replace(`${basename(files[0])}: `, '')}`
      : `${files.length} files, as ${files[0]}: ${text}`
  })

/** Files that are a dataset each, joined part by part; a file whose name is a part's is of that part. */
const openJoined =
  (reader: Reader, root: string, f: Folders, o: OpenOptions, listed: OpenFiles): TaskEither<Fault, ReadonlyArray<Read>> =>
  async () => {
    const { open } = reader
    const pieces: Piece[] = []
    const skipped: Fault[] = []
    const notes: Array<readonly [file: string, note: string]> = []
    let used = 0
    for (const p of f.parts) {
      for (const path of p.paths) {
        const r = open._tag === 'One' ? await open.file(join(root, p.folder, path), o, listed)() : undefined
        if (r === undefined) continue
        if (E.isLeft(r)) {
          if (o.onError !== 'skip') return r
          skipped.push(r.left)
          continue
        }
        used++
        skipped.push(...r.right.skipped)
        const full = join(root, p.folder, path)
        notes.push(...r.right.notes.map((n) => [path, n.startsWith(full) ? n.slice(full.length + 2) : n] as const))
        const named = partOf(basename(path).replace(/\.[^.]*$/, ''))
        for (const [split, dataset] of r.right.splits) {
          pieces.push({
            split: p.split !== 'all' ? p.split : split === 'all' ? (named ?? 'all') : split,
            folder: posix.join(p.folder, posix.dirname(path)),
            label: f.classes.indexOf(path.split('/')[0]),
            dataset,
          })
        }
      }
    }
    if (pieces.length === 0) return E.left(skipped[0])
    // folders are classes where the files themselves know none
    const byFolder = f.classes.length > 1 && pieces.every((p) => p.dataset.classes.length === 0)
    const classes = byFolder
      ? f.classes
      : pieces.reduce<ReadonlyArray<string>>((best, p) => (p.dataset.classes.length > best.length ? p.dataset.classes : best), [])
    const reads: Read[] = []
    for (const split of ['train', 'val', 'test', 'all'] as const) {
      const own = pieces.filter((p) => p.split === split)
      if (own.length === 0) continue
      const name = split === 'all' ? basename(root) : `${basename(root)}/${split}`
      const d =
        own.length === 1 && !byFolder
          ? E.right(own[0].dataset)
          : joined({ name, classes, labels: own.map((p) => (byFolder ? p.label : -1)), folders: own.map((p) => p.folder) })(
              own.map((p) => p.dataset),
            )
      if (E.isLeft(d)) return d
      const first = reads.length === 0
      reads.push({
        dataset: d.right,
        split,
        used: first ? used : 0,
        left: [],
        skipped: first ? skipped : [],
        notes: first ? together(notes) : [],
      })
    }
    return E.right(reads)
  }

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
      ...reads.flatMap((r) => r.notes),
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
