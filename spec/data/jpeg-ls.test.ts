/** JPEG-LS against CharLS, whose encoder writes what is read; what is damaged is refused as fast as what is whole is read. */
import load from '@cornerstonejs/codec-charls/wasmjs'
import type { Interleaving } from '@cornerstonejs/codec-charls/wasmjs'
import * as fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { decodeJpegLs } from '../../data/readers/dicom/codecs/jpeg-ls.ts'
import { runs } from '../support/arbitrary.ts'

const { JpegLSEncoder, JpegLSDecoder } = await load({ print: () => undefined, printErr: () => undefined })

interface Picture {
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly bits: number
  readonly near: number
  readonly mode: Interleaving
  readonly data: Uint16Array
}

/** Flat, smooth and rough pictures: runs of all lengths, contexts of all kinds. */
const pictures: fc.Arbitrary<Picture> = fc
  .record({
    height: fc.integer({ min: 1, max: 24 }),
    width: fc.integer({ min: 1, max: 40 }),
    channels: fc.constantFrom(1, 1, 3),
    bits: fc.integer({ min: 2, max: 16 }),
    near: fc.constantFrom(0, 0, 1, 3, 10),
    mode: fc.constantFrom<Interleaving>(0, 1, 2),
    rough: fc.constantFrom(0, 0.02, 0.3, 1),
    levels: fc.integer({ min: 1, max: 6 }),
    seed: fc.array(fc.nat(2 ** 30), { minLength: 8, maxLength: 64 }),
  })
  .map(({ height, width, channels, bits, near, mode, rough, levels, seed }) => {
    const top = 2 ** bits - 1
    const data = Uint16Array.from({ length: height * width * channels }, (_, i) => {
      const [x, y] = [Math.floor(i / channels) % width, Math.floor(i / channels / width)]
      const s = seed[(i * 7 + y) % seed.length]
      const plain = (((Math.floor((x + y) / 5) + (i % channels)) % levels) / levels) * top
      return Math.max(0, Math.min(top, Math.round(rough === 1 ? s % (top + 1) : plain + rough * ((s % 101) / 101 - 0.5) * top)))
    })
    return { height, width, channels, bits, near: Math.min(near, top >> 1), mode: channels === 1 ? 0 : mode, data }
  })

/** Samples in the order in which CharLS takes and gives them: planes, where components have scans of their own. */
const ordered = ({ channels, mode }: Picture, data: ArrayLike<number>, toPlanes: boolean): Array<number> => {
  const n = data.length / channels
  const place = (c: number, i: number): number => (toPlanes ? i * channels + c : c * n + i)
  return mode !== 0 || channels === 1
    ? Array.from(data)
    : Array.from(
        { length: data.length },
        (_, k) => data[toPlanes ? place(Math.floor(k / n), k % n) : place(k % channels, Math.floor(k / channels))],
      )
}

const bytesOf = (xs: ReadonlyArray<number>, bits: number): Uint8Array =>
  bits <= 8 ? Uint8Array.from(xs) : new Uint8Array(Uint16Array.from(xs).buffer)

const encoded = (p: Picture): Uint8Array => {
  const e = new JpegLSEncoder()
  const info = { width: p.width, height: p.height, bitsPerSample: p.bits, componentCount: p.channels, isSigned: false }
  e.getDecodedBuffer(info).set(bytesOf(ordered(p, p.data, true), p.bits))
  e.setNearLossless(p.near)
  e.setInterleaveMode(p.mode)
  e.encode()
  const bytes = e.getEncodedBuffer().slice()
  e.delete()
  return bytes
}

const decodedByCharls = (p: Picture, bytes: Uint8Array): Array<number> => {
  const d = new JpegLSDecoder()
  d.getEncodedBuffer(bytes.length).set(bytes)
  d.decode()
  const own = d.getDecodedBuffer().slice()
  d.delete()
  return ordered(p, p.bits <= 8 ? own : new Uint16Array(own.buffer), false)
}

describe('JPEG-LS', () => {
  test('is what CharLS reads, of every depth, nearness and order of components', () => {
    fc.assert(
      fc.property(pictures, (p) => {
        const bytes = encoded(p)
        const found = decodeJpegLs(bytes, p)
        if (E.isLeft(found)) return expect.fail(found.left)
        const { bits, data } = found.right
        expect(bits).toBe(p.bits)
        expect(Array.from(data)).toEqual(decodedByCharls(p, bytes))
        const off = Math.max(...Array.from(data, (x, i) => Math.abs(x - p.data[i])))
        expect(off).toBeLessThanOrEqual(p.near)
      }),
      runs(400),
    )
  })

  test('begins anew behind restart markers', () => {
    fc.assert(
      fc.property(pictures, fc.integer({ min: 1, max: 9 }), (whole, rows) => {
        const p: Picture = { ...whole, channels: 1, mode: 0, data: whole.data.filter((_, i) => i % whole.channels === 0) }
        const strips = Array.from({ length: Math.ceil(p.height / rows) }, (_, i): Picture => {
          const height = Math.min(rows, p.height - i * rows)
          return { ...p, height, data: p.data.slice(i * rows * p.width, (i * rows + height) * p.width) }
        })
        const [head, ...codes] = [encoded(p), ...strips.map(encoded)].map((b) => Buffer.from(b))
        // SOS is the last segment; what follows are codes, up to the mark of the end
        const scan = head.indexOf(Buffer.from([0xff, 0xda, 0, 8, 1]))
        const joined = codes.flatMap((b, i) => [
          b.subarray(b.indexOf(Buffer.from([0xff, 0xda, 0, 8, 1])) + 10, b.length - 2),
          Buffer.from([0xff, i === strips.length - 1 ? 0xd9 : 0xd0 + (i % 8)]),
        ])
        const interval = Buffer.from([0xff, 0xdd, 0, 4, 0, rows])
        const bytes = Buffer.concat([head.subarray(0, scan), interval, head.subarray(scan, scan + 10), ...joined])
        const found = decodeJpegLs(bytes, p)
        if (E.isLeft(found)) return expect.fail(found.left)
        expect(Array.from(found.right.data)).toEqual(decodedByCharls(p, bytes))
      }),
      runs(100),
    )
  })

  test('damaged anywhere is read or refused, in no more time than whole', () => {
    fc.assert(
      fc.property(pictures, fc.nat(), fc.nat(255), fc.boolean(), (p, at, value, cut) => {
        const bytes = encoded(p)
        const most = bytes.length - 3
        if (cut) return E.isLeft(decodeJpegLs(bytes.subarray(0, at % most), p))
        bytes[at % bytes.length] = value
        const began = process.cpuUsage()
        decodeJpegLs(bytes, p)
        const { user } = process.cpuUsage(began)
        return user < 2_000_000
      }),
      runs(400),
    )
  })

  test('of codes that no encoder writes is refused: magnitudes that grow for ever', () => {
    const head = [0xff, 0xd8, 0xff, 0xf7, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0]
    const bytes = Uint8Array.from([...head, ...new Array<number>(600).fill(0)])
    expect(decodeJpegLs(bytes, { height: 16, width: 16, channels: 1 })).toEqual(
      E.left('a JPEG-LS stream that cannot be decoded: damaged data'),
    )
  })
})
