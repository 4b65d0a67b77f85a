/**
 * preprocessor_config.json as it is found: null for absent, sizes, statistics and filters in every form that transformers takes; and
 * pixels as its classes make them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { decodeAs } from '../../data/formats/codec.ts'
import type { Image } from '../../data/readers/dataset.ts'
import { preprocessorCodec, preprocessorOf } from '../../train/exchange/huggingface/preprocessor.ts'
import type { Preprocess } from '../../train/exchange/preprocess.ts'
import { centreCrop, framed, framedBoxes, preprocessOf, preprocessorOfCrops } from '../../train/exchange/preprocess.ts'
import { processorOf } from '../../train/exchange/huggingface/processor.ts'
import { left, right, some } from '../data/either.ts'
import { temporary } from './backbones.ts'

const at = temporary()

const decoded = decodeAs(preprocessorCodec, 'data', 'p.json', 'correct it')
const read = (u: unknown, channels = 3): Preprocess => right(preprocessOf('p.json', right(decoded(u)), channels))

/** As facebook/dinov3-* have it. */
const released = {
  crop_size: null,
  data_format: 'channels_first',
  default_to_square: true,
  device: null,
  do_center_crop: null,
  do_convert_rgb: null,
  do_normalize: true,
  do_rescale: true,
  do_resize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_processor_type: 'DINOv3ViTImageProcessorFast',
  image_std: [0.229, 0.224, 0.225],
  input_data_format: null,
  resample: 2,
  rescale_factor: 1 / 255,
  return_tensors: null,
  size: { height: 224, width: 224 },
}

describe('a processor that names no class', () => {
  it.each([
    ['vit', 'ViTImageProcessor'],
    ['dinov2', 'BitImageProcessor'],
    ['dinov3_convnext', 'DINOv3ViTImageProcessorFast'],
    ['swin', 'ViTImageProcessor'],
  ])('is, beside a %s, a %s', async (type, name) => {
    const folder = at(type)
    mkdirSync(folder)
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: type }))
    writeFileSync(join(folder, 'preprocessor_config.json'), '{"do_resize": true}')
    const found = some(right(await processorOf(folder)()))
    expect(right(preprocessOf(folder, found, 3))).toEqual(right(preprocessOf(folder, { image_processor_type: name }, 3)))
  })
})

describe('what is read', () => {
  it('is the released file as it is', () => {
    expect(read(released)).toMatchObject({
      resize: { kind: 'exact', height: 224, width: 224 },
      crop: undefined,
      resampling: { filter: 'bilinear', antialias: true },
      mean: [0.485, 0.456, 0.406],
      rounds: false,
    })
  })
  it('is the default of its class for every key that is null', () => {
    const nulls = Object.fromEntries(Object.keys(released).map((key) => [key, null]))
    expect(read({ ...nulls, image_processor_type: 'BitImageProcessor' })).toEqual(read({ image_processor_type: 'BitImageProcessor' }))
    expect(read({ ...nulls, image_processor_type: 'ViTImageProcessorFast' })).toMatchObject({
      resize: { kind: 'exact', height: 224, width: 224 },
      crop: undefined,
      mean: [0.5, 0.5, 0.5],
      resampling: { filter: 'bilinear' },
    })
    expect(read({ image_processor_type: 'BitImageProcessor' })).toMatchObject({
      resize: { kind: 'shortest', side: 224 },
      crop: { height: 224, width: 224 },
      resampling: { filter: 'bicubic' },
    })
  })
  it.each([[[20, 24]], [{ height: 20, width: 24 }]])('may be a size as %j', (size) => {
    expect(read({ ...released, size }).resize).toEqual({ kind: 'exact', height: 20, width: 24 })
  })
  it.each(['bicubic', 'BICUBIC', 'PILImageResampling.BICUBIC', 3])('may name its filter %s', (resample) => {
    expect(read({ ...released, resample }).resampling.filter).toBe('bicubic')
  })
  it('may have one number for all channels', () => {
    expect(read({ ...released, image_mean: 0.5, image_std: 0.25 })).toMatchObject({ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] })
  })
  it.each([
    [{ size: 'big' }, 'p.json: size', 'whole pixels, [height, width], {height, width} or {shortest_edge}'],
    [{ size: -3 }, 'p.json: size', 'whole pixels'],
    [{ image_mean: 'grey' }, 'p.json: image_mean', 'a number, or one for each channel'],
    [{ rescale_factor: 0 }, 'p.json: rescale_factor', 'a number above 0'],
    // what would change pixels, and is not done here
    [{ size: { shortest_edge: 256, longest_edge: 512 } }, 'p.json: size', '{shortest_edge}'],
    [{ image_processor_type: 'ConvNextImageProcessor' }, 'p.json: image_processor_type', 'ViTImageProcessor, BitImageProcessor'],
    [{ crop_pct: 0.875 }, 'p.json: crop_pct', 'not known here'],
    [{ do_pad: true }, 'p.json: do_pad', 'not known here'],
    [{ do_flip_channel_order: true }, 'p.json: do_flip_channel_order', 'not known here'],
  ])('%j is refused with all that is allowed', (u, place, allowed) => {
    const bad = left(decoded({ ...released, ...u }))
    expect(bad.place).toBe(place)
    expect(bad.allowed).toContain(allowed)
  })
  it.each([
    [{ resample: 1 }, 'resample'],
    [{ image_std: [1, 0, 1] }, 'image_std'],
    [{ image_mean: [1, 2] }, 'image_mean'],
    [{ size: {} }, 'size'],
    [{ do_center_crop: true }, 'crop_size'],
  ])('%j is explained', (u, key) => {
    expect(left(preprocessOf('p.json', right(decoded({ ...released, ...u })), 3)).place).toBe(`p.json: ${key}`)
  })
})

