/**
 * Netpbm's PBM, PGM and PPM, plain and raw (P1 to P6). The largest value that a header names becomes 255, or 65535 where it is above, as in
 * Pillow.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { possible } from './raster.ts'
import type { Raster, RasterHead } from './raster.ts'

const isSpace = (b: number): boolean => b === 32 || (b >= 9 && b <= 13)

export const isPnm = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1] >= 0x31 && bytes[1] <= 0x36 && (isSpace(bytes[2]) || bytes[2] === 0x23)

interface Header extends RasterHead {
  /** 1 to 6. */
  readonly kind: number
  readonly most: number
  readonly offset: number
}

/** Whole numbers from a place on, comments passed over, and where the last one ends. */
const numbersAt = (bytes: Uint8Array, from: number, count: number): { readonly numbers: ReadonlyArray<number>; readonly end: number } => {
  const numbers: number[] = []
  let at = from
  while (numbers.length < count && at < bytes.length) {
    while (isSpace(bytes[at])) at++
    if (bytes[at] === 0x23) {
      while (at < bytes.length && bytes[at] !== 10 && bytes[at] !== 13) at++
      continue
    }
    let [n, digits] = [0, 0]
    for (; bytes[at] >= 48 && bytes[at] <= 57; at++, digits++) n = 10 * n + bytes[at] - 48
    if (digits === 0) break
    numbers.push(n)
  }
  return { numbers, end: at }
}

const headerOf = (bytes: Uint8Array): Either<string, Header> => {
  if (!isPnm(bytes)) return E.left('a file that does not begin as one of Netpbm')
  const kind = bytes[1] - 0x30
  const bitmap = kind === 1 || kind === 4
  const { numbers, end } = numbersAt(bytes, 2, bitmap ? 2 : 3)
  const [width, height, most = 1] = numbers
  const channels = kind === 3 || kind === 6 ? 3 : 1
  if (numbers.length < (bitmap ? 2 : 3) || !possible({ width, height, channels }) || most < 1 || most > 65535)
    return E.left(`a header of Netpbm with the numbers ${numbers.join(', ')}`)
  return E.right({ kind, width, height, channels, most, deep: most > 255, offset: end + 1 })
}

export const pnmHead: (bytes: Uint8Array) => Either<string, RasterHead> = headerOf

/** The picture. Left: none of Netpbm, or one that is cut off. */
export const pnmRaster = (bytes: Uint8Array): Either<string, Raster> => {
  const header = headerOf(bytes)
  if (E.isLeft(header)) return header
  const { kind, width, height, channels, most, deep, offset } = header.right
  const count = width * height * channels
  const top = deep ? 65535 : 255
  const pixels = deep ? new Uint16Array(count) : new Uint8Array(count)
  const row = Math.ceil(width / 8)
  const needed = kind === 4 ? row * height : kind > 4 ? count * (deep ? 2 : 1) : 0
  if (bytes.length - offset < needed) return E.left(`${Math.max(0, bytes.length - offset)} bytes of pixels, where ${needed} belong`)
  const scaled = (v: number): number => Math.min(top, Math.round((v * top) / most))
  if (kind === 4)
    for (let i = 0; i < count; i++) {
      const x = i % width
      pixels[i] = (bytes[offset + Math.floor(i / width) * row + (x >> 3)] >> (7 - (x & 7))) & 1 ? 0 : 255
    }
  else if (kind > 4)
    for (let i = 0; i < count; i++) pixels[i] = scaled(deep ? 256 * bytes[offset + 2 * i] + bytes[offset + 2 * i + 1] : bytes[offset + i])
  else if (kind === 1) {
    // digits of plain bitmaps need no space between them
    let i = 0
    for (let at = offset - 1; at < bytes.length && i < count; at++)
      if (bytes[at] === 48 || bytes[at] === 49) pixels[i++] = bytes[at] === 49 ? 0 : 255
    if (i < count) return E.left(`${i} values, where ${count} belong`)
  } else {
    const { numbers } = numbersAt(bytes, offset - 1, count)
    if (numbers.length < count) return E.left(`${numbers.length} values, where ${count} belong`)
    for (let i = 0; i < count; i++) pixels[i] = scaled(numbers[i])
  }
  return E.right({ width, height, channels, deep, pixels })
}
