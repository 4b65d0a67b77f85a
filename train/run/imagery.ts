/** What images are like, seen before anything is traced: their channels, and canvases that hold them or their crops. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { commandLine } from '../../core/command.ts'
import { atlasSide } from '../../data/augment/atlas.ts'
import { sideFor, sizeOnCanvas } from '../../data/augment/canvas.ts'
import type { TrainingSplit } from '../../data/loading/training.ts'
import type { Dataset, Sides } from '../../data/readers/dataset.ts'
import { counted, note } from '../../data/readers/note.ts'
import { substituting } from '../../data/readers/result.ts'
import type { Assembled, Imagery } from './assembly.ts'

/** Images that are read where headers say no sizes, evenly spread over all: the first ones may be thumbnails. */
const looked = 64

/** Sizes as headers say them, or those of some images. Fault: the first of these that cannot be read. */
export const sizesOf =
  (d: Dataset): TaskEither<Fault, ReadonlyArray<Sides>> =>
  async () => {
    const sizes: Sides[] = []
    for (let i = 0; i < d.length; i++) {
      const size = d.sizeOf?.(i)
      if (size !== undefined) sizes.push(size)
    }
    if (sizes.length > 0) return E.right(sizes)
    const n = Math.min(looked, d.length)
    for (let k = 0; k < n; k++) {
      const item = await d.item(Math.floor((k * d.length) / n))()
      if (E.isLeft(item)) return item
      sizes.push({ height: item.right.image.height, width: item.right.image.width })
    }
    return E.right(sizes)
  }

const longest = (s: Sides): number => Math.max(s.height, s.width)

/** What becomes of images on canvases of a side, where that is not what they are. */
const canvasNotes = (d: Dataset, sizes: ReadonlyArray<Sides>, side: number, shrunk: boolean): ReadonlyArray<string> => {
  const large = sizes.filter((s) => longest(s) > side)
  const [most] = [...large].sort((a, b) => b.height * b.width - a.height * a.width)
  if (most === undefined) return []
  const size = sizeOnCanvas(most, side)
  const needed = large.reduce((n, s) => Math.max(n, longest(s)), 0)
  const which = `${large.length} of ${counted(sizes.length, 'image')} of ${d.name} whose sizes are known are larger than canvases of ${side} x ${side}`
  return shrunk
    ? [
        note(
          `${which} and are shrunk, as ${most.height} x ${most.width} to ${size.height} x ${size.width}`,
          [],
          `data.canvas=null cuts crops from all of their pixels; data.canvas=${needed} holds them, with ${Math.round((4 * d.channels * needed ** 2) / 2 ** 20)} MiB an image in memory`,
        ),
      ]
    : [
        note(
          `${which}: their crops are cut from all of their pixels, and they are read anew for every step`,
          [],
          `data.canvas=${side} shrinks them once, as ${most.height} x ${most.width} to ${size.height} x ${size.width}`,
        ),
      ]
}

/** Images as they are, with whether some are larger than what canvases of the usual sides hold. */
export interface Seen extends Imagery {
  readonly sizes: ReadonlyArray<Sides>
  readonly shrunk: boolean
  readonly train: Dataset
}

/** Channels, and the side of canvases that the images fit. */
export const imageryOf = async ({ train, loading, normalisation, canvas }: TrainingSplit): Promise<Either<Fault, Seen>> => {
  const sizes = await sizesOf(loading?.onError === 'skip' ? substituting(() => undefined)(train) : train)()
  if (E.isLeft(sizes)) return sizes
  if (sizes.right.length === 0) {
    return E.left(
      fault('data', {
        place: train.name,
        found: 'no image to train on',
        allowed: 'at least one image',
        remedy: `see with ${commandLine('data')} inspect --data PATH what is read, and keep less for the test (data.share)`,
      }),
    )
  }
  return E.right({
    channels: train.channels,
    side: canvas ?? sideFor(sizes.right),
    sizes: sizes.right,
    shrunk: loading?.shrink === true,
    train,
    ...(normalisation === undefined ? {} : { normalisation }),
  })
}

/** The side that the crops of all phases need beside each other, of the network that is evaluated too. */
const neededSide = (a: Assembled): number =>
  Math.max(...[...a.phases.flatMap((p) => [p.crops, p.features.crops]), a.plain.crops].map((c) => atlasSide(c.plan.groups)))

/**
 * What is traced for the images: where some are larger than the usual canvases (`large`), for canvases that hold their crops. Faults: those
 * of tracing.
 */
export const assembledFor = (
  { sizes, shrunk, train, ...images }: Seen,
  assemble: (images: Imagery) => Either<Fault, Assembled>,
  say: (text: string) => void,
): Either<Fault, { readonly images: Imagery; readonly assembled: Assembled; readonly large: boolean }> => {
  const first = assemble(images)
  if (E.isLeft(first)) return first
  const large = !shrunk && sizes.some((s) => longest(s) > images.side)
  const side = large ? Math.max(images.side, neededSide(first.right)) : images.side
  for (const line of canvasNotes(train, sizes, side, shrunk)) say(`note: ${line}`)
  if (side === images.side) return E.right({ images, assembled: first.right, large })
  const wider = { ...images, side }
  return pipe(
    assemble(wider),
    E.map((assembled) => ({ images: wider, assembled, large })),
  )
}

/**
 * What evaluation and pictures will make of settings that do not quite fit: said before step 1. `compared`: labelled images to compare
 * with, where features are judged.
 */
export const foreseen = (assembled: Assembled, k: number, compared: number | undefined): ReadonlyArray<string> => {
  const patch = pipe(
    assembled.method.evaluated.vit,
    O.match(
      () => 1,
      (v) => v.patch,
    ),
  )
  const sizes = new Set(
    assembled.phases.flatMap(({ crops: { augmentation: a } }) => [a.global.size, ...(a.local.count > 0 ? [a.local.size] : [])]),
  )
  const odd = [...sizes].filter((size) => size % patch !== 0)
  return [
    ...(odd.length === 0
      ? []
      : [
          note(
            `crops of ${odd.join(' and ')} pixels are no whole patches of ${patch}: their last ${odd.map((size) => size % patch).join(' and ')} rows and columns are not seen`,
            [],
            `augmentation.globalSize (or localSize) of a multiple of ${patch} sees all`,
          ),
        ]),
    ...(compared !== undefined && k > compared
      ? [
          note(
            `${k} neighbours are asked for and there are ${counted(compared, 'image')} to compare with: all of them vote`,
            [],
            `evaluation.k=${Math.max(1, Math.min(20, Math.floor(compared / 4)))} asks for the nearest`,
          ),
        ]
      : []),
  ]
}
