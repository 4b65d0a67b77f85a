/** A file of NIfTI: its header, where its voxels are, and whether all of them are there. The first bytes say what is gzipped, no name. */
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { codeOf, fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Stamp } from '../../formats/file.ts'
import { guarded, readAt, stamped, systemFault, whatIs, withFile } from '../../formats/file.ts'
import { allowedBytes, deflatable } from '../../formats/limits.ts'
import { headerBytes, niftiHeader, withSign } from './header.ts'
import type { NiftiHeader } from './header.ts'
import type { Sign } from '../sign.ts'

export interface FileOptions {
  /** Bytes that the voxels of one file may take; 4 GiB by default. */
  readonly itemBytes?: number
  /** Which of several volumes of a file: one, counted from 0, or all, the default. */
  readonly volume?: number | 'all'
  /** Whether whole numbers have a sign: by default as headers say. */
  readonly sign?: Sign
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

const skipping = 'or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)'

export const wrongNifti = (path: string, found: string): Fault =>
  fault('data', {
    place: path,
    found,
    allowed: 'a whole NIfTI-1 or NIfTI-2 volume of integers, floats or RGB, plain or gzipped',
    remedy: `copy or convert the file again, ${skipping}`,
  })

/** Other formats whose headers end in .hdr, by how they begin. */
const foreign: ReadonlyArray<readonly [begins: string, what: string, instead: string]> = [
  ['ENVI', 'a header of ENVI', 'TIFF of as many bands (gdal_translate -of GTiff IMAGE OUT.tif)'],
  ['#?', 'a picture of Radiance', 'TIFF of floats'],
]

/** The fault of a header that is none of NIfTI: whole, where it is one of another format. */
const wrongHeader =
  (path: string, bytes: Uint8Array) =>
  (found: string): Fault => {
    const head = String.fromCharCode(...bytes.subarray(0, 4))
    const other = foreign.find(([begins]) => head.startsWith(begins))
    return other === undefined
      ? wrongNifti(path, found)
      : { ...wrongNifti(path, `${other[1]}, which is not read`), remedy: `convert it, to ${other[2]}, ${skipping}` }
  }

const slack = 65536

/**
 * Unpacks a gzipped file until `needed` bytes are there; where `whole`, to its end, so that its checksum is compared.
 * Fault: no gzip, cut off, a wrong checksum.
 */
export const gunzip =
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
        codeOf(e).startsWith('E')
          ? systemFault('data', path)(e)
          : wrongNifti(path, `gzipped data that cannot be unpacked: ${messageOf(e)}`),
      )
    } finally {
      input.destroy()
    }
    if (length < needed && whole) return E.left(wrongNifti(path, `${length} bytes of voxels and header, where ${needed} belong`))
    return E.right(Buffer.concat(pieces).subarray(0, needed))
  }

export const volumeBytes = ({ size, type }: NiftiHeader): number => size[0] * size[1] * size[2] * type.bytes

export const voxelsIn = (h: NiftiHeader): number => volumeBytes(h) * h.planes * h.volumes

/** Whether a file is gzipped: its name does not decide. */
const isZipped = (path: string): TaskEither<Fault, boolean> =>
  withFile(
    'data',
    path,
  )(async (handle, length) =>
    E.map((b: Uint8Array) => b[0] === 0x1f && b[1] === 0x8b)(await readAt('data', path)(handle, 0, Math.min(2, length))),
  )

/** The files that may hold the voxels of a header in a file of its own. */
export const besides = (path: string): ReadonlyArray<string> => {
  const bare = path.replace(/\.hdr(\.gz)?$/i, '')
  return ['.img', '.img.gz', '.IMG', '.IMG.gz'].map((ending) => `${bare}${ending}`)
}

const firstThere =
  (path: string): TaskEither<Fault, string> =>
  async () => {
    for (const p of besides(path)) if (await isFile(p)) return E.right(p)
    return E.left(wrongNifti(path, `a header without its voxels, ${besides(path)[0]}`))
  }

export const isFile = async (path: string): Promise<boolean> => {
  const what = await whatIs(path)()
  return E.isRight(what) && what.right === 'file'
}

const volumesOf = (path: string, h: NiftiHeader, wanted: FileOptions['volume']): Either<Fault, Volumes> =>
  wanted === undefined || wanted === 'all'
    ? E.right({ first: 0, count: h.volumes })
    : wanted < h.volumes
      ? E.right({ first: wanted, count: 1 })
      : E.left({
          ...wrongNifti(path, `no volume ${wanted}`),
          allowed: `volumes 0 to ${h.volumes - 1}`,
          remedy: 'choose another volume (--set data.volume=0), or all',
        })

const isSingle = (path: string): boolean => /\.nii(\.gz)?$/i.test(path)

/** A file with a word on whole volumes that follow those which its header counts. */
const withRest = (file: NiftiFile, rest: number): NiftiFile => {
  const more = Math.floor(rest / volumeBytes(file.header))
  if (more < 1) return file
  const what = `voxels of ${more} more ${more === 1 ? 'volume' : 'volumes'} than the header counts are not read`
  return { ...file, header: { ...file.header, odd: [...file.header.odd, what] } }
}

/** Opens a file: its header, and for plain files whether all voxels are there. */
export const openNifti =
  ({ volume, itemBytes, sign = 'said' }: FileOptions) =>
  (path: string): TaskEither<Fault, NiftiFile> =>
    pipe(
      isZipped(path),
      TE.chain((zipped) =>
        zipped
          ? gunzip(path, headerBytes, false)
          : withFile('data', path)((handle, length) => readAt('data', path)(handle, 0, Math.min(length, headerBytes))),
      ),
      TE.chainEitherK((bytes) => E.mapLeft(wrongHeader(path, bytes))(niftiHeader(bytes))),
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
      TE.map((h): NiftiHeader => ({ ...h, type: withSign(sign)(h.type) })),
      TE.bindTo('header'),
      TE.bind('voxels', ({ header }) => (header.pair ? firstThere(path) : TE.right(path))),
      TE.bind('zipped', ({ voxels }) => isZipped(voxels)),
      TE.bind('stamp', ({ voxels }) => guarded('data', voxels)(async () => E.right<Fault, Stamp>(await stamped(voxels)))),
      TE.bind('volumes', ({ header }) => TE.fromEither(volumesOf(path, header, volume))),
      TE.map((known): NiftiFile => ({ path, ...known })),
      TE.chain((file) => {
        const { header, voxels, zipped } = file
        const needed = header.offset + voxelsIn(header)
        return withFile(
          'data',
          voxels,
        )((_, length) =>
          Promise.resolve(
            E.map(() => (zipped ? file : withRest(file, length - needed)))(
              zipped
                ? pipe(
                    deflatable(length, needed),
                    E.mapLeft((found) => wrongNifti(voxels, found)),
                    E.chain(() => allowedBytes(voxels, needed, itemBytes)),
                  )
                : length < needed
                  ? E.left(wrongNifti(voxels, `${length} bytes, where ${needed} belong`))
                  : allowedBytes(voxels, volumeBytes(header), itemBytes),
            ),
          ),
        )
      }),
    )
