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
import { codeOf, fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside } from '../dataset.ts'
import type { Dataset, Image, Item } from '../dataset.ts'
import { allowedBytes, deflatable } from '../../formats/limits.ts'
import type { Stamp } from '../../formats/file.ts'
import { guarded, readAt, stamped, systemFault, whatIs, withFile, withSameFile } from '../../formats/file.ts'
import { recent } from '../../formats/cache.ts'
import type { Recent } from '../../formats/cache.ts'
import { originOf } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { Reader } from '../reader.ts'
import { headerBytes, niftiHeader, voxelReader } from './header.ts'
import type { NiftiHeader } from './header.ts'
import { chooseKind } from '../kinds.ts'
import type { Kind } from '../kinds.ts'
import { counted, note } from '../note.ts'
import { grouped } from '../walk.ts'
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
  /** Bytes that the voxels of one file may take; 4 GiB by default. */
  readonly itemBytes?: number
  /** Which of several volumes of a file: one, counted from 0, or all, the default. */
  readonly volume?: number | 'all'
  /** Which kinds, where there are several: see `chooseKind`. */
  readonly select?: ReadonlyArray<string>
}

/** `count` volumes from one on. */
interface Volumes {
  readonly first: number
  readonly count: number
}

/** An opened file. */
export interface NiftiFile {
  readonly path: string
  /** The file with the voxels: the same, or the .img beside a .hdr. */
  readonly voxels: string
  /** Whether the voxels' file is gzipped, as its first bytes say. */
  readonly zipped: boolean
  /** Of the voxels' file, as its header says where they lie. */
  readonly stamp: Stamp
  readonly header: NiftiHeader
  /** Volumes that are read, by their numbers. */
  readonly volumes: Volumes
}

const wrong = (path: string, found: string): Fault =>
  fault('data', {
    place: path,
    found,
    allowed: 'a whole NIfTI-1 or NIfTI-2 volume of integers, floats or RGB, plain or gzipped',
    remedy:
      'copy or convert the file again, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)',
  })

const slack = 65536

/**
 * Unpacks a gzipped file until `needed` bytes are there; where `whole`, to its end, so that its checksum is compared.
 * Fault: no gzip, cut off, a wrong checksum.
 */
const gunzip =
  (path: string, needed: number, whole: boolean): TaskEither<Fault, Uint8Array> =>
  async () => {
    const input = createReadStream(path)
    const unpacked = createGunzip()
    input.on('error', (e) => {
      unpacked.destroy(e)
    })
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
      return E.left(
        codeOf(e).startsWith('E') ? systemFault('data', path)(e) : wrong(path, `gzipped data that cannot be unpacked: ${messageOf(e)}`),
      )
    } finally {
      input.destroy()
    }
    if (length < needed && whole) return E.left(wrong(path, `${length} bytes of voxels and header, where ${needed} belong`))
    return E.right(Buffer.concat(pieces).subarray(0, needed))
  }

const volumeBytes = ({ size, type }: NiftiHeader): number => size[0] * size[1] * size[2] * type.bytes

const voxelsIn = (h: NiftiHeader): number => volumeBytes(h) * h.planes * h.volumes

/** Whether a file is gzipped: its name does not decide. */
const isZipped = (path: string): TaskEither<Fault, boolean> =>
  withFile(
    'data',
    path,
  )(async (handle, length) =>
    E.map((b: Uint8Array) => b[0] === 0x1f && b[1] === 0x8b)(await readAt('data', path)(handle, 0, Math.min(2, length))),
  )

/** The files that may hold the voxels of a header in a file of its own. */
const besides = (path: string): ReadonlyArray<string> => {
  const bare = path.replace(/\.hdr(\.gz)?$/i, '')
  return ['.img', '.img.gz', '.IMG', '.IMG.gz'].map((ending) => `${bare}${ending}`)
}

const firstThere =
  (path: string): TaskEither<Fault, string> =>
  async () => {
    for (const p of besides(path)) if (await isFile(p)) return E.right(p)
    return E.left(wrong(path, `a header without its voxels, ${besides(path)[0]}`))
  }

