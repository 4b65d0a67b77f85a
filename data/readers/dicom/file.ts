/**
 * A DICOM file (PS3.10): its header, and where in it the pixels of every frame lie. Only the beginning of a file is read
 * to open it; pixels are read frame by frame when they are asked for.
 */

import { inflateRawSync } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Stamp } from '../../formats/file.ts'
import { stamped, withFile, withSameFile } from '../../formats/file.ts'
import { deflateRatio } from '../../formats/limits.ts'
import { fileSource, memorySource } from '../../formats/source.ts'
import type { Source } from '../../formats/source.ts'
import { namesVr, parseElements, parseMeta, showTag, textOf } from './element.ts'
import type { DataSet, Element, Encoding } from './element.ts'
import { beyondFrames, locateFrames } from './fragments.ts'
import type { FrameExtent } from './fragments.ts'
import { dicomHeader, isImage } from './header.ts'
import type { DicomHeader } from './header.ts'
import type { Sign } from '../sign.ts'
import { implicitLittle, syntaxOf, syntaxes } from './syntax.ts'
import type { Syntax } from './syntax.ts'

/** An opened image file. */
export interface DicomFile {
  readonly path: string
  /** Of the file in which the pixels lie where it was said. */
  readonly stamp: Stamp
  readonly syntax: Syntax
  readonly header: DicomHeader
  /** The pixels' VR, which distinguishes bytes from words. */
  readonly vr: string
  /** Whether pixels come as coded fragments. */
  readonly encapsulated: boolean
  readonly frames: ReadonlyArray<FrameExtent>
  /** What its header says and its bytes do not, and what was done: read as the bytes are. */
  readonly odd: ReadonlyArray<string>
}

/** The first tag that holds pixels: float, double float, or integers follow at 7FE0 0008, 0009 and 0010. */
const firstPixels = 0x7fe00008
const pixelTags: ReadonlyArray<number> = [0x7fe00008, 0x7fe00009, 0x7fe00010]

/** The pixels' VR, which implicit encodings leave to their tag. */
const vrOf = (e: Element): string => (e.tag === 0x7fe00008 ? 'OF' : e.tag === 0x7fe00009 ? 'OD' : e.vr)

/**
 * Kinds of objects that have no pixels (PS3.4 Annex B.5): directories, radiotherapy structures and plans, reports, encapsulated documents,
 * presentation states, waveforms, raw data and registrations, spectra. Any other without pixels is damaged.
 */
const isOther = (kind: string): boolean =>
  kind === '1.2.840.10008.1.3.10' ||
  /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(481\.([3-9]|1\d)|88\.\d+|104\.\d+|11\.\d+|9\.\d+\.\d+|66|66\.[1-35-9]|67|68\.\d|4\.2|77\.1\.5\.3|7[89]\.\d|80\.1|90\.\d|131)$/.test(
    kind,
  ) ||
  /^1\.2\.840\.10008\.5\.1\.4\.(38|39|43|44|45)\.\d+$/.test(kind) ||
  // vendors' own: raw data, protocols, what a workstation remembers
  (kind !== '' && !kind.startsWith('1.2.840.10008.'))

/** How much of a file is read at first to find its pixels. */
const firstBytes = 128 * 1024

/** The most that a deflated file may unfold to. */
const mostInflated = 2 ** 31 - 1

/** The fault of a DICOM file that cannot be read. */
export const wrongDicom = (path: string, found: string): Fault =>
  fault('data', {
    place: path,
    found,
    allowed: `a whole DICOM image in one of the transfer syntaxes ${syntaxes.map((s) => s.name).join('; ')}`,
    remedy:
      'copy the file again, convert it to a syntax that is read, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)',
  })

/** The fault of a header that contradicts itself: no copy and no conversion says which of its elements is right. */
const wrongHeader = (path: string, found: string): Fault => {
  const f = wrongDicom(path, found)
  const instead = found.includes('pixel representation')
    ? '0 or 1 as the pixel representation (0028,0103), whatever the file says: --set data.sign=unsigned or data.sign=signed'
    : found.includes('samples per pixel')
      ? 'correct the elements (0028,0002) and (0028,0004) in the file'
      : undefined
  return instead === undefined
    ? f
    : {
        ...f,
        allowed: 'elements of the header that agree with each other',
        remedy: `${instead}; or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)`,
      }
}

/** Where the data set begins and how it is written. `at` is the byte after the file meta information (PS3.10 section 7.1). */
interface Start {
  readonly syntax: Syntax
  readonly at: number
  /** What kind of object it is (Media Storage SOP Class UID); '' where the file does not say. */
  readonly kind: string
}

