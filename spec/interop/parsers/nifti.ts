/**
 * NIfTI volumes, read by this project and by nifti-reader-js: all voxels, with their slope and intercept, as `[T, Z, Y, X]` float64 values.
 */
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as library from 'nifti-reader-js'
import { nifti } from '../../../data/readers/nifti/nifti.ts'
import type { Reader } from './outcome.ts'
import { readAs, refused } from './outcome.ts'

/** This project's reader, slice by slice along z. Its values are float32, as images are. */
export const ownNifti = (): Reader => ({
  name: 'own',
  read: async (path) => {
    const opened = await nifti(basename(path), dirname(path), [path], { channels: 'stored' })()
    if (E.isLeft(opened)) return refused(opened.left.found)
    const { dataset } = opened.right
    const images: { readonly shape: ReadonlyArray<number>; readonly data: Float32Array }[] = []
    for (let i = 0; i < dataset.length; i++) {
      const item = await dataset.item(i)()
      if (E.isLeft(item)) return refused(item.left.found)
      const { channels, height, width, data } = item.right.image
      images.push({ shape: [channels, height, width], data })
    }
    return readAs(images)
  },
})

/** Reads one stored number: the library hands out bytes, and leaves their meaning to its users. */
const readers: ReadonlyMap<number, readonly [bytes: number, read: (v: DataView, at: number, little: boolean) => number]> = new Map([
  [2, [1, (v, at) => v.getUint8(at)]],
  [4, [2, (v, at, l) => v.getInt16(at, l)]],
  [8, [4, (v, at, l) => v.getInt32(at, l)]],
  [16, [4, (v, at, l) => v.getFloat32(at, l)]],
  [64, [8, (v, at, l) => v.getFloat64(at, l)]],
  [256, [1, (v, at) => v.getInt8(at)]],
  [512, [2, (v, at, l) => v.getUint16(at, l)]],
  [768, [4, (v, at, l) => v.getUint32(at, l)]],
  [1024, [8, (v, at, l) => Number(v.getBigInt64(at, l))]],
  [1280, [8, (v, at, l) => Number(v.getBigUint64(at, l))]],
  [128, [1, (v, at) => v.getUint8(at)]],
  [2304, [1, (v, at) => v.getUint8(at)]],
])

const channelsOf = (code: number): number => (code === 128 ? 3 : code === 2304 ? 4 : 1)

/** nifti-reader-js on the whole file, which it takes as one buffer. */
export const theirNifti = (): Reader => ({
  name: 'nifti-reader-js 0.8.0',
  read: async (path) => {
    const file = Uint8Array.from(await readFile(path)).buffer
    const bytes = Uint8Array.from(new Uint8Array(library.isCompressed(file) ? library.decompress(file) : file)).buffer
    if (!library.isNIFTI(bytes)) return refused('no NIfTI')
    const h = library.readHeader(bytes)
    const known = readers.get(h.datatypeCode)
    if (known === undefined) return refused(`voxels of type ${h.datatypeCode}`)
    const image = new DataView(library.readImage(h, bytes))
    const [size, read] = known
    const channels = channelsOf(h.datatypeCode)
    const dim = (i: number): number => (i <= h.dims[0] ? h.dims[i] : 1)
    const [width, height] = [dim(1), dim(2)]
    const [slope, intercept] = h.scl_slope !== 0 && Number.isFinite(h.scl_slope) && channels === 1 ? [h.scl_slope, h.scl_inter] : [1, 0]
    const slices = dim(3) * dim(4) * dim(5) * dim(6) * dim(7)
    if (!(slices * height * width <= 2 ** 26)) return refused('more than this comparison holds')
    return readAs(
      Array.from({ length: slices }, (_, s) => {
        const data = new Float32Array(channels * height * width)
        for (let i = 0; i < height * width; i++)
          for (let c = 0; c < channels; c++)
            data[c * height * width + i] = read(image, ((s * height * width + i) * channels + c) * size, h.littleEndian) * slope + intercept
        return { shape: [channels, height, width], data }
      }),
    )
  },
})
