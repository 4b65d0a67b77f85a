/** Colours of other spaces as RGB, by the formulas that Pillow has. */

/** Luminance and two colour differences, plane by plane, as RGB (ITU-R 601, full range). */
export const yccPlanes = (planes: Float32Array, n: number): Float32Array => {
  const out = new Float32Array(planes.length)
  for (let i = 0; i < n; i++) {
    const [y, b, r] = [planes[i], planes[n + i] - 128, planes[2 * n + i] - 128]
    const rgb = [y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b]
    rgb.forEach((v, c) => {
      out[c * n + i] = Math.max(0, Math.min(255, Math.round(v)))
    })
  }
  return out
}

/** What is left of light by an ink and black: `top - k` less its share that the ink takes. */
const lit = (ink: number, black: number, top: number): number => Math.max(0, top - black - Math.round((ink * (top - black)) / top))

/** Inks (cyan, magenta, yellow, black), plane by plane in 0..255, as RGB. */
export const cmykPlanes = (planes: Float32Array, n: number): Float32Array => {
  const out = new Float32Array(3 * n)
  for (let c = 0; c < 3; c++) for (let i = 0; i < n; i++) out[c * n + i] = lit(planes[c * n + i], planes[3 * n + i], 255)
  return out
}

/** The same pixel by pixel, of `channels` numbers each in 0..top. */
export const cmykPixels = (pixels: ArrayLike<number>, channels: number, top: number): Uint16Array => {
  const n = Math.floor(pixels.length / channels)
  const out = new Uint16Array(3 * n)
  for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) out[3 * i + c] = lit(pixels[channels * i + c], pixels[channels * i + 3], top)
  return out
}
