/**
 * NIfTI volumes as a dataset of slices: along z by default, or along x or y. A slice's rows and columns are the two other
 * axes, the one that comes first in the file along the columns: slice k along z is voxel (column, row, k). Values are
 * slope * stored + intercept. Of files with time points, all slices of the first come before those of the second.
 */

import { createReadStream } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { createGunzip } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Image, Item } from '../dataset.ts'
import { codeOf, readAt, systemFault, withFile } from '../../formats/file.ts'
import { recent } from '../../formats/cache.ts'
import type { Recent } from '../../formats/cache.ts'
import { originOf } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { Reader } from '../reader.ts'
import { headerBytes, niftiHeader, voxelReader } from './header.ts'
import type { NiftiHeader } from './header.ts'
import { openAll, toChannels } from '../result.ts'
import type { Channels, OnError, Opened, Progress } from '../result.ts'

/** Slices along x (0), y (1) or z (2). */
export type Axis = 0 | 1 | 2

export interface NiftiOptions {
  readonly axis?: Axis
  readonly channels?: Channels
  readonly onError?: OnError
  readonly progress?: Progress
  /** Memory for volumes that were read lately; 1 GiB by default. */
  readonly cacheBytes?: number
}

/** An opened file. */
export interface NiftiFile {
  readonly path: string
  /** The file with the voxels: the same, or the .img beside a .hdr. */
  readonly voxels: string
  readonly zipped: boolean
  readonly header: NiftiHeader
}

const wrong = (path: string, found: string): Fault =>
  fault('data', { place: path, found, allowed: 'a whole NIfTI-1 or NIfTI-2 volume of integers, floats or RGB, plain or gzipped', remedy: 'copy or convert the file again, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)' })

const slack = 65536

/**
 * Unpacks a gzipped file until `needed` bytes are there; where `whole`, to its end, so that its checksum is compared.
 * Fault: no gzip, cut off, a wrong checksum.
 */
const gunzip = (path: string, needed: number, whole: boolean): TaskEither<Fault, Uint8Array> => async () => {
  const input = createReadStream(path)
  const unpacked = createGunzip()
  input.on('error', (e) => { unpacked.destroy(e) })
  const pieces: Uint8Array[] = []
  let length = 0
  try {
    for await (const piece of input.pipe(unpacked)) {
      if (!(piece instanceof Uint8Array)) continue
      if (length < needed) pieces.push(piece)
      length += piece.length
      if (length >= needed && (!whole || length > needed + slack)) break
    }
  } catch (e) {
    return E.left(codeOf(e).startsWith('E') ? systemFault('data', path)(e) : wrong(path, `gzipped data that cannot be unpacked: ${messageOf(e)}`))
  } finally {
    input.destroy()
  }
  if (length < needed && whole) return E.left(wrong(path, `${length} bytes of voxels and header, where ${needed} belong`))
  return E.right(Buffer.concat(pieces).subarray(0, needed))
}

const volumeBytes = ({ size, type }: NiftiHeader): number => size[0] * size[1] * size[2] * type.bytes

/** Opens a file: its header, and for plain files whether all voxels are there. */
const openNifti = (path: string): TaskEither<Fault, NiftiFile> => {
  const zipped = /\.gz$/i.test(path)
  const head: TaskEither<Fault, Uint8Array> = zipped
    ? gunzip(path, headerBytes, false)
    : withFile('data', path)((handle, length) => readAt('data', path)(handle, 0, Math.min(length, headerBytes)))
  return pipe(
    head,
    TE.chainEitherK((bytes) => E.mapLeft((found: string) => wrong(path, found))(niftiHeader(bytes))),
    TE.map((header): NiftiFile => ({ path, zipped, header, voxels: header.pair ? path.replace(/\.hdr(\.gz)?$/i, '.img$1') : path })),
    TE.chainFirst((file) => {
      const needed = file.header.offset + volumeBytes(file.header) * file.header.volumes
      return zipped ? TE.right(undefined) : withFile('data', file.voxels)((_, length) => Promise.resolve(length < needed ? E.left(wrong(file.voxels, `${length} bytes, where ${needed} belong`)) : E.right(undefined)))
    }),
  )
}

/** Bytes of volume t from `offset` on: from the file directly, or of a gzipped file from all its voxels, which are kept. */
const readVoxels = (kept: Recent<Fault, Uint8Array>, f: NiftiFile, t: number, offset: number, length: number): TaskEither<Fault, Uint8Array> => {
  const { header } = f
  const from = header.offset + t * volumeBytes(header) + offset
  if (f.zipped) {
    const needed = header.offset + volumeBytes(header) * header.volumes
    return pipe(kept(f.voxels, needed, gunzip(f.voxels, needed, true)), TE.map((all) => all.subarray(from, from + length)))
  }
  return withFile('data', f.voxels)((handle) => readAt('data', f.voxels)(handle, from, length))
}

