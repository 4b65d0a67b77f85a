/** Boxes as tables write them: sides or corners, by the names of columns and records, or as a setting says. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { left, right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

const picture = await sharp({ create: { width: 32, height: 24, channels: 3, background: { r: 90, g: 30, b: 200 } } })
  .png()
  .toBuffer()

const tableOf = async (name: string, text: string): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
  for (const k of [0, 1]) await writeFile(join(dir, `${k}.png`), picture)
  await writeFile(join(dir, name), text)
  return join(dir, name)
}

const read = async (name: string, text: string, o: OpenOptions = {}) => {
  const opened = right(await openData(await tableOf(name, text), o)())
  return { boxes: (await itemsOf(right(datasetOf(opened)))).map((i) => i.boxes), said: opened.notes }
}

const box = { x: 2, y: 3, width: 8, height: 9 }

describe('boxes', () => {
  test.each([
    ['x,y,width,height', '2,3,8,9'],
    ['x,y,w,h', '2,3,8,9'],
    ['Bbox [x,y,w,h]', '2,3,8,9'],
    ['left,top,width,height', '2,3,8,9'],
    ['x_min,y_min,x_max,y_max', '2,3,10,12'],
    ['x1,y1,x2,y2', '2,3,10,12'],
    ['x0,y0,x1,y1', '2,3,10,12'],
    ['left,top,right,bottom', '2,3,10,12'],
  ])('columns %s', async (names, numbers) => {
    const { boxes, said } = await read('t.csv', `path,${names}\n0.png,${numbers}\n1.png,,,,\n`)
    expect(boxes).toEqual([[box], undefined])
    const [a, b, c, d] = names.split(',').map((n) => JSON.stringify(n))
    expect(said[0]).toContain(`boxes are ${a}, ${b}, ${c}, ${d}`)
    expect(said.length).toBe(1)
  })

  test.each([[{ x: 2, y: 3, width: 8, height: 9 }], [{ x1: 2, y1: 3, x2: 10, y2: 12 }], [{ xmin: 2, ymin: 3, xmax: 10, ymax: 12 }]])(
    'records %j',
    async (record) => {
      const { boxes } = await read('t.jsonl', [0, 1].map((k) => JSON.stringify({ path: `${k}.png`, boxes: [record] })).join('\n'))
      expect(boxes).toEqual([[box], [box]])
    },
  )

  test('numbers without names that may be corners are sides, which is said; the setting reads corners', async () => {
    const both = 'path,bbox\n0.png,"2,3,10,12"\n1.png,\n'
    const sides = await read('t.csv', both)
    expect(sides.boxes[0]).toEqual([{ x: 2, y: 3, width: 10, height: 12 }])
    expect(sides.said).toContain('boxes of "bbox" are read as x, y, width, height (--set data.boxes=corners reads them as two corners)')
    const corners = await read('t.csv', both, { boxes: 'corners' })
    expect(corners.boxes[0]).toEqual([box])
    expect(corners.said.join()).not.toContain('data.boxes')
    expect((await read('t.csv', 'path,bbox\n0.png,"12,13,8,9"\n1.png,\n')).said.join()).not.toContain('data.boxes')
    const f = left(await openData(await tableOf('t.csv', 'path,bbox\n0.png,"12,13,8,9"\n'), { boxes: 'corners' })())
    expect([f.found, f.allowed]).toEqual(['the box [12,13,8,9]', expect.stringContaining('the corner opposite')])
  })

  test('COCO: its boxes are sides, its categories labels; outlines and annotations of no image are told', async () => {
    const images = [0, 1].map((id) => ({ id, file_name: `${id}.png` }))
    const one = { category_id: 1, bbox: [2, 3, 8, 9], segmentation: [[1, 1, 2, 2, 3, 3]] }
    const annotations = [
      { ...one, image_id: 0 },
      { ...one, image_id: 7 },
    ]
    const { boxes, said } = await read('t.json', JSON.stringify({ images, annotations, categories: [{ id: 1, name: 'cat' }] }))
    expect(boxes).toEqual([[box], undefined])
    expect(said).toContain('2 outlines of annotations (segmentation) are not read: their boxes are')
    expect(said).toContain('1 annotation of images that are not listed is left out')
    expect(said.join()).not.toContain('data.boxes')
  })
})
