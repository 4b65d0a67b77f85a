/** How well vectors find what belongs together: by labels among training images, and the same emoji of another vendor. */
import type { Image } from '../../../data/readers/dataset.ts'
import { drawn } from './made.ts'

/** Vectors of length 1 with what they are of. */
export interface Known {
  readonly vectors: ReadonlyArray<Float32Array>
  readonly labels: ReadonlyArray<string>
  readonly sources: ReadonlyArray<string>
}

export const unit = (v: ArrayLike<number>): Float32Array => {
  const length = Math.hypot(...Array.from(v)) || 1
  return Float32Array.from(v, (x) => x / length)
}

const product = (a: Float32Array, b: Float32Array): number => a.reduce((s, x, i) => s + x * b[i], 0)

/** The votes of the k nearest, each weighted by exp(cosine / 0.07), as the protocol of all figures (Caron et al. 2021, appendix F.1). */
const voted = (
  train: Known,
  v: Float32Array,
  k: number,
): { readonly label: string; readonly share: (label: string, n: number) => number } => {
  const near = train.vectors
    .map((t, i) => ({ i, s: product(t, v) }))
    .sort((a, b) => b.s - a.s)
    .slice(0, k)
  const votes = new Map<string, number>()
  for (const { i, s } of near) votes.set(train.labels[i], (votes.get(train.labels[i]) ?? 0) + Math.exp(s / 0.07))
  const [label] = [...votes].reduce((a, b) => (b[1] > a[1] ? b : a))
  return { label, share: (of, n) => near.slice(0, n).filter(({ i }) => train.labels[i] === of).length / Math.min(n, near.length) }
}

export interface Judged {
  /** Weighted k-NN, k 20. */
  readonly knn: number
  /** The share of the ten nearest training images that have a test image's label. */
  readonly precision: number
  /** Where several have drawn one thing: how often the nearest image of the others is the same thing. */
  readonly across: number | undefined
}

const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length

const vendorOf = (source: string): string | undefined => /\.(\w+)\.png$/.exec(source)?.[1]

export const judged = (train: Known, test: Known): Judged => {
  const all = test.vectors.map((v) => voted(train, v, 20))
  const several = new Set(test.sources.map(vendorOf)).size > 1
  return {
    knn: mean(all.map((a, i) => Number(a.label === test.labels[i]))),
    precision: mean(all.map((a, i) => a.share(test.labels[i], 10))),
    across: several
      ? mean(
          test.vectors.map((v, i) => {
            const others = test.sources.flatMap((s, j) => (vendorOf(s) === vendorOf(test.sources[i]) ? [] : [j]))
            const best = others.reduce((a, b) => (product(test.vectors[b], v) > product(test.vectors[a], v) ? b : a))
            return Number(drawn(test.sources[best]) === drawn(test.sources[i]))
          }),
        )
      : undefined,
  }
}

/** Shares of an image's pixels by colour, eight steps a channel; `most` is the value of white. */
export const histogram = ({ channels, height, width, data }: Image, most: number): Float32Array => {
  const bins = new Float32Array(8 ** channels)
  for (let i = 0; i < height * width; i++) {
    let bin = 0
    for (let c = 0; c < channels; c++) bin = 8 * bin + Math.min(7, Math.floor((8 * data[c * height * width + i]) / most))
    bins[bin]++
  }
  return unit(bins)
}
