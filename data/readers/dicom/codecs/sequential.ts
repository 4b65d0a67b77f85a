/**
 * Sequential DCT JPEG with Huffman codes (ITU-T T.81, Annexes A and F; SOF0 and SOF1) of 8 or 12 bits: DICOM's process 4,
 * which the system's decoder does not read.
 */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { bitReader, overrun, passRestart, readCode, readSigned } from './huffman.ts'
import type { BitReader, HuffmanTable } from './huffman.ts'
import type { Component, JpegFrame, Scan } from './jpeg.ts'
import { parseSized } from './jpeg.ts'
import type { FrameSize, Samples } from './samples.ts'

/** Places of coefficients in the order in which they are coded (T.81 Figure A.6). */
const zigzag = Uint8Array.of(
  0,
  1,
  8,
  16,
  9,
  2,
  3,
  10,
  17,
  24,
  32,
  25,
  18,
  11,
  4,
  5,
  12,
  19,
  26,
  33,
  40,
  48,
  41,
  34,
  27,
  20,
  13,
  6,
  7,
  14,
  21,
  28,
  35,
  42,
  49,
  56,
  57,
  50,
  43,
  36,
  29,
  22,
  15,
  23,
  30,
  37,
  44,
  51,
  58,
  59,
  52,
  45,
  38,
  31,
  39,
  46,
  53,
  60,
  61,
  54,
  47,
  55,
  62,
  63,
)

/** basis[8 x + u] = C(u) / 2 cos((2 x + 1) u pi / 16), so that a block is the basis applied down and across (T.81 A.3.3). */
const basis = Float64Array.from({ length: 64 }, (_, i) => {
  const [x, u] = [i >> 3, i & 7]
  return (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16)
})

/** A component's samples, padded to whole blocks. */
interface Plane {
  readonly component: Component
  readonly stride: number
  readonly rows: number
  readonly data: Uint16Array
}

/** Reads one block's coefficients, dequantised, into `block` (T.81 F.2.2). Gives the new DC prediction; NaN: damage. */
const readBlock = (r: BitReader, dc: HuffmanTable, ac: HuffmanTable, q: Uint16Array, prediction: number, block: Float64Array): number => {
  block.fill(0)
  const category = readCode(r, dc)
  if (category < 0 || category > 15) return NaN
  const value = prediction + readSigned(r, category)
  block[0] = value * q[0]
  for (let k = 1; k < 64; k++) {
    const symbol = readCode(r, ac)
    if (symbol < 0) return NaN
    const size = symbol & 15
    if (size === 0) {
      if (symbol !== 0xf0) break
      k += 15
      continue
    }
    k += symbol >> 4
    if (k > 63) return NaN
    block[zigzag[k]] = readSigned(r, size) * q[k]
  }
  return value
}

/** The inverse transform of `block` into a plane at block (by, bx), level-shifted, rounded and clamped. */
const writeBlock = (block: Float64Array, half: Float64Array, plane: Plane, by: number, bx: number, precision: number): void => {
  for (let v = 0; v < 8; v++) {
    for (let x = 0; x < 8; x++) {
      let sum = 0
      for (let u = 0; u < 8; u++) sum += basis[8 * x + u] * block[8 * v + u]
      half[8 * v + x] = sum
    }
  }
  const top = 2 ** precision - 1
  const level = 2 ** (precision - 1)
  for (let y = 0; y < 8; y++) {
    const row = (by * 8 + y) * plane.stride + bx * 8
    for (let x = 0; x < 8; x++) {
      let sum = level
      for (let v = 0; v < 8; v++) sum += basis[8 * y + v] * half[8 * v + x]
      plane.data[row + x] = Math.max(0, Math.min(top, Math.round(sum)))
    }
  }
}

