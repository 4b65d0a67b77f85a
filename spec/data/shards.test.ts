import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { unpackHadoopLz4, unpackLz4 } from '../../data/formats/lz4.ts'
import { unpackZstd } from '../../data/formats/zstd.ts'
import { openLoader } from '../../data/loading/loader.ts'
import { buffered, epochOrder } from '../../data/loading/order.ts'
import { openTraining } from '../../data/loading/training.ts'
import { reopen } from '../../data/loading/reopen.ts'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { left, right } from './either.ts'
import { expectSameImages, fixtures, itemsOf } from './readers-reference.ts'
import { parquetFile } from './parquet-files.ts'
import { tarHeader, tarMember } from './tar-files.ts'

/** A picture in which everything is k. */
const picture = (k: number): Promise<Buffer> =>
  sharp({ create: { width: 5, height: 4, channels: 3, background: { r: k, g: k, b: k } } })
    .png()
    .toBuffer()

const tar = (...members: ReadonlyArray<Buffer>): Buffer => Buffer.concat([...members, Buffer.alloc(1024)])

const folderOf = async (files: Readonly<Record<string, Buffer>>): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'dinograph-shards-'))
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(root, name), bytes)
  return root
}

/** Shards of n samples each: sample i is a picture of i, of class i % 3. */
const shards = async (...counts: ReadonlyArray<number>): Promise<Readonly<Record<string, Buffer>>> => {
  const out: Record<string, Buffer> = {}
  let i = 0
  for (const [s, n] of counts.entries()) {
    const members: Buffer[] = []
    for (let k = 0; k < n; k++, i++) members.push(tarMember(`${i}.png`, await picture(i)), tarMember(`${i}.cls`, String(i % 3)))
    out[`a-${String(s).padStart(6, '0')}.tar`] = tar(...members)
  }
  return out
}

const open = async (path: string, o: OpenOptions = {}) => {
  const opened = right(await openData(path, { values: 'stored', ...o })())
  return { opened, d: right(datasetOf(opened)), said: opened.notes.join('\n') }
}

const values = async (path: string, o: OpenOptions = {}): Promise<ReadonlyArray<number>> =>
  (await itemsOf((await open(path, o)).d)).map((item) => item.image.data[0])

