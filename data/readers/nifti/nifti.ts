/**
 * NIfTI volumes as a dataset of slices: along z by default, or along x or y. A slice's rows and columns are the two other
 * axes, the one that comes first in the file along the columns: slice k along z is voxel (column, row, k). Values are
 * slope * stored + intercept. Of files with time points, all slices of the first come before those of the second.
 */

import { join, relative, sep } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Image, Item } from '../dataset.ts'
import { recent } from '../../formats/cache.ts'
import { guarded } from '../../formats/file.ts'
import { originOf } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { Reader } from '../reader.ts'
import { besides, isFile, openNifti, wrongNifti } from './file.ts'
import type { FileOptions, NiftiFile } from './file.ts'
import type { NiftiHeader } from './header.ts'
import { notesOf } from './notes.ts'
import { readSlice } from './slice.ts'
import type { Axis } from './slice.ts'
import { chooseKind } from '../kinds.ts'
import type { Kind } from '../kinds.ts'
import { counted } from '../note.ts'
import { looksWrapped } from '../sign.ts'
import { openAll, toChannels } from '../result.ts'
import type { Channels, OnError, Opened, Progress } from '../result.ts'

export interface NiftiOptions extends FileOptions {
  readonly axis?: Axis
  readonly channels?: Channels
  readonly onError?: OnError
  readonly progress?: Progress
  /** Memory for volumes that were read lately; 1 GiB by default. */
  readonly cacheBytes?: number
  /** Which kinds, where there are several: see `chooseKind`. */
  readonly select?: ReadonlyArray<string>
}

const channelsIn = (h: NiftiHeader): number => h.type.channels * h.planes

/** The kind of a file: its colours, and whether it is a map of regions. */
const kindOf = (h: NiftiHeader): Kind => ({
  words: [h.isLabels ? 'labels' : 'volume', channelsIn(h) > 1 ? 'colour' : 'gray'],
  claim: h.isLabels ? 0 : 1,
})

/** The least and largest value that a file can hold, in its units. Floats without cal_min and cal_max have no bounds. */
const rangeOf = ({ type, slope, intercept, shown }: NiftiHeader): readonly [number, number] => {
  if (shown !== undefined && !Number.isFinite(type.range[1])) return shown
  const ends = type.range.map((v) => v * slope + intercept)
  return [Math.min(...ends), Math.max(...ends)]
}

/** Whether numbers of a header that calls them unsigned look as if some had been below 0. */
const isWrapped = ({ type, slope, intercept }: NiftiHeader, { data }: Image): boolean =>
  (type.name === 'uint16' || type.name === 'uint32') &&
  looksWrapped(slope === 1 && intercept === 0 ? data : data.map((v) => (v - intercept) / slope), 8 * type.bytes)

/** What a dataset of volumes is made of. */
export interface NiftiParts {
  readonly name: string
  readonly root: string
  readonly files: ReadonlyArray<NiftiFile>
  readonly axis: Axis
  readonly channels: Channels | undefined
  readonly cacheBytes: number
}

const origin = originOf<NiftiParts>('nifti')

