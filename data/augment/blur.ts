/** Blur as kernels: torchvision's nine taps, and Pillow's three box blurs. */

/**
 * `gaussian`: a sampled Gaussian of nine taps, border reflected (v2, v3). `pillow`: three box blurs that approximate a
 * Gaussian of that radius, the border repeated in each (v1).
 */
export type BlurKind = 'gaussian' | 'pillow'

/** How often a kernel is applied to each axis. */
export const blurPasses = (kind: BlurKind): number => (kind === 'gaussian' ? 1 : 3)

/**
 * The box radius whose threefold blur has the variance of a Gaussian of this radius: Gwosdek, Grewenig, Bruhn, Weickert,
 * "Theoretical foundations of Gaussian convolution by extended box filtering" (SSVM 2011), as Pillow's BoxBlur.c has it.
 */
export const boxRadius = (radius: number): number => {
  const variance = (radius * radius) / blurPasses('pillow')
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2)
  const rest = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)))
  return whole + rest
}

/** Taps of a kernel for Gaussians of up to this sigma. */
export const blurTaps = (kind: BlurKind, sigma: number): number => (kind === 'gaussian' ? 9 : 2 * Math.floor(boxRadius(sigma)) + 3)

/** One box: full within the whole radius, what is left shared by the two pixels beyond. */
const boxWeight = (radius: number, x: number): number => {
  const whole = Math.floor(radius)
  const inner = 1 / (2 * radius + 1)
  const distance = Math.abs(x)
  return distance <= whole ? inner : distance === whole + 1 ? (1 - (2 * whole + 1) * inner) / 2 : 0
}

/** Writes a kernel of `taps` weights that sum to 1 at `at`. Without sigma: the identity. */
export const writeBlur = (kind: BlurKind, sigma: number | undefined, taps: number, into: Float32Array, at: number): void => {
  const reach = (taps - 1) / 2
  const radius = sigma === undefined ? 0 : boxRadius(sigma)
  let total = 0
  for (let x = -reach; x <= reach; x++) {
    const weight = sigma === undefined ? Number(x === 0) : kind === 'gaussian' ? Math.exp(-0.5 * (x / sigma) ** 2) : boxWeight(radius, x)
    into[at + x + reach] = weight
    total += weight
  }
  for (let i = at; i < at + taps; i++) into[i] /= total
}
