/** A contact sheet of crops: what the network will see, for a person to look at before anything is trained. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, HostArray, HostValues } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { carryBox } from '../../data/augment/carry.ts'
import type { Subject } from '../../data/augment/draws.ts'
import { placeOf } from '../../data/augment/draws.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import { resizeImage } from '../../data/augment/canvas.ts'
import type { Box, Image } from '../../data/readers/dataset.ts'
import { scaled } from '../../data/loading/image.ts'
import type { Batch, Loader } from '../../data/loading/loader.ts'
import { asRgb, contactSheet, enlarge, outline, writePng } from '../../data/readers/pictures/picture.ts'

/** Rows of the sheet, and how large a crop is at least shown. */
const shown = { images: 8, pixels: 112 }

/** Gray and RGB as they are; the planes of any other number of channels one below the other. */
const visible = (i: Image): Image => (i.channels === 1 || i.channels === 3 ? i : { ...i, channels: 1, height: i.channels * i.height })

/** One crop of `[rows, C, S, S]` with its normalisation undone. */
const cropAt = (p: MultiCrop, values: HostArray, size: number, row: number): Image => {
  const { channels } = p.layout
  const { mean, std } = p.augmentation.normalisation
  const n = size * size
  const data = Float32Array.from({ length: channels * n }, (_, i) => {
    const c = Math.floor(i / n)
    return Math.max(0, Math.min(1, values[row * channels * n + i] * std[c] + mean[c]))
  })
  return visible({ channels, height: size, width: size, data })
}

/** Regions of interest outlined in an image that is shown `scale` times as large. */
const outlined =
  (regions: ReadonlyArray<Box>, scale: number) =>
  (i: Image): Either<Fault, Image> =>
    regions.length === 0 ? E.right(i) : outline(regions.map(scaled(scale)), [1, 0.8, 0])(asRgb(i))

/** The image as it lies on its canvas, its regions of interest outlined, at a size that fits a global crop's tile. */
const wholeAt = (p: MultiCrop, batch: Batch, b: number, tile: number): Either<Fault, Image> => {
  const { channels, side } = p.layout
  const subject: Subject = batch.subjects[b]
  // of an image larger than its canvas, its crops lie there
  const { size, regions } = subject.apart === true ? { size: { height: side, width: side }, regions: [] } : subject
  const data = new Float32Array(channels * size.height * size.width)
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < size.height; y++) {
      const from = ((b * channels + c) * side + y) * side
      data.set(batch.canvases.subarray(from, from + size.width), (c * size.height + y) * size.width)
    }
  const scale = tile / Math.max(size.height, size.width)
  const fit = (n: number): number => Math.max(1, Math.round(n * scale))
  const small = visible(resizeImage({ channels, ...size, data }, { height: fit(size.height), width: fit(size.width) }, [0, 1]))
  return outlined(regions, scale)(small)
}

/** The regions of interest of image `b` as they lie in its crop `k`. */
const regionsIn = (p: MultiCrop, batch: Batch, seed: number, name: 'global' | 'local', k: number, b: number): ReadonlyArray<Box> => {
  const group = p.plan.groups.find((g) => g.name === name)
  const subject: Subject = batch.subjects[b]
  if (group === undefined || subject.regions.length === 0) return []
  const carried = carryBox(placeOf(p.plan, group, seed, k, batch.first + b, subject))
  return subject.regions.flatMap((r) => O.toUndefined(carried(r)) ?? [])
}

/** A row for each image: the image, its global crops, its local crops; regions of interest are outlined in all of them. */
const sheetOf = (p: MultiCrop, batch: Batch, seed: number, out: HostValues): Either<Fault, Image> => {
  const { global, local } = p.augmentation
  const factor = Math.max(1, Math.ceil(shown.pixels / global.size))
  const crops = (name: 'global' | 'local', b: number): ReadonlyArray<Either<Fault, Image>> => {
    const group = p.augmentation[name]
    const values = out.get(name)
    return values === undefined
      ? []
      : Array.from({ length: group.count }, (_, k) =>
          pipe(
            enlarge(factor)(cropAt(p, values, group.size, k * p.layout.batch + b)),
            E.chain(outlined(regionsIn(p, batch, seed, name, k, b), factor)),
          ),
        )
  }
  const row = (b: number) => [wholeAt(p, batch, b, global.size * factor), ...crops('global', b), ...crops('local', b)]
  return pipe(
    Array.from({ length: Math.min(shown.images, p.layout.batch) }, (_, b) => b).flatMap(row),
    E.sequenceArray,
    E.chain(contactSheet({ columns: 1 + global.count + (O.isSome(p.crops(p.canvas).local) ? local.count : 0), gap: 4 })),
  )
}

/**
 * Writes the crops of a run's first batch, computed by the device as in training, as one PNG. Faults: what reading, the device or the
 * disk gives.
 */
export const previewSheet =
  (device: Device, p: MultiCrop, loader: Pick<Loader, 'batch'>, seed: number, path: string): TaskEither<Fault, void> =>
  async () => {
    if (E.isLeft(p.graph)) return p.graph
    const executable = await device.compile(p.graph.right)()
    if (E.isLeft(executable)) return executable
    const batch = await loader.batch(0)()
    if (E.isLeft(batch)) return batch
    const values = p.feed(seed, batch.right)
    if (E.isLeft(values)) return values
    const out = await executable.right.run({ values: values.right, seed, step: 0 })()
    if (E.isLeft(out)) return out
    const sheet = sheetOf(p, batch.right, seed, out.right)
    return E.isLeft(sheet) ? sheet : writePng(path)(sheet.right)()
  }
