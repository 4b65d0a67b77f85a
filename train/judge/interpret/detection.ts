/** How well attention finds what is marked by boxes: no detection head, no training. */
import type { Size } from '../../../data/augment/geometry.ts'
import type { Box } from '../../../data/readers/dataset.ts'
import { showNumber } from '../../run/log/numbers.ts'
import { framedBoxes } from '../../exchange/preprocess.ts'
import type { Frozen } from '../evaluate/network.ts'
import type { Detection } from './boxes.ts'
import { averagePrecision, enlargeMap, iou, pointsAt } from './boxes.ts'
import type { Seen } from './look.ts'
import type { Subject } from './subject.ts'

/** One image with true boxes: its map over patches, and the boxes found in it, all in pixels of `size`. */
export interface Pointed {
  readonly size: Size
  readonly grid: readonly [number, number]
  readonly map: Float32Array
  readonly found: ReadonlyArray<Detection>
  readonly truth: ReadonlyArray<Box>
}

/** What was seen in an image, beside the boxes that it comes with. */
export const pointed =
  (f: Frozen) =>
  (subject: Subject, { image, grid, mean, boxes }: Seen): Pointed => ({
    size: image,
    grid,
    map: mean,
    found: boxes,
    truth: framedBoxes(f.preprocess, subject.size)(subject.boxes),
  })

export interface DetectionScores {
  readonly images: number
  readonly boxes: number
  /** Over true boxes, the mean of the largest overlap that a found box has with it. */
  readonly iou: number
  /** The share of images whose largest attention lies in a true box. */
  readonly pointing: number
  /** Average precision where boxes count that overlap by half at least. */
  readonly ap50: number
  /** Patches that a true box covers, as areas go: boxes of less than one can hardly be found. */
  readonly patches: number
}

/** Scores over all images that have true boxes. NaN where there are none. */
export const detectionScores = (all: ReadonlyArray<Pointed>): DetectionScores => {
  const marked = all.filter((p) => p.truth.length > 0)
  const best = marked.flatMap((p) => p.truth.map((t) => p.found.reduce((m, b) => Math.max(m, iou(t, b)), 0)))
  const shares = marked.flatMap((p) => p.truth.map((t) => ((t.width * t.height) / (p.size.height * p.size.width)) * p.grid[0] * p.grid[1]))
  const mean = (values: ReadonlyArray<number>): number => values.reduce((a, b) => a + b, 0) / values.length
  return {
    images: marked.length,
    boxes: best.length,
    iou: mean(best),
    pointing: mean(marked.map((p) => (pointsAt(enlargeMap(p.map, p.grid, p.size), p.size, p.truth) ? 1 : 0))),
    ap50: averagePrecision(marked),
    patches: mean(shares),
  }
}

/** The scores in one line. */
export const showDetection = ({ images, boxes, iou: best, pointing, ap50, patches }: DetectionScores): string =>
  boxes === 0
    ? 'no image has a true box'
    : `${boxes} true ${boxes === 1 ? 'box' : 'boxes'} in ${images} ${images === 1 ? 'image' : 'images'}, of ${showNumber(Number(patches.toPrecision(2)))} patches on average: mean best IoU ${best.toFixed(3)}, pointing game ${pointing.toFixed(3)}, AP50 ${ap50.toFixed(3)}`

/** The scores as numbers of a run; none where no image has a true box. */
export const detectionNumbers = ({ boxes, iou: best, pointing, ap50, patches }: DetectionScores): Readonly<Record<string, number>> =>
  boxes === 0 ? {} : { iou: best, pointing, ap50, box_patches: patches }
