/** The crops' pixels: a pure program over canvases and tables. */
import type { Expr } from '../../core/expr.ts'
import { leaf, table } from '../../core/expr.ts'
import type { TensorType } from '../../core/type.ts'
import { range, showShape } from '../../core/type.ts'
import { broadcastAxes } from '../../ops/broadcast.ts'
import { div, sub } from '../../ops/elementwise.ts'
import type { Taps } from '../../ops/image.ts'
import { convolve, resample, resampleBoth } from '../../ops/image.ts'
import { reshape } from '../../ops/reshape.ts'
import { pick } from '../../ops/window.ts'
import { misuse } from '../../core/primitive.ts'
import type { Retouch } from './augmentation.ts'
import type { BlurKind } from './blur.ts'
import { blurPasses } from './blur.ts'
import { clampUnit, colour, solarise } from './colour.ts'
import type { GroupPlan, Plan } from './plan.ts'
import { groupInputs, inputPath } from './plan.ts'
import { warped } from './warp.ts'

export const inputLeaf = (type: TensorType, path: string): Expr => leaf(type, { _tag: 'Input', path })

/** A group's inputs as leaves; undefined where the operation never happens. */
interface Leaves {
  readonly first: Expr
  readonly weights: Expr
  readonly colour: Expr | undefined
  readonly blur: Expr | undefined
  readonly solarise: Expr | undefined
  readonly warp: Expr | undefined
}

const leavesOf = (p: Plan, g: GroupPlan): Leaves => {
  const types = groupInputs(p, g)
  const optional = (name: 'colour' | 'blur' | 'solarise' | 'warp'): Expr | undefined => {
    const type = types[name]
    return type === undefined ? undefined : inputLeaf(type, inputPath(g, name))
  }
  return {
    first: inputLeaf(types.first, inputPath(g, 'first')),
    weights: inputLeaf(types.weights, inputPath(g, 'weights')),
    colour: optional('colour'),
    blur: optional('blur'),
    solarise: optional('solarise'),
    warp: optional('warp'),
  }
}

/** `x [lead.., C, H, W]` blurred by `writeBlur`'s kernels `[lead.., T]`. */
export const blur =
  (kind: BlurKind) =>
  (x: Expr, kernel: Expr): Expr => {
    const border = kind === 'gaussian' ? 'reflect' : 'repeat'
    const passes = (axis: number, y: Expr): Expr => range(blurPasses(kind)).reduce((z) => convolve(axis, border)(z, kernel), y)
    return passes(-2, passes(-1, x))
  }

/** `(x - mean) / std` per channel: `x [lead.., C, H, W]`. */
export const normalise =
  (mean: ReadonlyArray<number>, std: ReadonlyArray<number>) =>
  (x: Expr): Expr => {
    const column = (values: ReadonlyArray<number>): Expr => table('f32', [values.length, 1, 1], values)
    return div(sub(x, column(mean)), column(std))
  }

/**
 * `resampleBoth` with values held in [0, 1] after each of its passes, as Pillow's 8-bit images do: bicubic overshoot
 * differs by several levels otherwise.
 */
export const resampleClamped = (x: Expr, rows: Taps, columns: Taps): Expr =>
  clampUnit(resample(-2)(clampUnit(resample(-1)(x, columns)), rows))

/** Crops after a change of one's own, which must leave their shape as it is. */
const retouched = (change: Retouch | undefined, { name }: GroupPlan, crops: Expr): Expr => {
  if (change === undefined || name === 'gram') return crops
  const after = change(crops, name)
  const [was, is] = [crops, after].map((e) => showShape(e.type.shape))
  return after._tag === 'Invalid' || is === was
    ? after
    : misuse('retouch', [after], { allowed: `crops of the shape ${was}, as they came`, remedy: 'give crops of the shape that it is given' })
}

/**
 * One group of crops: canvases `[B, C, S, S]` -> `[nB, C, O, O]`, crop 0 of all images first. The order is the official
 * one: crop and mirror, jitter, grayscale, blur, solarise, normalise; a warp comes behind the crop, a change of one's own before the last.
 */
export const cropsOf = (p: Plan, g: GroupPlan, canvas: Expr, retouch?: Retouch): Expr => {
  const { batch, channels, side } = p.layout
  const { count, size } = g.group
  const l = leavesOf(p, g)
  const copies = broadcastAxes(canvas, [count, batch, channels, side, side], [1, 2, 3, 4])
  const taps = (k: number): Taps => ({ first: pick(0, k)(l.first), weights: pick(0, k)(l.weights) })
  const resize = p.augmentation.resampling.filter === 'bicubic' ? resampleClamped : resampleBoth
  const cropped = resize(copies, taps(0), taps(1))
  const turned = l.warp === undefined ? cropped : warped(cropped, l.warp)
  const coloured = l.colour === undefined ? turned : colour(g.colour)(turned, l.colour)
  const smooth = l.blur === undefined ? coloured : blur(p.augmentation.blurKind)(coloured, l.blur)
  const solarised = l.solarise === undefined ? smooth : solarise(smooth, l.solarise)
  const { mean, std } = p.augmentation.normalisation
  return normalise(mean, std)(retouched(retouch, g, reshape([count * batch, channels, size, size])(solarised)))
}