describe('WebDataset shards', () => {
  test('samples are read where they lie, with their labels, over all shards', async () => {
    const { d, opened } = await open(await folderOf(await shards(3, 4)))
    expect([opened.kind, d.length, d.classes, d.channels]).toEqual(['webdataset', 7, ['0', '1', '2'], 3])
    const items = await itemsOf(d)
    expect(items.map((i) => [i.image.data[0], i.label])).toEqual(Array.from({ length: 7 }, (_, i) => [i, i % 3]))
    expect([items[3].source, d.shard?.(2), d.shard?.(3)]).toEqual(['a-000001.tar/3', 0, 1])
    expect([opened.files?.found, opened.files?.read]).toEqual([2, 2])
  })

  test('splits by the names of shards, labels in JSON, long names, folders in names, members that are not read', async () => {
    const far = `${'deep/'.repeat(30)}x1`
    const root = await folderOf({
      'set-train-000000.tar': tar(
        tarMember(`${far}.png`, await picture(9)),
        tarMember(`${far}.json`, '{"label": 4}'),
        tarMember('b.txt', 'words'),
      ),
      'set-val-000000.tar': tar(
        tarHeader('folder/', 0, '5'),
        tarMember('folder/c.json', '{"label": 2}'),
        tarMember('folder/c.jpg.png', await picture(7)),
      ),
    })
    const { opened, said } = await open(root)
    expect([...opened.splits].map(([s, d]) => [s, d.length, d.label(0)])).toEqual([
      ['train', 1, O.some(4)],
      ['val', 1, O.some(2)],
    ])
    expect(opened.splits.get('train')?.sourceOf?.(0)).toBe(`set-train-000000.tar/${far}`)
    expect(said).toContain('members of archives that are not read: 1 .txt')
  })

  test('labels by the rule of tables: several a sample, as lists in JSON or with a mark between, and null is none', async () => {
    /** A shard of pictures, beside each what is said of it. */
    const labelled = async (ending: string, ...texts: ReadonlyArray<string>) => {
      const members = await Promise.all(
        texts.map(async (text, i) => [tarMember(`${i}.png`, await picture(i)), tarMember(`${i}.${ending}`, text)]),
      )
      const { d, said } = await open(await folderOf({ 'a-000000.tar': tar(...members.flat()) }))
      return { d, said, items: await itemsOf(d) }
    }
    const lists = await labelled('json', '{"labels": ["cat", "dog"]}', '{"labels": []}', '{"labels": ["dog"]}')
    expect(lists.d.classes).toEqual(['cat', 'dog'])
    expect(lists.items.map((i) => i.labels)).toEqual([[1, 1], undefined, [0, 1]])
    expect(lists.said).toContain('labels are several a row, 2 classes')
    const marks = await labelled('cls', 'cat|dog', 'dog')
    expect(marks.items.map((i) => i.labels)).toEqual([
      [1, 1],
      [0, 1],
    ])
    const nulls = await labelled('json', '{"label": null}', '{"label": "dog"}')
    expect(nulls.items.map((i) => i.label)).toEqual([undefined, 0])
  })

  test('an archive that is cut off is a fault of it, or left out and counted; one without an end mark is said', async () => {
    const files = await shards(3, 3)
    const whole = files['a-000000.tar']
    const root = await folderOf({ ...files, 'a-000002.tar': whole.subarray(0, 1100) })
    const f = left(await openData(root)())
    expect([f.place, f.found]).toEqual([join(root, 'a-000002.tar'), 'the end of the archive within the header at byte 1024'])
    const { opened, d } = await open(root, { onError: 'skip' })
    expect([d.length, opened.files?.faults, opened.files?.read]).toEqual([6, 1, 2])
    const { said } = await open(await folderOf({ 'b.tar': whole.subarray(0, whole.length - 1024) }))
    expect(said).toContain('1 archive ends without an end mark, and may be cut off: b.tar')
  })

  test('an archive without pictures says what is in it', async () => {
    const f = left(await openData(join(await folderOf({ 'a.tar': tar(tarMember('a.npy', 'x'), tarMember('b.npy', 'x')) }), 'a.tar'))())
    expect([f.found, f.remedy.startsWith('unpack')]).toEqual(['archives without a picture: 2 .npy', true])
  })
})