const decodeScan = (bytes: Uint8Array, frame: JpegFrame, scan: Scan, planes: ReadonlyArray<Plane>): string | undefined => {
  const coders: Array<{ readonly plane: Plane; readonly dc: HuffmanTable; readonly ac: HuffmanTable; readonly q: Uint16Array }> = []
  for (const c of scan.components) {
    const plane = planes[c.index]
    const q = scan.quantisation[plane.component.table]
    if (c.dc === undefined || c.ac === undefined || q === undefined) return 'a JPEG scan without its tables'
    coders.push({ plane, dc: c.dc, ac: c.ac, q })
  }
  const hMax = Math.max(...frame.components.map((c) => c.h))
  const vMax = Math.max(...frame.components.map((c) => c.v))
  const alone = coders.length === 1
  const only = coders[0].plane.component
  // a scan of one component has one block per unit and leaves out blocks of padding (T.81 A.2.2)
  const across = alone ? Math.ceil(Math.ceil((frame.width * only.h) / hMax) / 8) : Math.ceil(frame.width / (8 * hMax))
  const down = alone ? Math.ceil(Math.ceil((frame.height * only.v) / vMax) / 8) : Math.ceil(frame.height / (8 * vMax))
  const predictions = new Float64Array(coders.length)
  const [block, half] = [new Float64Array(64), new Float64Array(64)]
  const r = bitReader(bytes, scan.at)
  for (let unit = 0; unit < across * down; unit++) {
    const [uy, ux] = [Math.floor(unit / across), unit % across]
    const damaged = `coded JPEG data that are damaged or end in unit ${unit} of ${across * down}`
    if (scan.restart > 0 && unit > 0 && unit % scan.restart === 0) {
      if (!passRestart(r)) return damaged
      predictions.fill(0)
    }
    for (let k = 0; k < coders.length; k++) {
      const { plane, dc, ac, q } = coders[k]
      const [h, v] = alone ? [1, 1] : [plane.component.h, plane.component.v]
      for (let b = 0; b < h * v; b++) {
        predictions[k] = readBlock(r, dc, ac, q, predictions[k], block)
        if (Number.isNaN(predictions[k])) return damaged
        writeBlock(block, half, plane, uy * v + Math.floor(b / h), ux * h + (b % h), frame.precision)
      }
    }
    if (overrun(r)) return damaged
  }
  return undefined
}

/**
 * Decodes a sequential JPEG stream of 8 or 12 bits to unsigned samples, the components as they are coded (no colour
 * transform); subsampled components are repeated. Left: another size, process or precision, damaged or missing data.
 */
export const decodeSequential = (bytes: Uint8Array, size: FrameSize): Either<string, Samples> => {
  const parsed = parseSized(bytes, size)
  if (E.isLeft(parsed)) return parsed
  const { frame, scans } = parsed.right
  const { height, width, precision, components } = frame
  if (frame.process > 1) return E.left(`a JPEG stream of process ${frame.process} where a sequential one belongs`)
  if (precision !== 8 && precision !== 12) return E.left(`a sequential JPEG stream of ${precision} bits`)
  const seen = scans.flatMap((s) => s.components.map((c) => c.index))
  if (seen.length !== components.length || new Set(seen).size !== components.length)
    return E.left('a JPEG stream without a scan for each component')
  const hMax = Math.max(...components.map((c) => c.h))
  const vMax = Math.max(...components.map((c) => c.v))
  const planes = components.map((component): Plane => {
    const stride = Math.ceil(width / (8 * hMax)) * 8 * component.h
    const rows = Math.ceil(height / (8 * vMax)) * 8 * component.v
    return { component, stride, rows, data: new Uint16Array(stride * rows) }
  })
  for (const scan of scans) {
    const wrong = decodeScan(bytes, frame, scan, planes)
    if (wrong !== undefined) return E.left(wrong)
  }
  const data = new Uint16Array(height * width * planes.length)
  planes.forEach(({ component: { h, v }, stride, data: from }, c) => {
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y * v) / vMax) * stride
      for (let x = 0; x < width; x++) data[(y * width + x) * planes.length + c] = from[row + Math.floor((x * h) / hMax)]
    }
  })
  return E.right({ height, width, channels: planes.length, bits: precision, data })
}
