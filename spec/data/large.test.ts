/** Images larger than canvases: their crops show all pixels, and what is shrunk is said. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { atlasSide } from '../../data/augment/atlas.ts'
import type { Augmentation } from '../../data/augment/augmentation.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import { augmentationOf, augmentations } from '../../data/augment/presets.ts'
import { openLoader } from '../../data/loading/loader.ts'
import type { LoaderOptions } from '../../data/loading/loader.ts'
import { openData } from '../../data/readers/index.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { right } from './either.ts'
import { fixtures } from './readers-reference.ts'

const [height, width] = [90, 120]

const d = right(
  arrayDataset({
    name: 'large',
    channels: 3,
    height,
    width,
    range: [0, 1],
    images: Float32Array.from(wave(4 * 3 * height * width, 1), (v, i) => 0.5 + 0.25 * v + 0.25 * Math.sin(i / 7)),
    labels: Int32Array.of(0, 1, 0, 1),
    classes: ['a', 'b'],
  }),
)

/** Every output of the crops' program for a step, of a loader with canvases of a side. */
const cropsAt = async (r: Augmentation, side: number, o: Partial<LoaderOptions> = {}) => {
  const m = right(multiCrop(r, { batch: 2, channels: 3, side }))
  const l = right(await openLoader(d, { seed: 4, batch: 2, side, crops: m, workers: 0, ...o })())
  const batch = right(await l.batch(3)())
  const out = evaluate(
    right(m.graph).outputs.map((x) => x.expr),
    right(m.feed(4, batch)),
  )
  l.close()
  return { out, batch }
}

const small = { globalSize: 24, localSize: 12, locals: 5 }

describe('crops of images that are larger than their canvas', () => {
  test.each<readonly [string, Augmentation]>([
    ['v1', augmentations.v1(small)],
    ['v2', augmentations.v2(small)],
    ['with a Gram teacher', { ...augmentations.v3(small), gram: { size: 36 } }],
    ['unresized', right(augmentationOf('unresized', small))],
  ])('%s: the same as from a canvas that holds all of the image', async (_, r) => {
    const side = atlasSide(right(multiCrop(r, { batch: 2, channels: 3, side: 128 })).plan.groups)
    expect(side).toBeLessThan(width)
    const [whole, apart] = [await cropsAt(r, 128), await cropsAt(r, side)]
    expect(apart.batch.subjects.map((s) => [s.apart, s.size])).toEqual([0, 1].map(() => [true, { height, width }]))
    whole.out.forEach((values, k) => {
      expectClose(apart.out[k], values, 2e-5)
    })
    expect([whole.batch.notes, apart.batch.notes]).toEqual([[], []])
  })

  test('are shrunk where that is asked for, or where a canvas does not hold the crops, and it is said', async () => {
    const said = { notes: [expect.stringMatching(/90 x 120 shrunk to 48 x 64/), expect.stringMatching(/90 x 120 shrunk/)] }
    expect((await cropsAt(augmentations.v2(small), 64, { shrink: true })).batch).toMatchObject(said)
    expect((await cropsAt(augmentations.v2({ globalSize: 48, localSize: 12, locals: 5 }), 64)).batch).toMatchObject(said)
  })

  test('do not depend on what was cached: a step is the same when it comes again', async () => {
    const m = right(multiCrop(augmentations.v2(small), { batch: 2, channels: 3, side: 64 }))
    const l = right(await openLoader(d, { seed: 4, batch: 2, side: 64, crops: m, workers: 0 })())
    const first = right(await l.batch(1)())
    for (const step of [2, 3, 4]) await l.batch(step)()
    expect(right(await l.batch(1)()).canvases).toEqual(first.canvases)
  })
})

describe('sizes', () => {
  test('are known from headers, of pictures as they stand upright, of slices along any axis', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-large-'))
    const picture = sharp({ create: { width: 30, height: 20, channels: 3, background: { r: 1, g: 2, b: 3 } } })
    await writeFile(join(dir, 'a.png'), await picture.png().toBuffer())
    await writeFile(join(dir, 'b.jpg'), await picture.jpeg().withMetadata({ orientation: 6 }).toBuffer())
    for (const [path, options] of [
      [dir, {}],
      [join(fixtures, 'formats'), {}],
      [join(fixtures, 'pydicom/MR_small.dcm'), {}],
      [join(fixtures, 'nifti/n1_u1.nii'), { axis: 0 }],
      [join(fixtures, 'npz/volume.npz'), { axis: 1 }],
    ] as const) {
      const data = right(datasetOf(right(await openData(path, options)())))
      for (let i = 0; i < data.length; i++) {
        const { image } = right(await data.item(i)())
        expect([path, i, data.sizeOf?.(i)]).toEqual([path, i, { height: image.height, width: image.width }])
      }
    }
  })
})
