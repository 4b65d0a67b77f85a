/**
 * Multi-crop augmentation: plain data (`augmentation.ts`) as one pure program of pixels and one host function of random numbers.
 *
 * ```ts
 * const crops = multiCrop(augmentations.digits(), { batch: 64, channels: 1, side: 28 })   // Either<Fault, MultiCrop>
 * const program = device.compile(crops.graph)                                       // outputs global [128, 1, 28, 28], local
 * const batch = loader.batch(step)                                                  // canvases, sizes, labels
 * program.run({ values: crops.feed(seed, batch) })
 * ```
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import type { TensorType } from '../../core/type.ts'
import { isDimension, tensorType } from '../../core/type.ts'
import type { Drawn, InputValues, Subject } from './draws.ts'
import { drawCrops } from './draws.ts'
import type { GroupPlan, Layout, Plan } from './plan.ts'
import { canvasPath, groupInputs, planOf } from './plan.ts'
import { cropsOf, inputLeaf } from './program.ts'
import type { Augmentation, Normalisation } from './augmentation.ts'
import { checkAugmentation, colourNames, forChannels } from './augmentation.ts'

/** A batch of images as the crops take it. */
export interface Canvases {
  /** Number of the first image among all samples of the run. */
  readonly first: number
  /** `[B, C, S, S]` in [0, 1], each image in the upper left corner. */
  readonly canvases: Float32Array
  readonly subjects: ReadonlyArray<Subject>
  /** The draws, where they were made when the images were loaded. */
  readonly drawn?: Drawn
}

export interface CropExprs {
  /** `[2B, C, G, G]`, crop 0 of all images, then crop 1. */
  readonly global: Expr
  /** `[nB, C, L, L]`; none where the augmentation has no local crops. */
  readonly local: Option<Expr>
  /** The global crops for a Gram teacher, `[2B, C, M, M]`, where the augmentation has them. */
  readonly gram: Option<Expr>
}

export interface MultiCrop {
  readonly augmentation: Augmentation
  readonly layout: Layout
  /** Shapes and numbers, as plain data. */
  readonly plan: Plan
  /** What a person should know: operations switched off, statistics averaged, which blur. */
  readonly notes: ReadonlyArray<string>
  /** Everything that a run is fed. */
  readonly inputs: ReadonlyMap<string, TensorType>
  /** The input of the images, `[B, C, S, S]`. */
  readonly canvas: Expr
  readonly crops: (canvas: Expr) => CropExprs
  /** The crops alone, outputs `global`, `local` and `gram`. */
  readonly graph: Either<Fault, Graph>
  /** Tables and scalars of a batch whose first image is sample `first`. Faults: too few subjects, one larger than its canvas. */
  readonly draw: (seed: number, first: number, subjects: ReadonlyArray<Subject>) => Either<Fault, Drawn>
  /** All inputs of a batch; its own draws where they are of this seed. */
  readonly feed: (seed: number, batch: Canvases) => Either<Fault, InputValues>
}

const place = (r: Augmentation): string => `augmentation ${r.name}`

/** Statistics for the channels at hand: as given, one for all, or RGB's averaged for gray. */
const normalisationFor = (
  r: Augmentation,
  channels: number,
): Either<Fault, { readonly normalisation: Normalisation; readonly notes: ReadonlyArray<string> }> => {
  const { mean, std } = r.normalisation
  if (mean.length === channels) return E.right({ normalisation: r.normalisation, notes: [] })
  const all = (xs: ReadonlyArray<number>, x: number): ReadonlyArray<number> =>
    channels === 1 ? [x] : Array.from({ length: channels }, () => xs[0])
  const average = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length
  return channels === 1 || mean.length === 1
    ? E.right({
        normalisation: { mean: all(mean, average(mean)), std: all(std, average(std)) },
        notes: [
          channels === 1
            ? `normalised with the averages of ${mean.length} channels`
            : `one mean and deviation for all ${channels} channels`,
        ],
      })
    : E.left(
        fault('config', {
          place: `${place(r)}: normalisation`,
          found: `${mean.length} means for images of ${channels} channels`,
          allowed: `${channels} means and deviations, or one for all channels`,
          remedy:
            'take the statistics of the data set (data.normalisation=computed), or give as many as there are channels (data.mean, data.std)',
        }),
      )
}

/** What an augmentation asks for and images of these channels cannot have. */
const switchedOff = (r: Augmentation, { channels }: Layout): ReadonlyArray<string> => {
  const left = colourNames(forChannels(channels)(r))
  const off = colourNames(r).filter((name) => !left.includes(name))
  return off.length === 0 ? [] : [`off for images of ${channels} channel${channels === 1 ? '' : 's'}: ${off.join(', ')}`]
}

