/**
 * TIFF (TIFF 6.0, BigTIFF) as measurements and stacks are written: every page, any number of bands of integers or floats, in strips or
 * tiles, plain or packed by deflate, LZW or PackBits. What is packed as a picture (JPEG, CCITT) is left to the system's decoder.
 */
import { inflateSync } from 'node:zlib'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { codeOf, messageOf } from '../../../core/fault.ts'
import { widenF16 } from '../../formats/half.ts'
import type { Sign } from '../sign.ts'
import { unpackBits, unpackLzw } from './unpack.ts'

/** What a page is. */
export interface TiffPage {
  readonly width: number
  readonly height: number
  readonly samples: number
  readonly bits: number
  readonly kind: 'unsigned' | 'signed' | 'float'
  /** 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr. */
  readonly photometric: number
  /** Samples beyond the colours: 0 unspecified, 1 and 2 alpha. */
  readonly extra: ReadonlyArray<number>
  readonly compression: number
  /** A smaller copy of another page. */
  readonly reduced: boolean
  readonly tags: ReadonlyMap<number, ReadonlyArray<number>>
  /** The value that stands for none, as GDAL writes it (tag 42113). */
  readonly noData?: number
  /** What programs say of the file (tag 270). */
  readonly description?: string
}

export interface Tiff {
  readonly little: boolean
  readonly pages: ReadonlyArray<TiffPage>
}

const sizes: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
}

const mostPages = 65536

/** The number that a text of bytes says. */
const noDataOf = (text: ReadonlyArray<number> | undefined): { readonly noData?: number } => {
  const said =
    text === undefined
      ? ''
      : String.fromCharCode(...text)
          .replace(/\0.*$/s, '')
          .trim()
  const value = /^nan$/i.test(said) ? NaN : Number(said)
  return said === '' || (Number.isNaN(value) && !/^nan$/i.test(said)) ? {} : { noData: value }
}

/** Pixels [height, width] in which every band has the value that stands for none, 1 for these; undefined where there are none. */
export const noData = (p: TiffPage, planes: Float32Array): Uint8Array | undefined => {
  if (p.noData === undefined) return undefined
  const n = p.width * p.height
  const none = Math.fround(p.noData)
  const out = new Uint8Array(n)
  let any = false
  for (let i = 0; i < n; i++) {
    let all = true
    for (let s = 0; s < p.samples && all; s++) all = Object.is(planes[s * n + i], none) || planes[s * n + i] === none
    out[i] = all ? 1 : 0
    any ||= all
  }
  return any ? out : undefined
}

/** The page with its whole numbers read as having a sign or none, whatever it says: those of 16 bits and more that are no colours. */
const readAs =
  (sign: Sign) =>
  (p: TiffPage): TiffPage =>
    sign === 'said' || p.kind === 'float' || p.bits < 16 || p.photometric > 1 ? p : { ...p, kind: sign }

