import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Subject } from '../../data/augment/draws.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import type { Augmentation } from '../../data/augment/augmentation.ts'
import { augmentationNames, augmentationOf, augmentations } from '../../data/augment/presets.ts'
import { lay } from '../../data/augment/canvas.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { left, right } from './either.ts'

interface Picture {
  readonly subject: Subject
  readonly canvas: (side: number) => Float32Array
}

/** A smooth picture of a size, in [0, 1]. */
const picture = (channels: number, height: number, width: number, phase: number): Picture => {
  const data = Float32Array.from(wave(channels * height * width, phase), (v, i) => 0.5 + 0.25 * v + 0.25 * Math.sin(i / width + phase))
  return {
    subject: { size: { height, width }, regions: [] },
    canvas: (side) => lay({ channels, height, width, data }, [0, 1], side).canvas,
  }
}

const joined = (parts: ReadonlyArray<ArrayLike<number>>): Float32Array => Float32Array.from(parts.flatMap((p) => Array.from(p)))

interface Crops {
  readonly global: Float64Array
  readonly local: Float64Array
}

const run = (m: MultiCrop, seed: number, first: number, pictures: ReadonlyArray<Picture>): Crops => {
  const values = right(
    m.feed(seed, { first, canvases: joined(pictures.map((p) => p.canvas(m.layout.side))), subjects: pictures.map((p) => p.subject) }),
  )
  expect([...values.keys()].sort()).toEqual([...m.inputs.keys()].sort())
  const graph = right(m.graph)
  const out = evaluate(
    graph.outputs.map((o) => o.expr),
    values,
  )
  return { global: out[0], local: out[1] ?? new Float64Array(0) }
}

const small = { globalSize: 12, localSize: 8, locals: 3 }
const cases: ReadonlyArray<readonly [string, Augmentation, number]> = [
  ['v1', augmentations.v1(small), 3],
  ['v2', augmentations.v2(small), 3],
  ['v2 as released', augmentations.v2({ ...small, blur: 'as-released' }), 3],
  ['v3', augmentations.v3({ ...small, sharedJitter: true }), 3],
  ['v3-large', augmentations['v3-large'](small), 3],
  ['v2 on gray', augmentations.v2(small), 1],
  ['digits', augmentations.digits({ localSize: 8 }), 1],
]

/** Crop k of image b out of a group of `count` crops of B images. */
const crop = (x: Float64Array, count: number, B: number, k: number, b: number): Float64Array => {
  const size = x.length / (count * B)
  return x.slice((k * B + b) * size, (k * B + b + 1) * size)
}

describe.each(cases)('%s', (_, recipe, channels) => {
  const pictures = [picture(channels, 20, 26, 0), picture(channels, 28, 28, 1), picture(channels, 9, 30, 2)]
  const layout = { batch: 3, channels, side: 32 }
  const m = right(multiCrop(recipe, layout))
  const all = run(m, 11, 60, pictures)
  const nG = recipe.global.count
  const nL = recipe.local.count

  test('has the promised shapes', () => {
    const { global, local } = m.crops(m.canvas)
    expect(global.type.shape).toEqual([nG * 3, channels, recipe.global.size, recipe.global.size])
    expect(O.isSome(local) && local.value.type.shape).toEqual([nL * 3, channels, recipe.local.size, recipe.local.size])
  })

  test('a batch is its images one by one, wherever they stand', () => {
    const one = right(multiCrop(recipe, { ...layout, batch: 1 }))
    pictures.forEach((p, b) => {
      const alone = run(one, 11, 60 + b, [p])
      for (let k = 0; k < nG; k++) expectClose(crop(alone.global, nG, 1, k, 0), crop(all.global, nG, 3, k, b), 1e-12)
      for (let k = 0; k < nL; k++) expectClose(crop(alone.local, nL, 1, k, 0), crop(all.local, nL, 3, k, b), 1e-12)
    })
  })

  test("the canvas' side does not matter", () => {
    const wide = run(right(multiCrop(recipe, { ...layout, side: 48 })), 11, 60, pictures)
    expectClose(wide.global, all.global, 1e-6)
    expectClose(wide.local, all.local, 1e-6)
  })

  test('the same seed and sample give the same numbers, another seed or step does not', () => {
    const subjects = pictures.map((p) => p.subject)
    const a = right(m.draw(11, 60, subjects)).values
    right(m.draw(12, 60, subjects))
    expect(right(m.draw(11, 60, subjects)).values).toEqual(a)
    expect(right(m.draw(12, 60, subjects)).values).not.toEqual(a)
    expect(right(m.draw(11, 63, subjects)).values).not.toEqual(a)
  })

  test('values stay within the normalised range', () => {
    const { mean, std } = m.augmentation.normalisation
    const low = Math.min(...mean.map((x, c) => (0 - x) / std[c]))
    const high = Math.max(...mean.map((x, c) => (1 - x) / std[c]))
    for (const x of [all.global, all.local]) expect(x.every((v) => v >= low - 1e-5 && v <= high + 1e-5)).toBe(true)
  })
})

