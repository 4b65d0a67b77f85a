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
import type { Origin } from './origin.ts'

/** A picture or slice: `data` is [channels, height, width], row-major. */
export interface Image {
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly data: Float32Array
  /** The EXIF orientation by which a picture was turned upright, 2 to 8; nothing where it is as stored. */
  readonly orientation?: number
  /** `[height, width]`: 1 where a pixel is no measurement, as its file says. */
  readonly padding?: Uint8Array
  /** Its numbers are called unsigned, and some look as if they had been below 0. */
  readonly wrapped?: boolean
}

export interface Sides {
  readonly height: number
  readonly width: number
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
  /** `[height, width]`: 1 where a pixel is no measurement: padding, or values that are no numbers. It is air, and in no statistics. */
  readonly padding?: Uint8Array
  /** The series that it belongs to, by its identifier. */
  readonly series?: string
  /** Which frame or slice of its source it is. */
  readonly frame?: number
  /** The display windows that its file proposes, in the image's units. */
  readonly windows?: ReadonlyArray<Window>
  /** What its numbers measure, where its file says. */
  readonly units?: string
  /** Small values are to be shown bright (DICOM's MONOCHROME1). The image itself is not inverted. */
  readonly inverted?: boolean
  /** Its file calls numbers unsigned of which some look as if they had been below 0. */
  readonly wrapped?: boolean
}

/** A display window: values from about centre - width / 2 to centre + width / 2 go from black to white. */
export interface Window {
  readonly centre: number
  readonly width: number
}

/** The units of a dataset whose items have units of their own. */
export const severalUnits = 'several units'

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
  /** The sides of item i, where its header has been seen. */
  readonly sizeOf?: (i: number) => Sides | undefined
  /** What item i lies in beside others, known without reading it: a shard, whose items are best read one after the other. */
  readonly shard?: (i: number) => number
  /** What item i must not be parted from, known without reading it: its patient, study, series or volume. */
  readonly group?: (i: number) => string
  /** The volume that item i is a slice of, known without reading it, where that is not its source. */
  readonly volume?: (i: number) => string
  /**
   * What it is made of, for other threads; none for datasets of a program's own functions. A view with other items has another one, or
   * none.
   */
  readonly origin?: TaskEither<Fault, Origin>
  /** Reads item i. Faults: i is outside [0, length), the file is missing or damaged. */
  readonly item: (i: number) => TaskEither<Fault, Item>
}

/** Parts of a dataset by name; 'all' where it has none. */
export type SplitName = 'train' | 'val' | 'test' | 'all'

export type Splits = ReadonlyMap<SplitName, Dataset>

/** The origin of a view of `d`, in a record that is empty where `d` has none. */
export const viewOrigin = (d: Dataset, f: (of: Origin) => Origin): { readonly origin?: TaskEither<Fault, Origin> } =>
  d.origin === undefined ? {} : { origin: pipe(d.origin, TE.map(f)) }

/** The fault of asking a dataset for an item that it does not have. */
export const outside = (name: string, i: number, length: number): Fault =>
  fault('data', {
    place: name,
    found: `item ${i}`,
    allowed: `whole numbers in [0, ${length})`,
    remedy: 'ask for items that the dataset has',
  })

export const isIndex = (i: number, length: number): boolean => Number.isSafeInteger(i) && i >= 0 && i < length

/** The labels of all items, for evaluation. Fault: the first item that has none. */
export const labelsOf = (d: Dataset): Either<Fault, Int32Array> => {
  const out = new Int32Array(d.length)
  for (let i = 0; i < d.length; i++) {
    const label = d.label(i)
    if (O.isNone(label)) {
      return E.left(
        fault('data', {
          place: d.name,
          found: `no label for item ${i}`,
          allowed: 'a label for every item',
          remedy: 'put the pictures of every class into a folder of its own, or evaluate without labels',
        }),
      )
    }
    out[i] = label.value
  }
  return E.right(out)
}
