/**
 * Datasets: numbered items, read when they are asked for. A dataset is a value; subsets and splits are views of it.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Option } from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { sharedFloats } from './origin.ts'
import type { Origin } from './origin.ts'

/** A picture or slice: `data` is [channels, height, width], row-major. */
export interface Image {
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly data: Float32Array
}

/** A rectangle in pixels, [x, x + width) x [y, y + height). */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** One item of a dataset. */
export interface Item {
  readonly image: Image
  /** Where it came from: a file below the dataset's root, or a number. */
  readonly source: string
  /** Its class, an index into the dataset's `classes`. */
  readonly label?: number
  /** Its classes, where it can have several: one number per class, 0 for no. */
  readonly labels?: ReadonlyArray<number>
  /** A region of interest. */
  readonly box?: Box
  /** All regions of interest, where there are several; `box` is the first. */
  readonly boxes?: ReadonlyArray<Box>
  /** A region per pixel, [height, width]: 0 outside. */
  readonly mask?: Uint8Array
  /** Millimetres per pixel: [row, column], and the slice distance third where there is one. */
  readonly spacing?: ReadonlyArray<number>
  /** The series that it belongs to, by its identifier. */
  readonly series?: string
  /** Which frame or slice of its source it is. */
  readonly frame?: number
  /** The display windows that its file proposes, in the image's units. */
  readonly windows?: ReadonlyArray<Window>
  /** Small values are to be shown bright (DICOM's MONOCHROME1). The image itself is not inverted. */
  readonly inverted?: boolean
}

/** A display window: values from about centre - width / 2 to centre + width / 2 go from black to white. */
export interface Window {
  readonly centre: number
  readonly width: number
}

export interface Dataset {
  readonly name: string
  readonly length: number
  readonly channels: number
  /** The least and the largest value that an image can have, in its units. */
  readonly range: readonly [number, number]
  /** What the numbers measure: 'HU', 'stored', a modality's unit, 'intensity' after windows; pictures have none. */
  readonly units?: string
  /** How the images were taken, as DICOM abbreviates it: CT, MR, US. */
  readonly modality?: string
  /** Names of the classes; empty where there are no labels. */
  readonly classes: ReadonlyArray<string>
  /** The label of item i, known without reading it. */
  readonly label: (i: number) => Option<number>
  /** Where item i comes from, as `Item.source`, known without reading it. */
  readonly sourceOf?: (i: number) => string
  /** What it is made of, for other threads; none for datasets of a program's own functions. A view with other items has another one, or none. */
  readonly origin?: TaskEither<Fault, Origin>
  /** Reads item i. Faults: i is outside [0, length), the file is missing or damaged. */
  readonly item: (i: number) => TaskEither<Fault, Item>
}

/** The origin of a view of `d`, in a record that is empty where `d` has none. */
export const viewOrigin = (d: Dataset, f: (of: Origin) => Origin): { readonly origin?: TaskEither<Fault, Origin> } =>
  d.origin === undefined ? {} : { origin: pipe(d.origin, TE.map(f)) }

/** The fault of asking a dataset for an item that it does not have. */
export const outside = (name: string, i: number, length: number): Fault =>
  fault('data', { place: name, found: `item ${i}`, allowed: `whole numbers in [0, ${length})`, remedy: 'ask for items that the dataset has' })

const isIndex = (i: number, length: number): boolean => Number.isSafeInteger(i) && i >= 0 && i < length

/** Images of one size in one array [length, channels, height, width]; `labels[i]` < 0 stands for no label. */
export interface ImageArray {
  readonly name: string
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly range: readonly [number, number]
  readonly images: Float32Array
  readonly labels: Int32Array
  readonly classes: ReadonlyArray<string>
}

/** A dataset in memory. Items are copies. Fault: the arrays' lengths do not fit each other. */
export const arrayDataset = (a: ImageArray): Either<Fault, Dataset> => {
  const { name, channels, height, width, range, images, labels, classes } = a
  const length = labels.length
  const size = channels * height * width
  if (images.length !== length * size) {
    return E.left(fault('data', {
      place: name,
      found: `${images.length} values and ${length} labels for images [${channels}, ${height}, ${width}]`,
      allowed: `${length * size} values`,
      remedy: 'give as many labels as there are images, -1 where there is none',
    }))
  }
  const label = (i: number): Option<number> => (isIndex(i, length) && labels[i] >= 0 ? O.some(labels[i]) : O.none)
  return E.right({
    name, length, channels, range, classes, label,
    origin: () => Promise.resolve(E.right({ _tag: 'Array', parts: { ...a, images: sharedFloats(images) } })),
    item: (i) => {
      if (!isIndex(i, length)) return TE.left(outside(name, i, length))
      const image: Image = { channels, height, width, data: images.slice(i * size, (i + 1) * size) }
      return TE.right({ image, source: `${name}/${i}`, ...(labels[i] >= 0 ? { label: labels[i] } : {}) })
    },
  })
}