/** Every page of a file. Left: no TIFF, or one that is cut off. */
export const tiffOf = (bytes: Uint8Array, sign: Sign = 'said'): Either<string, Tiff> => {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = bytes[0] === 0x49
  if (bytes.length < 8 || bytes[0] !== bytes[1] || (bytes[0] !== 0x49 && bytes[0] !== 0x4d))
    return E.left('a file that does not begin as TIFF')
  const version = v.getUint16(2, little)
  if (version !== 42 && version !== 43) return E.left('a file that does not begin as TIFF')
  const big = version === 43
  const offset = (at: number): number => (big ? Number(v.getBigUint64(at, little)) : v.getUint32(at, little))
  const value = (type: number, at: number): number => {
    switch (sizes[type]) {
      case 1:
        return v.getUint8(at)
      case 2:
        return v.getUint16(at, little)
      case 4:
        return v.getUint32(at, little)
      default:
        return Number(v.getBigUint64(at, little))
    }
  }
  const pages: TiffPage[] = []
  const seen = new Set<number>()
  try {
    for (let at = offset(big ? 8 : 4); at !== 0 && !seen.has(at) && pages.length < mostPages;) {
      seen.add(at)
      const entries = big ? Number(v.getBigUint64(at, little)) : v.getUint16(at, little)
      const [first, step] = big ? [at + 8, 20] : [at + 2, 12]
      const tags = new Map<number, ReadonlyArray<number>>()
      let description: string | undefined
      for (let i = 0; i < entries; i++) {
        const e = first + i * step
        const [tag, type, count] = [v.getUint16(e, little), v.getUint16(e + 2, little), offset(e + 4)]
        const size = sizes[type] ?? 0
        if (size === 0 || count * size > bytes.length || type === 5 || (type > 9 && type < 13)) continue
        const place = e + (big ? 12 : 8)
        const from = count * size <= (big ? 8 : 4) ? place : offset(place)
        // of the first page alone: it can be megabytes
        if (tag === 270 && pages.length === 0) description = new TextDecoder().decode(bytes.subarray(from, from + count))
        if (type === 2 && tag !== 42113) continue
        tags.set(
          tag,
          Array.from({ length: count }, (_, k) => value(type, from + k * size)),
        )
      }
      const get = (tag: number, other: number): number => tags.get(tag)?.[0] ?? other
      pages.push({
        width: get(256, 0),
        height: get(257, 0),
        samples: get(277, 1),
        bits: get(258, 1),
        photometric: get(262, 1),
        compression: get(259, 1),
        kind: get(339, 1) === 3 ? 'float' : get(339, 1) === 2 ? 'signed' : 'unsigned',
        extra: tags.get(338) ?? [],
        reduced: (get(254, 0) & 1) === 1,
        tags,
        ...noDataOf(tags.get(42113)),
        ...(description === undefined ? {} : { description }),
      })
      at = offset(first + entries * step)
    }
  } catch {
    return E.left('the end of the file within its pages')
  }
  return pages.length === 0 ? E.left('no page') : E.right({ little, pages: pages.map(readAs(sign)) })
}

/** Whether a page is read here: gray, RGB or YCbCr of whole bytes, not packed as a picture. */
export const isPlain = (p: TiffPage): boolean =>
  ([0, 1, 2].includes(p.photometric) &&
    [8, 16, 32, 64].includes(p.bits) &&
    !(p.kind === 'float' && p.bits === 8) &&
    [1, 5, 8, 32773, 32946].includes(p.compression)) ||
  (p.photometric === 5 && p.bits === 8 && p.samples >= 4 && [1, 5, 8, 32773, 32946].includes(p.compression)) ||
  (p.photometric === 6 && p.bits === 8 && p.compression === 1 && (p.tags.get(530) ?? [1, 1]).every((s) => s === 1))

/** What is unpacked beyond `length` belongs to nothing. */
const inflated = (bytes: Uint8Array, length: number): Uint8Array => {
  try {
    return inflateSync(bytes, { maxOutputLength: length + 65536 })
  } catch (e) {
    throw new Error(codeOf(e) === 'ERR_BUFFER_TOO_LARGE' ? `more than the ${length} bytes that belong in a strip or tile` : messageOf(e))
  }
}

const unpack = (bytes: Uint8Array, compression: number, length: number): Uint8Array => {
  switch (compression) {
    case 5:
      return unpackLzw(bytes, length)
    case 32773:
      return unpackBits(bytes, length)
    case 1:
      return bytes
    default:
      return inflated(bytes, length)
  }
}

const readerOf = (v: DataView, p: TiffPage, little: boolean): ((at: number) => number) => {
  switch (`${p.kind} ${p.bits}`) {
    case 'signed 8':
      return (at) => v.getInt8(at)
    case 'signed 16':
      return (at) => v.getInt16(at, little)
    case 'unsigned 16':
      return (at) => v.getUint16(at, little)
    case 'signed 32':
      return (at) => v.getInt32(at, little)
    case 'unsigned 32':
      return (at) => v.getUint32(at, little)
    case 'float 16': {
      const values = widenF16(Uint16Array.from({ length: 65536 }, (_, i) => i))
      return (at) => values[v.getUint16(at, little)]
    }
    case 'float 32':
      return (at) => v.getFloat32(at, little)
    case 'float 64':
      return (at) => v.getFloat64(at, little)
    default:
      return (at) => v.getUint8(at)
  }
}

