/** Crops for a Gram teacher: the global ones at another size, mirrored alike, without any distortion. */
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import { multiCrop } from '../../data/augment/multicrop.ts'
import type { Augmentation } from '../../data/augment/augmentation.ts'
import { augmentations } from '../../data/augment/presets.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { left, right } from './either.ts'

const layout = { batch: 2, channels: 3, side: 20 }
const canvases = Float32Array.from(wave(2 * 3 * 20 * 20, 1), (v) => 0.5 + 0.5 * v)
const subjects = [
  { size: { height: 20, width: 18 }, regions: [] },
  { size: { height: 12, width: 20 }, regions: [] },
]

const outputs = (m: MultiCrop): Readonly<Record<string, Float64Array>> => {
  const graph = right(m.graph)
  const out = evaluate(
    graph.outputs.map((o) => o.expr),
    right(m.feed(3, { first: 5, canvases, subjects })),
  )
  return Object.fromEntries(graph.outputs.map((o, i) => [o.path, out[i]]))
}

const distorted = augmentations.v3({ globalSize: 12, localSize: 8, locals: 1, gramSize: 12 })
const plain = (size: number): Augmentation => ({
  ...distorted,
  gram: undefined,
  grayscale: 0,
  jitter: { ...distorted.jitter, probability: 0 },
  global: { ...distorted.global, size, blur: [0, 0], solarise: [0, 0] },
})

describe('crops for a Gram teacher', () => {
  test('are the global crops without their distortions', () => {
    const both = outputs(right(multiCrop(distorted, layout)))
    expectClose(both.gram, outputs(right(multiCrop(plain(12), layout))).global, 1e-6)
    expect(Array.from(both.gram)).not.toEqual(Array.from(both.global))
  })
  test('may be larger', () => {
    const m = right(multiCrop({ ...distorted, gram: { size: 18 } }, layout))
    expect(O.toUndefined(m.crops(m.canvas).gram)?.type.shape).toEqual([4, 3, 18, 18])
    expectClose(outputs(m).gram, outputs(right(multiCrop(plain(18), layout))).global, 1e-6)
  })
  test('are none unless asked for, and have a size', () => {
    expect(O.isNone(right(multiCrop(plain(12), layout)).crops(right(multiCrop(plain(12), layout)).canvas).gram)).toBe(true)
    expect(left(multiCrop({ ...distorted, gram: { size: 0 } }, layout)).place).toContain('gram.size')
  })
})
