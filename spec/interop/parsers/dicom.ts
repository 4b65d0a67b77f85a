/**
 * DICOM files, read by this project and by dicom-parser, which is loaded from the folder where it is installed. The library takes files
 * apart; what its elements mean and how pixels are decoded is this project's code in both cases.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import { stamped } from '../../../data/formats/file.ts'
import type { Image } from '../../../data/readers/dataset.ts'
import type { DataSet, Element } from '../../../data/readers/dicom/element.ts'
import { openDicom } from '../../../data/readers/dicom/file.ts'
import type { DicomFile } from '../../../data/readers/dicom/file.ts'
import type { Extent, FrameExtent } from '../../../data/readers/dicom/fragments.ts'
import { frameBits } from '../../../data/readers/dicom/fragments.ts'
import { codecs, readFrame } from '../../../data/readers/dicom/frame.ts'
import { dicomHeader } from '../../../data/readers/dicom/header.ts'
import type { DicomHeader } from '../../../data/readers/dicom/header.ts'
import { syntaxOf } from '../../../data/readers/dicom/syntax.ts'
import type { Outcome, Reader } from './outcome.ts'
import { readAs, refused } from './outcome.ts'

/** What is used of dicom-parser, as its type declarations state it. */
interface Fragment {
  readonly offset: number
  readonly position: number
  readonly length: number
}

interface TheirElement {
  readonly tag: string
  readonly vr?: string
  readonly length: number
  readonly dataOffset: number
  readonly items?: ReadonlyArray<TheirElement>
  readonly dataSet?: TheirDataSet
  readonly hadUndefinedLength?: boolean
  readonly encapsulatedPixelData?: boolean
  readonly basicOffsetTable?: ReadonlyArray<number>
  readonly fragments?: ReadonlyArray<Fragment>
}

interface TheirDataSet {
  readonly byteArray: Uint8Array
  readonly byteArrayParser: unknown
  readonly elements: Readonly<Record<string, TheirElement>>
  readonly string: (tag: string) => string | undefined
}

interface DicomParser {
  readonly version: string
  readonly littleEndianByteArrayParser: unknown
  readonly parseDicom: (
    bytes: Uint8Array,
    options: { readonly inflater: (bytes: Uint8Array, position: number) => Uint8Array },
  ) => TheirDataSet
  readonly createJPEGBasicOffsetTable: (d: TheirDataSet, pixels: TheirElement) => ReadonlyArray<number>
}

const isDicomParser = (x: unknown): x is DicomParser =>
  typeof x === 'object' &&
  x !== null &&
  'parseDicom' in x &&
  typeof x.parseDicom === 'function' &&
  'createJPEGBasicOffsetTable' in x &&
  'version' in x

/** The library from the folder that has it in its node_modules. */
export const loadDicomParser = (folder: string): DicomParser => {
  const loaded: unknown = createRequire(join(folder, 'package.json'))('dicom-parser')
  if (!isDicomParser(loaded)) throw new Error(`${folder}: no dicom-parser`)
  return loaded
}

/** At most four frames of a file are compared. */
const imagesOf = async (file: DicomFile, read: ReturnType<typeof readFrame>): Promise<Outcome> => {
  const images: Image[] = []
  for (let k = 0; k < Math.min(file.header.frames, 4); k++) {
    const image = await read(file, k)()
    if (E.isLeft(image)) return refused(image.left.found)
    images.push(image.right)
  }
  return readAs(images.map((i) => ({ shape: [i.channels, i.height, i.width], data: i.data })))
}

/** This project's reader. */
export const ownDicom = (): Reader => {
  const read = readFrame(codecs())
  return {
    name: 'own',
    read: async (path) => {
      const opened = await openDicom(path)()
      if (E.isLeft(opened)) return refused(opened.left.found)
      return opened.right._tag === 'Other' ? { _tag: 'Nothing' } : imagesOf(opened.right.file, read)
    },
  }
}

