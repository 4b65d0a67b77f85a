/** Boxes and masks of pictures that their EXIF orientation turns: they lie on what they were drawn around. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Item } from '../../data/readers/dataset.ts'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { right } from './either.ts'

const place = { folder: '' }
beforeAll(async () => {
  place.folder = await mkdtemp(join(tmpdir(), 'dinograph-exif-'))
})
afterAll(() => rm(place.folder, { recursive: true, force: true }))

/** A bright rectangle in a dark picture of 12 x 20 stored pixels. */
const [height, width] = [12, 20]
const box = { x: 3, y: 2, width: 5, height: 4 }
const inBox = (x: number, y: number): boolean => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height
const stored = Uint8Array.from({ length: height * width }, (_, i) => (inBox(i % width, Math.floor(i / width)) ? 255 : 0))

const opened = async (
  orientation: number,
  annotations?: 'stored' | 'upright',
): Promise<{ readonly item: Item; readonly notes: ReadonlyArray<string> }> => {
  const raw = { raw: { height, width, channels: 1 as const } }
  await sharp(stored, raw)
    .withMetadata({ orientation })
    .png()
    .toFile(join(place.folder, `${orientation}.png`))
  await sharp(stored, raw).png().toFile(join(place.folder, 'drawn.png'))
  const table = join(place.folder, `${orientation}.csv`)
  await writeFile(table, `path,box,mask\n${orientation}.png,"[${box.x},${box.y},${box.width},${box.height}]",drawn.png\n`)
  const parts = right(await openData(table, annotations === undefined ? {} : { annotations })())
  return { item: right(await right(datasetOf(parts)).item(0)()), notes: parts.notes }
}

/** The positions of bright pixels, and those of what an annotation holds. */
const brightOf = ({ image }: Item): ReadonlyArray<number> =>
  [...image.data.keys()].filter((i) => i < image.height * image.width && image.data[i] > 0.5)
const heldBy = ({ image: { height: h, width: w }, box: b }: Item): ReadonlyArray<number> =>
  Array.from({ length: h * w }, (_, i) => i).filter(
    (i) => b !== undefined && i % w >= b.x && i % w < b.x + b.width && Math.floor(i / w) >= b.y && Math.floor(i / w) < b.y + b.height,
  )
const maskedBy = ({ mask }: Item): ReadonlyArray<number> => [...(mask ?? []).keys()].filter((i) => mask?.[i] === 1)

describe('pictures turned by EXIF', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('orientation %d: box and mask count stored pixels', async (orientation) => {
    const { item, notes } = await opened(orientation)
    expect([item.image.height, item.image.width]).toEqual(orientation >= 5 ? [width, height] : [height, width])
    const bright = brightOf(item)
    expect(bright.length).toBe(box.width * box.height)
    expect(heldBy(item)).toEqual(bright)
    expect(maskedBy(item)).toEqual(bright)
    expect(notes.some((n) => n.includes('data.annotations=upright'))).toBe(orientation > 1)
  })

  test('the remedy of the note takes them as they are', async () => {
    const { item, notes } = await opened(3, 'upright')
    expect(item.box).toEqual(box)
    expect(maskedBy(item)).toEqual([...stored.keys()].filter((i) => stored[i] === 255))
    expect(notes.some((n) => n.includes('data.annotations=stored'))).toBe(true)
  })
})
