/**
 * The random numbers of a batch's crops, as the tables and scalars that their program is fed. Every number is a function
 * of (seed, crop, sample): a sample's crops do not depend on its batch, its rank, or its neighbours.
 */
import type { Stream } from '../../core/random.ts'
import { permutation, stream } from '../../core/random.ts'
import { sizeOf } from '../../core/type.ts'
import type { Box, Image } from '../readers/dataset.ts'
import type { Atlas, Corner } from './atlas.ts'
import { asItIs, layCrop } from './atlas.ts'
import { writeBlur } from './blur.ts'
import type { ColourName, ColourOp } from './colour.ts'
import { solariseAt, writeColour } from './colour.ts'
import type { Range, Size } from './geometry.ts'
import { cropDraws, guidedCrop, guidedPlainCrop, plainCrop, randomResizedCrop } from './geometry.ts'
import type { GroupPlan, Plan } from './plan.ts'
import { groupInputs, inputPath } from './plan.ts'
import type { Augmentation, CropGroup, Jitter } from './augmentation.ts'
import { jitterNames } from './augmentation.ts'
import type { Resampling } from './taps.ts'
import { writeTaps } from './taps.ts'
import type { Warping } from './warp.ts'
import { drawWarp, unwarped } from './warp.ts'

/** Inputs by path. */
export type InputValues = ReadonlyMap<string, Float32Array | Int32Array>

/** What is known about one image besides its pixels. */
export interface Subject {
  readonly size: Size
  /** Regions of interest, in the canvas' pixels. */
  readonly regions: ReadonlyArray<Box>
  /** The image is larger than its canvas, on which its crops lie beside each other (atlas.ts): sizes and regions are those of the image. */
  readonly apart?: true
}

/** Positions in a crop's stream, behind those of its box. */
const at = {
  flip: cropDraws,
  blur: cropDraws + 1,
  sigma: cropDraws + 2,
  solarise: cropDraws + 3,
  grayscale: cropDraws + 4,
  guided: cropDraws + 5,
  region: cropDraws + 6,
  warp: cropDraws + 7,
}
/** Positions in a jitter's stream: whether, the four factors, the order. */
const jitterAt = { apply: 0, factor: 1, order: 8 }

const between = (u: number, [low, high]: Range): number => low + (high - low) * u

/** A crop's box, and whether a region of interest has guided it. */
export interface DrawnBox {
  readonly box: Box
  readonly guided: boolean
}

export const drawBox = (s: Stream, group: CropGroup, subject: Subject): DrawnBox => {
  const { guided } = group
  if (guided !== undefined && subject.regions.length > 0 && s.unit(at.guided) < guided.probability) {
    const region = subject.regions[s.below(at.region, subject.regions.length)]
    const box =
      group.resized === false
        ? guidedPlainCrop(s, subject.size, group.size, region, guided.fraction)
        : guidedCrop(s, subject.size, group, region, guided.fraction)
    if (box !== undefined) return { box, guided: true }
  }
  return {
    box: group.resized === false ? plainCrop(s, subject.size, group.size) : randomResizedCrop(s, subject.size, group),
    guided: false,
  }
}

const factorOf = (name: Exclude<ColourName, 'grayscale'>, j: Jitter, u: number): number =>
  name === 'hue' ? between(u, [-j.hue, j.hue]) : between(u, [Math.max(0, 1 - j[name]), 1 + j[name]])

const jitterOrder = ['brightness', 'contrast', 'saturation', 'hue'] as const

/** The jitter's operations in their drawn order; none where it is not applied. */
export const drawJitter = (s: Stream, j: Jitter): ReadonlyArray<ColourOp> => {
  if (!(s.unit(jitterAt.apply) < j.probability)) return []
  const used = jitterNames(j)
  const order = permutation({ ...s, below: (i, n) => s.below(jitterAt.order + i, n) }, jitterOrder.length)
  return Array.from(order, (i) => ({ name: jitterOrder[i], factor: factorOf(jitterOrder[i], j, s.unit(jitterAt.factor + i)) })).filter(
    (op) => used.includes(op.name),
  )
}

/** The stream of one crop of one sample; a Gram teacher's crops are the global ones. */
export const cropStream = (seed: number, group: GroupPlan['name'], crop: number, sample: number): Stream =>
  stream(seed, `augment.${group === 'gram' ? 'global' : group}.${crop}`, sample)

const jitterStream = (seed: number, r: Augmentation, group: GroupPlan['name'], crop: number, sample: number): Stream =>
  stream(seed, r.sharedJitter ? 'augment.jitter' : `augment.${group}.${crop}.jitter`, sample)

const tableNames = ['first', 'weights', 'colour', 'blur', 'solarise', 'warp'] as const

/** A group's arrays, filled image by image; empty ones are not fed. */
interface GroupTables {
  readonly first: Int32Array
  readonly weights: Float32Array
  readonly colour: Float32Array
  readonly blur: Float32Array
  readonly solarise: Float32Array
  readonly warp: Float32Array
}

/** The arrays of a batch, for each of the plan's groups. */
export type Tables = ReadonlyArray<GroupTables>

/** Memory for numbers of four bytes. */
export type Allocate = (count: number) => ArrayBufferLike

/** Empty tables of a batch. */
export const tablesOf = (p: Plan, allocate: Allocate): Tables =>
  p.groups.map((g) => {
    const types = groupInputs(p, g)
    const memory = (name: keyof typeof types): ArrayBufferLike => {
      const type = types[name]
      return allocate(type === undefined ? 0 : sizeOf(type.shape))
    }
    const floats = (name: keyof typeof types): Float32Array => new Float32Array(memory(name))
    return {
      first: new Int32Array(memory('first')),
      weights: floats('weights'),
      colour: floats('colour'),
      blur: floats('blur'),
      solarise: floats('solarise'),
      warp: floats('warp'),
    }
  })

