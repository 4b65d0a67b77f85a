/**
 * Opens any data that a person names: what it is, is told from the path and the files below it. The readers behind it
 * each know one kind; what they give is one `Dataset` per split.
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
import { splitByLabel } from './dataset.ts'
import type { Dataset, Split } from './dataset.ts'
import { codeOf, guarded, systemFault } from '../formats/file.ts'
import { looksLikeDicom } from './dicom/file.ts'
import { dicom } from './dicom/dicom.ts'
import { classesOf, pictures } from './pictures/folder.ts'
import { manifest } from './manifest/manifest.ts'
import { splitOf } from './manifest/row.ts'
import { nifti } from './nifti/nifti.ts'
import { npz } from './npz.ts'
import type { SplitName, Splits } from './npz.ts'
import type { Channels, OnError, Opened, Progress } from './result.ts'
import { isPicture, peekPicture, pictureEndings } from './pictures/file.ts'
import { walk } from './walk.ts'

/** Kinds of data. */
export type Kind = 'pictures' | 'dicom' | 'nifti' | 'npz' | 'manifest'

export interface OpenOptions {
  /** By default what all images can share: 1 where those looked at are gray, else 3. 'stored': as each file has them. */
  readonly channels?: Channels
  /** The axis along which slices of volumes are taken: x, y, z of NIfTI (default z), the axes of [D, H, W] in .npz (default D). */
  readonly axis?: 0 | 1 | 2
  readonly onError?: OnError
  readonly progress?: Progress
  /** Pictures' values: in 0..1 ('unit', the default), or 0..255 and 0..65535. */
  readonly values?: 'unit' | 'stored'
}

/** Opened data: a dataset per split, the faults of files that were left out, and what else a person should know. */
export interface OpenedData {
  readonly kind: Kind
  readonly splits: Splits
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
}

const isNifti = (p: string): boolean => /\.(nii|hdr)(\.gz)?$/i.test(p)
const isArray = (p: string): boolean => /\.np[yz]$/i.test(p)
const isManifest = (p: string): boolean => /\.(csv|tsv|jsonl|ndjson)$/i.test(p)
const namedDicom = (p: string): boolean => /\.(dcm|dicom|ima|dic)$/i.test(p)
/** Names of DICOM files often have no ending, or end in a number of their identifier. */
const perhapsDicom = (p: string): boolean => /^$|^\.\d+$/.test(extname(p)) && basename(p).toUpperCase() !== 'DICOMDIR'

const sniff = async (path: string): Promise<boolean> => {
  const handle = await openFile(path, 'r').catch(() => undefined)
  if (handle === undefined) return false
  try {
    const head = new Uint8Array(132)
    const { bytesRead } = await handle.read(head, 0, 132, 0)
    return looksLikeDicom(head.subarray(0, bytesRead))
  } catch {
    return false
  } finally {
    await handle.close()
  }
}

const unknown = (path: string, found: string): Fault =>
  fault('data', {
    place: path,
    found,
    allowed: `pictures (${pictureEndings.join(', ')}), DICOM (.dcm), NIfTI (.nii, .nii.gz), arrays (.npz, .npy), or a manifest (.csv, .jsonl)`,
    remedy: 'name a file or folder of one of these kinds',
  })

/** The files of each kind, as paths below `root`. */
interface Sorted {
  readonly root: string
  readonly dicom: ReadonlyArray<string>
  readonly nifti: ReadonlyArray<string>
  readonly pictures: ReadonlyArray<string>
}

const sortFiles = async (root: string, paths: ReadonlyArray<string>): Promise<Sorted> => {
  const found: string[] = []
  for (const p of paths) if (namedDicom(p) || (perhapsDicom(p) && (await sniff(join(root, p))))) found.push(p)
  return { root, dicom: found, nifti: paths.filter(isNifti), pictures: paths.filter(isPicture) }
}