describe('Parquet tables', () => {
  test('as Hugging Face writes them: splits, names of classes, row groups', async () => {
    const { opened, d, said } = await open(join(fixtures, 'parquet'))
    expect([opened.kind, [...opened.splits].map(([s, x]) => [s, x.length])]).toEqual([
      'parquet',
      [
        ['train', 5],
        ['test', 2],
      ],
    ])
    expect([d.classes, Array.from({ length: 5 }, (_, i) => O.toUndefined(d.label(i)))]).toEqual([
      ['cat', 'dog'],
      [0, 1, 0, 1, undefined],
    ])
    expect((await itemsOf(d)).map((i) => i.image.data[0])).toEqual([0, 10, 20, 30, 40])
    expect(said).toContain('pictures are "image"; label is "label", 2 classes; not used: note')
    expect([d.shard?.(1), d.shard?.(2)]).toEqual([0, 1])
  })

  test('boxes of objects, as COCO counts them, some images without any', async () => {
    const boxes = [
      [
        [1, 0, 2, 3],
        [0, 1, 4, 2],
      ],
      [],
      [[3, 2, 1, 1]],
    ]
    const columns = [
      { name: 'image', bytes: [await picture(1), await picture(2), await picture(3)] },
      { name: 'objects', boxes },
    ]
    const path = await folderOf({ 'a.parquet': parquetFile(columns, 2) })
    const { d, said } = await open(path)
    const found = (await itemsOf(d)).map((item) => item.boxes?.map((b) => [b.x, b.y, b.width, b.height]) ?? [])
    expect(found).toEqual(boxes)
    expect(said).toContain('boxes are "objects", read as x, y, width and height')
    const again = right(await reopen(right(await (d.origin ?? (() => Promise.reject(new Error('no origin'))))()))())
    expect((await itemsOf(again)).map((item) => item.boxes?.length ?? 0)).toEqual([2, 0, 1])
  })

  test('a box without sides stops, or is left out and counted; shares of sides are pixels', async () => {
    const columns = async (boxes: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>>) => [
      { name: 'image', bytes: [await picture(1)] },
      { name: 'objects', boxes },
    ]
    const path = await folderOf({
      'a.parquet': parquetFile(
        await columns([
          [
            [1, 0, 0, 3],
            [0, 1, 4, 2],
          ],
        ]),
      ),
    })
    expect(left(await openData(path)())).toMatchObject({ found: 'the box [1,0,0,3]' })
    const { d, said } = await open(path, { onError: 'skip' })
    expect([(await itemsOf(d))[0].boxes, said]).toEqual([
      [{ x: 0, y: 1, width: 4, height: 2 }],
      expect.stringMatching(/1 box without sides left out, the first at .*a\.parquet: row 0/),
    ])
    const shares = await open(await folderOf({ 'a.parquet': parquetFile(await columns([[[0.2, 0.5, 0.4, 0.25]]])) }))
    expect((await itemsOf(shares.d))[0].boxes).toEqual([{ x: 1, y: 2, width: 2, height: 1 }])
  })

  test.each(['zstd', 'lz4'])('pages packed by %s', async (name) => {
    const { d } = await open(join(fixtures, `parquet-odd/${name}.parquet`))
    expect((await itemsOf(d)).map((i) => [i.image.data[0], i.label])).toEqual([
      [50, 0],
      [60, 1],
    ])
  })

  test('pages of LZ4 as Hadoop lays them, in a column that is named by the table alone', async () => {
    const pictures = [await picture(3), await picture(4)]
    /** Literals alone: a block that packs nothing. */
    const pack = (page: Buffer): Buffer => {
      const rest = page.length - 15
      const run = Buffer.from([...new Array<number>(Math.floor(rest / 255)).fill(255), rest % 255])
      const block = Buffer.concat([Buffer.from([0xf0]), run, page])
      const sizes = Buffer.alloc(8)
      sizes.writeUInt32BE(page.length, 0)
      sizes.writeUInt32BE(block.length, 4)
      return Buffer.concat([sizes, block])
    }
    const columns = [
      { name: 'image', bytes: pictures },
      { name: 'label', whole: [7, 9] },
    ]
    const root = await folderOf({
      'a.parquet': parquetFile(columns, 1, {
        codec: 5,
        pack: (p) => (p.length < 15 ? Buffer.concat([Buffer.from([p.length << 4]), p]) : pack(p)),
      }),
    })
    const { d } = await open(join(root, 'a.parquet'))
    expect((await itemsOf(d)).map((i) => [i.image.data[0], d.classes[i.label ?? -1]])).toEqual([
      [3, '7'],
      [4, '9'],
    ])
    expect(d.shard?.(1)).toBe(1)
  })

  test('a page that is damaged, or states less than it holds, is a fault', () => {
    const bytes = Uint8Array.from([0x1f, 1, 1, 0, 0, 0x50, 1, 2, 3, 4, 5])
    const whole = unpackLz4(bytes, 25)
    const plain = [...Array.from({ length: 20 }, () => 1), 1, 2, 3, 4, 5]
    expect(whole).toEqual(E.right(Uint8Array.from(plain)))
    expect(E.isLeft(unpackLz4(bytes, 24)) && E.isLeft(unpackLz4(bytes, 26)) && E.isLeft(unpackLz4(bytes.subarray(0, 8), 25))).toBe(true)
    const sizes = Buffer.alloc(8)
    sizes.writeUInt32BE(25, 0)
    sizes.writeUInt32BE(bytes.length, 4)
    const laid = Buffer.concat([sizes, bytes])
    const twice = [...plain, ...plain]
    expect(unpackHadoopLz4(Buffer.concat([laid, laid]), twice.length)).toEqual(E.right(Uint8Array.from(twice)))
    expect(unpackHadoopLz4(bytes, 25)).toEqual(whole)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(200), (junk, n) => {
        for (const unpack of [unpackLz4, unpackHadoopLz4, unpackZstd]) {
          const out = unpack(junk, n)
          if (E.isRight(out)) expect(out.right.length).toBe(n)
        }
      }),
    )
  })

  test('several labels a row, by the names that their description has, in this thread and in others', async () => {
    const { d, said } = await open(join(fixtures, 'parquet-odd/several.parquet'))
    expect([d.classes, (await itemsOf(d)).map((i) => i.labels)]).toEqual([
      ['cat', 'dog', 'owl'],
      [[1, 0, 1], undefined, [1, 0, 0]],
    ])
    expect(said).toContain('label is "labels" (several a row), 3 classes')
    const again = right(await reopen(right(await (d.origin ?? (() => Promise.reject(new Error('none'))))()))())
    expect((await itemsOf(again)).map((i) => i.labels)).toEqual([[1, 0, 1], undefined, [1, 0, 0]])
  })

  test('a label that is null is none, whatever the first class is', async () => {
    const { d, said } = await open(join(fixtures, 'parquet-odd/nulls.parquet'))
    expect([d.classes, [0, 1, 2].map((i) => O.toUndefined(d.label(i)))]).toEqual([
      ['cat', 'dog'],
      [1, undefined, 0],
    ])
    expect(said).toContain('1 of 3 rows have no label (blank)')
  })

  test('the column of pictures may be named; without one the columns are listed; packings that are not read are named', async () => {
    const odd = join(fixtures, 'parquet-odd')
    expect(await values(join(odd, 'plain.parquet'), { columns: { path: 'scan' } })).toEqual([0, 10])
    const f = left(await openData(join(odd, 'texts.parquet'))())
    expect([f.found, f.remedy]).toEqual(['no column of pictures among text, y', expect.stringContaining('data.columns.path=NAME')])
    const cut = await folderOf({ 'cut.parquet': (await readFile(join(odd, 'plain.parquet'))).subarray(0, 500) })
    expect(left(await openData(join(cut, 'cut.parquet'))()).found).toContain('a table that cannot be read')
  })
})