/** The slice k along `axis` of a volume, or of a part of one: `strides` are in voxels of `bytes`. */
const sliceOf = (h: NiftiHeader, bytes: Uint8Array, axis: Axis, k: number): Image => {
  const strides = [1, h.size[0], h.size[0] * h.size[1]]
  const [p, q] = [0, 1, 2].filter((a) => a !== axis)
  const [width, height] = [h.size[p], h.size[q]]
  const { channels, bytes: cell, name } = h.type
  const read = voxelReader(name)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const data = new Float32Array(channels * height * width)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (k * strides[axis] + y * strides[q] + x * strides[p]) * cell
      for (let c = 0; c < channels; c++) data[(c * height + y) * width + x] = read(view, at + c, h.little) * h.slope + h.intercept
    }
  }
  return { channels, height, width, data }
}

const readSlice = (kept: Recent<Fault, Uint8Array>, f: NiftiFile, axis: Axis, frame: number): TaskEither<Fault, Image> => {
  const { header: h } = f
  const [t, k] = [Math.floor(frame / h.size[axis]), frame % h.size[axis]]
  const plane = h.size[0] * h.size[1] * h.type.bytes
  if (axis === 2) return pipe(readVoxels(kept, f, t, k * plane, plane), TE.map((bytes) => sliceOf(h, bytes, 2, 0)))
  const volume = readVoxels(kept, f, t, 0, volumeBytes(h))
  return pipe(f.zipped ? volume : kept(`${f.voxels} ${t}`, volumeBytes(h), volume), TE.map((bytes) => sliceOf(h, bytes, axis, k)))
}

/** The least and largest value that a file can hold, in its units. Floats without cal_min and cal_max have no bounds. */
const rangeOf = ({ type, slope, intercept, shown }: NiftiHeader): readonly [number, number] => {
  if (shown !== undefined && !Number.isFinite(type.range[1])) return shown
  const ends = type.range.map((v) => v * slope + intercept)
  return [Math.min(...ends), Math.max(...ends)]
}

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
  const index: Array<readonly [file: number, frame: number]> = []
  files.forEach(({ header: h }, f) => { for (let k = 0; k < h.size[axis] * h.volumes; k++) index.push([f, k]) })
  const colour = files.some((f) => f.header.type.channels > 1)
  const channels = parts.channels ?? (colour ? 3 : 1)
  const ranges = files.map((f) => rangeOf(f.header))
  const range = [ranges.reduce((m, r) => Math.min(m, r[0]), Infinity), ranges.reduce((m, r) => Math.max(m, r[1]), -Infinity)] as const
  const sourceOf = (path: string): string => relative(root, path).split(sep).join('/')
  return {
    name,
    length: index.length,
    channels: channels === 'stored' ? files[0].header.type.channels : channels,
    range,
    units: 'stored',
    origin: TE.right(origin.of(parts)),
    classes: [],
    label: () => O.none,
    sourceOf: (i) => sourceOf(files[index[i][0]].path),
    item: (i) => {
      if (!(i in index)) return TE.left(outside(name, i, index.length))
      const [f, frame] = index[i]
      const file = files[f]
      const { spacing } = file.header
      const [p, q] = [0, 1, 2].filter((a) => a !== axis)
      return pipe(
        readSlice(kept, file, axis, frame),
        TE.map((image): Item => ({
          image: toChannels(channels, range[1])(image),
          source: sourceOf(file.path),
          frame,
          ...(spacing === undefined ? {} : { spacing: [spacing[q], spacing[p], spacing[axis]] }),
        })),
      )
    },
  }
}

/**
 * Opens NIfTI files below `root` as one dataset of slices.
 * Faults: with onError 'stop' the first file that cannot be read, else that none can; on reading, a file that is cut off.
 */
export const nifti = (name: string, root: string, paths: ReadonlyArray<string>, options: NiftiOptions = {}): TaskEither<Fault, Opened> =>
  pipe(
    paths,
    openAll(openNifti, options.onError ?? 'stop', options.progress),
    TE.chainEitherK(({ read, skipped }): Either<Fault, Opened> =>
      read.length === 0
        ? E.left(skipped.length > 0 ? skipped[0] : wrong(root, 'no NIfTI file'))
        : E.right({ dataset: niftiDataset({ name, root, files: read, axis: options.axis ?? 2, channels: options.channels, cacheBytes: options.cacheBytes ?? 2 ** 30 }), skipped, notes: [] })),
  )

export const niftiReader: Reader = {
  ...reopener(origin, (parts) => TE.right(niftiDataset(parts))),
  files: 'NIfTI (.nii, .nii.gz)',
  matches: (path) => /\.(nii|hdr)(\.gz)?$/i.test(path),
  open: { _tag: 'Many', files: ({ name, root, paths }, o) => nifti(name, root, paths.map((p) => join(root, p)), o) },
}
