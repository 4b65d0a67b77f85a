/** Features of whole data sets by a compiled frozen network: images are prepared on the host while the device works. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, Executable, Share } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { value } from '../../../core/graph.ts'
import { input } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import type { Shape } from '../../../core/type.ts'
import { sizeOf } from '../../../core/type.ts'
import type { Size } from '../../../data/augment/geometry.ts'
import { together } from '../../../data/loading/together.ts'
import type { Dataset, Image, Item } from '../../../data/readers/dataset.ts'
import type { Progress } from '../../run/log/progress.ts'
import { agreed } from '../../run/share.ts'
import type { Frozen, Look } from './network.ts'
import type { Preprocess } from '../../exchange/preprocess.ts'
import { framed, normalised, withChannels } from '../../exchange/preprocess.ts'

/** One output for every item of a data set: `data` is `[n, ...shape]`. */
export interface Encoded {
  readonly shape: Shape
  readonly data: Float32Array
  /** Numbers of one item. */
  readonly dim: number
}

/** Outputs by name. */
export type Encoding = ReadonlyMap<string, Encoded>

export interface Encoder {
  readonly size: Size
  readonly encode: (d: Dataset, progress?: Progress) => TaskEither<Fault, Encoding>
  /** Of images as a person has them, any size in 0..1: resized, cropped and normalised first. */
  readonly encodeImages: (images: ReadonlyArray<Image>) => TaskEither<Fault, Encoding>
  /** Of images that have been resized and cropped already (`framed`). */
  readonly encodeFramed: (images: ReadonlyArray<Image>) => TaskEither<Fault, Encoding>
}

export interface EncoderOptions {
  /** In place of the network's own. */
  readonly preprocess?: Preprocess
}

/** Tokens that one run holds: enough to fill a device, little enough for its memory. */
const tokensAtOnce = 6400

/** The size that all images have once prepared. Fault: a processor that leaves every image its own size. */
export const preparedSize = (place: string, p: Preprocess): Either<Fault, Size> =>
  p.crop !== undefined
    ? E.right(p.crop)
    : p.resize.kind === 'exact'
      ? E.right({ height: p.resize.height, width: p.resize.width })
      : E.left(
          fault('data', {
            place,
            found: 'a preprocessor that gives images of several sizes',
            allowed: 'one that resizes to height and width, or crops',
            remedy: 'set do_center_crop and crop_size in preprocessor_config.json',
          }),
        )

const unitOf = (d: Dataset, image: Image): Image => ({
  ...image,
  data: image.data.map((v) => Math.max(0, Math.min(1, (v - d.range[0]) / (d.range[1] - d.range[0])))),
})

/** One item, its image with values in 0..1. Fault: a data set whose values have no bounds. */
export const unitItem = (d: Dataset, i: number): TaskEither<Fault, Item> =>
  d.range.every(Number.isFinite)
    ? pipe(
        d.item(i),
        TE.map((item) => ({ ...item, image: unitOf(d, item.image) })),
      )
    : TE.left(fault('data', { place: d.name, found: 'values without bounds', allowed: 'intensities', remedy: 'apply an intensity first' }))

/** Its image alone. */
export const unitImage = (d: Dataset, i: number): TaskEither<Fault, Image> =>
  pipe(
    unitItem(d, i),
    TE.map((item) => item.image),
  )

interface Compiled {
  readonly run: Executable
  /** Images of one run of the program, of which each rank prepares its own. */
  readonly batch: number
  readonly share: Share | undefined
  readonly prepare: (place: string, image: Image) => Either<Fault, Float32Array>
  readonly outputs: ReadonlyArray<readonly [string, Shape]>
  readonly each: number
}

