/** Blur as weights: torchvision's nine taps, and Pillow's three box blurs. */
import type { TapRows } from './taps.ts'

/**
 * `gaussian`: a sampled Gaussian of nine taps, border reflected (v2, v3). `pillow`: three box blurs that approximate a
 * Gaussian of that radius, border repeated (v1).
 */
export type BlurKind = 'gaussian' | 'pillow'

export const gaussianTaps = 9

const gaussian = (sigma: number | undefined, x: number): number => (sigma === undefined ? Number(x === 0) : Math.exp(-0.5 * (x / sigma) ** 2))

/** exp(-x^2 / 2 sigma^2) for x = -4 .. 4, normalised; written at `at`. Without sigma: the identity. */
export const writeGaussian = (sigma: number | undefined, into: Float32Array, at: number): void => {
  const reach = (gaussianTaps - 1) / 2
  let total = 0
  for (let x = -reach; x <= reach; x++) total += gaussian(sigma, x)
  for (let x = -reach; x <= reach; x++) into[at + x + reach] = gaussian(sigma, x) / total
}

const passes = 3

/**
 * The box radius whose threefold blur has the variance of a Gaussian of this radius: Gwosdek, Grewenig, Bruhn, Weickert,
 * "Theoretical foundations of Gaussian convolution by extended box filtering" (SSVM 2011), as Pillow's BoxBlur.c has it.
 */
export const boxRadius = (radius: number): number => {
  const variance = (radius * radius) / passes
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2)
  const rest = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)))
  return whole + rest
}

/** Taps of three box blurs of up to this Gaussian radius, on an axis of n pixels. */
export const pillowTaps = (radius: number, n: number): number => Math.min(n, 2 * passes * (Math.floor(boxRadius(radius)) + 1) + 1)

/** One box blur's weights: full within the whole radius, the rest shared by the two pixels beyond. */
const boxKernel = (radius: number): Float64Array => {
  const whole = Math.floor(radius)
  const inner = 1 / (2 * radius + 1)
  const kernel = new Float64Array(2 * whole + 3).fill(inner)
  kernel[0] = kernel[kernel.length - 1] = (1 - (2 * whole + 1) * inner) / 2
  return kernel
}

/** One row of the table: where the weight of output `o` goes after three passes, each with its border repeated. */
const writeRow = (kernel: Float64Array, o: number, n: number, rows: TapRows): void => {
  const reach = (kernel.length - 1) / 2
  const from = Math.max(0, Math.min(o - passes * reach, n - rows.taps))
  let now = new Float64Array(rows.taps)
  now[o - from] = 1
  for (let pass = 0; pass < passes; pass++) {
    const next = new Float64Array(rows.taps)
    for (let i = 0; i < rows.taps; i++) {
      if (now[i] === 0) continue
      for (let k = -reach; k <= reach; k++) next[Math.max(0, Math.min(n - 1, from + i + k)) - from] += now[i] * kernel[k + reach]
    }
    now = next
  }
  rows.first[rows.at + o] = from
  for (let i = 0; i < rows.taps; i++) rows.weights[(rows.at + o) * rows.taps + i] = now[i]
}

/** Rows of three box blurs over n pixels. Without radius: the identity. */
export const writePillow = (radius: number | undefined, n: number, rows: TapRows): void => {
  const kernel = radius === undefined ? Float64Array.of(1) : boxKernel(boxRadius(radius))
  const reach = (passes * (kernel.length - 1)) / 2
  for (let o = 0; o < n; o++) {
    // rows whose window touches neither border are copies of the row before
    if (o <= reach || o >= n - reach || o - reach > n - rows.taps) {
      writeRow(kernel, o, n, rows)
      continue
    }
    const to = (rows.at + o) * rows.taps
    rows.first[rows.at + o] = o - reach
    for (let i = 0; i < rows.taps; i++) rows.weights[to + i] = rows.weights[to - rows.taps + i]
  }
}
