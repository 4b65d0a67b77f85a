/**
 * Frames of animated PNG (PNG third edition, 11.3.7): each is a picture in itself, laid over those before it as its control chunk says.
 */
import { crc32 } from 'node:zlib'
import type { Raster, RasterHead } from './raster.ts'

interface Chunk {
  readonly name: string
  readonly data: Uint8Array
}

interface Frame {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** What becomes of its place after it: 0 nothing, 1 cleared, 2 as before. */
  readonly dispose: number
  /** Laid over what is there, in place of replacing it. */
  readonly over: boolean
  readonly data: ReadonlyArray<Uint8Array>
}

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

const isPng = (bytes: Uint8Array): boolean => signature.every((b, i) => bytes[i] === b)

/** Chunks up to the end, or to where the bytes are cut off. */
const chunksOf = function* (bytes: Uint8Array): Generator<Chunk> {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = v.getUint32(at)
    yield { name: String.fromCharCode(...bytes.subarray(at + 4, at + 8)), data: bytes.subarray(at + 8, at + 8 + length) }
    at += 12 + length
  }
}

const word = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)

/** Bytes that a frame takes at least: its control chunk, and one of data. */
const frameBytes = 12 + 26 + 12

/**
 * How many frames a PNG of `size` bytes says that it has, 1 where it is not animated, and never more than it has room for: from its first
 * bytes.
 */
export const framesOf = (head: Uint8Array, size: number): number => {
  if (!isPng(head)) return 1
  for (const { name, data } of chunksOf(head)) {
    if (name === 'acTL' && data.length >= 4) return Math.max(1, Math.min(word(data, 0), Math.floor(size / frameBytes)))
    if (name === 'IDAT') return 1
  }
  return 1
}

/** What the header of a file says, of whose frames all are drawn on one canvas; undefined for one that is no PNG. */
export const apngHead = (bytes: Uint8Array): RasterHead | undefined =>
  isPng(bytes) && bytes.length >= 24 ? { width: word(bytes, 16), height: word(bytes, 20), channels: 4, deep: false } : undefined

/** What is drawn of a file: the chunks that all frames share, and the frames. */
const parsed = (bytes: Uint8Array): { readonly shared: ReadonlyArray<Chunk>; readonly frames: ReadonlyArray<Frame> } => {
  const shared: Chunk[] = []
  const frames: Array<Frame & { readonly data: Uint8Array[] }> = []
  for (const { name, data } of chunksOf(bytes)) {
    if (name === 'fcTL' && data.length >= 26) {
      const [width, height, x, y] = [word(data, 4), word(data, 8), word(data, 12), word(data, 16)]
      frames.push({ x, y, width, height, dispose: data[24], over: data[25] === 1, data: [] })
    } else if (name === 'IDAT') frames.at(-1)?.data.push(data)
    else if (name === 'fdAT') frames.at(-1)?.data.push(data.subarray(4))
    else if (frames.length === 0 || name === 'PLTE' || name === 'tRNS') shared.push({ name, data })
  }
  return { shared, frames: frames.filter((f) => f.data.length > 0) }
}

const chunkBytes = (name: string, data: Uint8Array): Uint8Array => {
  const out = new Uint8Array(12 + data.length)
  const v = new DataView(out.buffer)
  v.setUint32(0, data.length)
  for (let i = 0; i < 4; i++) out[4 + i] = name.charCodeAt(i)
  out.set(data, 8)
  v.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)))
  return out
}

/** A frame as a PNG of its own. */
const pngOf = (shared: ReadonlyArray<Chunk>, f: Frame): Uint8Array => {
  const header = Uint8Array.from(shared[0]?.data ?? [])
  new DataView(header.buffer).setUint32(0, f.width)
  new DataView(header.buffer).setUint32(4, f.height)
  const kept = shared.slice(1).filter((c) => c.name !== 'acTL')
  return Buffer.concat([
    Uint8Array.from(signature),
    chunkBytes('IHDR', header),
    ...kept.map((c) => chunkBytes(c.name, c.data)),
    ...f.data.map((d) => chunkBytes('IDAT', d)),
    chunkBytes('IEND', new Uint8Array(0)),
  ])
}

/** Decodes a PNG to RGBA of 8 bits. */
export type Rgba = (png: Uint8Array) => Promise<Uint8Array>

/** One pixel of 8 bits over another one. */
const lay = (canvas: Uint8Array, to: number, pixel: Uint8Array, from: number): void => {
  const [above, below] = [pixel[from + 3] / 255, canvas[to + 3] / 255]
  const alpha = above + below * (1 - above)
  for (let c = 0; c < 3; c++)
    canvas[to + c] = alpha === 0 ? 0 : Math.round((pixel[from + c] * above + canvas[to + c] * below * (1 - above)) / alpha)
  canvas[to + 3] = Math.round(255 * alpha)
}

/** Frame `page` as it is shown, RGBA or, where nothing can be transparent, RGB. Undefined where there is no such frame. */
export const apngFrame = async (bytes: Uint8Array, page: number, rgba: Rgba): Promise<Raster | undefined> => {
  const { shared, frames } = parsed(bytes)
  const [ihdr] = shared
  if (ihdr === undefined || ihdr.data.length < 13 || page >= frames.length) return undefined
  const [width, height, colours] = [word(ihdr.data, 0), word(ihdr.data, 4), ihdr.data[9]]
  const opaque = colours !== 4 && colours !== 6 && !shared.some((c) => c.name === 'tRNS')
  let canvas = new Uint8Array(4 * width * height)
  for (let k = 0; k <= page; k++) {
    const f = frames[k]
    if (f.x + f.width > width || f.y + f.height > height) return undefined
    const before = f.dispose === 2 ? canvas.slice() : canvas
    const drawn = await rgba(pngOf(shared, f))
    for (let y = 0; y < f.height; y++) {
      for (let x = 0; x < f.width; x++) {
        const [from, to] = [4 * (y * f.width + x), 4 * ((f.y + y) * width + f.x + x)]
        if (f.over) lay(canvas, to, drawn, from)
        else canvas.set(drawn.subarray(from, from + 4), to)
      }
    }
    if (k === page) break
    if (f.dispose === 2) canvas = before
    else if (f.dispose === 1)
      for (let y = 0; y < f.height; y++) canvas.fill(0, 4 * ((f.y + y) * width + f.x), 4 * ((f.y + y) * width + f.x + f.width))
  }
  if (!opaque) return { width, height, channels: 4, deep: false, pixels: canvas }
  return { width, height, channels: 3, deep: false, pixels: canvas.filter((_, i) => i % 4 !== 3) }
}
