/**
 * The deterministic pieces of the augmentations against torchvision's float path, and against the 8-bit Pillow pipeline.
 * Every piece goes through the tables and the chain of slots that training uses.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Expr } from '../../../core/expr.ts'
import { leaf } from '../../../core/expr.ts'
import { value } from '../../../core/graph.ts'
import { trace } from '../../../core/trace.ts'
import type { Shape } from '../../../core/type.ts'
import { range, tensorType } from '../../../core/type.ts'
import type { BlurKind } from '../../../data/augment/blur.ts'
import { blurPasses, blurTaps, writeBlur } from '../../../data/augment/blur.ts'
import type { ColourOp } from '../../../data/augment/colour.ts'
import { colour, colourChain, solarise, solariseAt, writeColour } from '../../../data/augment/colour.ts'
import { blur, normalise, resampleClamped } from '../../../data/augment/program.ts'
import { imagenet } from '../../../data/augment/presets.ts'
import type { Resampling, Span } from '../../../data/augment/taps.ts'
import { bicubic, tapCount, writeTaps } from '../../../data/augment/taps.ts'
import { add, div, floor, mul } from '../../../ops/elementwise.ts'
import type { Taps } from '../../../ops/image.ts'
import { convolve, resampleBoth } from '../../../ops/image.ts'
import { configOf, floats } from '../case.ts'
import type { AtolOf, Computed, Kind } from '../kind.ts'
import { runOnce } from '../kind.ts'

const numbers = t.readonlyArray(t.number)

/** A crop is [top, left, height, width, size]. */
const config = t.type({
  image_hw: t.readonly(t.tuple([t.number, t.number])),
  crops: t.readonlyArray(t.readonly(t.tuple([t.number, t.number, t.number, t.number, t.number]))),
  brightness: numbers,
  contrast: numbers,
  saturation: numbers,
  hue: numbers,
  sigma: numbers,
})
type Config = t.TypeOf<typeof config>

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
  return {
    first: f.given(`${path}.first`, [1, span.outputs], first),
    weights: f.given(`${path}.weights`, [1, span.outputs, taps], weights),
  }
}

const jitters = ['brightness', 'contrast', 'saturation', 'hue'] as const
const chain = colourChain(jitters, true)

/** The nearest of 256 levels. */
const rounded = (x: Expr): Expr => div(floor(add(mul(x, 255), 0.5)), 255)

/**
 * All pieces by their names in the case, over `in/image` `[3, H, W]`; `cropN_clamped` and `blur_v1_rounded` as 8-bit pipelines hold them.
 */
const piecesOf = (c: Config, f: Feeds, image: Float32Array): ReadonlyMap<string, Expr> => {
  const [height, width] = c.image_hw
  const x = f.given('image', [1, 3, height, width], image)
  const crop = (
    path: string,
    r: Resampling,
    [top, left, h, w]: ReadonlyArray<number>,
    rows: number,
    columns: number,
    flip = false,
    resize = resampleBoth,
  ): Expr =>
    resize(
      x,
      spanTaps(f, `${path}.rows`, r, { start: top, length: h, outputs: rows, flip: false }, height),
      spanTaps(f, `${path}.columns`, r, { start: left, length: w, outputs: columns, flip }, width),
    )
  const coloured = (path: string, ops: ReadonlyArray<ColourOp>): Expr => {
    const row = new Float32Array(chain.width)
    writeColour(chain, ops, row, 0)
    return colour(chain)(x, f.given(path, [1, chain.width], row))
  }
  const kernelOf = (path: string, kind: BlurKind, sigma: number): Expr => {
    const taps = blurTaps(kind, sigma)
    const kernel = new Float32Array(taps)
    writeBlur(kind, sigma, taps, kernel, 0)
    return f.given(path, [1, taps], kernel)
  }
  const blurred = (path: string, kind: BlurKind, sigma: number): Expr => blur(kind)(x, kernelOf(path, kind, sigma))
  const boxes = (path: string, sigma: number): Expr => {
    const kernel = kernelOf(path, 'pillow', sigma)
    const pass =
      (axis: number) =>
      (y: Expr): Expr =>
        rounded(convolve(axis, 'repeat')(y, kernel))
    return [-1, -2].reduce((z, axis) => range(blurPasses('pillow')).reduce(pass(axis), z), x)
  }
  return new Map([
    ...c.crops.flatMap((box, k) => [
      [`crop${k}`, crop(`crop${k}`, bicubic, box, box[4], box[4])] as const,
      [`crop${k}_clamped`, crop(`crop${k}_clamped`, bicubic, box, box[4], box[4], false, resampleClamped)] as const,
      [`crop${k}_noaa`, crop(`crop${k}_noaa`, { filter: 'bicubic', antialias: false }, box, box[4], box[4])] as const,
    ]),
    ['normalize', normalise(imagenet.mean, imagenet.std)(x)],
    ['hflip', crop('hflip', bicubic, [0, 0, height, width], height, width, true)],
    ...jitters.flatMap((name) =>
      c[name].map((factor) => [`${name}_${factor}`, coloured(`${name}_${factor}`, [{ name, factor }])] as const),
    ),
    [
      'jitter_all',
      coloured(
        'jitter_all',
        jitters.map((name) => ({ name, factor: c[name][0] })),
      ),
    ],
    ['grayscale', coloured('grayscale', [{ name: 'grayscale', factor: 0 }])],
    ...c.sigma.map((sigma) => [`blur_${sigma}`, blurred(`blur_${sigma}`, 'gaussian', sigma)] as const),
    ['blur_v1', blurred('blur_v1', 'pillow', c.sigma[0])],
    ['blur_v1_rounded', boxes('blur_v1_rounded', c.sigma[0])],
    ['solarize', solarise(x, f.given('threshold', [1], Float32Array.of(solariseAt(true))))],
  ])
}

