/** How well vectors find what belongs together: by labels among training images, and the same emoji of another vendor. */
import type { Image } from '../../../data/readers/dataset.ts'
import type { LabelledFeatures } from '../../../train/judge/evaluate/knn.ts'
import { knn } from '../../../train/judge/evaluate/knn.ts'
import type { Rows } from '../../../train/judge/evaluate/neighbours.ts'
import { nearestOf } from '../../../train/judge/evaluate/neighbours.ts'
import { right } from '../../data/either.ts'
import { drawn } from './made.ts'

/** Vectors with what they are of. */
export interface Known extends LabelledFeatures {
  readonly sources: ReadonlyArray<string>
}

export interface Judged {
  /** Weighted k-NN, k 20, at a temperature of 0.07: the protocol of all figures. */
  readonly knn: number
  /** The share of the ten nearest training images that have a test image's label. */
  readonly precision: number
  /** Where several have drawn one thing: how often the nearest image of the others is the same thing. */
  readonly across: number | undefined
}

const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length

const cosines = { normalise: true, leaveOneOut: false }

const precisionAt = (k: number, train: Known, test: Known): number => {
  const { index } = nearestOf(train, test, { ...cosines, k: Math.min(k, train.labels.length) })
  const used = index.length / test.labels.length
  return mean(Array.from(index, (j, i) => Number(train.labels[j] === test.labels[Math.floor(i / used)])))
}

const vendorOf = (source: string): string | undefined => /\.(\w+)\.png$/.exec(source)?.[1]

const rowsOf = ({ data, dim }: Rows, which: ReadonlyArray<number>): Rows => ({
  data: Float32Array.from(which.flatMap((i) => [...data.subarray(i * dim, (i + 1) * dim)])),
  dim,
})

const acrossVendors = (test: Known): number | undefined => {
  const all = test.sources.map((source, i) => ({ i, vendor: vendorOf(source), thing: drawn(source) }))
  const vendors = [...new Set(all.map((a) => a.vendor))]
  if (vendors.length < 2) return undefined
  return mean(
    vendors.flatMap((vendor) => {
      const [own, others] = [all.filter((a) => a.vendor === vendor), all.filter((a) => a.vendor !== vendor)]
      const [from, to] = [own, others].map((some) =>
        rowsOf(
          test,
          some.map((a) => a.i),
        ),
      )
      return Array.from(nearestOf(to, from, { ...cosines, k: 1 }).index, (j, i) => Number(others[j].thing === own[i].thing))
    }),
  )
}

export const judged = (train: Known, test: Known, classes: number): Judged => {
  const [{ top1 }] = right(knn({ k: [20], classes, temperature: 0.07, votes: 'v1' }, train)(test))
  return { knn: top1, precision: precisionAt(10, train, test), across: acrossVendors(test) }
}

/** Shares of an image's pixels by colour, eight steps a channel; `most` is the value of white. */
export const histogram = ({ channels, height, width, data }: Image, most: number): Float32Array => {
  const bins = new Float32Array(8 ** channels)
  for (let i = 0; i < height * width; i++) {
    let bin = 0
    for (let c = 0; c < channels; c++) bin = 8 * bin + Math.min(7, Math.floor((8 * data[c * height * width + i]) / most))
    bins[bin]++
  }
  return bins
}