const checkLayout = (r: Augmentation, l: Layout): Either<Fault, Layout> =>
  [l.batch, l.channels, l.side].every(isDimension)
    ? E.right(l)
    : E.left(
        fault('config', {
          place: place(r),
          found: JSON.stringify(l),
          allowed: 'whole numbers of at least 1',
          remedy: 'correct the batch, the channels or the side of the canvases',
        }),
      )

const checkSubjects = (r: Augmentation, l: Layout, subjects: ReadonlyArray<Subject>): Either<Fault, ReadonlyArray<Subject>> => {
  const inside = (n: number): boolean => isDimension(n) && n <= l.side
  const bad = subjects.findIndex((s) => !inside(s.size.height) || !inside(s.size.width))
  if (subjects.length === l.batch && bad < 0) return E.right(subjects)
  return E.left(
    fault('data', {
      place: place(r),
      found: bad < 0 ? `${subjects.length} images` : `image ${bad} of ${subjects[bad].size.height} x ${subjects[bad].size.width} pixels`,
      allowed: `${l.batch} images of at most ${l.side} x ${l.side} pixels`,
      remedy: bad < 0 ? 'feed full batches' : 'use larger canvases, or shrink the image first',
    }),
  )
}

const expressions =
  (p: Plan, retouch: Augmentation['retouch']) =>
  (canvas: Expr): CropExprs => {
    const group = (name: GroupPlan['name']): Option<Expr> =>
      pipe(
        O.fromNullable(p.groups.find((g) => g.name === name)),
        O.map((g) => cropsOf(p, g, canvas, retouch)),
      )
    // a checked augmentation has global crops
    return { global: O.getOrElse(() => canvas)(group('global')), local: group('local'), gram: group('gram') }
  }

const assemble = (augmentation: Augmentation, layout: Layout, notes: ReadonlyArray<string>): MultiCrop => {
  const plan = planOf(augmentation, layout)
  const canvasType = tensorType('f32', [layout.batch, layout.channels, layout.side, layout.side])
  const canvas = inputLeaf(canvasType, canvasPath)
  const crops = expressions(plan, augmentation.retouch)
  const { global, local, gram } = crops(canvas)
  const tables = plan.groups.flatMap((g) => {
    const { first, weights, colour, blur, solarise, warp } = groupInputs(plan, g)
    return Object.entries({ first, weights, colour, blur, solarise, warp }).flatMap(
      ([name, type]): ReadonlyArray<readonly [string, TensorType]> => (type === undefined ? [] : [[`augment.${g.name}.${name}`, type]]),
    )
  })
  const draw: MultiCrop['draw'] = (seed, first, subjects) =>
    pipe(
      checkSubjects(augmentation, layout, subjects),
      E.map((s) => drawCrops(plan, seed, first, s)),
    )
  return {
    augmentation,
    layout,
    plan,
    notes,
    canvas,
    crops,
    draw,
    inputs: new Map([[canvasPath, canvasType], ...tables]),
    graph: trace(`multicrop ${augmentation.name}`, [
      value('global', global),
      ...(O.isSome(local) ? [value('local', local.value)] : []),
      ...(O.isSome(gram) ? [value('gram', gram.value)] : []),
    ]),
    feed: (seed, batch) =>
      pipe(
        batch.drawn?.seed === seed ? E.right(batch.drawn) : draw(seed, batch.first, batch.subjects),
        E.map(({ values }) => new Map([...values, [canvasPath, batch.canvases]])),
      ),
  }
}

/** The augmentation's crops for batches of one layout. Faults: an augmentation out of its ranges, statistics that do not fit. */
export const multiCrop = (augmentation: Augmentation, layout: Layout): Either<Fault, MultiCrop> =>
  pipe(
    E.Do,
    E.bind('checked', () => checkAugmentation(augmentation)),
    E.bind('fitting', () => checkLayout(augmentation, layout)),
    E.bind('own', () => normalisationFor(augmentation, layout.channels)),
    E.map(({ checked, fitting, own }) =>
      assemble({ ...forChannels(layout.channels)(checked), normalisation: own.normalisation }, fitting, [
        ...augmentation.notes,
        ...switchedOff(augmentation, fitting),
        ...own.notes,
      ]),
    ),
  )

/** The crops of a rank's images, and of each input the axis along which images lie. */
export interface Shared {
  readonly crops: MultiCrop
  readonly axes: ReadonlyMap<string, number>
}

/** The crops for an N-th of the images: the axis of images is the one along which their inputs are shorter. Fault: an uneven share. */
export const sharedAmong =
  (ranks: number) =>
  (m: MultiCrop): Either<Fault, Shared> =>
    pipe(
      multiCrop(m.augmentation, { ...m.layout, batch: m.layout.batch / ranks }),
      E.map((crops) => ({
        crops,
        axes: new Map(
          [...m.inputs].map(([path, { shape }]) => [path, shape.findIndex((d, axis) => d !== crops.inputs.get(path)?.shape[axis])]),
        ),
      })),
    )
