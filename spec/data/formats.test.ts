import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as t from 'io-ts'
import { describe, expect, test } from 'vitest'
import { decodeAs } from '../../data/formats/codec.ts'
import { summarize } from '../../data/loading/summary.ts'
import { openData } from '../../data/readers/index.ts'
import { readPicture } from '../../data/readers/pictures/file.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { left, right } from './either.ts'
import { fixtures } from './readers-reference.ts'

const folder = join(fixtures, 'formats')

const json: unknown = JSON.parse(readFileSync(join(fixtures, 'formats.json'), 'utf8'))

/** What Pillow sees in them (formats.py). */
const wanted = right(
  decodeAs(
    t.record(t.string, t.array(t.type({ mode: t.string, shape: t.array(t.number), pixels: t.string }))),
    'data',
    'formats.json',
    '',
  )(json),
)

const numbers = (text: string, count: number): ReadonlyArray<number> => {
  const bytes = Buffer.from(text, 'base64')
  const size = bytes.length / count
  return Array.from({ length: count }, (_, i) =>
    size === 1 ? bytes.readUInt8(i) : size === 2 ? bytes.readUInt16LE(2 * i) : bytes.readFloatLE(4 * i),
  )
}

const copies = async (...files: ReadonlyArray<readonly [from: string, to: string]>): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-formats-'))
  for (const [from, to] of files) await copyFile(join(folder, from), join(dir, to))
  return dir
}

describe('pictures of other formats, as Pillow reads them', () => {
  test.each(Object.keys(wanted))('%s', async (name) => {
    for (const [page, { mode, shape, pixels }] of wanted[name].entries()) {
      const [height, width, channels] = shape
      const image = right(await readPicture(join(folder, name), { channels: channels === 1 ? 1 : 3, values: 'stored', page })())
      expect([image.height, image.width]).toEqual([height, width])
      const values = numbers(pixels, height * width * channels)
      const n = height * width
      const furthest = image.data.reduce((m, v, i) => Math.max(m, Math.abs(v - values[(i % n) * channels + Math.floor(i / n)])), 0)
      // colour differences are rounded on their way
      expect(furthest).toBeLessThanOrEqual(mode === 'YCbCr' ? 1 : 0)
    }
  })

  test('frames of an animated PNG are images, and it is said', async () => {
    const { splits, notes } = right(await openData(await copies(['frames.png', 'a.png'], ['frames.gif', 'b.gif']))())
    expect([...splits.values()].map((d) => d.length)).toEqual([6])
    expect(notes.join('\n')).toContain('2 files of several pages are read as 6 images: a.png, b.gif')
  })

  test('bytes are believed over endings, and files without one are told by theirs', async () => {
    const dir = await copies(['rgb.bmp', 'a.png'], ['rgb.jp2', 'b.jpg'], ['frames.png', 'c'], ['inks.jpg', 'd'])
    const opened = right(await openData(dir)())
    const d = right(datasetOf(opened))
    expect([opened.kind, opened.files?.read, d.length]).toEqual(['pictures', 4, 6])
    const s = await summarize(d, Infinity, () => undefined)
    expect([s.read, s.unreadable]).toEqual([6, []])
  })

  test('a value that stands for none is padding: air, and in no statistics', async () => {
    const d = right(datasetOf(right(await openData(join(folder, 'holes.tif'), { values: 'stored', channels: 'stored' })())))
    const s = await summarize(d, Infinity, () => undefined)
    expect([s.padding, s.pixels]).toEqual([48, 144])
    expect(s.values?.[0]).toBeGreaterThan(50)
  })

  test('what is cut off is said by its bytes; a packing that is not read, with converting as the remedy', async () => {
    const dir = await copies(['rgb.bmp', 'whole.bmp'])
    await writeFile(join(dir, 'cut.bmp'), (await readFile(join(folder, 'rgb.bmp'))).subarray(0, 300))
    expect(left(await readPicture(join(dir, 'cut.bmp'))()).found).toBe('246 bytes of pixels, where 432 belong')
    await writeFile(join(dir, 'page.jpg'), '<html>not found</html>')
    const f = left(await readPicture(join(dir, 'page.jpg'))())
    expect([f.found, f.remedy.split(',')[0]]).toEqual(['Input buffer contains unsupported image format', 'convert it'])
  })

  test.each([
    ['four bits in runs', [0x02, 0x12, 0x00, 0x00, 0x00, 0x03, 0x10, 0x20, 0x00, 0x01], 4, 2, [16, 32, 0, 16, 32, 0]],
    ['eight bits in runs', [0x02, 0x01, 0x00, 0x00, 0x03, 0x02, 0x00, 0x01], 8, 1, [32, 32, 32, 16, 16, 0]],
  ])('a bitmap of %s', async (_, runs, bits, compression, gray) => {
    const head = Buffer.alloc(54 + 4 * 2 ** bits)
    head.write('BM', 'latin1')
    head.writeUInt32LE(head.length, 10)
    head.writeUInt32LE(40, 14)
    head.writeInt32LE(3, 18)
    head.writeInt32LE(2, 22)
    head.writeUInt16LE(1, 26)
    head.writeUInt16LE(bits, 28)
    head.writeUInt32LE(compression, 30)
    for (let k = 0; k < 2 ** bits; k++) head.fill((16 * k) % 256, 54 + 4 * k, 57 + 4 * k)
    const dir = await copies()
    await writeFile(join(dir, 'runs.bmp'), Buffer.concat([head, Buffer.from(runs)]))
    const image = right(await readPicture(join(dir, 'runs.bmp'), { channels: 'stored', values: 'stored' })())
    expect([image.channels, Array.from(image.data)]).toEqual([1, bits === 4 ? [16, 0, 32, 16, 32, 0] : gray])
  })
})
