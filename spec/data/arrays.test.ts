import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, test } from 'vitest'
import { openTraining } from '../../data/loading/training.ts'
import { openData } from '../../data/readers/index.ts'
import { layoutOf } from '../../data/readers/npz/layout.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { folderOf } from './dicom-files.ts'
import { left, right, rightOf } from './either.ts'
import { archive, counting, npy, bytesOf, texts } from './npy-files.ts'

const pathOf = async (name: string, bytes: Buffer): Promise<string> => join(await folderOf({ [name]: bytes }), name)

const open = async (members: Readonly<Record<string, Buffer>>, o: OpenOptions = {}) => {
  const path = await pathOf('a.npz', archive(members))
  const opened = right(await openData(path, o)())
  return { path, opened, d: right(datasetOf(opened)), notes: opened.notes }
}

describe('arrays of other makers', () => {
  test.each([
    // shape, whether several images are spoken of, layout, whether that is a guess to be told
    [[224, 224, 3], false, 'hwc', true],
    [[3, 32, 32], false, 'chw', true],
    [[3, 32, 32], true, 'nhw', false],
    [[13, 64, 64], false, 'chw', true],
    [[64, 64, 13], false, 'hwc', true],
    [[13, 64, 64], true, 'nhw', false],
    [[13, 28, 28], false, 'nhw', true],
    [[64, 64], false, 'hw', false],
    [[20, 32, 32], true, 'nhw', false],
    [[20, 3, 32, 32], true, 'nchw', true],
    [[20, 1, 32, 32], true, 'nchw', false],
    [[20, 4, 32, 32], true, 'nchw', true],
    [[20, 13, 64, 64], true, 'nchw', true],
    [[20, 64, 64, 13], true, 'nhwc', true],
    [[20, 32, 32, 2], true, 'nhwc', true],
    [[20, 32, 32, 4], true, 'nhwc', false],
    [[20, 28, 28, 28], true, 'ndhw', false],
    [[5, 16, 32, 32], true, 'ndhw', false],
    [[5, 28, 28, 28, 3], true, 'ndhwc', false],
    [[5, 3, 28, 28, 28], true, 'ncdhw', true],
  ])('%j, several %s: %s', (shape, several, text, guessed) => {
    const told = rightOf(layoutOf(shape, { several }))
    expect([told.layout.text, told.note !== undefined]).toEqual([text, guessed])
    // the other reading that a note names is one that the shape has
    const other = /data\.layout=(\w+)/.exec(told.note ?? '')?.[1]
    if (other !== undefined) expect(rightOf(layoutOf(shape, { several, layout: other })).layout.text).toBe(other)
  })

  test.each([
    ['trainImages', 'trainLabels', 'testImages'],
    ['Xtrain', 'ytrain', 'Xtest'],
    ['X_tr', 'y_tr', 'X_te'],
    ['train-x', 'train-y', 'val.x'],
  ])('parts in names: %s, %s, %s', async (images, labels, held) => {
    const { opened, d } = await open({
      [images]: counting('|u1', [4, 8, 8]),
      [labels]: counting('|u1', [4], (i) => i % 2),
      [held]: counting('|u1', [2, 8, 8]),
    })
    expect([[...opened.splits.values()].map((s) => s.length), d.classes]).toEqual([
      [4, 2],
      ['0', '1'],
    ])
  })

  test('images along the last axis are not taken for volumes', () => {
    const told = layoutOf([32, 32, 3, 100], { several: true })
    expect(JSON.stringify(told)).toMatch(/^\{"_tag":"Left".*np\.moveaxis\(images, -1, 0\)/)
  })

  test('channels first are colours of one image, each where it belongs, and the note says how to take them as slices', async () => {
    const members = { x_train: counting('|u1', [6, 3, 8, 8], (i) => i % 251), y_train: counting('|u1', [6], (i) => i % 2) }
    const { d, notes } = await open(members)
    expect([d.length, d.channels, d.label(3)]).toEqual([6, 3, O.some(1)])
    expect(notes).toEqual([
      expect.stringMatching(
        /x_train\.npy: \[6, 3, 8, 8\] is taken as nchw: 6 images, 3 channels of 8 x 8 \(--set data\.layout=ndhw takes it as 6 volumes of 3 slices/,
      ),
    ])
    const { image } = right(await d.item(2)())
    expect([...image.data]).toEqual(Array.from({ length: 192 }, (_, k) => (2 * 192 + k) % 251))
    const slices = (await open(members, { layout: 'ndhw' })).d
    expect([slices.length, slices.channels, [...right(await slices.item(7)()).image.data]]).toEqual([
      18,
      1,
      Array.from({ length: 64 }, (_, k) => (7 * 64 + k) % 251),
    ])
  })

  test('channels last: one image alone, thirteen bands', async () => {
    const one = right(datasetOf(right(await openData(await pathOf('one.npy', counting('|u1', [9, 10, 3])))())))
    expect([one.length, [...right(await one.item(0)()).image.data].slice(88, 92)]).toEqual([1, [(88 * 3) % 256, (89 * 3) % 256, 1, 4]])
    const bands = await open({ images: counting('<u2', [2, 64, 64, 13]) })
    const { image } = right(await bands.d.item(1)())
    expect([bands.d.length, bands.d.channels, image.channels, image.data[5 * 4096 + 70]]).toEqual([
      2,
      13,
      13,
      (64 * 64 * 13 + 70 * 13 + 5) % 65536,
    ])
  })

  test('what the storage type can hold does not decide what the network sees', async () => {
    const hu = (i: number): number => (i % 8 === 0 ? -1000 : (i * 37) % 400)
    const seen = async (members: Readonly<Record<string, Buffer>>): Promise<ReadonlyArray<number>> => {
      const { path } = await open(members)
      const { train } = right(await openTraining(path, { share: 0.2, loading: {}, say: () => undefined })())
      return [...right(await train.item(0)()).image.data]
    }
    const [short, float, twelve] = [
      await seen({ images: counting('<i2', [5, 16, 16], hu) }),
      await seen({ images: counting('<f4', [5, 16, 16], hu) }),
      await seen({ images: counting('<u2', [5, 16, 16], (i) => hu(i) + 1000) }),
    ]
    expect(short).toEqual(float)
    const mean = short.reduce((a, b) => a + b, 0) / short.length
    expect(Math.sqrt(short.reduce((a, b) => a + (b - mean) ** 2, 0) / short.length)).toBeGreaterThan(0.2)
    twelve.forEach((v, i) => {
      expect(v).toBeCloseTo(short[i], 5)
    })
  })

  test.each(['imgs', 'X', 'images', 'data', 'img', 'Images', 'x'])('the images are called %s', async (name) => {
    const { d, notes } = await open({ other: counting('|u1', [3, 4]), [name]: counting('|u1', [6, 8, 8]) })
    expect([d.length, d.channels]).toEqual([6, 1])
    expect(notes[0]).toEqual(expect.stringMatching(/1 array is not read: other \[3, 4\] \(--set data\.select=other/))
  })

  test('an array of any name is taken where a person names it', async () => {
    const members = { scans_a: counting('|u1', [4, 8, 8]), scans_b: counting('|u1', [5, 8, 8]) }
    const f = left(await openData(await pathOf('b.npz', archive(members)))())
    expect([f.found, f.remedy]).toEqual([
      'the arrays scans_a, scans_b, none of which is called images',
      expect.stringContaining('data.select=NAME'),
    ])
    expect((await open(members, { select: ['scans_b'] })).d.length).toBe(5)
  })

  test('an array whose axes say nothing is read where its layout is named', async () => {
    const path = await pathOf('c.npy', counting('|u1', [4, 6]))
    const f = left(await openData(path)())
    expect([f.found, f.remedy]).toEqual([expect.stringContaining('[4, 6]'), expect.stringContaining('data.layout')])
    expect(right(datasetOf(right(await openData(path, { layout: 'hw' })()))).length).toBe(1)
  })
})

describe('labels of arrays never stop what needs none', () => {
  const images = counting('|u1', [6, 8, 8])
  const f4 = (values: ReadonlyArray<number>, shape: ReadonlyArray<number> = [values.length]): Buffer =>
    npy('<f4', shape, bytesOf(Float32Array.from(values)))
  test.each<readonly [string, Buffer, ReadonlyArray<number>, ReadonlyArray<string>, RegExp | undefined]>([
    [
      'texts',
      texts(['dog', 'cat', 'cat', 'ape', '', 'dog']),
      [2, 1, 1, 0, -1, 2],
      ['ape', 'cat', 'dog'],
      /1 of 6 rows have no label \(blank\)/,
    ],
    ['whole floats', f4([0, 1, 2, 0, 1, 2]), [0, 1, 2, 0, 1, 2], ['0', '1', '2'], undefined],
    ['negative and NaN', f4([0, -1, NaN, 1, 1, 0]), [0, -1, -1, 1, 1, 0], ['0', '1'], /2 of 6 rows have no label \(-1, blank\)/],
    [
      '255 of bytes',
      npy('|u1', [6], Uint8Array.of(0, 255, 1, 255, 255, 1)),
      [0, -1, 1, -1, -1, 1],
      ['0', '1'],
      /3 rows with 255 are taken for rows without a label/,
    ],
    ['one-hot vectors', f4([1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0], [6, 2]), [0, 1, 0, 1, 1, 0], ['0', '1'], /one class of 2/],
    ['measurements', f4([0, 0.25, 1, 1, 1, 1]), [0, 1, 2, 2, 2, 2], ['0', '0.25', '1'], /3 numbers up to 1 are classes in their order/],
    ['masks', counting('|u1', [6, 8, 8]), [-1, -1, -1, -1, -1, -1], [], /labels of shape \[6, 8, 8\] for 6 images/],
    ['objects', npy('|O', [6], new Uint8Array(48)), [-1, -1, -1, -1, -1, -1], [], /pickled objects of Python: read without/],
    [
      'a large number',
      npy('<i4', [6], bytesOf(Int32Array.of(5, 999999999, 5, 5, 5, 5))),
      [0, 1, 0, 0, 0, 0],
      ['5', '999999999'],
      /2 numbers up to 999999999 are classes in their order/,
    ],
  ])('%s', async (_, labels, wanted, classes, note) => {
    const { d, notes } = await open({ images, labels })
    expect(Array.from({ length: 6 }, (_x, i) => O.getOrElse(() => -1)(d.label(i)))).toEqual(wanted)
    expect(d.classes).toEqual(classes)
    expect(notes).toEqual(note === undefined ? [] : [expect.stringMatching(note)])
  })
})