const dataSetOf = (library: DicomParser, d: TheirDataSet): DataSet => {
  const elements = Object.values(d.elements).map((e): readonly [number, Element] => {
    const tag = parseInt(e.tag.slice(1), 16)
    const items = (e.items ?? []).flatMap((i) => (i.dataSet === undefined ? [] : [dataSetOf(library, i.dataSet)]))
    return [tag, { tag, vr: e.vr ?? '', offset: e.dataOffset, length: e.hadUndefinedLength === true ? -1 : e.length, items }]
  })
  return { bytes: d.byteArray, little: d.byteArrayParser === library.littleEndianByteArrayParser, elements: new Map(elements) }
}

/**
 * Frames of fragments, matched as the library's documentation says: one to one, by the offset table, by a table made from the streams'
 * ends.
 */
const coded = (library: DicomParser, d: TheirDataSet, pixels: TheirElement, frames: number): ReadonlyArray<FrameExtent> | string => {
  const fragments = pixels.fragments ?? []
  const extents = fragments.map((f): Extent => ({ offset: f.position, length: f.length }))
  if (extents.length === frames) return extents.map((e) => ({ pieces: [e], bit: 0 }))
  if (frames === 1) return [{ pieces: extents, bit: 0 }]
  const stated = pixels.basicOffsetTable ?? []
  const table = stated.length > 0 ? stated : library.createJPEGBasicOffsetTable(d, pixels)
  const starts = table.map((o) => fragments.findIndex((f) => f.offset === o))
  if (starts.length !== frames || starts.includes(-1)) return `an offset table of ${starts.length} for ${frames} frames`
  return starts.map((s, i) => ({ pieces: extents.slice(s, starts[i + 1]), bit: 0 }))
}

/** Frames at equal distances, in whole `unit`s of bits: words of bytes in big-endian files are swapped in pairs. */
const plain = (pixels: TheirElement, h: DicomHeader, unit: 8 | 16): ReadonlyArray<FrameExtent> | string => {
  const bits = frameBits(h)
  if (pixels.length * 8 < bits * h.frames) return `${pixels.length} bytes of pixels`
  return Array.from({ length: h.frames }, (_, f) => {
    const first = Math.floor((bits * f) / unit) * (unit / 8)
    const end = Math.min(pixels.length, Math.ceil((bits * (f + 1)) / unit) * (unit / 8))
    return { pieces: [{ offset: pixels.dataOffset + first, length: end - first }], bit: (bits * f) % unit }
  })
}

/** dicom-parser on the whole file, which it takes as one array. `scratch` holds the unfolded bytes of deflated files. */
export const theirDicom = (library: DicomParser, scratch: string): Reader => {
  const read = readFrame(codecs())
  return {
    name: `dicom-parser ${library.version}`,
    read: async (path) => {
      let unfolded: Uint8Array | undefined
      const inflater = (bytes: Uint8Array, position: number): Uint8Array => {
        unfolded = Buffer.concat([bytes.subarray(0, position), inflateRawSync(bytes.subarray(position))])
        return unfolded
      }
      const d = library.parseDicom(await readFile(path), { inflater })
      const pixels = d.elements.x7fe00010 ?? d.elements.x7fe00008 ?? d.elements.x7fe00009
      const syntax = syntaxOf(d.string('x00020010') ?? '')
      if (syntax === undefined) return refused('a transfer syntax that is not read')
      if (pixels === undefined) return { _tag: 'Nothing' }
      const tag = parseInt(pixels.tag.slice(1), 16)
      const header = dicomHeader(dataSetOf(library, d), tag)
      if (E.isLeft(header)) return refused(header.left)
      const encapsulated = pixels.encapsulatedPixelData === true
      const frames = encapsulated
        ? coded(library, d, pixels, header.right.frames)
        : plain(pixels, header.right, !syntax.encoding.little && pixels.vr === 'OW' && header.right.allocated === 8 ? 16 : 8)
      if (typeof frames === 'string') return refused(frames)
      if (unfolded !== undefined) await writeFile(scratch, unfolded)
      const lies = unfolded === undefined ? path : scratch
      return imagesOf(
        {
          path: lies,
          stamp: await stamped(lies),
          syntax: { ...syntax, deflated: false },
          header: header.right,
          encapsulated,
          frames,
          odd: [],
          vr: tag === 0x7fe00008 ? 'OF' : tag === 0x7fe00009 ? 'OD' : (pixels.vr ?? ''),
        },
        read,
      )
    },
  }
}
