/**
 * Windows bitmaps (BITMAPCOREHEADER, BITMAPINFOHEADER and its later versions): 1 to 32 bits, palettes, bit fields, run lengths of 4 and 8
 * bits. As Pillow reads them: a palette of grays is gray, the fourth byte of 32 bits is alpha only where a mask says so.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { possible } from './raster.ts'
import type { Raster, RasterHead } from './raster.ts'

export const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4d

interface Header extends RasterHead {
  readonly bits: number
  readonly compression: number
  readonly topDown: boolean
  /** Where pixels begin. */
  readonly offset: number
  /** Red, green, blue, of each entry. */
  readonly palette: Uint8Array
  /** Red, green, blue, alpha; 0 for none. */
  readonly masks: readonly [number, number, number, number]
}

const headerOf = (bytes: Uint8Array): Either<string, Header> => {
  if (!isBmp(bytes) || bytes.length < 26) return E.left('a file that does not begin as a bitmap')
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [offset, length] = [v.getUint32(10, true), v.getUint32(14, true)]
  const core = length === 12
  if (!core && (length < 40 || bytes.length < 54)) return E.left(`a bitmap's header of ${length} bytes`)
  const [width, signed] = core ? [v.getUint16(18, true), v.getUint16(20, true)] : [v.getInt32(18, true), v.getInt32(22, true)]
  const bits = core ? v.getUint16(24, true) : v.getUint16(28, true)
  const compression = core ? 0 : v.getUint32(30, true)
  const height = Math.abs(signed)
  if (!possible({ width, height, channels: 4 })) return E.left(`a bitmap of ${height} x ${width}`)
  if (![1, 4, 8, 16, 24, 32].includes(bits)) return E.left(`a bitmap of ${bits} bits a pixel`)
  const packed = (compression === 1 && bits === 8) || (compression === 2 && bits === 4)
  const fields = (compression === 3 || compression === 6) && bits >= 16
  if (compression !== 0 && !packed && !fields) return E.left(`a bitmap packed by method ${compression}`)
  const mask = (k: number): number => (54 + 4 * k + 4 <= bytes.length ? v.getUint32(54 + 4 * k, true) : 0)
  const masks: Header['masks'] = fields
    ? [mask(0), mask(1), mask(2), length >= 56 || compression === 6 ? mask(3) : 0]
    : bits === 16
      ? [0x7c00, 0x3e0, 0x1f, 0]
      : [0xff0000, 0xff00, 0xff, 0]
  const step = core ? 3 : 4
  const colours = bits > 8 ? 0 : core ? 2 ** bits : v.getUint32(46, true) || 2 ** bits
  const from = 14 + length
  const palette = new Uint8Array(3 * 2 ** Math.min(bits, 8))
  for (let k = 0; k < Math.min(colours, 2 ** bits) && from + step * k + 2 < bytes.length; k++)
    for (let c = 0; c < 3; c++) palette[3 * k + c] = bytes[from + step * k + 2 - c]
  const gray = bits <= 8 && palette.every((p, k) => p === palette[3 * Math.floor(k / 3)])
  const channels = bits <= 8 ? (gray ? 1 : 3) : masks[3] === 0 ? 3 : 4
  return E.right({ width, height, channels, deep: false, bits, compression, topDown: signed < 0 && !core, offset, palette, masks })
}

export const bmpHead: (bytes: Uint8Array) => Either<string, RasterHead> = headerOf

/** Palette numbers of runs (RLE8, RLE4), rows from below. What no run names is 0. */
const unrun = (bytes: Uint8Array, h: Header): Uint8Array => {
  const out = new Uint8Array(h.width * h.height)
  let [x, y] = [0, 0]
  const put = (n: number): void => {
    if (x < h.width && y < h.height) out[y * h.width + x] = n
    x++
  }
  const half = h.bits === 4
  const numberOf = (byte: number, k: number): number => (half ? (k % 2 === 0 ? byte >> 4 : byte & 15) : byte)
  for (let at = h.offset; at + 1 < bytes.length;) {
    const [count, value] = [bytes[at], bytes[at + 1]]
    at += 2
    if (count > 0) for (let k = 0; k < count; k++) put(numberOf(value, k))
    else if (value === 0) [x, y] = [0, y + 1]
    else if (value === 1) break
    else if (value === 2) {
      x += bytes[at]
      y += bytes[at + 1]
      at += 2
    } else {
      for (let k = 0; k < value; k++) put(numberOf(bytes[at + (half ? k >> 1 : k)], k))
      const length = half ? (value + 1) >> 1 : value
      at += length + (length % 2)
    }
  }
  return out
}

/** A field of bits as 0..255. */
const fieldOf = (mask: number): ((pixel: number) => number) => {
  if (mask === 0) return () => 255
  let shift = 0
  while (((mask >>> shift) & 1) === 0) shift++
  const top = mask >>> shift
  return (pixel) => Math.round(((((pixel & mask) >>> 0) >>> shift) / top) * 255)
}

/** The picture, rows from above. Left: no bitmap, one that is cut off, or packed otherwise. */
export const bmpRaster = (bytes: Uint8Array): Either<string, Raster> => {
  const header = headerOf(bytes)
  if (E.isLeft(header)) return header
  const h = header.right
  const { width, height, channels, bits, palette } = h
  const stride = Math.floor((width * bits + 31) / 32) * 4
  const runs = h.compression === 1 || h.compression === 2
  if (!runs && bytes.length < h.offset + stride * (height - 1) + Math.ceil((width * bits) / 8))
    return E.left(`${Math.max(0, bytes.length - h.offset)} bytes of pixels, where ${stride * height} belong`)
  const numbers = runs ? unrun(bytes, h) : undefined
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields = h.masks.map(fieldOf)
  const pixels = new Uint8Array(width * height * channels)
  for (let y = 0; y < height; y++) {
    const row = h.topDown ? y : height - 1 - y
    const from = h.offset + row * stride
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * channels
      if (bits <= 8) {
        const byte = numbers === undefined ? bytes[from + ((x * bits) >> 3)] : 0
        const n = numbers !== undefined ? numbers[row * width + x] : (byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1)
        for (let c = 0; c < channels; c++) pixels[to + c] = palette[3 * n + c]
      } else if (bits === 24) for (let c = 0; c < 3; c++) pixels[to + c] = bytes[from + 3 * x + 2 - c]
      else {
        const pixel = bits === 16 ? v.getUint16(from + 2 * x, true) : v.getUint32(from + 4 * x, true)
        for (let c = 0; c < channels; c++) pixels[to + c] = fields[c](pixel)
      }
    }
  }
  return E.right({ width, height, channels, deep: false, pixels })
}