const isFile = async (path: string): Promise<boolean> => {
  const what = await whatIs(path)()
  return E.isRight(what) && what.right === 'file'
}

const volumesOf = (path: string, h: NiftiHeader, wanted: NiftiOptions['volume']): Either<Fault, Volumes> =>
  wanted === undefined || wanted === 'all'
    ? E.right({ first: 0, count: h.volumes })
    : wanted < h.volumes
      ? E.right({ first: wanted, count: 1 })
      : E.left({
          ...wrong(path, `no volume ${wanted}`),
          allowed: `volumes 0 to ${h.volumes - 1}`,
          remedy: 'choose another volume (--set data.volume=0), or all',
        })

const isSingle = (path: string): boolean => /\.nii(\.gz)?$/i.test(path)

/** Opens a file: its header, and for plain files whether all voxels are there. */
const openNifti =
  ({ volume, itemBytes }: NiftiOptions) =>
  (path: string): TaskEither<Fault, NiftiFile> =>
    pipe(
      isZipped(path),
      TE.chain((zipped) =>
        zipped
          ? gunzip(path, headerBytes, false)
          : withFile('data', path)((handle, length) => readAt('data', path)(handle, 0, Math.min(length, headerBytes))),
      ),
      TE.chainEitherK((bytes) => E.mapLeft((found: string) => wrong(path, found))(niftiHeader(bytes))),
      TE.map((h): NiftiHeader =>
        h.pair && isSingle(path)
          ? {
              ...h,
              pair: false,
              offset: Math.max(h.offset, 352),
              odd: [...h.odd, 'the mark is that of a header beside its voxels, or missing: the voxels after it are taken'],
            }
          : h,
      ),
      TE.bindTo('header'),
      TE.bind('voxels', ({ header }) => (header.pair ? firstThere(path) : TE.right(path))),
      TE.bind('zipped', ({ voxels }) => isZipped(voxels)),
      TE.bind('stamp', ({ voxels }) => guarded('data', voxels)(async () => E.right<Fault, Stamp>(await stamped(voxels)))),
      TE.bind('volumes', ({ header }) => TE.fromEither(volumesOf(path, header, volume))),
      TE.map((known): NiftiFile => ({ path, ...known })),
      TE.chainFirst(({ header, voxels, zipped }) => {
        const needed = header.offset + voxelsIn(header)
        return withFile(
          'data',
          voxels,
        )((_, length) =>
          Promise.resolve(
            zipped
              ? pipe(
                  deflatable(length, needed),
                  E.mapLeft((found) => wrong(voxels, found)),
                  E.chain(() => allowedBytes(voxels, needed, itemBytes)),
                )
              : length < needed
                ? E.left(wrong(voxels, `${length} bytes, where ${needed} belong`))
                : allowedBytes(voxels, volumeBytes(header), itemBytes),
          ),
        )
      }),
    )