const letters = (b: Uint8Array, at: number): string => String.fromCharCode(...b.subarray(at, at + 4))

/** Where the elements begin: after the preamble and the mark, after the mark alone, or at once. */
const firstElement = (b: Uint8Array): number => (letters(b, 128) === 'DICM' ? 132 : letters(b, 0) === 'DICM' ? 4 : 0)

/** Whether bytes begin with an element of group 2 or 8, of this byte order. */
const beginsElement = (b: Uint8Array, at: number, little: boolean): boolean => {
  const [low, high] = little ? [0, 1] : [1, 0]
  const group = b[at + low]
  return (
    b.length >= at + 8 &&
    (group === 2 || group === 8) &&
    b[at + high] === 0 &&
    b[at + 2 + high] === 0 &&
    (namesVr(b, at) || (little && b[at + 6] === 0 && b[at + 7] === 0))
  )
}

/** Whether bytes look like a DICOM file: by its mark, or by a first element of the groups 2 or 8. */
export const looksLikeDicom = (b: Uint8Array): boolean => firstElement(b) > 0 || beginsElement(b, 0, true) || beginsElement(b, 0, false)

/** Files without a transfer syntax are written as their first element is. */
const shownSyntax = (b: Uint8Array, at: number): Syntax => {
  const uid =
    beginsElement(b, at, false) && !beginsElement(b, at, true)
      ? '1.2.840.10008.1.2.2'
      : namesVr(b, at)
        ? '1.2.840.10008.1.2.1'
        : implicitLittle.uid
  return syntaxOf(uid) ?? implicitLittle
}

/** Reads the file meta information. Left: no DICOM file, a syntax that is not read, too few bytes. */
const startOf = (b: Uint8Array): Either<string, Start> => {
  if (!looksLikeDicom(b)) return E.left('a file that does not begin as DICOM')
  const from = firstElement(b)
  const metaTag = b[from] === 2 && b[from + 1] === 0
  if (!metaTag) return E.right({ syntax: shownSyntax(b, from), at: from, kind: '' })
  const meta = parseMeta(b, from)
  if (E.isLeft(meta)) return meta
  const uid = textOf(meta.right.dataSet, 0x00020010)
  const kind = textOf(meta.right.dataSet, 0x00020002)
  const at = meta.right.end
  if (uid === '') return E.right({ syntax: shownSyntax(b, at), at, kind })
  const syntax = syntaxOf(uid)
  return syntax === undefined ? E.left(`the transfer syntax ${uid}, which is not read`) : E.right({ syntax, at, kind })
}

/** A parsed beginning: the data set before the pixels and the element that holds them. */
interface Beginning {
  readonly syntax: Syntax
  readonly kind: string
  readonly dataSet: DataSet
  readonly pixels: Element | undefined
  readonly odd: ReadonlyArray<string>
  /** The unfolded bytes of a deflated file; positions count in them. */
  readonly inflated: Uint8Array | undefined
}

/** The beginning of a file from its first bytes. `undefined`: more bytes are needed, which cannot be where it is `whole`. */
const beginningOf = (bytes: Uint8Array, whole: boolean): Either<string, Beginning> | undefined => {
  const start = startOf(bytes)
  if (E.isLeft(start)) return whole || bytes.length >= firstBytes ? start : undefined
  const { syntax, at } = start.right
  if (syntax.deflated && !whole) return undefined
  const body = syntax.deflated
    ? E.tryCatch(
        () => inflateRawSync(bytes.subarray(at), { maxOutputLength: Math.min(mostInflated, (bytes.length - at + 1) * deflateRatio) }),
        (e) => `deflated data that cannot be unfolded: ${messageOf(e)}`,
      )
    : E.right(bytes)
  if (E.isLeft(body)) return body
  const from = syntax.deflated ? 0 : at
  const shown = namesVr(body.right, from)
  const encoding: Encoding = { explicit: shown, little: syntax.encoding.little }
  const parsed = parseElements(body.right, from, encoding, firstPixels)
  if (E.isLeft(parsed)) return whole ? parsed : undefined
  const { dataSet, stopped } = parsed.right
  if (stopped === undefined && !whole) return undefined
  const pixels = stopped !== undefined && pixelTags.includes(stopped.tag) ? stopped : undefined
  const stated = textOf(dataSet, 0x00080016)
  const odd = [
    ...(shown === syntax.encoding.explicit
      ? []
      : [`elements are written with ${shown ? 'explicit' : 'implicit'} VR, where the transfer syntax says ${syntax.name}`]),
    ...(parsed.right.odd === undefined ? [] : [`the element ${showTag(parsed.right.odd)} is not written as the others are`]),
  ]
  return E.right({
    syntax,
    kind: stated === '' ? start.right.kind : stated,
    dataSet,
    pixels,
    odd,
    inflated: syntax.deflated ? body.right : undefined,
  })
}

