/**
 * What a DICOM data set says about its pixels (PS3.3 C.7.6.3 Image Pixel, C.11.1 Modality LUT, C.7.6.2 Image Plane and
 * C.7.6.16 functional groups), decoded and checked.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Window } from '../dataset.ts'
import { decimalsOf, itemsOf, numbersIn, shortsOf, showTag, textOf, valueBytes } from './element.ts'
import type { DataSet, Tag } from './element.ts'
import type { Sign } from '../sign.ts'
import { agreed, photometrics, samplesOf, taken } from './samples.ts'
import { paletteOf } from './palette.ts'
import type { Palette } from './palette.ts'

/** From stored values to the modality's units: a line, or a table for the stored values from `first` on. */
export type Rescale =
  | { readonly _tag: 'Line'; readonly slope: number; readonly intercept: number }
  | { readonly _tag: 'Table'; readonly first: number; readonly values: ReadonlyArray<number> }

/** Where and how large the pixels of a frame are. What the file does not say is missing. */
export interface FramePlane {
  readonly rescale: Rescale
  /** Millimetres between rows and between columns. */
  readonly spacing?: readonly [number, number]
  /** Millimetres between slices, where the file itself says. */
  readonly distance?: number
  /** The first pixel's place in the patient, in millimetres. */
  readonly position?: ReadonlyArray<number>
  /** Direction cosines of a row and of a column. */
  readonly orientation?: ReadonlyArray<number>
}

export interface DicomHeader {
  readonly rows: number
  readonly columns: number
  /** Samples per pixel: 1 or 3. */
  readonly samples: number
  readonly frames: number
  /** Bits of a stored cell: 1, 8, 16, 32, or 64 for doubles. */
  readonly allocated: number
  readonly stored: number
  readonly high: number
  readonly signed: boolean
  /** Planes one after the other instead of interleaved pixels. */
  readonly planar: boolean
  readonly photometric: string
  readonly palette: Palette | undefined
  /** One plane for all frames, or one for each. */
  readonly planes: ReadonlyArray<FramePlane>
  /** Stored values that fill what was not measured (Pixel Padding Value and Range Limit, PS3.3 C.7.5.1.1.2), as 16-bit patterns. */
  readonly padding: readonly [number, number] | undefined
  /** The display windows (PS3.3 C.11.2) that the file proposes, in the units after rescale. */
  readonly windows: ReadonlyArray<Window>
  readonly modality: string
  /** The units of values after rescale: HU for CT, what the file names, or 'stored'. */
  readonly units: string
  readonly series: string
  /** Whose images, and of which examination, they are. */
  readonly patient: string
  readonly study: string
  readonly instance: number
  /** The acquisition that it is of; NaN where the file does not say. */
  readonly acquisition: number
  /** The time of its echo, in milliseconds, and where its slice lies; NaN where the file does not say. */
  readonly echo: number
  readonly location: number
  /** What kind of object it is (SOP Class UID), and its own name (SOP Instance UID); '' where the file does not say. */
  readonly sopClass: string
  readonly uid: string
  /** How the image was made (Image Type): ORIGINAL, PRIMARY, AXIAL. */
  readonly type: ReadonlyArray<string>
  /** What a person called its series. */
  readonly description: string
  /** What of it contradicts its other elements, and what was taken. */
  readonly odd: ReadonlyArray<string>
}

const finite = (xs: ReadonlyArray<number>, n: number): boolean => xs.length >= n && xs.slice(0, n).every(Number.isFinite)

const positive = (xs: ReadonlyArray<number>, n: number): boolean => finite(xs, n) && xs.slice(0, n).every((x) => x > 0)

