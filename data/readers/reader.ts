/**
 * A reader is one record: how its files are recognised, how they are opened, and how a dataset is opened again from its origin. Adding
 * one is adding its record to `index.ts`; help, faults, notes and worker threads read it from there.
 */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { Dataset, Splits } from './dataset.ts'
import type { Origin, OriginOf } from './origin.ts'
import type { BoxForm } from './manifest/form.ts'
import type { ColumnNames } from './manifest/columns.ts'
import type { Sign } from './sign.ts'
import type { Left } from './walk.ts'
import type { Channels, OnError, Opened, Progress } from './result.ts'

export interface OpenOptions {
  /** By default what all images can share: 1 where those looked at are gray, else 3. 'stored': as each file has them. */
  readonly channels?: Channels
  /** The axis along which slices of volumes are taken: x, y, z of NIfTI (default z), the axes of [D, H, W] in .npz (default D). */
  readonly axis?: 0 | 1 | 2
  readonly onError?: OnError
  /** Which of the volumes of a file: one, counted from 0, or all, the default. */
  readonly volume?: number | 'all'
  /** How the axes of arrays lie, a letter each: n images, c channels, d slices, h rows, w columns. By default as their lengths say. */
  readonly layout?: string
  /** What pages of a stack of pictures (TIFF) are: images, the default, or channels of one image, as their description says. */
  readonly pages?: 'images' | 'channels'
  readonly progress?: Progress
  /** Output how many files have been found so far, of many. */
  readonly listed?: (files: number) => void
  /** Bytes that one image, volume or array may take once it is unpacked; 4 GiB by default. */
  readonly itemBytes?: number
  /** Pictures' values: in 0..1 ('unit', the default), or 0..255 and 0..65535. */
  readonly values?: 'unit' | 'stored'
  /**
   * What of the data is wanted, in place of what suits most: words, each the tag of a reader (`dicom`), a pattern of paths with `*` or
   * `/` (`T1/*.nii.gz`), or a word of a reader's own (`MR`, `SEG`, the identifier of a series). The first two are the opener's, and only
   * the others come to a reader. `all` keeps what names tell to be masks, and all that a reader can give together. Nothing, or an empty
   * list: what suits most.
   */
  readonly select?: ReadonlyArray<string>
  /** What folders are: 'usual', parts or classes where they are called so, 'classes' whatever they are called, or 'none'. */
  readonly folders?: 'usual' | 'classes' | 'none'
  /** Columns of tables by what they hold, where their names do not say; 'none' for a label that is not wanted. */
  readonly columns?: Partial<ColumnNames>
  /** Texts that stand for no label; none: blank, NaN, NA, null, -1, and 255 beyond all others. */
  readonly unlabelled?: ReadonlyArray<string>
  /**
   * What boxes and masks of a table count: pixels as they are stored, the default, or of pictures that their EXIF orientation has turned.
   */
  readonly annotations?: 'stored' | 'upright'
  /** What four numbers of a box are that have no names: a corner and two sides, the default, or two corners. */
  readonly boxes?: BoxForm
  /** Whether whole numbers of DICOM, NIfTI and gray pictures of 16 bits have a sign: 'said', the default, as headers say. */
  readonly sign?: Sign
}

/** Files of one kind that make one dataset. */
export interface Files {
  /** The dataset's. */
  readonly name: string
  readonly root: string
  /** Below `root`, with `/`, in their order. */
  readonly paths: ReadonlyArray<string>
  /** The first folders of all files, of other splits too. */
  readonly classes: ReadonlyArray<string>
}

/** How many of the files that are there were read, and why others were not. Law: found = read + all that were left + faults. */
export interface FileCount {
  readonly found: number
  readonly read: number
  readonly left: ReadonlyArray<Left>
  /** How many could not be read. */
  readonly faults: number
}

/** Datasets by their splits, the faults of what was left out, and what else a person should know. */
export interface Parts {
  readonly splits: Splits
  readonly skipped: ReadonlyArray<Fault>
  readonly notes: ReadonlyArray<string>
  /** Files of its own that a reader has left out. */
  readonly left?: ReadonlyArray<string>
  /** Where many files were looked at. */
  readonly files?: FileCount
}

/** Opens files that another one lists, by their paths below `root`, as one dataset; they must be of one kind. */
export type OpenFiles = (root: string, paths: ReadonlyArray<string>) => TaskEither<Fault, Opened>

/**
 * `Many`: all files of a folder make one dataset. `One`: each file is a dataset with splits; those of a folder are joined, or it must be
 * the only one.
 */
export type Opening =
  | { readonly _tag: 'Many'; readonly files: (f: Files, o: OpenOptions) => TaskEither<Fault, Opened> }
  | { readonly _tag: 'Shards'; readonly files: (f: Omit<Files, 'classes'>, o: OpenOptions) => TaskEither<Fault, Parts> }
  | {
      readonly _tag: 'One'
      readonly joins: boolean
      readonly file: (path: string, o: OpenOptions, listed: OpenFiles) => TaskEither<Fault, Parts>
    }

/** Opens a dataset from any origin. */
export type Reopen = (o: Origin) => TaskEither<Fault, Dataset>

/** What opens the datasets of one tag again: a reader, or a view of another dataset, which `again` opens. */
export interface Reopener {
  readonly tag: string
  readonly reopen: (o: Origin, again: Reopen) => TaskEither<Fault, Dataset>
}

export interface Reader extends Reopener {
  /** Its files in words, for a person: `DICOM (.dcm)`. */
  readonly files: string
  /** Whether a file is of this kind by its path; 'perhaps' where its first bytes tell. */
  readonly matches: (path: string) => boolean | 'perhaps'
  /** Whether a file begins as those of this kind do. Also asked of a single file whose path no reader knows. */
  readonly begins?: (head: Uint8Array) => boolean
  /** Those of its files that are read with others of them, and are no images. */
  readonly aside?: (paths: ReadonlyArray<string>) => ReadonlyArray<string>
  readonly open: Opening
}

const strange = (o: Origin): Fault =>
  fault('data', {
    place: 'the origin of a dataset',
    found: `the tag ${o._tag}`,
    allowed: 'an origin of a reader or view of this version',
    remedy: 'open the data again from their path',
  })

/** What opens the datasets of an origin again. Law: their items, labels and sources are those of the dataset that gave the origin. */
export const reopener = <P>(origin: OriginOf<P>, reopen: (parts: P, again: Reopen) => TaskEither<Fault, Dataset>): Reopener => ({
  tag: origin.tag,
  reopen: (o, again) => (origin.is(o) ? reopen(o.parts, again) : TE.left(strange(o))),
})

/** Opens from an origin by the record of its tag. Fault: no record of this tag. */
export const reopenWith = (records: ReadonlyArray<Reopener>): Reopen => {
  const byTag = new Map(records.map((r) => [r.tag, r]))
  const reopen: Reopen = (o) => byTag.get(o._tag)?.reopen(o, reopen) ?? TE.left(strange(o))
  return reopen
}