/** Tables as a program's inputs. */
export const inputsOf = (p: Plan, tables: Tables): InputValues =>
  new Map(
    p.groups.flatMap((g, n) =>
      tableNames.flatMap((name) => (tables[n][name].length > 0 ? [[inputPath(g, name), tables[n][name]] as const] : [])),
    ),
  )

const writeBox = (p: Plan, g: GroupPlan, t: GroupTables, row: number, box: Box, flip: boolean, r: Resampling): void => {
  const { size: outputs, count } = g.group
  const rows = (k: number) => ({
    first: t.first,
    weights: t.weights,
    at: (k * count * p.layout.batch + row) * outputs,
    taps: g.taps,
    limit: p.layout.side,
  })
  writeTaps(r, { start: box.y, length: box.height, outputs, flip: false }, rows(0))
  writeTaps(r, { start: box.x, length: box.width, outputs, flip }, rows(1))
}

/** Where a crop lies in its image, and how it is laid into its square. */
export interface CropPlace extends DrawnBox {
  readonly flip: boolean
  /** Side of the square. */
  readonly size: number
  readonly warp: Warping
}

/** The place of crop `k` of the image that is sample `sample` of the run: what boxes and masks are carried by (carry.ts). */
export const placeOf = (p: Plan, g: GroupPlan, seed: number, k: number, sample: number, subject: Subject): CropPlace => {
  const s = cropStream(seed, g.name, k, sample)
  const { warp, flip } = p.augmentation
  return {
    ...drawBox(s, g.group, subject),
    flip: s.unit(at.flip) < flip,
    size: g.group.size,
    warp: warp === undefined ? unwarped : drawWarp(s, at.warp, warp),
  }
}

/** Where crops are cut from: the canvas, or an image that is larger, whose crops are laid onto the canvas as they are drawn. */
export interface Whole {
  readonly image: Image
  readonly range: readonly [number, number]
  readonly canvas: Float32Array
  readonly atlas: Atlas
}

/** Crop `k` of image `b`, whose number among all samples of the run is `sample`. True where a region guided it. */
const writeCrop = (
  p: Plan,
  g: GroupPlan,
  t: GroupTables,
  seed: number,
  k: number,
  b: number,
  sample: number,
  subject: Subject,
  whole: readonly [Whole, Corner] | undefined,
): boolean => {
  const r = p.augmentation
  const s = cropStream(seed, g.name, k, sample)
  const row = k * p.layout.batch + b
  const { box, guided, flip, warp } = placeOf(p, g, seed, k, sample, subject)
  if (whole === undefined) writeBox(p, g, t, row, box, flip, r.resampling)
  else {
    const [{ image, range, canvas }, corner] = whole
    layCrop(image, range, box, g.group.size, r.resampling, canvas, p.layout.side, corner)
    writeBox(p, g, t, row, { ...corner, width: g.group.size, height: g.group.size }, flip, asItIs)
  }
  if (g.colour.width > 0) {
    const grayscale: ReadonlyArray<ColourOp> = s.unit(at.grayscale) < r.grayscale ? [{ name: 'grayscale', factor: 0 }] : []
    writeColour(g.colour, [...drawJitter(jitterStream(seed, r, g.name, k, sample), r.jitter), ...grayscale], t.colour, row * g.colour.width)
  }
  if (g.blurTaps > 0) {
    const sigma = s.unit(at.blur) < g.group.blur[k] ? between(s.unit(at.sigma), r.sigma) : undefined
    writeBlur(r.blurKind, sigma, g.blurTaps, t.blur, row * g.blurTaps)
  }
  if (g.warp > 0) {
    t.warp.set(warp.linear, row * g.warp)
    t.warp.set(warp.moves, row * g.warp + 4)
  }
  if (g.solarises) t.solarise[row] = solariseAt(s.unit(at.solarise) < g.group.solarise[k])
  return guided
}

/** The inputs of one batch but for its canvases, and how many crops a region of interest has guided. */
export interface Drawn {
  readonly seed: number
  readonly values: InputValues
  readonly guided: number
}

/** Writes what image `b` of a batch, sample number `sample` of the run, needs; gives how many of its crops a region has guided. */
export const drawImage = (p: Plan, tables: Tables, seed: number, b: number, sample: number, subject: Subject, whole?: Whole): number => {
  let guided = 0
  p.groups.forEach((g, n) => {
    // a Gram teacher's crops are the global ones once more
    for (let k = 0; k < g.group.count; k++) {
      const corner = whole?.atlas[n][k]
      const own = whole === undefined || corner === undefined ? undefined : ([whole, corner] as const)
      guided += Number(writeCrop(p, g, tables[n], seed, k, b, sample, subject, own) && g.name !== 'gram')
    }
  })
  return guided
}

/** `first` is the number of the first image among all samples of the run: for one process, step times batch. */
export const drawCrops = (p: Plan, seed: number, first: number, subjects: ReadonlyArray<Subject>): Drawn => {
  const tables = tablesOf(p, (count) => new ArrayBuffer(4 * count))
  const guided = subjects.reduce((sum, subject, b) => sum + drawImage(p, tables, seed, b, first + b, subject), 0)
  return { seed, values: inputsOf(p, tables), guided }
}
