/** The sheet of crops that a run writes first: regions of interest are outlined where they lie in each crop. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { afterAll, expect, test } from 'vitest'
import { reference } from '../../compiler/targets/reference.ts'
import { range } from '../../core/type.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import { augmentations } from '../../data/augment/presets.ts'
import type { Batch } from '../../data/loading/loader.ts'
import { readPicture } from '../../data/readers/pictures/file.ts'
import { previewSheet } from '../../train/run/preview.ts'
import { right } from '../data/either.ts'

const folder = mkdtempSync(join(tmpdir(), 'dinograph-preview-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const side = 48
const boxes = [
  { x: 11, y: 19, width: 13, height: 9 },
  { x: 30, y: 4, width: 8, height: 16 },
]

/** White boxes on black; the third image has no region. */
const batch: Batch = {
  first: 40,
  step: 0,
  epoch: 0,
  indices: Int32Array.of(0, 1, 2),
  labels: Int32Array.of(-1, -1, -1),
  notes: [],
  subjects: range(3).map((b) => ({ size: { height: side, width: side }, regions: boxes.slice(b, b + 1) })),
  canvases: Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const box = boxes[Math.floor(i / (side * side))]
    const [x, y] = [i % side, Math.floor(i / side) % side]
    return box !== undefined && x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height ? 1 : 0
  }),
}

test('regions are outlined in the image and in its crops, and nowhere else', async () => {
  const device = right(await reference.open())
  const crops = augmentations.digits({
    globalSize: 24,
    globalScale: [0.4, 1],
    locals: 3,
    localSize: 16,
    localScale: [0.1, 0.4],
    normalisation: { mean: [0], std: [1] },
    guided: { probability: 0.5, fraction: 0.5 },
  })
  const plain = { ...crops, jitter: { ...crops.jitter, probability: 0 } }
  const p = right(multiCrop(plain, { batch: 3, channels: 1, side }))
  const path = join(folder, 'crops.png')
  right(await previewSheet(device, p, { batch: () => TE.right(batch) }, 7, path)())
  device.close()
  const image = right(await readPicture(path)())
  const n = image.height * image.width
  const at = (x: number, y: number): readonly [number, number, number] => {
    const i = y * image.width + x
    return [image.data[i], image.data[n + i], image.data[2 * n + i]]
  }
  const isLine = ([r, g, b]: readonly number[]): boolean => r > 0.9 && g > 0.7 && g < 0.9 && b < 0.1
  const isWhite = ([r, g, b]: readonly number[]): boolean => r > 0.3 && r === g && g === b && r < 1.01
  const lines = range(n).filter((i) => isLine(at(i % image.width, Math.floor(i / image.width))))
  const tile = image.width / 6
  // beyond the images themselves, in the first column
  expect(lines.filter((i) => i % image.width > tile).length).toBeGreaterThan(100)
  const reach = 8
  for (const i of lines) {
    const [x, y] = [i % image.width, Math.floor(i / image.width)]
    const near = range((2 * reach + 1) ** 2).some((k) => {
      const [u, v] = [x + (k % (2 * reach + 1)) - reach, y + Math.floor(k / (2 * reach + 1)) - reach]
      return u >= 0 && u < image.width && v >= 0 && v < image.height && isWhite(at(u, v))
    })
    expect(near, `a line at ${x}, ${y}`).toBe(true)
  }
  // the last row is of the image without a region
  expect(lines.every((i) => Math.floor(i / image.width) < (2 * image.height) / 3 + 4)).toBe(true)
})
