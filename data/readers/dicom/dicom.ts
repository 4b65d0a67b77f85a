/**
 * DICOM images (PS3) as a dataset: one item per frame, gray in the modality's units after rescale (HU for CT) or RGB.
 * Values are never inverted: an item of MONOCHROME1 says so instead, and windows turn it upright.
 */

import { basename, extname, join, relative, sep } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { outside, severalUnits } from '../dataset.ts'
import type { Dataset, Item } from '../dataset.ts'
import { originOf } from '../origin.ts'
import { reopener } from '../reader.ts'
import type { Reader } from '../reader.ts'
import { looksLikeDicom, openDicom } from './file.ts'
import type { Opened as OpenedFile } from './file.ts'
import { codecs, readFrame } from './frame.ts'
import type { DicomHeader, Rescale } from './header.ts'
import { kindOf, sliced } from './kind.ts'
import { frameOrder, orderFiles } from './series.ts'
import type { Placed } from './series.ts'
import { chooseKind } from '../kinds.ts'
import { counted, note } from '../note.ts'
import { grouped } from '../walk.ts'
import { openAll, toChannels } from '../result.ts'
import type { Channels, OnError, Opened, Progress } from '../result.ts'
import type { Sign } from '../sign.ts'

export interface DicomOptions {
  /** By default all images have three channels if one of them has colours, else one. */
  readonly channels?: Channels
  readonly onError?: OnError
  readonly progress?: Progress
  /** Which kinds of images, where there are several: see `chooseKind`. */
  readonly select?: ReadonlyArray<string>
  /** Bytes that one frame may take; 4 GiB by default. */
  readonly itemBytes?: number
  /** Whether stored numbers have a sign: by default as headers say. */
  readonly sign?: Sign
}

/** The least and the largest value that stored bits can give after rescale. */
const rangeOf = (h: DicomHeader): readonly [number, number] => {
  if (h.palette !== undefined) return [0, h.palette.top]
  if (h.samples === 3) return [0, 2 ** h.stored - 1]
  const ends = h.signed ? [-(2 ** (h.stored - 1)), 2 ** (h.stored - 1) - 1] : [0, 2 ** h.stored - 1]
  const values = (r: Rescale): ReadonlyArray<number> => (r._tag === 'Table' ? r.values : ends.map((e) => e * r.slope + r.intercept))
  let [low, high] = [Infinity, -Infinity]
  for (const p of h.planes) {
    for (const v of values(p.rescale)) {
      low = Math.min(low, v)
      high = Math.max(high, v)
    }
  }
  return low < high ? [low, high] : [low, low + 1]
}

const isColour = (h: DicomHeader): boolean => h.samples === 3 || h.palette !== undefined

/** A path below a root, with `/`. */
const below = (root: string, path: string): string => relative(root, path).split(sep).join('/')

/** One value if all have the same. */
const common = (xs: ReadonlyArray<string>): string | undefined => {
  const distinct = [...new Set(xs)]
  return distinct.length === 1 && distinct[0] !== '' ? distinct[0] : undefined
}

/** What images belong together by: their patients, or below those where all are called alike, as anonymous ones are. */
const groupLevels = (headers: ReadonlyArray<DicomHeader>): ReadonlyArray<'patient' | 'study' | 'series'> => {
  const all = ['patient', 'study', 'series'] as const
  const first = all.findIndex((level) => new Set(headers.map((h) => h[level])).size > 1)
  return all.slice(Math.max(0, first))
}

const itemFields = (p: Placed, frame: number): Omit<Item, 'image' | 'source'> => {
  const { header: h } = p.file
  const { spacing } = h.planes[frame % h.planes.length]
  return {
    frame,
    ...(h.series === '' ? {} : { series: h.series }),
    ...(spacing === undefined ? {} : { spacing: p.distance === undefined ? spacing : [...spacing, p.distance] }),
    ...(h.windows.length === 0 ? {} : { windows: h.windows }),
    ...(h.photometric === 'MONOCHROME1' ? { inverted: true } : {}),
  }
}

/** What a dataset of DICOM images is made of: opened files in their order. */
export interface DicomParts {
  readonly name: string
  readonly root: string
  readonly placed: ReadonlyArray<Placed>
  readonly channels: Channels | undefined
  readonly itemBytes: number | undefined
}

const origin = originOf<DicomParts>('dicom')

