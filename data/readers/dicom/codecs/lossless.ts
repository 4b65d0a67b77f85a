/** Lossless JPEG: Huffman-coded differences from a predictor (ITU-T T.81 Annex H; DICOM's processes 14). */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { bitReader, overrun, passRestart, readCode, readSigned } from './huffman.ts'
import type { BitReader, HuffmanTable } from './huffman.ts'
import type { JpegFrame, Scan } from './jpeg.ts'
import { parseSized } from './jpeg.ts'
import type { FrameSize, Samples } from './samples.ts'

/** The difference that comes next (T.81 H.1.2.2); category 16 stands for 32768 without further bits. NaN: no code. */
const readDifference = (r: BitReader, t: HuffmanTable): number => {
  const category = readCode(r, t)
  if (category < 0 || category > 16) return NaN
  return category === 16 ? 32768 : category === 0 ? 0 : readSigned(r, category)
}

/** The prediction from the samples left, above, and above left (T.81 Table H.1). */
const predict = (selection: number, a: number, b: number, c: number): number => {
  switch (selection) {
    case 1:
      return a
    case 2:
      return b
    case 3:
      return c
    case 4:
      return a + b - c
    case 5:
      return a + ((b - c) >> 1)
    case 6:
      return b + ((a - c) >> 1)
    default:
      return (a + b) >> 1
  }
}

const damagedAt = (y: number, height: number): string => `coded JPEG data that are damaged or end at row ${y} of ${height}`

/** Decodes one scan into `out`, [height, width, channels]. */
const decodeScan = (bytes: Uint8Array, frame: JpegFrame, scan: Scan, out: Uint16Array): string | undefined => {
  const { height, width } = frame
  const channels = frame.components.length
  const { selection, shift } = scan
  const tables: HuffmanTable[] = []
  for (const c of scan.components) if (c.dc !== undefined) tables.push(c.dc)
  if (tables.length !== scan.components.length) return 'a JPEG scan without its Huffman table'
  if (selection < 1 || selection > 7) return `the predictor ${selection} of lossless JPEG`
  const middle = 1 << (frame.precision - shift - 1)
  const stride = width * channels
  const r = bitReader(bytes, scan.at)
  let units = 0
  let firstRow = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, units++) {
      if (scan.restart > 0 && units > 0 && units % scan.restart === 0) {
        if (x !== 0 || overrun(r) || !passRestart(r)) return damagedAt(y, height)
        firstRow = y
      }
      for (let k = 0; k < tables.length; k++) {
        const at = y * stride + x * channels + scan.components[k].index
        const difference = readDifference(r, tables[k])
        const predicted =
          x === 0
            ? y === firstRow
              ? middle
              : out[at - stride]
            : y === firstRow
              ? out[at - channels]
              : predict(selection, out[at - channels], out[at - stride], out[at - stride - channels])
        if (Number.isNaN(difference)) return damagedAt(y, height)
        out[at] = predicted + difference
      }
    }
    if (overrun(r)) return damagedAt(y, height)
  }
  return undefined
}

/**
 * Decodes a lossless JPEG stream of 2 to 16 bits to unsigned samples.
 * Left: another size, another process, a subsampled component, damaged or missing data.
 */
export const decodeLossless = (bytes: Uint8Array, size: FrameSize): Either<string, Samples> => {
  const parsed = parseSized(bytes, size)
  if (E.isLeft(parsed)) return parsed
  const { frame, scans } = parsed.right
  const { height, width, precision, components } = frame
  if (frame.process !== 3) return E.left(`a JPEG stream of process ${frame.process} where a lossless one belongs`)
  if (precision < 2 || precision > 16) return E.left(`a lossless JPEG stream of ${precision} bits`)
  if (components.some((c) => c.h !== components[0].h || c.v !== components[0].v))
    return E.left('a lossless JPEG stream with subsampled components')
  const seen = scans.flatMap((s) => s.components.map((c) => c.index))
  if (seen.length !== components.length || new Set(seen).size !== components.length)
    return E.left('a JPEG stream without a scan for each component')
  const out = new Uint16Array(height * width * components.length)
  for (const scan of scans) {
    if (scan.shift >= precision) return E.left(`a point transform of ${scan.shift} in a JPEG stream of ${precision} bits`)
    const wrong = decodeScan(bytes, frame, scan, out)
    if (wrong !== undefined) return E.left(wrong)
  }
  const shift = scans[0].shift
  if (shift > 0) for (let i = 0; i < out.length; i++) out[i] <<= shift
  return E.right({ height, width, channels: components.length, bits: precision, data: out })
}