const eightBit = '_pil_u8'

/** A float image as an 8-bit pipeline stores it. */
const toLevels = (x: ArrayLike<number>): ArrayLike<number> => Float64Array.from(x, (v) => Math.round(Math.max(0, Math.min(1, v)) * 255))

/**
 * The piece that an expected tensor names: the 8-bit ones are levels of the same piece, with crops and box blurs held as bytes between
 * their passes.
 */
const nameOfPiece = (expected: string): string => {
  const name = expected.replace(/^out\//, '')
  if (!name.endsWith(eightBit)) return name
  const plain = name.slice(0, -eightBit.length)
  return /^crop\d+$/.test(plain) ? `${plain}_clamped` : plain === 'blur_v1' ? 'blur_v1_rounded' : plain
}

export const kind: Kind = (c, device) => {
  const f = feeds()
  const names = new Set(c.expectations.map((e) => nameOfPiece(e.name)))
  return pipe(
    TE.Do,
    TE.bind('config', () => TE.fromEither(configOf(config, c))),
    TE.bind('image', () => TE.fromEither(floats(c, 'in/image'))),
    TE.let('pieces', ({ config, image }) => [...piecesOf(config, f, image)].filter(([name]) => names.has(name))),
    TE.chain(({ pieces }) =>
      runOnce(
        device,
        trace(
          'transforms',
          pieces.map(([name, e]) => value(name, e)),
        ),
        f.values,
      ),
    ),
    TE.map(
      (got): Computed =>
        new Map(
          c.expectations.flatMap(({ name }) => {
            const x = got.get(nameOfPiece(name))
            return x === undefined ? [] : [[name, name.endsWith(eightBit) ? toLevels(x) : x] as const]
          }),
        ),
    ),
  )
}

/**
 * The case states in words that 8-bit images are within 1-2 levels, as Pillow rounds between steps. Its hue is a byte: the pixel's own is
 * cut off, the shift is cut off, and their sum is taken modulo 256 where a turn has 255 steps. That is up to three steps, each of 6
 * levels times the pixel's chroma, beside the 2 levels.
 */
export const atolOf: AtolOf = (name, c) => {
  if (!name.endsWith(eightBit)) return undefined
  const image = floats(c, 'in/image')
  if (!name.startsWith('out/hue') || E.isLeft(image)) return () => 2
  const x = image.right
  const n = x.length / 3
  const chroma = (i: number): number => Math.max(x[i], x[n + i], x[2 * n + i]) - Math.min(x[i], x[n + i], x[2 * n + i])
  return (i) => 2 + 18 * chroma(i % n)
}