/** Pictures' channels where none are asked for, from a few of them spread over all. */
const probe = async (root: string, paths: ReadonlyArray<string>): Promise<{ readonly channels: 1 | 3; readonly stored: number; readonly deep: boolean }> => {
  const some = paths.filter((_, i) => i % Math.ceil(paths.length / 16) === 0)
  const seen = (await Promise.all(some.map((p) => peekPicture(join(root, p))))).filter((s) => s !== undefined)
  return { channels: seen.length > 0 && seen.every((s) => s.channels <= 2) ? 1 : 3, stored: seen.at(0)?.channels ?? 3, deep: seen.some((s) => s.deep) }
}

const openPictures = (name: string, root: string, paths: ReadonlyArray<string>, classes: ReadonlyArray<string>, o: OpenOptions): TaskEither<Fault, Opened> => async () => {
  const { channels, stored, deep } = await probe(root, paths)
  const options = { channels: o.channels ?? channels, values: o.values ?? 'unit' }
  const dataset = pictures({ name, root, paths, classes, options, stored, range: [0, deep ? 65535 : 255] })
  return E.right({ dataset, skipped: [], notes: [] })
}

/** The paths of each split, where the first folders are called train, val or test; else all in one. */
const partition = (paths: ReadonlyArray<string>): ReadonlyMap<SplitName, { readonly folder: string; readonly paths: ReadonlyArray<string> }> => {
  const folders = [...new Set(paths.map((p) => (p.includes('/') ? p.slice(0, p.indexOf('/')) : '')))]
  const named = folders.map((f) => [splitOf(f), f] as const)
  const distinct = new Set(named.map(([s]) => s))
  if (!distinct.has('train') || distinct.has(undefined) || distinct.size < named.length) return new Map([['all', { folder: '', paths }]])
  return new Map(named.map(([s, folder]) => [s ?? 'all', { folder, paths: paths.filter((p) => p.startsWith(`${folder}/`)).map((p) => p.slice(folder.length + 1)) }]))
}

const kindOf = (s: Sorted): Kind | undefined => (s.dicom.length > 0 ? 'dicom' : s.nifti.length > 0 ? 'nifti' : s.pictures.length > 0 ? 'pictures' : undefined)

const openKind = (kind: Kind, name: string, root: string, paths: ReadonlyArray<string>, classes: ReadonlyArray<string>, o: OpenOptions): TaskEither<Fault, Opened> => {
  const shared = { ...(o.channels === undefined ? {} : { channels: o.channels }), ...(o.onError === undefined ? {} : { onError: o.onError }), ...(o.progress === undefined ? {} : { progress: o.progress }) }
  const absolute = paths.map((p) => join(root, p))
  if (kind === 'dicom') return dicom(name, root, absolute, shared)
  if (kind === 'nifti') return nifti(name, root, absolute, { ...shared, ...(o.axis === undefined ? {} : { axis: o.axis }) })
  return openPictures(name, root, paths, classes, o)
}

const openSorted = (name: string, s: Sorted, o: OpenOptions): TaskEither<Fault, OpenedData> => {
  const kind = kindOf(s)
  if (kind === undefined) return TE.left(unknown(s.root, 'no file of a kind that is read'))
  const paths = kind === 'dicom' ? s.dicom : kind === 'nifti' ? s.nifti : s.pictures
  const parts = [...partition(paths)]
  const classes = classesOf(parts.flatMap(([, p]) => p.paths))
  const others = (['dicom', 'nifti', 'pictures'] as const).filter((k) => k !== kind && s[k].length > 0).map((k) => `${s[k].length} ${k} file(s) passed over`)
  return pipe(
    parts,
    TE.traverseSeqArray(([split, p]) => pipe(
      openKind(kind, split === 'all' ? name : `${name}/${split}`, join(s.root, p.folder), p.paths, classes, o),
      TE.map((opened) => [split, opened] as const),
    )),
    TE.map((opened): OpenedData => ({
      kind,
      splits: new Map(opened.map(([split, x]) => [split, x.dataset])),
      skipped: opened.flatMap(([, x]) => x.skipped),
      notes: [...others, ...opened.flatMap(([, x]) => x.notes)],
    })),
  )
}

