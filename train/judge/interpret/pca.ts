/** Principal components of patch features as colours (dinov2 and dinov3 notebooks): what is alike has one colour. */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import type { Image } from '../../../data/readers/dataset.ts'

/** Principal components of rows `[n, dim]`. */
export interface Components {
  readonly mean: Float64Array
  /** Unit vectors, the largest variance first; the largest entry of each is positive, since signs are arbitrary. */
  readonly axes: ReadonlyArray<Float64Array>
  /** Variance along each, over n - 1. */
  readonly variance: ReadonlyArray<number>
}

/** The first `k` principal components, from the covariance's eigenvectors in float64. Fewer where the rows have fewer dimensions. */
export const principal = (rows: Float32Array, dim: number, k: number): Components => {
  const n = rows.length / dim
  const mean = new Float64Array(dim)
  for (let i = 0; i < rows.length; i++) mean[i % dim] += rows[i] / n
  const covariance = new Float64Array(dim * dim)
  const centred = new Float64Array(dim)
  for (let i = 0; i < n; i++) {
    for (let d = 0; d < dim; d++) centred[d] = rows[i * dim + d] - mean[d]
    for (let a = 0; a < dim; a++) for (let b = 0; b <= a; b++) covariance[a * dim + b] += centred[a] * centred[b]
  }
  const share = 1 / Math.max(1, n - 1)
  const full = Matrix.zeros(dim, dim)
  for (let a = 0; a < dim; a++) {
    for (let b = 0; b <= a; b++) {
      full.set(a, b, covariance[a * dim + b] * share)
      full.set(b, a, covariance[a * dim + b] * share)
    }
  }
  const e = new EigenvalueDecomposition(full, { assumeSymmetric: true })
  const vectors = e.eigenvectorMatrix
  const order = e.realEigenvalues
    .map((v, i) => [v, i] as const)
    .sort((x, y) => y[0] - x[0])
    .slice(0, k)
  return {
    mean,
    variance: order.map(([v]) => Math.max(0, v)),
    axes: order.map(([, i]) => {
      const axis = Float64Array.from(vectors.getColumn(i))
      const largest = axis.reduce((m, v) => (Math.abs(v) > Math.abs(m) ? v : m), 0)
      return largest < 0 ? axis.map((v) => -v) : axis
    }),
  }
}

/** Rows along the components, `[n, k]`, each divided by its deviation. */
export const whitened = (c: Components, rows: Float32Array, dim: number): Float64Array => {
  const [n, k] = [rows.length / dim, c.axes.length]
  const out = new Float64Array(n * k)
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < k; a++) {
      let s = 0
      for (let d = 0; d < dim; d++) s += c.axes[a][d] * (rows[i * dim + d] - c.mean[d])
      out[i * k + a] = c.variance[a] > 0 ? s / Math.sqrt(c.variance[a]) : 0
    }
  }
  return out
}

/** Patch features of images, `[images, N, dim]`, all on one grid. */
export interface PatchRows {
  readonly rows: Float32Array
  readonly dim: number
  readonly grid: readonly [number, number]
}

/**
 * Which patches are foreground: those on one side of the mean of the first component, as DINOv2's notebook divides them; the side that the
 * images' rims are on less is taken to be the foreground. 1 for foreground, `[images N]`.
 */
export const foreground = ({ rows, dim, grid: [height, width] }: PatchRows): Uint8Array => {
  const first = whitened(principal(rows, dim, 1), rows, dim)
  const n = height * width
  let [rim, rims, all] = [0, 0, 0]
  first.forEach((v, i) => {
    const [y, x] = [Math.floor((i % n) / width), i % width]
    const positive = v > 0 ? 1 : 0
    all += positive
    if (y === 0 || x === 0 || y === height - 1 || x === width - 1) [rim, rims] = [rim + positive, rims + 1]
  })
  const inside = rim / Math.max(1, rims) <= all / Math.max(1, first.length)
  return Uint8Array.from(first, (v) => (v > 0 === inside ? 1 : 0))
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/**
 * Three whitened components of the patches that a mask keeps, as colours sigmoid(2 z); all others are black. One picture of patches for
 * each image.
 */
export const componentPictures = ({ rows, dim, grid: [height, width] }: PatchRows, mask?: Uint8Array): ReadonlyArray<Image> => {
  const total = rows.length / dim
  const n = height * width
  const kept = Array.from({ length: total }, (_, i) => i).filter((i) => mask === undefined || mask[i] === 1)
  const chosen = new Float32Array(kept.length * dim)
  kept.forEach((i, k) => {
    chosen.set(rows.subarray(i * dim, (i + 1) * dim), k * dim)
  })
  const c = principal(kept.length > 3 ? chosen : rows, dim, 3)
  const z = whitened(c, rows, dim)
  const k = c.axes.length
  return Array.from({ length: total / n }, (_, image): Image => {
    const data = new Float32Array(3 * n)
    for (let p = 0; p < n; p++) {
      if (mask !== undefined && mask[image * n + p] === 0) continue
      for (let a = 0; a < 3; a++) data[a * n + p] = a < k ? sigmoid(2 * z[(image * n + p) * k + a]) : 0.5
    }
    return { channels: 3, height, width, data }
  })
}
