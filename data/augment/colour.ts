/**
 * Colour operations in any order without recompiling. A fixed chain of slots holds every order of the operations as a
 * subsequence; an image's own order is a matter of numbers, and a slot that an image does not use is the identity.
 *
 * Brightness, saturation and grayscale are one kind of slot, clamp(f x + g gray(x)). Contrast needs the mean over the
 * whole image, a barrier between kernels, and stands in the chain once; hue, the dearest, twice at most:
 * blend blend hue blend blend | contrast | blend blend hue blend blend | blend. The three planes travel apart, so that
 * everything but the mean is arithmetic on one pixel.
 */
import type { Expr } from '../../core/expr.ts'
import { misuse } from '../../core/primitive.ts'
import { add, and, div, equal, floor, less, maximum, minimum, mul, not, sub, where } from '../../ops/elementwise.ts'
import { mean } from '../../ops/reduce.ts'
import { expandDims, reshape } from '../../ops/reshape.ts'
import { concat, pick } from '../../ops/window.ts'

export type ColourName = 'brightness' | 'contrast' | 'saturation' | 'hue' | 'grayscale'

/** One operation on one image; `factor` as torchvision has it: 1 keeps, for hue 0 keeps and 1 is a whole turn. */
export interface ColourOp {
  readonly name: ColourName
  readonly factor: number
}

/** A slot and where its numbers stand in an image's row: two for a blend, one for the others. */
interface Slot {
  readonly kind: 'blend' | 'contrast' | 'hue'
  readonly at: number
}

/** The chain that serves every order of some operations. */
export interface ColourChain {
  readonly slots: ReadonlyArray<Slot>
  /** Numbers per image. */
  readonly width: number
}

const kindOf = (name: ColourName): Slot['kind'] => (name === 'contrast' || name === 'hue' ? name : 'blend')

/** The chain for any order of `jitter` (each at most once), with grayscale behind where asked for. */
export const colourChain = (jitter: ReadonlyArray<ColourName>, grayscale: boolean): ColourChain => {
  const blends = jitter.filter((n) => kindOf(n) === 'blend').map(() => 'blend' as const)
  const section: ReadonlyArray<Slot['kind']> = jitter.includes('hue') ? [...blends, 'hue', ...blends] : blends
  const kinds: ReadonlyArray<Slot['kind']> = [
    ...section,
    ...(jitter.includes('contrast') ? ['contrast' as const, ...section] : []),
    ...(grayscale ? ['blend' as const] : []),
  ]
  let width = 0
  const slots = kinds.map((kind): Slot => {
    const at = width
    width += kind === 'blend' ? 2 : 1
    return { kind, at }
  })
  return { slots, width }
}

const writeSlot = (slot: Slot, op: ColourOp, into: Float32Array, at: number): void => {
  switch (op.name) {
    case 'brightness':
      into.set([op.factor, 0], at + slot.at)
      return
    case 'saturation':
      into.set([op.factor, 1 - op.factor], at + slot.at)
      return
    case 'grayscale':
      into.set([0, 1], at + slot.at)
      return
    case 'contrast':
    case 'hue':
      into[at + slot.at] = op.factor
  }
}

/** Writes an image's row at `at`: the operations in their order. False where the chain does not hold that order. */
export const writeColour = (chain: ColourChain, ops: ReadonlyArray<ColourOp>, into: Float32Array, at: number): boolean => {
  let next = 0
  for (const slot of chain.slots) {
    if (next < ops.length && kindOf(ops[next].name) === slot.kind) writeSlot(slot, ops[next++], into, at)
    else if (slot.kind === 'blend') into.set([1, 0], at + slot.at)
    else into[at + slot.at] = slot.kind === 'hue' ? 0 : 1
  }
  return next === ops.length
}

/** Red, green, blue, each `[lead.., H, W]`. */
type Rgb = readonly [Expr, Expr, Expr]
/** The same, or the one plane of a gray image. */
type Planes = Rgb | readonly [Expr]

export const clampUnit = (x: Expr): Expr => minimum(maximum(x, 0), 1)

const isRgb = (p: Planes): p is Rgb => p.length === 3