/** Opened files as a dataset. */
const dicomDataset = (parts: DicomParts): Dataset => {
  const { name, root, placed } = parts
  const headers = placed.map((p) => p.file.header)
  const index: Array<readonly [file: number, frame: number]> = []
  placed.forEach((p, f) => {
    for (const k of frameOrder(p.file)) index.push([f, k])
  })
  const channels = parts.channels ?? (headers.some(isColour) ? 3 : 1)
  const ranges = headers.map(rangeOf)
  const range = [ranges.reduce((m, r) => Math.min(m, r[0]), Infinity), ranges.reduce((m, r) => Math.max(m, r[1]), -Infinity)] as const
  const read = readFrame(codecs(), parts.itemBytes)
  const modality = common(headers.map((h) => h.modality))
  // images of several units have no range in common: each is seen by its own values
  const measures = headers.map((h) => (isColour(h) ? '' : h.units))
  const units = new Set(measures).size > 1 ? severalUnits : common(measures)
  const levels = groupLevels(headers)
  return {
    name,
    length: index.length,
    channels: channels === 'stored' ? (headers.length > 0 && isColour(headers[0]) ? 3 : 1) : channels,
    range,
    ...(modality === undefined ? {} : { modality }),
    ...(units === undefined ? {} : { units }),
    origin: TE.right(origin.of(parts)),
    classes: [],
    label: () => O.none,
    group: (i) => {
      const { path, header } = placed[index[i][0]].file
      return levels.map((level) => header[level]).find((x) => x !== '') ?? below(root, path)
    },
    sourceOf: (i) => below(root, placed[index[i][0]].file.path),
    volume: (i) => {
      const { path, header: h } = placed[index[i][0]].file
      return h.series !== '' && sliced.has(h.modality) ? h.series : below(root, path)
    },
    sizeOf: (i) => {
      const { rows, columns } = placed[index[i][0]].file.header
      return { height: rows, width: columns }
    },
    item: (i) => {
      if (!(i in index)) return TE.left(outside(name, i, index.length))
      const [f, frame] = index[i]
      const { file } = placed[f]
      return pipe(
        read(file, frame),
        TE.map(({ padding, wrapped, ...image }): Item => ({
          ...(wrapped ? { wrapped } : {}),
          ...(padding === undefined ? {} : { padding }),
          image: toChannels(channels, range[1])(image),
          source: below(root, file.path),
          ...(isColour(file.header) || file.header.units === '' ? {} : { units: file.header.units }),
          ...itemFields(placed[f], frame),
        })),
      )
    },
  }
}

/**
 * Opens DICOM files, given by their paths below `root`, as one dataset in the order of series and places. Objects without pixels (plans,
 * reports) are passed over with a note. Faults: with onError 'stop' the first file that cannot be read; no image at all.
 */
export const dicom = (name: string, root: string, paths: ReadonlyArray<string>, options: DicomOptions = {}): TaskEither<Fault, Opened> =>
  pipe(
    paths,
    openAll((path) => openDicom(path, options.sign), options.onError ?? 'stop', options.progress),
    TE.chainEitherK(({ read, skipped }) => {
      const files = read.flatMap((o: OpenedFile) => (o._tag === 'Image' ? [o.file] : []))
      const others = read.flatMap((o: OpenedFile) => (o._tag === 'Other' ? [o] : []))
      if (files.length === 0) {
        return E.left(
          skipped.length > 0
            ? skipped[0]
            : fault('data', {
                place: root,
                found: others.length === 0 ? 'no DICOM file' : `a DICOM object without pixels (${others[0].modality})`,
                allowed: 'at least one DICOM image',
                remedy: 'name a file or folder that holds images',
              }),
        )
      }
      const notes =
        others.length === 0
          ? []
          : [
              note(
                `${counted(others.length, 'DICOM object', 'DICOM objects')} without pixels passed over (${[...new Set(others.map((o) => o.modality))].join(', ')})`,
                others.map((o) => below(root, o.path)),
              ),
            ]
      const odd = grouped(
        files.flatMap((f) => f.odd.map((what) => ({ what, path: below(root, f.path) }))),
        (o) => o.what,
      )
      const strange = [...odd].map(([what, own]) =>
        note(
          `${what}; read as it is written`,
          own.map((o) => o.path),
        ),
      )
      return pipe(
        files.map((file) => ({ file, kind: kindOf(file.header), path: below(root, file.path), images: file.header.frames })),
        chooseKind(root, options.select),
        E.map((chosen) => {
          const { placed, notes: places } = orderFiles(chosen.files, (p) => below(root, p))
          return {
            dataset: dicomDataset({ name, root, placed, channels: options.channels, itemBytes: options.itemBytes }),
            skipped,
            notes: [...notes, ...strange, ...chosen.notes, ...places],
          }
        }),
      )
    }),
  )

const isNamed = (path: string): boolean => /\.(dcm|dicom|ima|dic)$/i.test(path)

/** Names of DICOM files often have no ending, or end in a number of their identifier. */
const isPerhaps = (path: string): boolean => /^$|^\.(\d+|img)$/i.test(extname(path)) && basename(path).toUpperCase() !== 'DICOMDIR'

export const dicomReader: Reader = {
  ...reopener(origin, (parts) => TE.right(dicomDataset(parts))),
  files: 'DICOM (.dcm)',
  matches: (path) => isNamed(path) || (isPerhaps(path) ? 'perhaps' : false),
  begins: looksLikeDicom,
  open: {
    _tag: 'Many',
    files: ({ name, root, paths }, o) =>
      dicom(
        name,
        root,
        paths.map((p) => join(root, p)),
        o,
      ),
  },
}