/** Reads the beginning of a file in growing pieces until its pixels are found. */
const readBeginning = async (path: string, source: Source): Promise<Either<Fault, Beginning>> => {
  for (let n = firstBytes; ; n *= 16) {
    const whole = n >= source.length
    const bytes = await source.read(0, Math.min(n, source.length))
    if (E.isLeft(bytes)) return bytes
    const b = beginningOf(bytes.right, whole)
    if (b !== undefined) return E.mapLeft((found: string) => wrongDicom(path, found))(b)
  }
}

/** What a DICOM file can be: an image, or an object without pixels (a plan, a report, a directory). */
export type Opened =
  { readonly _tag: 'Image'; readonly file: DicomFile } | { readonly _tag: 'Other'; readonly path: string; readonly modality: string }

const open = async (path: string, stamp: Stamp, outer: Source, sign: Sign): Promise<Either<Fault, Opened>> => {
  const beginning = await readBeginning(path, outer)
  if (E.isLeft(beginning)) return beginning
  const { dataSet, pixels, inflated } = beginning.right
  const source = inflated === undefined ? outer : memorySource(path, inflated)
  const { kind } = beginning.right
  if (!isImage(dataSet) && isOther(kind === '' ? textOf(dataSet, 0x00080016) : kind)) {
    const modality = textOf(dataSet, 0x00080060)
    return E.right({ _tag: 'Other', path, modality: modality === '' ? 'no modality' : modality })
  }
  if (pixels === undefined) return E.left(wrongDicom(path, 'no pixels: the file ends before them, or has none'))
  const header = dicomHeader(dataSet, pixels.tag, { sign, ...(pixels.length < 0 ? {} : { cells: pixels.length }) })
  if (E.isLeft(header)) return E.left(wrongHeader(path, header.left))
  const encapsulated = pixels.length < 0
  // pixels of a stated length are plain, whatever the file says: they are as many as they must be, or cut off
  const plain = !encapsulated && beginning.right.syntax.coding !== 'native'
  const syntax: Syntax = plain ? { ...beginning.right.syntax, coding: 'native' } : beginning.right.syntax
  const odd = [
    ...beginning.right.odd,
    ...header.right.odd,
    ...(encapsulated ? [] : beyondFrames(pixels, header.right)),
    ...(plain ? [`pixels are not coded, where the transfer syntax says ${syntax.name}`] : []),
  ]
  const frames = await locateFrames(source, dataSet, pixels, header.right)
  if (E.isLeft(frames)) return E.left(typeof frames.left === 'string' ? wrongDicom(path, frames.left) : frames.left)
  return E.right({
    _tag: 'Image',
    file: { path, stamp, syntax, header: header.right, vr: vrOf(pixels), encapsulated, frames: frames.right, odd },
  })
}

/** Opens a DICOM file. Faults: no DICOM, a syntax that is not read, a damaged header, pixels that are missing or cut off. */
export const openDicom = (path: string, sign: Sign = 'said'): TaskEither<Fault, Opened> =>
  withFile('data', path)(async (handle, length) => open(path, await stamped(path), fileSource(path, handle, length), sign))

/** The coded or stored bytes of one frame. Faults: what the system refuses, a file that has changed. */
export const frameBytes = (file: DicomFile, frame: number): TaskEither<Fault, Uint8Array> => {
  const collect = async (source: Source): Promise<Either<Fault, Uint8Array>> => {
    const pieces: Uint8Array[] = []
    for (const { offset, length } of file.frames[frame].pieces) {
      const piece = await source.read(offset, length)
      if (E.isLeft(piece)) return piece
      pieces.push(piece.right)
    }
    return E.right(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))
  }
  return withSameFile(
    'data',
    file.path,
    file.stamp,
  )(async (handle, length) => {
    if (!file.syntax.deflated) return collect(fileSource(file.path, handle, length))
    const b = beginningOf(await handle.readFile(), true)
    if (b === undefined || E.isLeft(b)) return E.left(wrongDicom(file.path, b === undefined ? 'too few bytes' : b.left))
    return collect(memorySource(file.path, b.right.inflated ?? new Uint8Array(0)))
  })
}