/** The table of (0028,3000), or the line of (0028,1052) and (0028,1053), or the identity. */
const rescaleOf = (d: DataSet, signed: boolean): Either<string, Rescale> => {
  const lut = itemsOf(d, 0x00283000).at(0)
  if (lut !== undefined) {
    const described = shortsOf(lut, 0x00283002)
    if (described.length < 3) return E.left(`a modality table described by ${described.length} of 3 numbers`)
    const [count] = described
    const first = shortsOf(lut, 0x00283002, signed)[1]
    const values = shortsOf(lut, 0x00283006)
    const entries = count === 0 ? 65536 : count
    if (values.length < entries) return E.left(`a modality table of ${values.length} values for ${entries}`)
    return E.right({ _tag: 'Table', first, values: values.slice(0, entries) })
  }
  const transformed = itemsOf(d, 0x00289145).at(0) ?? d
  // doses have a scaling of their own (PS3.3 C.8.8.3)
  const [dose = 1] = decimalsOf(d, 0x3004000e)
  const [slope = dose] = decimalsOf(transformed, 0x00281053)
  const [intercept = 0] = decimalsOf(transformed, 0x00281052)
  return Number.isFinite(slope) && slope !== 0 && Number.isFinite(intercept)
    ? E.right({ _tag: 'Line', slope, intercept })
    : E.left(
        `the rescale slope ${JSON.stringify(textOf(transformed, 0x00281053))} and intercept ${JSON.stringify(textOf(transformed, 0x00281052))}`,
      )
}

/** Spacing, position and orientation of one data set: the image's own, or one item of its functional groups. */
const planeOf = (d: DataSet): Omit<FramePlane, 'rescale'> => {
  const measures = itemsOf(d, 0x00289110).at(0) ?? d
  const own = decimalsOf(measures, 0x00280030)
  const spacing = positive(own, 2) ? own : decimalsOf(d, 0x00181164)
  const [distance = NaN] = decimalsOf(measures, 0x00180088)
  const position = decimalsOf(itemsOf(d, 0x00209113).at(0) ?? d, 0x00200032)
  const orientation = decimalsOf(itemsOf(d, 0x00209116).at(0) ?? d, 0x00200037)
  return {
    ...(positive(spacing, 2) ? { spacing: [spacing[0], spacing[1]] as const } : {}),
    ...(distance > 0 ? { distance } : {}),
    ...(finite(position, 3) ? { position: position.slice(0, 3) } : {}),
    ...(finite(orientation, 6) ? { orientation: orientation.slice(0, 6) } : {}),
  }
}

/** A spacing that is no length of anything, of which nothing is taken. */
const oddSpacing = (d: DataSet): ReadonlyArray<string> => {
  const own = decimalsOf(d, 0x00280030)
  return !finite(own, 2) || positive(own, 2) ? [] : [`the pixel spacing ${JSON.stringify(textOf(d, 0x00280030))} is none and is left out`]
}

/** One plane per frame where the functional groups differ, else one for all. */
const planesOf = (d: DataSet, frames: number, signed: boolean): Either<string, ReadonlyArray<FramePlane>> => {
  const own = rescaleOf(d, signed)
  if (E.isLeft(own)) return own
  const shared = itemsOf(d, 0x52009229).at(0)
  const sharedRescale = shared === undefined || itemsOf(shared, 0x00289145).length === 0 ? own : rescaleOf(shared, signed)
  if (E.isLeft(sharedRescale)) return sharedRescale
  const base: FramePlane = { ...planeOf(d), ...(shared === undefined ? {} : planeOf(shared)), rescale: sharedRescale.right }
  const groups = itemsOf(d, 0x52009230)
  if (groups.length === 0) return E.right([base])
  if (groups.length < frames) return E.left(`functional groups of ${groups.length} frames for ${frames}`)
  const planes: FramePlane[] = []
  for (const group of groups.slice(0, frames)) {
    const rescale = itemsOf(group, 0x00289145).length === 0 ? sharedRescale : rescaleOf(group, signed)
    if (E.isLeft(rescale)) return rescale
    planes.push({ ...base, ...planeOf(group), rescale: rescale.right })
  }
  return E.right(planes)
}

