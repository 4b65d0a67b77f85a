/**
 * The deterministic pieces of the augmentations against torchvision's float path, and against the 8-bit Pillow pipeline.
 * Every piece goes through the tables and the chain of slots that training uses.
 */
import * as t from 'io-ts'
import { evaluate } from '../../../compiler/targets/reference.ts'
import type { Expr } from '../../../core/expr.ts'
import { leaf } from '../../../core/expr.ts'
import type { Shape } from '../../../core/type.ts'
import { tensorType } from '../../../core/type.ts'
import { gaussianTaps, pillowTaps, writeGaussian, writePillow } from '../../../data/augment/blur.ts'
import type { ColourOp } from '../../../data/augment/colour.ts'
import { colour, colourChain, solarise, solariseAt, writeColour } from '../../../data/augment/colour.ts'
import { normalise, resampleClamped } from '../../../data/augment/program.ts'
import { imagenet } from '../../../data/augment/recipes.ts'
import type { Resampling, Span } from '../../../data/augment/taps.ts'
import { bicubic, tapCount, writeTaps } from '../../../data/augment/taps.ts'
import type { Taps } from '../../../ops/image.ts'
import { convolveReflect, resampleBoth } from '../../../ops/image.ts'

const numbers = t.readonlyArray(t.number)

/** The case's `config`. A crop is [top, left, height, width, size]. */
export const transformsConfig = t.strict({
  image_hw: t.readonly(t.tuple([t.number, t.number])),
  crops: t.readonlyArray(t.readonly(t.tuple([t.number, t.number, t.number, t.number, t.number]))),
  brightness: numbers, contrast: numbers, saturation: numbers, hue: numbers, sigma: numbers,
})

export type TransformsConfig = t.TypeOf<typeof transformsConfig>

type Values = Float32Array | Int32Array

/** Leaves with their values, to be evaluated together. */
interface Feeds {
  readonly given: (path: string, shape: Shape, values: Values) => Expr
  readonly values: ReadonlyMap<string, Values>
}

const feeds = (): Feeds => {
  const values = new Map<string, Values>()
  return {
    values,
    given: (path, shape, data) => {
      values.set(path, data)
      return leaf(tensorType(data instanceof Int32Array ? 'i32' : 'f32', shape), { _tag: 'Input', path })
    },
  }
}

const spanTaps = (f: Feeds, path: string, r: Resampling, span: Span, limit: number): Taps => {
  const taps = tapCount(r, span.length, span.outputs, limit)
  const first = new Int32Array(span.outputs)
  const weights = new Float32Array(span.outputs * taps)
  writeTaps(r, span, { first, weights, at: 0, taps, limit })
  return { first: f.given(`${path}.first`, [1, span.outputs], first), weights: f.given(`${path}.weights`, [1, span.outputs, taps], weights) }
}

const pillowTable = (f: Feeds, path: string, radius: number, n: number): Taps => {
  const taps = pillowTaps(radius, n)
  const first = new Int32Array(n)
  const weights = new Float32Array(n * taps)
  writePillow(radius, n, { first, weights, at: 0, taps, limit: n })
  return { first: f.given(`${path}.first`, [1, n], first), weights: f.given(`${path}.weights`, [1, n, taps], weights) }
}

const chain = colourChain(['brightness', 'contrast', 'saturation', 'hue'], true)

/** All float outputs by their names in the case, from `in/image` `[3, H, W]`. */
export const transforms = (c: TransformsConfig, image: Float32Array): ReadonlyMap<string, Float64Array> => {
  const f = feeds()
  const [height, width] = c.image_hw
  const x = f.given('image', [1, 3, height, width], image)
  const outputs = new Map<string, Expr>()
  const crop = (path: string, r: Resampling, [top, left, h, w]: ReadonlyArray<number>, rows: number, columns: number, flip = false, resize = resampleBoth): Expr =>
    resize(x,
      spanTaps(f, `${path}.rows`, r, { start: top, length: h, outputs: rows, flip: false }, height),
      spanTaps(f, `${path}.columns`, r, { start: left, length: w, outputs: columns, flip }, width))
  const coloured = (path: string, ops: ReadonlyArray<ColourOp>): Expr => {
    const row = new Float32Array(chain.width)
    if (!writeColour(chain, ops, row, 0)) throw new Error(`the chain has no place for ${path}`)
    return colour(chain)(x, f.given(path, [1, chain.width], row))
  }
  c.crops.forEach((box, k) => {
    outputs.set(`crop${k}`, crop(`crop${k}`, bicubic, box, box[4], box[4]))
    outputs.set(`crop${k}_clamped`, crop(`crop${k}_clamped`, bicubic, box, box[4], box[4], false, resampleClamped))
    outputs.set(`crop${k}_noaa`, crop(`crop${k}_noaa`, { filter: 'bicubic', antialias: false }, box, box[4], box[4]))
  })
  outputs.set('normalize', normalise(imagenet.mean, imagenet.std)(x))
  outputs.set('hflip', crop('hflip', bicubic, [0, 0, height, width], height, width, true))
  for (const name of ['brightness', 'contrast', 'saturation', 'hue'] as const)
    for (const factor of c[name]) outputs.set(`${name}_${factor}`, coloured(`${name}_${factor}`, [{ name, factor }]))
  outputs.set('jitter_all', coloured('jitter_all', (['brightness', 'contrast', 'saturation', 'hue'] as const).map((name) => ({ name, factor: c[name][0] }))))
  outputs.set('grayscale', coloured('grayscale', [{ name: 'grayscale', factor: 0 }]))
  for (const sigma of c.sigma) {
    const kernel = new Float32Array(gaussianTaps)
    writeGaussian(sigma, kernel, 0)
    const k = f.given(`blur_${sigma}`, [1, gaussianTaps], kernel)
    outputs.set(`blur_${sigma}`, convolveReflect(-1)(convolveReflect(-2)(x, k), k))
  }
  outputs.set('blur_v1', resampleBoth(x, pillowTable(f, 'blur_v1.rows', c.sigma[0], height), pillowTable(f, 'blur_v1.columns', c.sigma[0], width)))
  outputs.set('solarize', solarise(x, f.given('threshold', [1], Float32Array.of(solariseAt(true)))))
  const names = [...outputs.keys()]
  const values = evaluate([...outputs.values()], f.values)
  return new Map(names.map((name, i) => [`out/${name}`, values[i]]))
}

/** A float image as the 8-bit pipeline would store it. */
export const toLevels = (x: Float64Array): Float64Array => x.map((v) => Math.round(Math.max(0, Math.min(1, v)) * 255))
