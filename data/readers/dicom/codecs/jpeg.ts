/**
 * The segments of a JPEG stream (ITU-T T.81, Annex B): what its frame header says, and its tables and scans for the
 * decoders of lossless and of 12-bit pictures. 8-bit pictures go to the system's decoder instead.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { HuffmanTable } from './huffman.ts'
import { huffmanTable } from './huffman.ts'
import { sameSize, showSize } from './samples.ts'
import type { FrameSize } from './samples.ts'

/** One component of a frame: its identifier, its sampling factors, its quantisation table. */
export interface Component {
  readonly id: number
  readonly h: number
  readonly v: number
  readonly table: number
}

/** What a frame header (SOFn, T.81 B.2.2) says. */
export interface JpegFrame {
  /** n of SOFn: 0 baseline, 1 extended sequential, 2 progressive, 3 lossless. */
  readonly process: number
  readonly precision: number
  readonly height: number
  readonly width: number
  readonly components: ReadonlyArray<Component>
}

/** One component of a scan: its place in the frame and its Huffman tables. */
export interface ScanComponent {
  readonly index: number
  readonly dc: HuffmanTable | undefined
  readonly ac: HuffmanTable | undefined
}

/** A scan (SOS, T.81 B.2.3) with the tables that hold there; its coded data begin at byte `at`. */
export interface Scan {
  readonly components: ReadonlyArray<ScanComponent>
  /** Ss: the predictor of lossless scans. */
  readonly selection: number
  /** Al: the point transform of lossless scans. */
  readonly shift: number
  /** Minimum coded units between restart markers; 0 for none. */
  readonly restart: number
  readonly quantisation: ReadonlyArray<Uint16Array | undefined>
  readonly at: number
}

/** A parsed stream. */
export interface JpegStream {
  readonly frame: JpegFrame
  readonly scans: ReadonlyArray<Scan>
  /** The colour transform that an Adobe segment names, where there is one: 0 none, 1 YCbCr, 2 YCCK. */
  readonly adobe: number | undefined
}

const isFrame = (m: number): boolean => m >= 0xc0 && m <= 0xcf && m !== 0xc4 && m !== 0xc8 && m !== 0xcc

const frameOf = (marker: number, s: Uint8Array): Either<string, JpegFrame> => {
  if (s.length < 6 || s.length !== 6 + 3 * s[5]) return E.left('a JPEG frame header of a wrong length')
  const components = Array.from({ length: s[5] }, (_, i): Component => ({
    id: s[6 + 3 * i],
    h: s[7 + 3 * i] >> 4,
    v: s[7 + 3 * i] & 15,
    table: s[8 + 3 * i],
  }))
  const frame = { process: marker - 0xc0, precision: s[0], height: s[1] * 256 + s[2], width: s[3] * 256 + s[4], components }
  const sampled = components.every((c) => c.h >= 1 && c.h <= 4 && c.v >= 1 && c.v <= 4)
  return frame.height > 0 && frame.width > 0 && components.length > 0 && sampled
    ? E.right(frame)
    : E.left(`a JPEG frame of ${frame.height} x ${frame.width} with ${components.length} components`)
}

/** Reads a DHT segment's tables (T.81 B.2.4.2) into `tables`: the DC or lossless ones at 0..3, the AC ones at 4..7. */
const readHuffman = (s: Uint8Array, tables: Array<HuffmanTable | undefined>): string | undefined => {
  for (let at = 0; at < s.length;) {
    const total = s.subarray(at + 1, at + 17).reduce((a, b) => a + b, 0)
    const [kind, id] = [s[at] >> 4, s[at] & 15]
    if (at + 17 + total > s.length || kind > 1 || id > 3) return 'a damaged JPEG Huffman table'
    const table = huffmanTable(s.subarray(at + 1, at + 17), s.subarray(at + 17, at + 17 + total))
    if (E.isLeft(table)) return table.left
    tables[4 * kind + id] = table.right
    at += 17 + total
  }
  return undefined
}

/** Reads a DQT segment's tables (T.81 B.2.4.1), in zigzag order, into `tables`. */
const readQuantisation = (s: Uint8Array, tables: Array<Uint16Array | undefined>): string | undefined => {
  for (let at = 0; at < s.length;) {
    const [wide, id] = [s[at] >> 4, s[at] & 15]
    if (wide > 1 || id > 3 || at + 65 + 64 * wide > s.length) return 'a damaged JPEG quantisation table'
    const from = at + 1
    tables[id] = Uint16Array.from({ length: 64 }, (_, i) => (wide === 1 ? s[from + 2 * i] * 256 + s[from + 2 * i + 1] : s[from + i]))
    at += 65 + 64 * wide
  }
  return undefined
}

/** Where the coded data that begin at `from` end: at the next marker that is no restart. */
const endOfScan = (bytes: Uint8Array, from: number): number => {
  for (let i = from; i + 1 < bytes.length; i++) {
    if (bytes[i] !== 0xff) continue
    const next = bytes[i + 1]
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return i
  }
  return bytes.length
}

/** The beginning of the segment after `at`, or -1: markers may be preceded by fill bytes 0xff. */
const nextMarker = (bytes: Uint8Array, at: number): number => {
  let i = at
  if (bytes[i] !== 0xff) return -1
  while (bytes[i + 1] === 0xff) i++
  return i + 1 < bytes.length ? i : -1
}