describe('order of shards', () => {
  const d = { length: 3 * buffered + 100, shard: (i: number): number => Math.floor(i / 500) }

  test('a permutation, of which each buffer holds a few shards, another in each epoch and for each seed', () => {
    const listOf = (seed: number, epoch: number): Int32Array => {
      const at = epochOrder(d, seed, epoch)
      return Int32Array.from({ length: d.length }, (_, i) => at(i))
    }
    const order = listOf(1, 0)
    expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: d.length }, (_, i) => i))
    for (let b = 0; b < 4; b++) {
      const inside = new Set(Array.from(order.subarray(b * buffered, (b + 1) * buffered), d.shard))
      expect(inside.size).toBeLessThanOrEqual(buffered / 500 + 2)
    }
    expect(Array.from(order.subarray(0, 50))).not.toEqual(Array.from(order.subarray(0, 50)).sort((a, b) => a - b))
    expect([listOf(1, 1), listOf(2, 0)]).not.toContainEqual(order)
    expect(listOf(1, 0)).toEqual(order)
  })

  test('a run that begins later, and ranks that share a batch, see what one run sees; and so do worker threads', async () => {
    const { d: data } = await open(await folderOf(await shards(5, 6, 7)), { values: 'unit' })
    const o = { seed: 3, batch: 4, side: 8 }
    const one = right(await openLoader(data, { ...o, workers: 0 })())
    const late = right(await openLoader(data, { ...o, workers: 1 })())
    const ranks = [
      right(await openLoader(data, { ...o, workers: 0, rows: { from: 0, to: 2 } })()),
      right(await openLoader(data, { ...o, workers: 0, rows: { from: 2, to: 4 } })()),
    ]
    for (const step of [7, 8, 5]) {
      const whole = right(await one.batch(step)())
      const later = right(await late.batch(step)())
      expect([later.indices, later.canvases]).toEqual([whole.indices, whole.canvases])
      const parts = await Promise.all(ranks.map((r) => r.batch(step)()))
      expect(parts.flatMap((p) => Array.from(right(p).indices))).toEqual(Array.from(whole.indices))
    }
    for (const l of [one, late, ...ranks]) l.close()
  })

  test('parts of shards know their shards, and open again in another thread', async () => {
    const root = await folderOf(await shards(6, 6))
    const { train } = right(await openTraining(root, { share: 0.25, loading: {}, say: () => undefined })())
    expect(new Set(Array.from({ length: train.length }, (_, i) => train.shard?.(i)))).toEqual(new Set([0, 1]))
    for (const path of [root, join(fixtures, 'parquet')]) {
      const { d: data } = await open(path)
      const again = right(await reopen(right(await (data.origin ?? (() => Promise.reject(new Error('none'))))()))())
      expectSameImages(
        (await itemsOf(again)).map((i) => i.image),
        (await itemsOf(data)).map((i) => i.image),
        path,
      )
      expect(again.sourceOf?.(1)).toBe(data.sourceOf?.(1))
    }
  })
})