/** Whether a data set, or the functional groups of its first frame, say how stored values are rescaled. */
const isRescaled = (d: DataSet): boolean =>
  [d, itemsOf(d, 0x52009229).at(0), itemsOf(d, 0x52009230).at(0)].some(
    (x) =>
      x !== undefined &&
      [x, itemsOf(x, 0x00289145).at(0)].some(
        (y) =>
          y !== undefined &&
          (valueBytes(y, 0x00281053).length > 0 || valueBytes(y, 0x00281052).length > 0 || itemsOf(y, 0x00283000).length > 0),
      ),
  )

const unitsOf = (d: DataSet, modality: string): string => {
  const type = textOf(d, 0x00281054)
  if (type !== '' && type !== 'US') return type
  const dose = textOf(d, 0x30040002)
  if (dose !== '' && valueBytes(d, 0x3004000e).length > 0) return dose === 'GY' ? 'Gy' : dose
  // stored values of a CT are not its numbers before they are rescaled
  if (modality === 'CT' && isRescaled(d)) return 'HU'
  const units = textOf(d, 0x00541001)
  return units === '' ? 'stored' : units
}

/** Numbers whose loss or change would not be seen in the pixels. */
const quiet: ReadonlyArray<Tag> = [
  0x00180088, 0x00200013, 0x00200032, 0x00200037, 0x00280030, 0x00281050, 0x00281051, 0x00281052, 0x00281053,
]

/** What of a data set's numbers was not written as the standard says. */
const oddNumbers = (d: DataSet): ReadonlyArray<string> =>
  quiet.flatMap((tag) => {
    const text = textOf(d, tag)
    const { values, comma } = numbersIn(text)
    return [
      ...(comma ? [`the comma in ${showTag(tag)} is taken as a decimal point, or between numbers`] : []),
      ...(values.some(Number.isNaN) ? [`${showTag(tag)} is ${JSON.stringify(text)}, which is no number and is not used`] : []),
    ]
  })

/** The display windows of a file, and what of them is none: the standard has widths of at least 1; two zeros are where none was set. */
const windowsOf = (d: DataSet): { readonly windows: ReadonlyArray<Window>; readonly odd: ReadonlyArray<string> } => {
  const widths = decimalsOf(d, 0x00281051)
  const said = decimalsOf(d, 0x00281050).map((centre, i): Window => ({ centre, width: widths[i] }))
  return {
    windows: said.filter(({ centre, width }) => Number.isFinite(centre) && width >= 1),
    odd: said.flatMap(({ centre, width }) =>
      width < 1 && (centre !== 0 || width !== 0) ? [`a display window of width ${width} shows nothing and is not used`] : [],
    ),
  }
}

const paddingOf = (d: DataSet): readonly [number, number] | undefined => {
  const [value] = shortsOf(d, 0x00280120)
  const [limit = value] = shortsOf(d, 0x00280121)
  return value === undefined ? undefined : [value, limit]
}

/** What is known beside a data set: the bytes of pixels that are stored plainly, and what a person says of signs. */
export interface Asked {
  readonly cells?: number
  readonly sign?: Sign
}

/**
 * Decodes a data set whose pixel element has the tag `pixels`.
 * Left: what is missing or contradictory. The pixels themselves are not looked at.
 */