const scanOf = (
  frame: JpegFrame,
  s: Uint8Array,
  at: number,
  restart: number,
  huffman: ReadonlyArray<HuffmanTable | undefined>,
  quantisation: ReadonlyArray<Uint16Array | undefined>,
): Either<string, Scan> => {
  const n = s[0]
  if (s.length !== 4 + 2 * n || n < 1) return E.left('a JPEG scan header of a wrong length')
  const components: ScanComponent[] = []
  for (let i = 0; i < n; i++) {
    const index = frame.components.findIndex((c) => c.id === s[1 + 2 * i])
    if (index < 0 || components.some((c) => c.index === index))
      return E.left(`component ${s[1 + 2 * i]} in a JPEG scan, which its frame lacks or which comes twice`)
    const selectors = s[2 + 2 * i]
    components.push({ index, dc: huffman[(selectors >> 4) & 3], ac: huffman[4 + (selectors & 3)] })
  }
  return E.right({ components, selection: s[1 + 2 * n], shift: s[3 + 2 * n] & 15, restart, quantisation, at })
}

/**
 * Parses a stream up to its end. With `headerOnly` it stops before the first scan.
 * Left: no JPEG, a damaged or missing segment, a stream that ends before its end marker.
 */
export const parseJpeg = (bytes: Uint8Array, headerOnly = false): Either<string, JpegStream> => {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return E.left('data that do not begin as a JPEG stream')
  const huffman: Array<HuffmanTable | undefined> = []
  const quantisation: Array<Uint16Array | undefined> = []
  const scans: Scan[] = []
  let frame: JpegFrame | undefined
  let adobe: number | undefined
  let restart = 0
  for (let at = nextMarker(bytes, 2); ; at = nextMarker(bytes, at)) {
    if (at < 0) return E.left('a JPEG stream that ends early or has no marker where one belongs')
    const marker = bytes[at + 1]
    if (marker === 0xd9) break
    const length = bytes[at + 2] * 256 + bytes[at + 3]
    if (!(length >= 2) || at + 2 + length > bytes.length) return E.left('a JPEG segment beyond the end of its stream')
    const s = bytes.subarray(at + 4, at + 2 + length)
    at += 2 + length
    let wrong: string | undefined
    if (marker === 0xc4) wrong = headerOnly ? undefined : readHuffman(s, huffman)
    else if (marker === 0xdb) wrong = headerOnly ? undefined : readQuantisation(s, quantisation)
    else if (marker === 0xdd) restart = s.length === 2 ? s[0] * 256 + s[1] : 0
    else if (marker === 0xee && s.length >= 12 && String.fromCharCode(...s.subarray(0, 5)) === 'Adobe') adobe = s[11]
    else if (isFrame(marker)) {
      if (frame !== undefined) return E.left('a JPEG stream with two frame headers')
      const read = frameOf(marker, s)
      if (E.isLeft(read)) return read
      frame = read.right
    } else if (marker === 0xda) {
      if (frame === undefined) return E.left('a JPEG scan before its frame header')
      if (headerOnly) break
      const scan = scanOf(frame, s, at, restart, [...huffman], [...quantisation])
      if (E.isLeft(scan)) return scan
      scans.push(scan.right)
      at = endOfScan(bytes, at)
    }
    if (wrong !== undefined) return E.left(wrong)
  }
  return frame === undefined ? E.left('a JPEG stream without a frame header') : E.right({ frame, scans, adobe })
}

/** Checks a frame's size against the one that the file's header promises, before anything is decoded. Left: another size. */
export const checkSize = (frame: JpegFrame, size: FrameSize): Either<string, void> => {
  const stated = { height: frame.height, width: frame.width, channels: frame.components.length }
  return sameSize(stated, size) ? E.right(undefined) : E.left(`a JPEG stream of ${showSize(stated)} in a file of frames ${showSize(size)}`)
}

/** A stream and its frame, which must have the size that the file states. */
export const parseSized = (bytes: Uint8Array, size: FrameSize): ReturnType<typeof parseJpeg> =>
  pipe(
    parseJpeg(bytes),
    E.chainFirst(({ frame }) => checkSize(frame, size)),
  )

/**
 * The stream with its own words about colour (JFIF and Adobe segments) replaced by one Adobe segment: decoders then take
 * the components of three-component pictures as YCbCr, or as they are. `bytes` must have been parsed.
 */
export const withTransform = (bytes: Uint8Array, ycc: boolean): Uint8Array => {
  const adobe = Uint8Array.of(0xff, 0xd8, 0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, ycc ? 1 : 0)
  const kept: Uint8Array[] = [adobe]
  let at = nextMarker(bytes, 2)
  while (at >= 0 && bytes[at + 1] !== 0xda && bytes[at + 1] !== 0xd9) {
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3]
    if (bytes[at + 1] !== 0xe0 && bytes[at + 1] !== 0xee) kept.push(bytes.subarray(at, end))
    at = nextMarker(bytes, end)
  }
  if (at >= 0) kept.push(bytes.subarray(at))
  return Buffer.concat(kept)
}