const running = async (
  c: Compiled,
  n: number,
  image: (i: number) => TaskEither<Fault, Image>,
  place: string,
  progress: Progress | undefined,
): Promise<Either<Fault, Encoding>> => {
  const { batch, each, share } = c
  const steps = Math.ceil(n / batch)
  const own = batch / (share?.ranks ?? 1)
  const pixels = async (step: number): Promise<Either<Fault, Float32Array>> => {
    const from = step * batch + (share?.rank ?? 0) * own
    const rows = Array.from({ length: Math.max(0, Math.min(own, n - from)) }, (_, k) => from + k)
    const read = await together(rows, (i, took) =>
      pipe(
        image(i),
        TE.chainEitherK((x) => {
          took(x.data.length)
          return c.prepare(`${place}: item ${i}`, x)
        }),
      )(),
    )
    return pipe(
      read,
      E.sequenceArray,
      E.map((all) => {
        const out = new Float32Array(own * each)
        for (let k = 0; k < own && all.length > 0; k++) out.set(all[Math.min(k, all.length - 1)], k * each)
        return out
      }),
    )
  }
  const results = new Map(
    c.outputs.map(([name, shape]): [string, Encoded] => [name, { shape, dim: sizeOf(shape), data: new Float32Array(n * sizeOf(shape)) }]),
  )
  let next = steps > 0 ? pixels(0) : undefined
  for (let step = 0; next !== undefined; step++) {
    const ready = await agreed(share, step)(await next)()
    if (E.isLeft(ready)) return ready
    next = step + 1 < steps ? pixels(step + 1) : undefined
    const out = await c.run.run({ values: new Map([['pixels', ready.right]]), step })()
    if (E.isLeft(out)) {
      await next
      return out
    }
    for (const [name, { data, dim }] of results) {
      const part = Float32Array.from(out.right.get(name) ?? [])
      data.set(part.subarray(0, Math.min(part.length, data.length - step * batch * dim)), step * batch * dim)
    }
    const bad = [...results].find(([, { data, dim }]) => !Number.isFinite(data[step * batch * dim]))
    if (bad !== undefined)
      return E.left(
        fault('numeric', {
          place: `${place}: item ${step * batch}, ${bad[0]}`,
          found: 'a feature that is not finite',
          allowed: 'finite features',
          remedy: 'the network has diverged, or its images hold values that are no numbers: evaluate an earlier checkpoint',
        }),
      )
    progress?.tick({ step: Math.min(n, (step + 1) * batch), steps: n, images: 1, values: {} })
  }
  return E.right(results)
}

/** The outputs of a look that are wanted, `[B, ...]` each, by name. */
export type Wanted = (look: Look) => Readonly<Record<string, Expr>>

/**
 * Compiles some outputs of a network whose weights lie under `root` on the device. Faults: of preprocessing and of compilation; later of
 * images that cannot be read or have other channels, and of features that are not finite.
 */
export const encoder = (device: Device, f: Frozen, root: string, wanted: Wanted, o: EncoderOptions = {}): TaskEither<Fault, Encoder> => {
  const preprocess = o.preprocess ?? f.preprocess
  return pipe(
    TE.fromEither(preparedSize(f.place, preprocess)),
    TE.chain((size) => {
      const tokens = Math.max(1, (size.height * size.width) / f.patch ** 2)
      const { share, parts = 1 } = device
      const batch = parts * Math.ceil(Math.max(1, Math.min(100, Math.floor(tokensAtOnce / tokens))) / parts)
      const shape = [batch, f.channels, size.height, size.width]
      const outputs = Object.entries(wanted(f.look(root)(input('pixels', shape))))
      const prepare =
        (frame: (x: Image) => Image) =>
        (place: string, image: Image): Either<Fault, Float32Array> =>
          pipe(
            withChannels(place, f.channels)(image),
            E.map((x) => normalised(preprocess)(frame(x)).data),
          )
      return pipe(
        TE.fromEither(
          trace(
            'features',
            outputs.map(([name, e]) => value(name, e)),
          ),
        ),
        TE.chain((g) => device.compile(g, { images: batch, own: new Map([['pixels', 0]]) })),
        TE.map((run): Encoder => {
          const c: Compiled = {
            run,
            batch,
            share,
            prepare: prepare(framed(preprocess)),
            each: sizeOf(shape.slice(1)),
            outputs: outputs.map(([name, e]) => [name, e.type.shape.slice(1)] as const),
          }
          return {
            size,
            encode: (d, progress) => () => running(c, d.length, (i) => unitImage(d, i), d.name, progress),
            encodeImages: (images) => () => running(c, images.length, (i) => TE.right(images[i]), 'images', undefined),
            encodeFramed: (images) => () =>
              running({ ...c, prepare: prepare((x) => x) }, images.length, (i) => TE.right(images[i]), 'images', undefined),
          }
        }),
      )
    }),
  )
}

/** An output that the encoder was made with. */
export const outputOf = (e: Encoding, name: string): Encoded => e.get(name) ?? { shape: [0], dim: 0, data: new Float32Array() }