/** Differences along rows become values (predictor 2). */
const undiffer = (block: Uint8Array, p: TiffPage, little: boolean, width: number, rows: number, samples: number): void => {
  const size = p.bits / 8
  const v = new DataView(block.buffer, block.byteOffset, block.byteLength)
  for (let y = 0; y < rows; y++) {
    for (let i = samples; i < width * samples; i++) {
      const at = (y * width * samples + i) * size
      if (at + size > block.length) return
      const before = at - samples * size
      if (size === 1) v.setUint8(at, v.getUint8(at) + v.getUint8(before))
      else if (size === 2) v.setUint16(at, v.getUint16(at, little) + v.getUint16(before, little), little)
      else if (size === 4) v.setUint32(at, v.getUint32(at, little) + v.getUint32(before, little), little)
    }
  }
}

/** Bytes of floats, the heaviest of all first, as differences along rows, become values (predictor 3, Adobe's TIFF Technical Note 3). */
const unweigh = (block: Uint8Array, p: TiffPage, little: boolean, width: number, rows: number, samples: number): void => {
  const size = p.bits / 8
  const [row, across] = [width * samples * size, width * samples]
  for (let y = 0; y < rows && (y + 1) * row <= block.length; y++) {
    const line = block.subarray(y * row, (y + 1) * row)
    for (let i = samples; i < row; i++) line[i] += line[i - samples]
    const plain = line.slice()
    for (let i = 0; i < across; i++) for (let b = 0; b < size; b++) line[i * size + (little ? size - 1 - b : b)] = plain[b * across + i]
  }
}

/** The samples of a page, plane by plane, as they are stored. Left: what cannot be unpacked, data that are cut off. */
export const tiffPlanes = (bytes: Uint8Array, little: boolean, p: TiffPage): Either<string, Float32Array> => {
  const { width, height, samples, tags } = p
  const tiled = tags.has(322)
  const separate = (tags.get(284)?.[0] ?? 1) === 2
  const [blockWidth, blockHeight] = tiled
    ? [tags.get(322)?.[0] ?? 0, tags.get(323)?.[0] ?? 0]
    : [width, Math.min(height, tags.get(278)?.[0] ?? height)]
  const [offsets, counts] = tiled ? [tags.get(324) ?? [], tags.get(325) ?? []] : [tags.get(273) ?? [], tags.get(279) ?? []]
  const [across, down] = [Math.ceil(width / blockWidth), Math.ceil(height / blockHeight)]
  const perBlock = separate ? 1 : samples
  const size = p.bits / 8
  const predictor = tags.get(317)?.[0] ?? 1
  if (!(blockWidth > 0 && blockHeight > 0)) return E.left(`a page of ${height} x ${width} with ${samples} samples`)
  if (predictor > 3 || (predictor === 3 && p.kind !== 'float')) return E.left(`values packed by the predictor ${predictor}`)
  if (offsets.length < across * down * (separate ? samples : 1)) return E.left('fewer strips or tiles than the page has')
  const out = new Float32Array(width * height * samples)
  try {
    for (let b = 0; b < across * down * (separate ? samples : 1); b++) {
      const plane = separate ? Math.floor(b / (across * down)) : 0
      const place = b % (across * down)
      const [left, top] = [(place % across) * blockWidth, Math.floor(place / across) * blockHeight]
      const rows = tiled ? blockHeight : Math.min(blockHeight, height - top)
      const wanted = blockWidth * rows * perBlock * size
      const packed = bytes.subarray(offsets[b], offsets[b] + (counts[b] ?? wanted))
      const plain = unpack(packed, p.compression, wanted)
      if (plain.length < wanted) return E.left(`${plain.length} bytes in a strip or tile, where ${wanted} belong`)
      const block = predictor > 1 ? Uint8Array.from(plain) : plain
      if (predictor === 2) undiffer(block, p, little, blockWidth, rows, perBlock)
      if (predictor === 3) unweigh(block, p, little, blockWidth, rows, perBlock)
      const read = readerOf(new DataView(block.buffer, block.byteOffset, block.byteLength), p, little)
      for (let y = 0; y < Math.min(rows, height - top); y++) {
        for (let x = 0; x < Math.min(blockWidth, width - left); x++) {
          for (let s = 0; s < perBlock; s++)
            out[((plane + s) * height + top + y) * width + left + x] = read(((y * blockWidth + x) * perBlock + s) * size)
        }
      }
    }
  } catch (e) {
    return E.left(`data that cannot be unpacked: ${messageOf(e)}`)
  }
  return E.right(out)
}