const image = (height: number, width: number): Image => ({
  channels: 1,
  height,
  width,
  data: Float32Array.from({ length: height * width }, (_, i) => ((i * 37) % 256) / 255),
})

describe('pixels', () => {
  it('become bytes again where a class resizes bytes, unless the official way is asked for', () => {
    const vit = { image_processor_type: 'ViTImageProcessor', size: { height: 5, width: 5 } }
    const bytes = (p: Preprocess): boolean => framed(p)(image(8, 9)).data.every((v) => Math.abs(v * 255 - Math.round(v * 255)) < 1e-4)
    expect(bytes(read(vit, 1))).toBe(true)
    expect(bytes(right(preprocessOf('p', right(decoded(vit)), 1, 'official')))).toBe(false)
    expect(bytes(read({ ...released, image_mean: 0.5, image_std: 0.5, size: 5 }, 1))).toBe(false)
  })
  it('of the nearest filter are those under the middle of the new ones, as Pillow has it', () => {
    const p = read({ image_processor_type: 'ViTImageProcessor', size: { height: 1, width: 2 }, resample: 0 }, 1)
    const row: Image = { channels: 1, height: 1, width: 8, data: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7).map((v) => v / 255) }
    expect([...framed(p)(row).data].map((v) => Math.round(v * 255))).toEqual([2, 6])
  })
  it('beyond a picture are black, what is odd behind it, and boxes move with the picture', () => {
    const out = centreCrop({ height: 1, width: 4 })({ channels: 1, height: 1, width: 1, data: Float32Array.of(1) })
    expect([...out.data]).toEqual([0, 1, 0, 0])
    const p = read({ do_resize: false, do_center_crop: true, crop_size: { height: 1, width: 4 } }, 1)
    expect(framedBoxes(p, { height: 1, width: 1 })([{ x: 0, y: 0, width: 1, height: 1 }])).toEqual([{ x: 1, y: 0, width: 1, height: 1 }])
  })
})

it('what is written keeps pictures of one channel so, whatever the class would do', () => {
  for (const channels of [1, 3, 4]) {
    expect(
      preprocessorOfCrops({ size: 28, mean: Array.from({ length: channels }, () => 0.5), std: Array.from({ length: channels }, () => 0.5) })
        .do_convert_rgb,
    ).toBe(channels === 3)
    for (const type of ['vit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit'] as const) {
      const written = preprocessorOf(type, 28, channels)
      expect(written.do_convert_rgb).toBe(channels === 3)
      expect(E.isRight(preprocessOf('p', right(decoded(JSON.parse(JSON.stringify(written)))), channels))).toBe(true)
    }
  }
})
