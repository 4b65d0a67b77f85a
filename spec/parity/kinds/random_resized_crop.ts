/**
 * RandomResizedCrop draws, and so cannot be compared box by box: the official boxes and ours obey the same rules, and the
 * statistics of as many of ours are those that the case states.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { cropStream } from '../../../data/augment/draws.ts'
import type { CropRange, Size } from '../../../data/augment/geometry.ts'
import { centreCrop, randomResizedCrop } from '../../../data/augment/geometry.ts'
import type { Box } from '../../../data/readers/dataset.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { intsOf } from '../../../data/formats/tensor.ts'
import { configOf } from '../case.ts'
import type { Claim, Judge } from '../kind.ts'

const pair = t.readonly(t.tuple([t.number, t.number]))
const config = t.intersection([t.type({ image_hw: pair, scale: pair }), t.partial({ ratio: pair })])
type Config = t.TypeOf<typeof config>

const extremes = { min: t.number, max: t.number }
const statistics = t.type({
  area_fraction: t.type({ ...extremes, mean: t.number }),
  aspect_w_over_h: t.type({ ...extremes, mean_log: t.number }),
})
const facts = t.type({ statistics_4000: statistics })

const samples = 4000

const sizeOf = (c: Config): Size => ({ height: c.image_hw[0], width: c.image_hw[1] })
const rangeOf = (c: Config): CropRange => ({ scale: c.scale, ratio: c.ratio ?? [3 / 4, 4 / 3] })

/**
 * Whether a box can have come from the rule: inside of the image, and from an area and a ratio within their ranges when its sides
 * were rounded from reals within half a pixel; or the centre crop.
 */
const isAllowed =
  (c: Config) =>
  (b: Box): boolean => {
    const { height, width } = sizeOf(c)
    const { ratio } = rangeOf(c)
    const area = height * width
    const centre = centreCrop({ height, width }, ratio)
    return (
      b.x >= 0 &&
      b.y >= 0 &&
      b.width > 0 &&
      b.height > 0 &&
      b.x + b.width <= width &&
      b.y + b.height <= height &&
      ((b.x === centre.x && b.y === centre.y && b.width === centre.width && b.height === centre.height) ||
        ((b.width + 0.5) * (b.height + 0.5) >= c.scale[0] * area &&
          (b.width - 0.5) * (b.height - 0.5) <= c.scale[1] * area &&
          (b.width + 0.5) / (b.height - 0.5) >= ratio[0] &&
          (b.width - 0.5) / (b.height + 0.5) <= ratio[1]))
    )
  }

const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length

/** Two means of as many draws, in units of five standard errors of their difference. */
const meansApart = (name: string, ours: ReadonlyArray<number>, theirs: number): Claim => {
  const m = mean(ours)
  const deviation = Math.sqrt(mean(ours.map((x) => (x - m) ** 2)))
  return { name, ratio: Math.abs(m - theirs) / (5 * deviation * Math.sqrt(2 / ours.length)) }
}

/**
 * The least and the largest of their draws lie between the ends of ten times as many of ours and the values that one of ours in 400 is
 * beyond (that none of theirs is has a chance of e^-10), in units of 5 % of the way between them: on small images the ends themselves are
 * rare.
 */
const extremesApart = (name: string, ours: ReadonlyArray<number>, theirs: { readonly min: number; readonly max: number }): Claim => {
  const sorted = Float64Array.from(ours).sort()
  const rare = Math.floor(sorted.length / 400)
  const [least, low, high, most] = [sorted[0], sorted[rare], sorted[sorted.length - 1 - rare], sorted[sorted.length - 1]]
  const off = Math.max(least - theirs.min, theirs.min - low, high - theirs.max, theirs.max - most, 0)
  return { name, ratio: off / (0.05 * (theirs.max - theirs.min)) }
}

const boxesOf = (rows: Int32Array): ReadonlyArray<Box> =>
  Array.from({ length: rows.length / 4 }, (_, i) => ({
    y: rows[4 * i],
    x: rows[4 * i + 1],
    height: rows[4 * i + 2],
    width: rows[4 * i + 3],
  }))

const claims = (c: Config, s: t.TypeOf<typeof statistics>, official: ReadonlyArray<Box>): ReadonlyArray<Claim> => {
  const { height, width } = sizeOf(c)
  const ours = Array.from({ length: 10 * samples }, (_, i) => randomResizedCrop(cropStream(0, 'global', 0, i), sizeOf(c), rangeOf(c)))
  const areas = ours.map((b) => (b.width * b.height) / (height * width))
  const aspects = ours.map((b) => b.width / b.height)
  const rule = (name: string, boxes: ReadonlyArray<Box>): Claim => ({
    name,
    ratio: boxes.length > 0 && boxes.every(isAllowed(c)) ? 0 : Infinity,
  })
  return [
    rule('out/sample_boxes', official),
    rule('our boxes', ours),
    meansApart('area_fraction mean', areas.slice(0, samples), s.area_fraction.mean),
    meansApart('aspect_w_over_h mean_log', aspects.slice(0, samples).map(Math.log), s.aspect_w_over_h.mean_log),
    extremesApart('area_fraction', areas, s.area_fraction),
    extremesApart('aspect_w_over_h', aspects, s.aspect_w_over_h),
  ]
}

export const judge: Judge = ({ given, expected }) => {
  const rows = expected.get('out/sample_boxes')
  return pipe(
    E.Do,
    E.bind('c', () => configOf(config, given)),
    E.bind('f', () => decodeAs(facts, 'config', `${given.name}: facts`, 'state the statistics of 4000 boxes')(given.facts)),
    E.bind('boxes', () => (rows === undefined ? E.right(new Int32Array(0)) : intsOf('out/sample_boxes')(rows))),
    E.map(({ c, f, boxes }) => claims(c, f.statistics_4000, boxesOf(boxes))),
  )
}
