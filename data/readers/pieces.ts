/** Files that are a dataset each, as one dataset for each part of a folder. */
import { basename, join, posix } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Dataset, SplitName } from './dataset.ts'
import { partOf } from './folders.ts'
import { counted, note } from './note.ts'
import type { Folders } from './folders.ts'
import { joined } from './joined.ts'
import type { OpenFiles, OpenOptions, Reader } from './reader.ts'
import { grouped } from './walk.ts'

/** What became of a part of the folder: where its files lie, which came into a dataset, and what came of them. */
export interface Read {
  readonly dataset: Dataset
  readonly split: SplitName
  readonly used: number
  readonly left: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
}

interface Piece {
  /** Its file, from the folder that is read. */
  readonly path: string
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

/** Files of as many channels as most images have; what is of others does not change what these are, and is named. */
const alike = (
  found: ReadonlyArray<Piece>,
): { readonly pieces: ReadonlyArray<Piece>; readonly left: ReadonlyArray<string>; readonly said: ReadonlyArray<string> } => {
  const images = (own: ReadonlyArray<Piece>): number => own.reduce((n, p) => n + p.dataset.length, 0)
  const kinds = [...grouped(found, (p) => String(p.dataset.channels))].sort(([, a], [, b]) => images(b) - images(a))
  const [[most, pieces], ...others] = kinds
  const odd = others.flatMap(([, own]) => own)
  const left = [...new Set(odd.map((p) => p.path))]
  const few = kinds.every(([n]) => n === '1' || n === '3')
  return {
    pieces,
    left,
    said:
      left.length === 0
        ? []
        : [
            note(
              `${counted(images(odd), 'image')} of ${others.map(([n]) => n).join(', ')} channels beside ${images(pieces)} of ${most} ${images(odd) === 1 ? 'is' : 'are'} left out`,
              left,
              few
                ? 'data.channels=3 reads all, and repeats what is gray'
                : `data.select=${left[0].includes('/') ? '' : '*'}${left[0]} reads the first of them alone`,
            ),
          ],
  }
}

/** Files that are a dataset each, joined part by part; a file whose name is a part's is of that part. */
export const openJoined =
  (reader: Reader, root: string, f: Folders, o: OpenOptions, listed: OpenFiles): TaskEither<Fault, ReadonlyArray<Read>> =>
  async () => {
    const { open } = reader
    const found: Piece[] = []
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
          found.push({
            path: posix.join(p.folder, path),
            split: p.split !== 'all' ? p.split : split === 'all' ? (named ?? 'all') : split,
            folder: posix.join(p.folder, posix.dirname(path)),
            label: f.classes.indexOf(path.split('/')[0]),
            dataset,
          })
        }
      }
    }
    if (found.length === 0) return E.left(skipped[0])
    const { pieces, left, said } = alike(found)
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
        used: first ? used - left.length : 0,
        left: first ? left : [],
        skipped: first ? skipped : [],
        notes: first ? [...together(notes), ...said] : [],
      })
    }
    return E.right(reads)
  }
