/** Slices of volumes along an axis: from the file directly, or of a gzipped one from all its voxels, which are kept. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import type { Recent } from '../../formats/cache.ts'
import { readAt, withSameFile } from '../../formats/file.ts'
import type { Image } from '../dataset.ts'
import { gunzip, volumeBytes, voxelsIn } from './file.ts'
import type { NiftiFile } from './file.ts'
import { voxelReader } from './header.ts'
import type { NiftiHeader } from './header.ts'

/** Slices along x (0), y (1) or z (2). */
export type Axis = 0 | 1 | 2

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

/** The slice of a file that is its frame of this number, of all its channels. */
export const readSlice = (kept: Recent<Fault, Uint8Array>, f: NiftiFile, axis: Axis, frame: number): TaskEither<Fault, Image> => {
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
