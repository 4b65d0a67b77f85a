/** Tables as programs and competitions write them: what each means, with the values that come of it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import { listOf } from '../../data/readers/manifest/lists.ts'
import { decodeText } from '../../data/readers/manifest/table.ts'
import { left, right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dinograph-brought-'))
  const picture = await sharp({ create: { width: 8, height: 4, channels: 3, background: { r: 200, g: 30, b: 90 } } })
    .png()
    .toBuffer()
  const cases = [0, 1].flatMap((k) => [0, 1].map((i) => `MURA/train/patient${k}/study1/image${i}.png`))
  for (const p of ['0.png', '1.png', '2.png', '3.png', 'coco/train2017/7.png', 'coco/train2017/8.png', ...cases]) {
    await mkdir(dirname(join(dir, p)), { recursive: true })
    await writeFile(join(dir, p), picture)
  }
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

const read = async (name: string, content: string | Uint8Array) => {
  const path = join(dir, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  const { splits, notes } = right(await openData(path)())
  const [d] = splits.values()
  const items = await itemsOf(d)
  return {
    said: notes.join('\n'),
    classes: d.classes,
    sources: items.map((i) => i.source),
    labels: Array.from({ length: d.length }, (_, i) =>
      O.match(
        () => '-',
        (k: number) => d.classes[k],
      )(d.label(i)),
    ),
    several: items.map((i) => i.labels),
    boxes: items.map((i) => i.boxes),
  }
}

const csv = (head: string, ...rows: ReadonlyArray<string>): string => [head, ...rows].join('\n')

describe('as spreadsheets and pandas write them', () => {
  const plain = { sources: ['0.png', '1.png', '2.png'], labels: ['a', 'b', 'a'] }
  test.each<readonly [string, string, string | Uint8Array]>([
    ['a first line that says the separator', 'sep.csv', csv('sep=;', 'file;label', '0.png;a', '1.png;b', '2.png;a')],
    ['UTF-16 without its mark', 'wide.csv', Buffer.from(csv('file,label', '0.png,a', '1.png,b', '2.png,a'), 'utf16le')],
    ['JSON by columns of numbered rows', 'a.json', '{"file":{"0":"0.png","1":"1.png","2":"2.png"},"label":{"0":"a","1":"b","2":"a"}}'],
    ['JSON by columns of lists', 'b.json', '{"file":["0.png","1.png","2.png"],"label":["a","b","a"]}'],
    ['JSON by the names of images', 'c.json', '{"0":{"label":"a"},"1":{"label":"b"},"2":{"label":"a"}}'.replace(/"(\d)"/g, '"$1.png"')],
  ])('%s', async (_, name, content) => {
    expect(await read(name, content)).toMatchObject(plain)
  })

  test('bytes of letters are not taken for UTF-16', () => {
    const bytes = Buffer.from('a,b\n', 'utf8')
    expect(decodeText(bytes).text).toBe('a,b\n')
    expect(decodeText(Buffer.from('\0a\0,\0b\0\n', 'latin1')).text).toBe('a,b\n')
  })

  test('True and False in a column for each class', async () => {
    const one = await read('one.csv', csv('image,mel,nv', '0.png,True,False', '1.png,False,True', '2.png,False,True'))
    expect([one.classes, one.labels]).toEqual([
      ['mel', 'nv'],
      ['mel', 'nv', 'nv'],
    ])
    const several = await read('several.csv', csv('image,mel,nv', '0.png,True,True', '1.png,False,True'))
    expect(several.several).toEqual([
      [1, 1],
      [0, 1],
    ])
  })

  test('lists of Python and NumPy are several labels', async () => {
    const words = await read('words.csv', csv('path,Labels', `0.png,"['normal', 'a, b']"`, '1.png,[]', `2.png,"['normal']"`))
    expect([words.classes, words.several]).toEqual([
      ['a, b', 'normal'],
      [[1, 1], undefined, [0, 1]],
    ])
    const marks = await read('marks.csv', csv('path,labels', '0.png,[1 0 1]', '1.png,[0 0 1]'))
    expect(marks.several).toEqual([
      [1, 0, 1],
      [0, 0, 1],
    ])
  })

  test('lists of numbers beyond 1 are classes, however long they are', async () => {
    const { classes, several } = await read('pairs.csv', csv('path,labels', '0.png,"[3, 5]"', '1.png,"[5, 0]"'))
    expect([classes, several]).toEqual([
      ['0', '3', '5'],
      [
        [0, 1, 1],
        [1, 0, 1],
      ],
    ])
  })

  test.each<readonly [string, ReadonlyArray<unknown> | undefined]>([
    [`['it\\'s', "b", None, 2]`, ["it's", 'b', null, 2]],
    ['(1, 2.5)', [1, 2.5]],
    ['[1. 0. 2e1]', [1, 0, 20]],
    ['[nan, 1]', [null, 1]],
    ['[]', []],
    ['[[1, 2], [3]]', [[1, 2], [3]]],
    ['[(1, 2), (3, 4)]', undefined],
    ["['a' 'b']", undefined],
    ['a, b', undefined],
  ])('%s', (text, list) => {
    expect(listOf(text)).toEqual(list)
  })

  test('classes that differ in capitals alone are named', async () => {
    const { said, classes } = await read('case.csv', csv('path,label', '0.png,Benign', '1.png,benign', '2.png,other'))
    expect(classes).toEqual(['Benign', 'benign', 'other'])
    expect(said).toContain('classes differ in capitals alone, and are classes of their own: Benign, benign')
  })
})

describe('as competitions write them', () => {
  test('boxes that are shares of the sides of their images', async () => {
    const { boxes, said } = await read('shares.csv', csv('ImageID,XMin,XMax,YMin,YMax', '0.png,0.25,0.75,0.5,1', '1.png,0,1,0,0.25'))
    expect(boxes).toEqual([[{ x: 2, y: 2, width: 4, height: 2 }], [{ x: 0, y: 0, width: 8, height: 1 }]])
    expect(said).toContain('boxes of numbers up to 1 are taken as shares of the sides of their images')
    const pixels = await read('pixels.csv', csv('ImageID,XMin,XMax,YMin,YMax', '0.png,0.25,0.75,0.5,1', '1.png,0,3,0,2'))
    expect(pixels.boxes[0]).toEqual([{ x: 0.25, y: 0.5, width: 0.5, height: 0.5 }])
    expect(pixels.said).not.toContain('shares')
  })

  test('run lengths are no paths of masks', async () => {
    const { sources, said } = await read('rle.csv', csv('id,class,segmentation', '0,a,1 3 10 5', '1,b,'))
    expect(sources).toEqual(['0.png', '1.png'])
    expect(said).toContain('not used: segmentation')
  })

  test('a list of folders without a first line of names', async () => {
    const { sources, labels, said } = await read('MURA/list.csv', csv('MURA/train/patient0/study1/,1', 'MURA/train/patient1/study1/,0'))
    expect(sources).toEqual([0, 1].flatMap((k) => [0, 1].map((i) => `train/patient${k}/study1/image${i}.png`)))
    expect(labels).toEqual(['1', '1', '0', '0'])
    expect(said).toContain('the first line names a file or folder and is read as a row')
  })

  test('annotations in a folder beside the images', async () => {
    const images = [7, 8].map((id) => ({ id, file_name: `${id}.png` }))
    const annotations = [7, 8].map((id) => ({ image_id: id, category_id: 1, bbox: [1, 1, 2, 2] }))
    const found = await read('coco/annotations/a.json', JSON.stringify({ images, annotations, categories: [{ id: 1, name: 'cat' }] }))
    expect([found.sources, found.labels]).toEqual([
      ['../train2017/7.png', '../train2017/8.png'],
      ['cat', 'cat'],
    ])
    expect(found.said).toContain('2 paths found by its name, in the folders beside: 7.png, 8.png')
    // a folder of another name is not left
    await mkdir(join(dir, 'coco/mine'))
    await writeFile(join(dir, 'coco/mine/a.csv'), csv('path', '7.png'))
    expect(left(await openData(join(dir, 'coco/mine/a.csv'))()).found).toContain('no such file')
  })

  test('an image in several rows is said to be', async () => {
    const { said, sources } = await read('again.csv', csv('path,label', '0.png,a', '0.png,a', '1.png,b', '2.png,a', '2.png,b'))
    expect(sources).toHaveLength(5)
    expect(said).toContain('1 image is in several rows with different labels: each row is an image of its own: 2.png')
    expect(said).toContain('1 image is in several rows: each row is an image of its own: 0.png')
  })

  test('masks of which none is there are what is missing', async () => {
    const path = join(dir, 'masks.csv')
    await writeFile(path, csv('path,mask', '0.png,m0.png', '1.png,m1.png'))
    expect(left(await openData(path, { onError: 'skip' })()).found).toMatch(/no such file.*masks: 2 of 2 paths lead to no file/)
  })
})
