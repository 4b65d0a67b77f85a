/** Where the pixels of each frame lie: at equal distances where they are stored plainly, else in fragments (PS3.5 Annex A.4). */

import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import type { Source } from '../../formats/source.ts'
import { valueBytes } from './element.ts'
import type { DataSet, Element } from './element.ts'
import type { DicomHeader } from './header.ts'

/** Bytes [offset, offset + length) of a file. */
export interface Extent {
  readonly offset: number
  readonly length: number
}

/** The bytes of one frame. */
export interface FrameExtent {
  readonly pieces: ReadonlyArray<Extent>
  /** Bits to pass over at the beginning: frames of single bits need not begin at a byte. */
  readonly bit: number
}

const mostFragments = 2 ** 22

/** Bits of one stored frame. YBR_FULL_422 shares its colours between two pixels (PS3.3 C.7.6.3.1.2). */
export const frameBits = (h: DicomHeader): number => h.rows * h.columns * (h.photometric === 'YBR_FULL_422' ? 2 : h.samples) * h.allocated

/** Frames at equal distances. Words of bytes in big-endian files are read in whole pairs, in which they are swapped. */
const nativeFrames = (source: Source, pixels: Element, h: DicomHeader, paired: boolean): Either<string, ReadonlyArray<FrameExtent>> => {
  const bits = frameBits(h)
  const needed = Math.ceil((bits * h.frames) / 8)
  const there = Math.min(pixels.length, source.length - pixels.offset)
  if (there < needed) return E.left(`${there} bytes of pixels, where ${h.frames} frame(s) of ${h.rows} x ${h.columns} need ${needed}`)
  if (pixels.length > source.length - pixels.offset) return E.left(`the end of the file within its pixels, at byte ${source.length}`)
  const unit = paired ? 16 : 8
  return E.right(
    Array.from({ length: h.frames }, (_, f) => {
      const first = Math.floor((bits * f) / unit) * (unit / 8)
      const end = Math.min(pixels.length, Math.ceil((bits * (f + 1)) / unit) * (unit / 8))
      return { pieces: [{ offset: pixels.offset + first, length: end - first }], bit: (bits * f) % unit }
    }),
  )
}

/** What is said of plain pixels that go on behind the last frame: some bytes are usual, as much as a frame is none of them. */
export const beyondFrames = (pixels: Element, h: DicomHeader): ReadonlyArray<string> => {
  const more = Math.floor((8 * pixels.length) / frameBits(h)) - h.frames
  return more < 1 ? [] : [`pixels for ${more} more than the ${h.frames} that the number of frames says are not read`]
}

/** The fragments after the offset table, and that table. */
interface Fragments {
  readonly table: ReadonlyArray<number>
  readonly first: number
  readonly all: ReadonlyArray<Extent>
}

const words = (bytes: Uint8Array): ReadonlyArray<number> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(4 * i, true))
}

/** Walks the items. A delimiter at the end may be missing, as in files that were written in haste. */
const readFragments = async (source: Source, from: number): Promise<Either<string | Fault, Fragments>> => {
  const all: Extent[] = []
  let table: ReadonlyArray<number> | undefined
  let first = from
  for (let at = from; at + 8 <= source.length && all.length < mostFragments;) {
    const head = await source.read(at, 8)
    if (E.isLeft(head)) return head
    const [tag, length] = words(head.right)
    if (tag === 0xe0ddfffe) break
    if (tag !== 0xe000fffe) return E.left(`no fragment of pixels at byte ${at}, where one belongs`)
    if (at + 8 + length > source.length) return E.left(`the end of the file within its pixels, at byte ${source.length}`)
    if (table === undefined) {
      const body = await source.read(at + 8, length)
      if (E.isLeft(body)) return body
      table = words(body.right)
      first = at + 8 + length
    } else all.push({ offset: at + 8, length })
    at += 8 + length
  }
  return E.right({ table: table ?? [], first, all })
}

/** Groups fragments so that each group begins at one of these offsets from the first fragment's item. */
const byOffsets = (f: Fragments, offsets: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<Extent>> | undefined => {
  const places = new Map(f.all.map((e, i) => [e.offset - 8 - f.first, i]))
  const starts = offsets.map((o) => places.get(o) ?? -1)
  const rising = starts.every((s, i) => s >= 0 && (i === 0 ? s === 0 : s > starts[i - 1]))
  return rising ? starts.map((s, i) => f.all.slice(s, starts[i + 1] ?? f.all.length)) : undefined
}

/** Groups fragments so that each begins with a stream's first bytes: FF D8 of the JPEG family, FF 4F of JPEG 2000. */
const byBeginnings = async (source: Source, f: Fragments): Promise<ReadonlyArray<ReadonlyArray<Extent>>> => {
  const groups: Extent[][] = []
  for (const e of f.all) {
    const head = e.length >= 2 ? await source.read(e.offset, 2) : E.left(undefined)
    const begins = E.isRight(head) && head.right[0] === 0xff && (head.right[1] === 0xd8 || head.right[1] === 0x4f)
    const last = groups.at(-1)
    if (last === undefined || begins) groups.push([e])
    else last.push(e)
  }
  return groups
}

/** The extended offset table (7FE0,0001): 64-bit offsets. */
const extendedOffsets = (d: DataSet): ReadonlyArray<number> => {
  const w = words(valueBytes(d, 0x7fe00001))
  return Array.from({ length: w.length >> 1 }, (_, i) => w[2 * i] + 4294967296 * w[2 * i + 1])
}

/**
 * Finds the bytes of every frame. Left: pixels that are cut off, fragments that do not add up to the frames.
 * Frames and fragments are matched one to one, by an offset table, or by the beginnings of streams.
 */
export const locateFrames = async (
  source: Source,
  d: DataSet,
  pixels: Element,
  h: DicomHeader,
): Promise<Either<string | Fault, ReadonlyArray<FrameExtent>>> => {
  if (pixels.length >= 0) return nativeFrames(source, pixels, h, !d.little && pixels.vr === 'OW' && h.allocated === 8)
  const read = await readFragments(source, pixels.offset)
  if (E.isLeft(read)) return read
  const f = read.right
  const extended = extendedOffsets(d)
  const groups =
    f.all.length === h.frames
      ? f.all.map((e) => [e])
      : h.frames === 1
        ? f.all.length === 0
          ? []
          : [f.all]
        : extended.length === h.frames
          ? byOffsets(f, extended)
          : f.table.length === h.frames
            ? byOffsets(f, f.table)
            : await byBeginnings(source, f)
  if (groups === undefined || groups.length !== h.frames) {
    return E.left(`${f.all.length} fragments of pixels for ${h.frames} frame(s)`)
  }
  return E.right(groups.map((pieces) => ({ pieces, bit: 0 })))
}