describe('augmentations', () => {
  test('blur as intended and as released', () => {
    expect(augmentations.v2().global.blur).toEqual([1, 0.1])
    expect(augmentations.v2({ blur: 'as-released' }).global.blur).toEqual([0, 0.9])
    expect(augmentations.v1({ blur: 'as-released' }).global.blur).toEqual([1, 0.1])
    expect(augmentations.v3({ blur: 'as-released' }).notes[0]).toMatch(/as released/)
  })

  test('what gray images cannot have is switched off, and said', () => {
    const m = right(multiCrop(augmentations.v2(small), { batch: 2, channels: 1, side: 32 }))
    expect(m.notes.join('\n')).toMatch(/off for images of 1 channel: saturation, hue, grayscale\n/)
    expect(m.notes.join('\n')).toMatch(/averages of 3 channels/)
    expect([...m.inputs.keys()].filter((k) => /colour|solarise/.test(k))).toEqual([
      'augment.global.colour',
      'augment.global.solarise',
      'augment.local.colour',
    ])
    const two = right(
      multiCrop(augmentations.v2({ ...small, normalisation: { mean: [0.5], std: [0.5] } }), { batch: 2, channels: 2, side: 32 }),
    )
    expect(two.notes.join('\n')).toMatch(/off for images of 2 channels: brightness, contrast, saturation, hue, grayscale, solarise/)
    expect([...two.inputs.keys()].filter((k) => /colour|solarise/.test(k))).toEqual([])
    expect([...right(multiCrop(augmentations.digits(), { batch: 2, channels: 1, side: 28 })).inputs.keys()]).toEqual([
      'augment.canvas',
      'augment.global.first',
      'augment.global.weights',
      'augment.local.first',
      'augment.local.weights',
    ])
  })

  test('without local crops there is no local output', () => {
    const m = right(multiCrop(augmentations.v2({ ...small, locals: 0 }), { batch: 1, channels: 3, side: 32 }))
    expect(O.isNone(m.crops(m.canvas).local)).toBe(true)
    expect(right(m.graph).outputs.map((o) => o.path)).toEqual(['global'])
  })

  test('faults name what is wrong', () => {
    expect(left(augmentationOf('v4')).allowed).toBe(augmentationNames.join(', '))
    expect(left(augmentationOf('v2', { globalScale: [0.5, 0.2] })).place).toBe('augmentation v2: global.scale')
    expect(left(augmentationOf('v2', { localSize: 3 })).allowed).toMatch(/more than 4 pixels/)
    expect(left(augmentationOf('v2', { flip: 2 })).place).toBe('augmentation v2: flip')
    expect(left(multiCrop(augmentations.v2(), { batch: 2, channels: 5, side: 32 })).place).toMatch(/normalisation/)
    expect(left(multiCrop(augmentations.v2(), { batch: 0, channels: 3, side: 32 })).kind).toBe('config')
    const m = right(multiCrop(augmentations.digits(), { batch: 2, channels: 1, side: 28 }))
    expect(left(m.draw(0, 0, [{ size: { height: 28, width: 28 }, regions: [] }])).found).toBe('1 images')
    expect(
      left(
        m.draw(0, 0, [
          { size: { height: 28, width: 28 }, regions: [] },
          { size: { height: 28, width: 29 }, regions: [] },
        ]),
      ).found,
    ).toBe('image 1 of 28 x 29 pixels')
    expect(E.isRight(augmentationOf('digits'))).toBe(true)
  })

  test('global and local taps follow from what the crops can be', () => {
    const m = right(multiCrop(augmentations.digits(), { batch: 1, channels: 1, side: 28 }))
    expect(m.inputs.get('augment.global.weights')?.shape).toEqual([2, 2, 1, 28, 4])
    expect(m.inputs.get('augment.local.weights')?.shape).toEqual([2, 4, 1, 16, 7])
  })
})