export const dicomHeader = (d: DataSet, pixels: Tag, asked: Asked = {}): Either<string, DicomHeader> => {
  const missing = ([0x00280010, 0x00280011, 0x00280100] as const).find((t) => shortsOf(d, t).length === 0)
  if (missing !== undefined) return E.left(`no element ${showTag(missing)}, which images have`)
  const [rows] = shortsOf(d, 0x00280010)
  const [columns] = shortsOf(d, 0x00280011)
  const [allocated] = shortsOf(d, 0x00280100)
  const [saidSamples = 1] = shortsOf(d, 0x00280002)
  const [stored = allocated] = shortsOf(d, 0x00280101)
  const [saidHigh = stored - 1] = shortsOf(d, 0x00280102)
  // the high bit follows from the bits stored, which the values need
  const high = saidHigh < stored - 1 || saidHigh >= allocated ? stored - 1 : saidHigh
  const [saidSigned = 0] = shortsOf(d, 0x00280103)
  const { sign = 'said' } = asked
  const signed = sign === 'said' ? saidSigned : sign === 'signed' ? 1 : 0
  const [planar = 0] = shortsOf(d, 0x00280006)
  // an image has one frame at least
  const [saidFrames = 1] = decimalsOf(d, 0x00280008)
  const frames = saidFrames === 0 ? 1 : saidFrames
  const said = textOf(d, 0x00280004)
  if (rows === 0 || columns === 0) return E.left(`an image of ${rows} rows and ${columns} columns`)
  if (!Number.isSafeInteger(frames) || frames < 1) return E.left(`the number of frames ${textOf(d, 0x00280008)}`)
  const widths = pixels === 0x7fe00008 ? [32] : pixels === 0x7fe00009 ? [64] : [1, 8, 16, 32]
  if (!widths.includes(allocated) || stored < 1 || stored > allocated || signed > 1) {
    return E.left(`${stored} bits stored of ${allocated} allocated, high bit ${saidHigh}, pixel representation ${signed}`)
  }
  const cells = asked.cells === undefined ? undefined : (8 * asked.cells) / (rows * columns * frames * allocated)
  const { samples, photometric } = agreed(saidSamples, said, cells)
  if (!photometrics.includes(photometric)) return E.left(`the photometric interpretation ${photometric}`)
  if (samples !== samplesOf(photometric)) return E.left(`${samples} samples per pixel with the photometric interpretation ${photometric}`)
  if (rows * columns * samples * frames * allocated > 8 * Number.MAX_SAFE_INTEGER) return E.left(`${frames} frames of ${rows} x ${columns}`)
  const palette = photometric === 'PALETTE COLOR' ? paletteOf(d, signed === 1) : E.right(undefined)
  if (E.isLeft(palette)) return palette
  const planes = planesOf(d, frames, signed === 1)
  if (E.isLeft(planes)) return planes
  const modality = textOf(d, 0x00080060)
  const { windows, odd: noWindows } = windowsOf(d)
  const [instance = NaN] = decimalsOf(d, 0x00200013)
  return E.right({
    rows,
    columns,
    samples,
    frames,
    allocated,
    stored,
    high,
    photometric,
    signed: signed === 1,
    planar: planar === 1,
    palette: palette.right,
    planes: planes.right,
    windows,
    modality,
    units: unitsOf(d, modality),
    series: textOf(d, 0x0020000e),
    patient: textOf(d, 0x00100020),
    study: textOf(d, 0x0020000d),
    instance,
    sopClass: textOf(d, 0x00080016),
    uid: textOf(d, 0x00080018),
    description: textOf(d, 0x0008103e),
    padding: paddingOf(d),
    acquisition: decimalsOf(d, 0x00200012).at(0) ?? NaN,
    echo: decimalsOf(d, 0x00180081).at(0) ?? NaN,
    location: decimalsOf(d, 0x00201041).at(0) ?? NaN,
    odd: [
      ...noWindows,
      ...taken({ samples: saidSamples, photometric: said }, { samples, photometric }),
      ...(saidFrames === frames ? [] : ['the number of frames is said to be 0 and is taken as 1']),
      ...(high === saidHigh ? [] : [`the high bit is said to be ${saidHigh} with ${stored} bits stored of ${allocated}: ${high} is taken`]),
      ...(high === stored - 1
        ? []
        : [`${stored} bits are stored up to bit ${high}: they are taken from below where there is something below them`]),
      ...(modality === 'CT' && textOf(d, 0x00281054) === 'US' && isRescaled(d)
        ? ['what rescaled values measure is said to be unspecified (US), and taken as HU']
        : []),
      ...oddNumbers(d),
      ...oddSpacing(d),
    ],
    type: textOf(d, 0x00080008)
      .toUpperCase()
      .split('\\')
      .map((t) => t.trim())
      .filter((t) => t !== ''),
  })
}

/** Whether a data set is an image at all: plans, reports and directories have no rows. */
export const isImage = (d: DataSet): boolean => valueBytes(d, 0x00280010).length > 0
