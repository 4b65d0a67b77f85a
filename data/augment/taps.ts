/**
 * Tap tables: which pixels of a box one output pixel reads along one axis, and with what weights. The numbers follow
 * PyTorch's interpolation kernels (aten/native/cpu/UpSampleKernel.cpp, `align_corners` off): with antialias, cubic
 * a = -0.5, support widened by the scale when shrinking, taps outside of the box dropped, weights renormalised; without,
 * cubic a = -0.75, fixed support, taps clamped to the box.
 */

/**
 * How a crop is brought to its size. `nearest` (of PyTorch) and `middle` (of Pillow: the pixel under the middle of the new one) know no
 * antialias.
 */
export interface Resampling {
  readonly filter: 'bicubic' | 'bilinear' | 'nearest' | 'middle'
  readonly antialias: boolean
}

/** Whether a new pixel is one of the old ones. */
const isOnePixel = (r: Resampling): boolean => r.filter === 'nearest' || r.filter === 'middle'

/** What Pillow and the official augmentations use. */
export const bicubic: Resampling = { filter: 'bicubic', antialias: true }

/** One axis of a crop: `length` pixels from `start` become `outputs` pixels, mirrored where `flip` says so. */
export interface Span {
  readonly start: number
  readonly length: number
  readonly outputs: number
  readonly flip: boolean
}

/** Where the rows of one span go: row o of `first` at `at + o`, of `weights` at `(at + o) * taps`. */
export interface TapRows {
  readonly first: Int32Array
  readonly weights: Float32Array
  readonly at: number
  readonly taps: number
  /** Pixels of the canvas along this axis: `first + taps` stays within. */
  readonly limit: number
}

/** Keys' cubic convolution kernel. */
const cubic = (a: number, x: number): number => {
  const t = Math.abs(x)
  return t < 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x))

const reachOf = (r: Resampling): number => (r.filter === 'bicubic' ? 2 : r.filter === 'bilinear' ? 1 : 0.5)

/** The taps that one output pixel can need when at most `longest` pixels become `outputs`, on a canvas of `limit`. */
export const tapCount = (r: Resampling, longest: number, outputs: number, limit: number): number => {
  if (isOnePixel(r)) return 1
  const widen = r.antialias ? Math.max(1, longest / outputs) : 1
  return Math.min(limit, Math.ceil(2 * reachOf(r) * widen - 1e-9))
}

/** The window's begin: as asked, but within the canvas. Its weights are cleared. */
const windowAt = (rows: TapRows, row: number, wanted: number): number => {
  const from = Math.max(0, Math.min(wanted, rows.limit - rows.taps))
  rows.first[row] = from
  for (let k = row * rows.taps; k < (row + 1) * rows.taps; k++) rows.weights[k] = 0
  return from
}

const weightOf = (r: Resampling, a: number, x: number): number => (r.filter === 'bicubic' ? cubic(a, x) : triangle(x))

// no closures below: these run once for every output row of every crop

const antialiased = (r: Resampling, span: Span, rows: TapRows, row: number, i: number): void => {
  const scale = span.length / span.outputs
  const widen = Math.max(1, scale)
  const support = reachOf(r) * widen
  const centre = scale * (i + 0.5)
  const low = Math.max(0, Math.trunc(centre - support + 0.5))
  const high = Math.min(span.length, Math.trunc(centre + support + 0.5))
  let total = 0
  for (let p = low; p < high; p++) total += weightOf(r, -0.5, (p - centre + 0.5) / widen)
  const from = windowAt(rows, row, span.start + low)
  const at = row * rows.taps + span.start - from
  for (let p = low; p < high; p++) rows.weights[at + p] = weightOf(r, -0.5, (p - centre + 0.5) / widen) / total
}

const clamp = (p: number, length: number): number => Math.max(0, Math.min(length - 1, p))

const plain = (r: Resampling, span: Span, rows: TapRows, row: number, i: number): void => {
  const scale = span.length / span.outputs
  if (isOnePixel(r)) {
    const p = span.start + clamp(Math.floor((r.filter === 'middle' ? i + 0.5 : i) * scale), span.length)
    const from = windowAt(rows, row, p)
    rows.weights[row * rows.taps + p - from] = 1
    return
  }
  const centre = scale * (i + 0.5) - 0.5
  const source = r.filter === 'bilinear' ? Math.max(0, centre) : centre
  const base = Math.floor(source)
  const before = r.filter === 'bilinear' ? 0 : -1
  const after = r.filter === 'bilinear' ? 1 : 2
  const from = windowAt(rows, row, span.start + clamp(base + before, span.length))
  const at = row * rows.taps + span.start - from
  for (let k = before; k <= after; k++) rows.weights[at + clamp(base + k, span.length)] += weightOf(r, -0.75, source - base - k)
}

/** Writes the rows of one span. The caller has made room for `tapCount` taps. */
export const writeTaps = (r: Resampling, span: Span, rows: TapRows): void => {
  const one = r.antialias && !isOnePixel(r) ? antialiased : plain
  for (let o = 0; o < span.outputs; o++) one(r, span, rows, rows.at + o, span.flip ? span.outputs - 1 - o : o)
}