/** The files of a manifest, which must be of one kind. */
const openListed = (o: OpenOptions) => (root: string, paths: ReadonlyArray<string>): TaskEither<Fault, Opened> =>
  pipe(
    guarded('data', root)(async () => E.right(await sortFiles(root, paths))),
    TE.chain((s) => {
      const kind = kindOf(s)
      const listed = kind === 'dicom' ? s.dicom : kind === 'nifti' ? s.nifti : s.pictures
      const other = paths.find((p) => !listed.includes(p))
      if (kind === undefined || (other !== undefined && o.onError !== 'skip')) return TE.left(unknown(join(root, other ?? ''), kind === undefined ? 'a manifest without a file that is read' : `a file that is not of the kind ${kind}, as the others are`))
      return pipe(
        openKind(kind, basename(root), root, listed, [], o),
        TE.map((opened): Opened => ({ ...opened, skipped: [...opened.skipped, ...paths.filter((p) => !listed.includes(p)).map((p) => unknown(join(root, p), `a file that is not of the kind ${kind}`))] })),
      )
    }),
  )

const openPath = (path: string, o: OpenOptions, folder: boolean): TaskEither<Fault, OpenedData> => {
  const name = basename(path)
  if (folder) {
    return pipe(
      guarded('data', path)(async () => E.right(await sortFiles(path, await walk(path, (p) => isPicture(p) || isNifti(p) || namedDicom(p) || perhapsDicom(p))))),
      TE.chain((s) => openSorted(name, s, o)),
    )
  }
  if (isManifest(path)) return pipe(manifest(path, o.onError === 'skip', openListed(o)), TE.map((m): OpenedData => ({ kind: 'manifest', ...m })))
  if (isArray(path)) return pipe(npz(path, o.axis === undefined ? {} : { axis: o.axis }), TE.map((splits): OpenedData => ({ kind: 'npz', splits, skipped: [], notes: [] })))
  return pipe(
    guarded('data', path)(async () => {
      const s = await sortFiles(dirname(path), [name])
      return E.right(kindOf(s) === undefined && (await sniff(path)) ? { ...s, dicom: [name] } : s)
    }),
    TE.chain((s) => (kindOf(s) === undefined ? TE.left(unknown(path, `a file that ends in ${extname(path) || 'nothing'}`)) : openSorted(name, s, o))),
  )
}

/**
 * Opens a file or folder. Opening reads headers at most; items are read when they are asked for.
 * Faults: no such path, nothing that is read below it, with onError 'stop' the first file that cannot be opened.
 */
export const openData = (path: string, options: OpenOptions = {}): TaskEither<Fault, OpenedData> =>
  pipe(
    async (): Promise<Either<Fault, boolean>> => {
      try {
        return E.right((await stat(path)).isDirectory())
      } catch (e) {
        const f = systemFault('data', path)(e)
        return E.left(codeOf(e) === 'ENOENT' ? { ...f, allowed: 'a file or folder that exists', remedy: 'check --data for a typing error' } : f)
      }
    },
    TE.chain((folder) => openPath(path, options, folder)),
  )

/** The dataset of a split; without a name the only one, or the one to train on. Fault: no such split. */
export const datasetOf = (o: OpenedData, split?: SplitName): Either<Fault, Dataset> => {
  const d = split === undefined ? o.splits.get('all') ?? o.splits.get('train') ?? [...o.splits.values()].at(0) : o.splits.get(split)
  return d === undefined
    ? E.left(fault('data', { place: 'the data', found: `no split ${split ?? ''}`, allowed: [...o.splits.keys()].join(', '), remedy: 'name a split that the data have' }))
    : E.right(d)
}

/**
 * Data to train on and to test with: the splits of these names (validation where there is no test), or the only split
 * divided so that each class gives the same share to the test.
 */
export const trainAndTest = (o: OpenedData, share = 0.2): Either<Fault, Split> => {
  const [train, test] = [o.splits.get('train'), o.splits.get('test') ?? o.splits.get('val')]
  return train !== undefined && test !== undefined ? E.right({ train, test }) : E.chain(splitByLabel(share))(datasetOf(o))
}
