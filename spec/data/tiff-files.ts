/** TIFF files of any bands, signs, floats and pages, in memory. */
import { deflateSync } from 'node:zlib'

export interface Page {
  readonly side?: number
  readonly bands: number
  readonly photometric: number
  readonly kind?: number
  readonly bits: number
  readonly extra?: ReadonlyArray<number>
  readonly values: (i: number) => number
  readonly packed?: boolean
}

export const side = 6

/** A TIFF file, little endian, one strip a page; value i is that of pixel-interleaved sample i. */
export const tiff = (pages: ReadonlyArray<Page>, description?: string): Buffer => {
  const parts: Buffer[] = [Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0])]
  let at = 8
  pages.forEach((p, k) => {
    const s = p.side ?? side
    const [n, size] = [s * s * p.bands, p.bits / 8]
    const plain = Buffer.alloc(n * size)
    for (let i = 0; i < n; i++) {
      if (p.kind === 3) plain.writeFloatLE(p.values(i), 4 * i)
      else if (size === 1) plain.writeUInt8(p.values(i) & 255, i)
      else plain.writeUInt16LE(p.values(i) & 65535, 2 * i)
    }
    const strip = p.packed === true ? deflateSync(plain) : plain
    const tags: Array<readonly [number, number, ReadonlyArray<number>]> = [
      [256, 4, [s]],
      [257, 4, [s]],
      [258, 3, [p.bits]],
      [259, 3, [p.packed === true ? 8 : 1]],
      [262, 3, [p.photometric]],
      [273, 4, [0]],
      [277, 3, [p.bands]],
      [278, 4, [s]],
      [279, 4, [strip.length]],
      [338, 3, p.extra ?? []],
      [339, 3, [p.kind ?? 1]],
    ]
    const used = tags.filter(([, , v]) => v.length > 0 && v.length < 3)
    const text = k === 0 && description !== undefined ? Buffer.from(`${description}\0`) : Buffer.alloc(0)
    const count = used.length + (text.length > 0 ? 1 : 0)
    const body = Buffer.concat([Buffer.alloc(2 + 12 * count + 4), text])
    const next = body.length - text.length - 4
    body.writeUInt16LE(count, 0)
    if (text.length > 0) {
      body.writeUInt16LE(270, next - 12)
      body.writeUInt16LE(2, next - 10)
      body.writeUInt32LE(text.length, next - 8)
      body.writeUInt32LE(at + next + 4, next - 4)
    }
    used.forEach(([tag, type, v], i) => {
      const e = 2 + 12 * i
      body.writeUInt16LE(tag, e)
      body.writeUInt16LE(type, e + 2)
      body.writeUInt32LE(v.length, e + 4)
      if (tag === 273) body.writeUInt32LE(at + body.length, e + 8)
      else if (type === 3)
        v.forEach((x, j) => {
          body.writeUInt16LE(x, e + 8 + 2 * j)
        })
      else body.writeUInt32LE(v[0], e + 8)
    })
    at += body.length + strip.length
    body.writeUInt32LE(k === pages.length - 1 ? 0 : at, next)
    parts.push(body, strip)
  })
  return Buffer.concat(parts)
}
