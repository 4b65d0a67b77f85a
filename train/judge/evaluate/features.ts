/** Features of whole data sets by a compiled program, for k-NN and pictures. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, Executable } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { value } from '../../../core/graph.ts'
import { trace } from '../../../core/trace.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import { labelsOf } from '../../../data/readers/dataset.ts'
import type { Loader, Loading } from '../../../data/loading/loader.ts'
import { ahead, openLoader } from '../../../data/loading/loader.ts'
import type { FeatureProgram } from '../../run/assembly.ts'
import type { Part } from '../../run/share.ts'
import { amongOthers, partOf } from '../../run/share.ts'
import type { LabelledFeatures } from './knn.ts'
import { knnOn } from './knn.ts'
import type { Rows } from './neighbours.ts'
import { pooled, volumesOf } from './volumes.ts'

export interface Extractor {
  readonly rows: (d: Dataset) => TaskEither<Fault, Rows>
}

/** Of all images: what a rank makes of its own, the program puts together. */
const rowsOf = async (
  p: FeatureProgram,
  { crops }: Part,
  run: Executable,
  length: number,
  batches: Loader,
): Promise<Either<Fault, Rows>> => {
  const parts: Array<Float32Array> = []
  for (let step = 0; step * p.batch < length; step++) {
    const out = await pipe(
      batches.batch(step),
      TE.chainEitherK((b) => crops.feed(0, b)),
      TE.chain((values) => run.run({ values, step })),
    )()
    if (E.isLeft(out)) return out
    parts.push(Float32Array.from(out.right.get('rows') ?? []))
  }
  const dim = (parts[0]?.length ?? 0) / p.batch
  const data = new Float32Array(length * dim)
  parts.forEach((part, i) => {
    data.set(part.subarray(0, Math.min(part.length, data.length - i * p.batch * dim)), i * p.batch * dim)
  })
  return E.right({ data, dim })
}

/** `loading`: as the run loads its images, with as many threads. */
const extract =
  ({ share }: Device, p: FeatureProgram, part: Part, run: Executable, loading: Loading) =>
  (d: Dataset): TaskEither<Fault, Rows> =>
  async () => {
    const { batch } = p
    const { side } = p.crops.layout
    const opened = await openLoader(d, { ...loading, ...part.rows, seed: 0, batch, side, ordered: true, whole: true, cacheBytes: 0 })()
    if (E.isLeft(opened)) return opened
    const prefetched = ahead(loading.prefetch ?? 2, Math.ceil(d.length / batch))
    const own = opened.right.workers === 0 ? opened.right : prefetched(opened.right)
    const rows = await rowsOf(p, part, run, d.length, amongOthers(share)(own))
    opened.right.close()
    return rows
  }

/** Compiles one output of a feature program for data sets: `[batch, ...]`, a row for each image. */
export const extractor = (device: Device, p: FeatureProgram, output: Expr, loading: Loading = {}): TaskEither<Fault, Extractor> =>
  pipe(
    TE.Do,
    TE.bind('graph', () => TE.fromEither(trace('features', [value('rows', output)]))),
    TE.bind('part', () => TE.fromEither(partOf(device.share, p.crops))),
    TE.bind('run', ({ graph, part }) => device.compile(graph, part.compile)),
    TE.map(({ part, run }) => ({ rows: extract(device, p, part, run, loading) })),
  )

/** Pixels of all images together that are compared: 512 MiB. */
const mostPixels = 2 ** 27

/** The pixels themselves, as rows: what features have to beat. Faults: images of several sizes; more than can be held. */
export const pixelRows =
  (d: Dataset): TaskEither<Fault, Rows> =>
  async () => {
    let data = new Float32Array()
    let dim = 0
    for (let i = 0; i < d.length; i++) {
      const item = await d.item(i)()
      if (E.isLeft(item)) return item
      const { source, image } = item.right
      if (i === 0) {
        dim = image.data.length
        if (d.length * dim > mostPixels)
          return E.left(
            fault('data', {
              place: d.name,
              found: `${d.length} images of ${dim} numbers`,
              allowed: `at most ${mostPixels} numbers in all`,
              remedy: 'compare features instead of pixels',
            }),
          )
        data = new Float32Array(d.length * dim)
      }
      if (image.data.length !== dim)
        return E.left(
          fault('data', {
            place: `${d.name}: ${source}`,
            found: `an image of ${image.height} x ${image.width} pixels`,
            allowed: 'images of one size',
            remedy: 'compare features instead of pixels',
          }),
        )
      data.set(image.data, i * dim)
    }
    return E.right({ data, dim })
  }

/** Features with labels, of volumes one for each. */
const labelled =
  (rows: (d: Dataset) => TaskEither<Fault, Rows>) =>
  (d: Dataset): TaskEither<Fault, LabelledFeatures> =>
    pipe(
      TE.fromEither(volumesOf(d)),
      TE.chain((volumes) =>
        pipe(
          rows(d),
          TE.chainEitherK((r) =>
            pipe(
              labelsOf(volumes?.first ?? d),
              E.map((labels): LabelledFeatures => ({ ...(volumes === undefined ? r : pooled(volumes)(r)), labels })),
            ),
          ),
        ),
      ),
    )

/** Top-1 accuracy (0 .. 1) of the weighted k-NN classifier: votes of `train`, asked for `test`. */
export const knnAccuracy =
  (device: Device, o: { readonly k: number; readonly temperature: number }, train: Dataset, test: Dataset) =>
  (rows: (d: Dataset) => TaskEither<Fault, Rows>): TaskEither<Fault, number> =>
    pipe(
      TE.Do,
      TE.bind('known', () => labelled(rows)(train)),
      TE.bind('asked', () => labelled(rows)(test)),
      TE.chain(({ known, asked }) =>
        knnOn(device, { k: [o.k], temperature: o.temperature, classes: train.classes.length, votes: 'v1' }, known)(asked),
      ),
      TE.map(([result]) => result.top1),
    )