/** Bytes of volume t from `offset` on: from the file directly, or of a gzipped file from all its voxels, which are kept. */
const readVoxels = (
  kept: Recent<Fault, Uint8Array>,
  f: NiftiFile,
  t: number,
  offset: number,
  length: number,
): TaskEither<Fault, Uint8Array> => {
  const { header } = f
  const from = header.offset + t * volumeBytes(header) + offset
  if (f.zipped) {
    const needed = header.offset + voxelsIn(header)
    return pipe(
      kept(f.voxels, needed, withSameFile('data', f.voxels, f.stamp)(gunzip(f.voxels, needed, true))),
      TE.map((all) => all.subarray(from, from + length)),
    )
  }
  return withSameFile('data', f.voxels, f.stamp)((handle) => readAt('data', f.voxels)(handle, from, length))
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

/** Slice k of plane c of volume t. A voxel's numbers lie one volume after the other. */
const readPlane = (kept: Recent<Fault, Uint8Array>, f: NiftiFile, axis: Axis, t: number, k: number): TaskEither<Fault, Image> => {
  const { header: h } = f
  const plane = h.size[0] * h.size[1] * h.type.bytes
  if (axis === 2)
    return pipe(
      readVoxels(kept, f, t, k * plane, plane),
      TE.map((bytes) => sliceOf(h, bytes, 2, 0)),
    )
  const volume = readVoxels(kept, f, t, 0, volumeBytes(h))
  return pipe(
    f.zipped ? volume : kept(`${f.voxels} ${t}`, volumeBytes(h), volume),
    TE.map((bytes) => sliceOf(h, bytes, axis, k)),
  )
}

const readSlice = (kept: Recent<Fault, Uint8Array>, f: NiftiFile, axis: Axis, frame: number): TaskEither<Fault, Image> => {
  const { size, planes, volumes } = f.header
  const [t, k] = [f.volumes.first + Math.floor(frame / size[axis]), frame % size[axis]]
  return pipe(
    Array.from({ length: planes }, (_, c) => c),
    TE.traverseSeqArray((c) => readPlane(kept, f, axis, c * volumes + t, k)),
    TE.map((all): Image => {
      const [first] = all
      if (all.length === 1) return first
      const data = new Float32Array(all.reduce((n, i) => n + i.data.length, 0))
      all.forEach((image, c) => {
        data.set(image.data, c * first.data.length)
      })
      return { ...first, channels: all.length * first.channels, data }
    }),
  )
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

/** What names say that a file shows: BraTS' _t1, _flair; nnU-Net's _0000, _0001; BIDS' _T1w, _bold. */
const contrast = /_(t1|t1c|t1ce|t1gd|t1n|t1w|t2|t2w|t2f|flair|pd|adc|dwi|swi|bold|asl|cbv|cbf|pet|ct|mr|\d{4})\.nii(\.gz)?$/i

/** A note where files are of several contrasts, by what they are called. */
const contrastsOf = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kinds = grouped(names, (n) => contrast.exec(n)?.[1] ?? '')
  const named = [...kinds].filter(([k]) => k !== '')
  if (named.length < 2 || named.length > 12) return []
  return [
    note(
      `files of ${named.length} contrasts by their names are read as one kind: ${named.map(([k, own]) => `${own.length} ${k}`).join(', ')}`,
      [],
      `data.select=*_${named[0][0]}.nii* reads one of them`,
    ),
  ]
}

/** What is to be said of opened files: contradictions, and volumes that are not read or that may be no time series. */
const notesOf = (root: string, files: ReadonlyArray<NiftiFile>, asked: boolean): ReadonlyArray<string> => {
  const name = (f: NiftiFile): string => relative(root, f.path).split(sep).join('/')
  const odd = grouped(
    files.flatMap((f) => f.header.odd.map((what) => ({ what, f }))),
    (o) => o.what,
  )
  const several = files.filter((f) => f.header.volumes > 1 && !asked)
  const counts = [...new Set(several.map((f) => f.header.volumes))].join(', ')
  const unsaid = files.filter((f) => f.header.planes > 1)
  return [
    ...[...odd].map(([what, own]) =>
      note(
        what,
        own.map((o) => name(o.f)),
      ),
    ),
    ...contrastsOf(files.map(name)),
    ...(several.length === 0
      ? []
      : [
          note(
            `${counts} volumes each in ${counted(several.length, 'file')} are all read as one kind${several.every((f) => f.header.inTime) ? ', as they follow each other in time' : ', though they may be contrasts'}`,
            several.map(name),
            'data.volume=0 reads the first alone',
          ),
        ]),
    ...(unsaid.length === 0
      ? []
      : [
          note(
            `${[...new Set(unsaid.map((f) => f.header.planes))].join(', ')} numbers of a voxel are taken as channels in ${counted(unsaid.length, 'file')}`,
            unsaid.map(name),
          ),
        ]),
  ]
}

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
        ? E.left(skipped.length > 0 ? skipped[0] : wrong(root, 'no NIfTI file'))
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
                ...notesOf(root, chosen.files, options.volume !== undefined),
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