/**
 * The items with these numbers, in this order. A number may come twice.
 * Fault: a number that the dataset does not have.
 */
export const subset = (indices: ArrayLike<number>, name?: string) => (d: Dataset): Either<Fault, Dataset> => {
  const chosen = Int32Array.from(indices)
  const bad = Array.from(indices).find((i) => !isIndex(i, d.length))
  if (bad !== undefined) return E.left(outside(d.name, bad, d.length))
  const own = name ?? d.name
  const { sourceOf } = d
  return E.right({
    ...d,
    ...(sourceOf === undefined ? {} : { sourceOf: (i: number) => sourceOf(chosen[i]) }),
    ...viewOrigin(d, (of) => ({ _tag: 'Subset', of, indices: chosen, name: own })),
    name: own,
    length: chosen.length,
    label: (i) => (isIndex(i, chosen.length) ? d.label(chosen[i]) : O.none),
    item: (i) => (isIndex(i, chosen.length) ? d.item(chosen[i]) : TE.left(outside(own, i, chosen.length))),
  })
}

/** Gives the order of n items: a permutation of 0 .. n - 1. Seeded ones come from `core`'s random streams. */
export type Order = (n: number) => ArrayLike<number>

/** The items in another order. Fault: `order` gives no permutation. */
export const reorder = (order: Order) => (d: Dataset): Either<Fault, Dataset> => {
  const indices = Array.from(order(d.length))
  return indices.length === d.length && new Set(indices).size === d.length
    ? subset(indices)(d)
    : E.left(fault('data', {
      place: d.name,
      found: `an order of ${indices.length} numbers, ${new Set(indices).size} of them different`,
      allowed: `a permutation of 0 .. ${d.length - 1}`,
      remedy: 'name every item once',
    }))
}

/** Two parts of a dataset. */
export interface Split {
  readonly train: Dataset
  readonly test: Dataset
}

const upTo = (from: number, to: number): ReadonlyArray<number> => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

const partsOf = (d: Dataset, train: ReadonlyArray<number>, test: ReadonlyArray<number>): Either<Fault, Split> =>
  pipe(
    E.Do,
    E.apS('train', subset(train, `${d.name}/train`)(d)),
    E.apS('test', subset(test, `${d.name}/test`)(d)),
  )

/** The first `train` items and the `test` items after them. Fault: the dataset has fewer. */
export const splitAt = (train: number, test: number) => (d: Dataset): Either<Fault, Split> =>
  isIndex(train, d.length + 1) && isIndex(test, d.length - train + 1)
    ? partsOf(d, upTo(0, train), upTo(train, train + test))
    : E.left(fault('data', {
      place: d.name,
      found: `a split into ${train} and ${test} items`,
      allowed: `whole numbers that sum to at most ${d.length}`,
      remedy: 'ask for smaller parts',
    }))

/**
 * A split in which every class gives the same share to `test`: of a class with n items, the last `round(n * share)`.
 * Items without a label count as one class. Fault: a share outside [0, 1].
 */
export const splitByLabel = (share: number) => (d: Dataset): Either<Fault, Split> => {
  if (!(share >= 0 && share <= 1)) {
    return E.left(fault('config', { place: d.name, found: `a test share of ${share}`, allowed: 'a number in [0, 1]', remedy: 'correct the share' }))
  }
  const groups = new Map<number, number[]>()
  for (let i = 0; i < d.length; i++) {
    const label = O.getOrElse(() => -1)(d.label(i))
    const group = groups.get(label)
    if (group === undefined) groups.set(label, [i])
    else group.push(i)
  }
  const test = new Set<number>()
  for (const group of groups.values()) for (const i of group.slice(group.length - Math.round(group.length * share))) test.add(i)
  const all = upTo(0, d.length)
  return partsOf(d, all.filter((i) => !test.has(i)), all.filter((i) => test.has(i)))
}

/** The labels of all items, for evaluation. Fault: the first item that has none. */
export const labelsOf = (d: Dataset): Either<Fault, Int32Array> => {
  const out = new Int32Array(d.length)
  for (let i = 0; i < d.length; i++) {
    const label = d.label(i)
    if (O.isNone(label)) {
      return E.left(fault('data', {
        place: d.name,
        found: `no label for item ${i}`,
        allowed: 'a label for every item',
        remedy: 'put the pictures of every class into a folder of its own, or evaluate without labels',
      }))
    }
    out[i] = label.value
  }
  return E.right(out)
}