/** Opened files as a dataset. */
const niftiDataset = (parts: NiftiParts): Dataset => {
  const { name, root, files, axis } = parts
  const kept = recent<Fault, Uint8Array>(parts.cacheBytes)
  // where the slices of each file begin, and where all end
  const starts = [0]
  for (const f of files) starts.push(starts[starts.length - 1] + f.header.size[axis] * f.volumes.count)
  const length = starts[files.length]
  const fileOf = (i: number): number => {
    let [low, high] = [0, files.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle] <= i) low = middle
      else high = middle - 1
    }
    return low
  }
  const colour = files.some((f) => channelsIn(f.header) > 1)
  const channels = parts.channels ?? (colour ? 3 : 1)
  const ranges = files.map((f) => rangeOf(f.header))
  const range = [ranges.reduce((m, r) => Math.min(m, r[0]), Infinity), ranges.reduce((m, r) => Math.max(m, r[1]), -Infinity)] as const
  const sourceOf = (path: string): string => relative(root, path).split(sep).join('/')
  return {
    name,
    length,
    channels: channels === 'stored' ? channelsIn(files[0].header) : channels,
    range,
    units: 'stored',
    origin: TE.right(origin.of(parts)),
    classes: [],
    label: () => O.none,
    sourceOf: (i) => sourceOf(files[fileOf(i)].path),
    sizeOf: (i) => {
      const { size } = files[fileOf(i)].header
      const [p, q] = [0, 1, 2].filter((a) => a !== axis)
      return { height: size[q], width: size[p] }
    },
    item: (i) => {
      if (!(Number.isInteger(i) && i >= 0 && i < length)) return TE.left(outside(name, i, length))
      const file = files[fileOf(i)]
      const frame = i - starts[fileOf(i)]
      const { spacing } = file.header
      const [p, q] = [0, 1, 2].filter((a) => a !== axis)
      return pipe(
        guarded('data', file.path)(readSlice(kept, file, axis, frame)),
        TE.map((image): Item => ({
          ...(isWrapped(file.header, image) ? { wrapped: true } : {}),
          image: toChannels(channels, range[1])(image),
          source: sourceOf(file.path),
          frame,
          ...(spacing === undefined ? {} : { spacing: [spacing[q], spacing[p], spacing[axis]] }),
        })),
      )
    },
  }
}

const isImg = /\.img(\.gz)?$/i

const isVoxels = (path: string): boolean => isImg.test(path)

/**
 * Opens NIfTI files below `root` as one dataset of slices; an .img is read by its .hdr, whichever of the two is named.
 * Faults: with onError 'stop' the first file that cannot be read, else that none can; on reading, a file that is cut off.
 */
export const nifti = (name: string, root: string, paths: ReadonlyArray<string>, options: NiftiOptions = {}): TaskEither<Fault, Opened> => {
  const headers = paths.filter((p) => !isVoxels(p))
  const known = new Set(headers.flatMap(besides))
  const alone = paths.filter((p) => isVoxels(p) && !known.has(p))
  const read = paths.length - headers.length - alone.length
  return pipe(
    alone,
    // the header of voxels that are named alone, plain or gzipped
    TE.traverseSeqArray((p) =>
      TE.fromTask(async () => ((await isFile(p.replace(isImg, '.hdr.gz'))) ? p.replace(isImg, '.hdr.gz') : p.replace(isImg, '.hdr'))),
    ),
    TE.chain((more) => openAll(openNifti(options), options.onError ?? 'stop', options.progress)([...headers, ...more])),
    TE.chainEitherK(({ read: files, skipped }): Either<Fault, Opened> =>
      files.length === 0
        ? E.left(skipped.length > 0 ? skipped[0] : wrongNifti(root, 'no NIfTI file'))
        : pipe(
            files.map((file) => ({
              file,
              kind: kindOf(file.header),
              path: relative(root, file.path).split(sep).join('/'),
              images: file.header.size[options.axis ?? 2] * file.volumes.count,
            })),
            chooseKind(root, options.select),
            E.map((chosen) => ({
              dataset: niftiDataset({
                name,
                root,
                files: chosen.files,
                axis: options.axis ?? 2,
                channels: options.channels,
                cacheBytes: options.cacheBytes ?? 2 ** 30,
              }),
              skipped,
              notes: [
                ...(read === 0
                  ? []
                  : [
                      `${counted(read, '.img file holds', '.img files hold')} the voxels of headers, and ${read === 1 ? 'is' : 'are'} read with them`,
                    ]),
                ...chosen.notes,
                ...notesOf(root, chosen.files, options.volume !== undefined, options.channels === 4, options.axis),
              ],
            })),
          ),
    ),
  )
}

export const niftiReader: Reader = {
  ...reopener(origin, (parts) => TE.right(niftiDataset(parts))),
  files: 'NIfTI (.nii, .nii.gz, .hdr with .img)',
  matches: (path) => /\.(nii|hdr|img)(\.gz)?$/i.test(path),
  open: {
    _tag: 'Many',
    files: ({ name, root, paths }, o) =>
      nifti(
        name,
        root,
        paths.map((p) => join(root, p)),
        o,
      ),
  },
}
