import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import type { Image } from '../../data/readers/dataset.ts'
import { asRgb, blend, contactSheet, encodePng, enlarge, heatColour, heatMap, writePng } from '../../data/readers/pictures/picture.ts'
import { readPicture } from '../../data/readers/pictures/folder.ts'
import { left, right } from './either.ts'

const gray = (height: number, width: number, ...data: ReadonlyArray<number>): Image => ({
  channels: 1,
  height,
  width,
  data: Float32Array.from(data),
})

describe('PNG', () => {
  test('8-bit values survive writing and reading, gray as gray', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dinograph-')), 'sub/p.png')
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 3),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.uint8Array({ minLength: 75, maxLength: 75 }),
        async (channels, height, width, bytes) => {
          const image: Image = {
            channels,
            height,
            width,
            data: Float32Array.from(bytes.subarray(0, channels * height * width), (b) => b / 255),
          }
          right(await writePng(path)(image)())
          const back = right(await readPicture(path, { channels: channels === 1 ? 1 : 3 })())
          expect(back).toEqual(image)
          expect((await sharp(path).metadata()).channels).toBe(channels)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('values outside are clamped, a NaN and wrong sizes are faults', async () => {
    const png = right(await encodePng(gray(1, 3, -4, 0.5, 7))())
    expect([...(await sharp(png).toColourspace('b-w').raw().toBuffer())]).toEqual([0, 128, 255])
    expect(left(await encodePng(gray(1, 2, 0, NaN))()).found).toBe('NaN at value 1')
    expect(left(await encodePng(gray(1, 3, 0))()).kind).toBe('data')
    left(await encodePng({ channels: 2, height: 1, width: 1, data: new Float32Array(2) })())
  })
})

describe('sheets and maps', () => {
  test('a contact sheet places tiles row by row, smaller ones in the middle', () => {
    const sheet = right(
      contactSheet({ columns: 2, gap: 1, background: 0.5 })([gray(1, 1, 1), gray(3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9), gray(1, 1, 0)]),
    )
    expect([sheet.channels, sheet.height, sheet.width]).toEqual([1, 9, 9])
    expect(sheet.data[2 * 9 + 2]).toBe(1)
    expect([...sheet.data.subarray(9 + 5, 9 + 8)]).toEqual([1, 2, 3])
    expect(sheet.data[6 * 9 + 2]).toBe(0)
    expect(sheet.data.filter((v) => v === 0.5).length).toBe(81 - 11)
    expect(right(contactSheet({ columns: 4, gap: 0 })([gray(1, 1, 0), asRgb(gray(1, 1, 0.25))]))).toEqual({
      channels: 3,
      height: 1,
      width: 2,
      data: Float32Array.of(0, 0.25, 0, 0.25, 0, 0.25),
    })
    left(contactSheet({ columns: 2, gap: 1 })([]))
    left(contactSheet({ columns: 0, gap: 1 })([gray(1, 1, 1)]))
    left(contactSheet({ columns: 1, gap: -1 })([gray(1, 1, 1)]))
    expect(left(contactSheet({ columns: 1, gap: 1 })([gray(1, 1, 1), gray(1, 2, 1)])).place).toBe('contact sheet: image 1')
  })

  test('enlarging repeats every pixel', () => {
    expect(right(enlarge(2)(gray(2, 2, 1, 2, 3, 4))).data).toEqual(Float32Array.of(1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4))
    left(enlarge(1.5)(gray(1, 1, 1)))
  })

  test('the ramp grows in lightness everywhere', () => {
    const linear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    const luminance = (v: number) =>
      heatColour(v)
        .map(linear)
        .reduce((s, c, i) => s + c * [0.2126, 0.7152, 0.0722][i], 0)
    for (let i = 0; i < 200; i++) expect(luminance((i + 1) / 200)).toBeGreaterThan(luminance(i / 200))
    expect(luminance(0)).toBeLessThan(0.01)
    expect(luminance(1)).toBeGreaterThan(0.8)
    expect(heatColour(-1)).toEqual(heatColour(0))
  })

  test('a heat map has one colour per number', () => {
    const map = right(heatMap({ height: 1, width: 2, scale: 3 })(Float32Array.of(4, 8)))
    expect([map.channels, map.height, map.width]).toEqual([3, 3, 6])
    expect([map.data[0], map.data[5]]).toEqual([heatColour(0)[0], heatColour(1)[0]].map(Math.fround))
    expect(E.isRight(heatMap({ height: 1, width: 2, scale: 1 })(Float32Array.of(1, 1)))).toBe(true)
    expect(right(heatMap({ height: 1, width: 1, scale: 1, range: [0, 2] })(Float32Array.of(1))).data[1]).toBe(
      Math.fround(heatColour(0.5)[1]),
    )
    expect(left(heatMap({ height: 1, width: 2, scale: 1 })(Float32Array.of(1, Infinity))).found).toBe('Infinity at value 1')
    left(heatMap({ height: 2, width: 2, scale: 1 })(Float32Array.of(1)))
    left(heatMap({ height: 1, width: 1, scale: 1, range: [2, 1] })(Float32Array.of(1)))
  })

  test('blending is linear in its opacity', () => {
    const top = gray(1, 1, 1)
    expect(right(blend(0.25, top)(gray(1, 1, 0))).data).toEqual(Float32Array.of(0.25, 0.25, 0.25))
    left(blend(0.5, top)(gray(1, 2, 0, 0)))
  })
})
