/** Facts about RandomResizedCrop: what every box obeys, and the statistics of many. */
import * as t from 'io-ts'
import { cropStream } from '../../../data/augment/draws.ts'
import type { CropRange, Size } from '../../../data/augment/geometry.ts'
import { randomResizedCrop } from '../../../data/augment/geometry.ts'
import type { Box } from '../../../data/dataset.ts'

const pair = t.readonly(t.tuple([t.number, t.number]))

/** The case's `config`. */
export const randomResizedCropConfig = t.strict({ image_hw: pair, scale: pair })

export type RandomResizedCropConfig = t.TypeOf<typeof randomResizedCropConfig>

const ratio = [3 / 4, 4 / 3] as const

export const sizeOfCase = (c: RandomResizedCropConfig): Size => ({ height: c.image_hw[0], width: c.image_hw[1] })
export const rangeOfCase = (c: RandomResizedCropConfig): CropRange => ({ scale: c.scale, ratio })

/** Our own boxes of the case, one per sample. */
export const sampleBoxes = (c: RandomResizedCropConfig, seed: number, n: number): ReadonlyArray<Box> =>
  Array.from({ length: n }, (_, i) => randomResizedCrop(cropStream(seed, 'global', 0, i), sizeOfCase(c), rangeOfCase(c)))

/**
 * Whether a box can have come from the rule: inside of the image, and from an area and a ratio within their ranges when
 * its sides were rounded from reals within half a pixel.
 */
export const isAllowed = (c: RandomResizedCropConfig, b: Box): boolean => {
  const { height, width } = sizeOfCase(c)
  const area = height * width
  return b.x >= 0 && b.y >= 0 && b.width > 0 && b.height > 0 && b.x + b.width <= width && b.y + b.height <= height
    && (b.width + 0.5) * (b.height + 0.5) >= c.scale[0] * area && (b.width - 0.5) * (b.height - 0.5) <= c.scale[1] * area
    && (b.width + 0.5) / (b.height - 0.5) >= ratio[0] && (b.width - 0.5) / (b.height + 0.5) <= ratio[1]
}

export interface BoxStatistics {
  readonly area: { readonly min: number; readonly max: number; readonly mean: number }
  readonly aspect: { readonly min: number; readonly max: number; readonly meanLog: number }
}

export const statisticsOf = (c: RandomResizedCropConfig, boxes: ReadonlyArray<Box>): BoxStatistics => {
  const { height, width } = sizeOfCase(c)
  const areas = boxes.map((b) => (b.width * b.height) / (height * width))
  const aspects = boxes.map((b) => b.width / b.height)
  const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length
  return {
    area: { min: Math.min(...areas), max: Math.max(...areas), mean: mean(areas) },
    aspect: { min: Math.min(...aspects), max: Math.max(...aspects), meanLog: mean(aspects.map(Math.log)) },
  }
}