/** Luma of torchvision's tensor path; of a gray image, itself. */
const luma = (p: Planes): Expr => (isRgb(p) ? add(add(mul(p[0], 0.2989), mul(p[1], 0.587)), mul(p[2], 0.114)) : p[0])

const eachPlane = (p: Planes, f: (x: Expr) => Expr): Planes => (isRgb(p) ? [f(p[0]), f(p[1]), f(p[2])] : [f(p[0])])

/**
 * The hue turned by `shift` (of a turn), in HSV; a shift of exactly 0 keeps the image as it is. With h in sixths of a
 * turn, v the largest and c the spread of the channels, a channel is v - c clamp(min(k, 4 - k), 0, 1), k = (n + h) mod 6,
 * n = 5, 3, 1 for red, green, blue: the same function as torchvision's table of six cases.
 */
const turnHue = ([r, g, b]: Rgb, shift: Expr): Rgb => {
  const v = maximum(maximum(r, g), b)
  const c = sub(v, minimum(minimum(r, g), b))
  const flat = equal(c, 0)
  const spread = where(flat, 1, c)
  const red = equal(v, r)
  const green = and(equal(v, g), not(red))
  const sixths = where(red, div(sub(g, b), spread), where(green, add(div(sub(b, r), spread), 2), add(div(sub(r, g), spread), 4)))
  const h = add(sixths, mul(shift, 6))
  const channel = (n: number): Expr => {
    const turned = add(h, n)
    const k = sub(turned, mul(floor(div(turned, 6)), 6))
    return sub(v, mul(c, clampUnit(minimum(k, sub(4, k)))))
  }
  const off = equal(shift, 0)
  return [where(off, r, channel(5)), where(off, g, channel(3)), where(off, b, channel(1))]
}

const applySlot = (p: Planes, slot: Slot, number: (k: number) => Expr): Planes => {
  switch (slot.kind) {
    case 'hue':
      return isRgb(p) ? turnHue(p, number(slot.at)) : p
    case 'contrast': {
      const f = number(slot.at)
      const grey = mul(sub(1, f), mean({ axes: [-2, -1], keep: true })(luma(p)))
      return eachPlane(p, (x) => clampUnit(add(mul(f, x), grey)))
    }
    case 'blend': {
      const grey = mul(number(slot.at + 1), luma(p))
      return eachPlane(p, (x) => clampUnit(add(mul(number(slot.at), x), grey)))
    }
  }
}

/**
 * `x [lead.., 3, H, W]` in [0, 1], or `[lead.., 1, H, W]` where nothing turns the hue, and `numbers [lead.., width]` of `writeColour` ->
 * as x.
 */
export const colour =
  (chain: ColourChain) =>
  (x: Expr, numbers: Expr): Expr => {
    if (chain.slots.length === 0 || x._tag === 'Invalid') return x
    const channels = x.type.shape.at(-3)
    if (channels !== 3 && (channels !== 1 || chain.slots.some((s) => s.kind === 'hue')))
      return misuse('colour', [x, numbers], {
        allowed: 'an image [lead.., 3, H, W], or a gray one [lead.., 1, H, W] whose hue is not turned',
        remedy: 'switch colour operations off for images that are not RGB; of gray ones the hue alone',
      })
    const number = (k: number): Expr => {
      const one = pick(-1, k)(numbers)
      return reshape([...one.type.shape, 1, 1])(one)
    }
    let planes: Planes = channels === 3 ? [pick(-3, 0)(x), pick(-3, 1)(x), pick(-3, 2)(x)] : [pick(-3, 0)(x)]
    for (const slot of chain.slots) planes = applySlot(planes, slot, number)
    return concat(-3)(planes.map(expandDims(-3)))
  }

/** Values of at least the image's threshold become 1 - x: `x [lead.., C, H, W]`, `threshold [lead..]`. */
export const solarise = (x: Expr, threshold: Expr): Expr =>
  where(less(x, reshape([...threshold.type.shape, 1, 1, 1])(threshold)), x, sub(1, x))

/** The threshold of an image: 128 of 255, or out of reach. */
export const solariseAt = (on: boolean): number => (on ? 128 / 255 : 2)
