/**
 * The codes of JPEG-LS scans (ITU-T T.87; Weinberger, Seroussi, Sapiro, "The LOCO-I lossless image compression algorithm", 2000): what the
 * samples left and above say of the next one is learned in 365 contexts, equal samples are runs. Codes that no encoder writes end the
 * decoding at once, so that damaged data cost no more than whole ones.
 */
import type { FrameSize } from './samples.ts'

/** What a preset parameters segment may say (C.2.4.1.1); 0: the default. */
export interface Presets {
  readonly maximum: number
  readonly thresholds: readonly [number, number, number]
  readonly reset: number
}

export interface Frame extends FrameSize {
  readonly bits: number
  readonly components: ReadonlyArray<number>
}

export type Interleaving = 'none' | 'line' | 'sample'

export interface Scan {
  /** Places of its components among those of the frame. */
  readonly components: ReadonlyArray<number>
  readonly near: number
  readonly interleaving: Interleaving
  readonly presets: Presets
  /** Rows after which decoding begins anew, behind a marker; 0: none. */
  readonly restart: number
}

export const noPresets: Presets = { maximum: 0, thresholds: [0, 0, 0], reset: 0 }

export const interleavings: ReadonlyArray<Interleaving> = ['none', 'line', 'sample']

/** Bits after each other; the first bit after a byte of ones is stuffed (A.1), and a marker ends them. */
interface Bits {
  readonly bytes: Uint8Array
  at: number
  /** The last `left` bits of it were read and are not used; the others are 0. */
  held: number
  left: number
  /** More was asked for than there is. */
  over: boolean
}

/** Holds at least 23 bits, where there are so many. */
const fill = (r: Bits): void => {
  while (r.left < 23 && r.at < r.bytes.length) {
    const [stuffed, next] = [r.bytes[r.at - 1] === 0xff, r.bytes[r.at]]
    if (stuffed && next >= 0x80) return
    const n = stuffed ? 7 : 8
    r.held = (r.held << n) | next
    r.left += n
    r.at++
  }
}

/** The next n bits, at most 22. */
const bitsOf = (r: Bits, n: number): number => {
  if (r.left < n) fill(r)
  if (r.left < n) {
    r.over = true
    return 0
  }
  r.left -= n
  const value = r.held >> r.left
  r.held &= (1 << r.left) - 1
  return value
}

/** Zeros before the next one, which is read too; more than `most` are not counted. */
const zerosOf = (r: Bits, most: number): number => {
  let zeros = 0
  while (zeros <= most) {
    if (r.left === 0) fill(r)
    if (r.left === 0) {
      r.over = true
      return zeros
    }
    // what is held has no more bits than are left
    const own = r.left - (32 - Math.clz32(r.held))
    zeros += own
    r.left -= own
    if (r.held !== 0) {
      r.left--
      r.held &= (1 << r.left) - 1
      return zeros
    }
  }
  return zeros
}

/** The logarithms of runs by index (A.2.1). */
const runBits = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15]

/** Contexts of samples, then those of what ends a run: from a sample above that differs, and from one that is equal. */
const regular = 365

const clamped = (x: number, least: number, most: number): number => (x > most || x < least ? least : x)

/** Default thresholds of gradients (C.2.4.1.1.1). */
const defaultThresholds = (maximum: number, near: number): readonly [number, number, number] => {
  const factor = maximum >= 128 ? (Math.min(maximum, 4095) + 128) >> 8 : Math.floor(256 / (maximum + 1))
  const of = (basic: number, nears: number, least: number): number =>
    clamped(
      maximum >= 128
        ? factor * (basic - [2, 3, 4][nears]) + [2, 3, 4][nears] + (2 * nears + 3) * near
        : Math.max([2, 3, 4][nears], Math.floor(basic / factor) + (2 * nears + 3) * near),
      least,
      maximum,
    )
  const first = of(3, 0, near + 1)
  const second = of(7, 1, first)
  return [first, second, of(21, 2, second)]
}

/** Bits behind the zeros of a code, at most, of samples of 16 bits. */
const longestTail = 16

/** What cannot be decoded. */
const damaged = -1

/** Decodes rows of the scan's components, whose codes begin at a byte, into `out`, [height, width, channels]; false: damaged. */
const decodeRows = (
  bytes: Uint8Array,
  frame: Frame,
  scan: Scan,
  rows: { readonly at: number; readonly from: number; readonly to: number },
  out: Uint8Array | Uint16Array,
): boolean => {
  const { width, channels } = frame
  const { near, components } = scan
  const step = 2 * near + 1
  const maximum = scan.presets.maximum === 0 ? 2 ** frame.bits - 1 : scan.presets.maximum
  const usual = defaultThresholds(maximum, near)
  const [t1, t2, t3] = scan.presets.thresholds.map((t, i) => (t === 0 ? usual[i] : t))
  const reset = scan.presets.reset === 0 ? 64 : scan.presets.reset
  const range = Math.floor((maximum + 2 * near) / step) + 1
  const quantized = Math.ceil(Math.log2(range))
  const sampleBits = Math.max(2, Math.ceil(Math.log2(maximum + 1)))
  const limit = 2 * (sampleBits + Math.max(8, sampleBits))
  const a = new Int32Array(regular + 2).fill(Math.max(2, (range + 32) >> 6))
  const n = new Int32Array(regular + 2).fill(1)
  const [b, c, negative] = [new Int32Array(regular), new Int32Array(regular), new Int32Array(2)]
  const r: Bits = { bytes, at: rows.at, held: 0, left: 0, over: false }
  // the levels of gradients from -maximum to maximum (A.3.3)
  const levels = Int8Array.from({ length: 2 * maximum + 1 }, (_, i) => {
    const d = i - maximum
    return d <= -t3 ? -4 : d <= -t2 ? -3 : d <= -t1 ? -2 : d < -near ? -1 : d <= near ? 0 : d < t1 ? 1 : d < t2 ? 2 : d < t3 ? 3 : 4
  })

  /** A code of at most `most` bits (A.5.3). */
  const golomb = (k: number, most: number): number => {
    const longest = most - quantized - 1
    const zeros = zerosOf(r, longest)
    if (r.over || zeros > longest) return damaged
    return zeros < longest ? (zeros << k) + bitsOf(r, k) : bitsOf(r, quantized) + 1
  }
  /** The length of what follows a code's zeros, for magnitudes of `sum` altogether; no encoder comes to more than a sample has. */
  const lengthFor = (count: number, sum: number): number => {
    let k = 0
    while (k <= longestTail && count << k < sum) k++
    return k
  }
  /** A sample from its prediction and error (A.4.5, A.5.4). */
  const sample = (predicted: number, error: number): number => {
    let x = predicted + error * step
    if (x < -near) x += range * step
    else if (x > maximum + near) x -= range * step
    return x < 0 ? 0 : x > maximum ? maximum : x
  }
  /** A sample among others, of the context q (A.3 to A.6). */
  const regularSample = (left: number, above: number, corner: number, q: number): number => {
    const sign = q < 0 ? -1 : 1
    const at = q * sign
    const [low, high] = left < above ? [left, above] : [above, left]
    const guess = (corner >= high ? low : corner <= low ? high : left + above - corner) + sign * c[at]
    const predicted = guess < 0 ? 0 : guess > maximum ? maximum : guess
    const k = lengthFor(n[at], a[at])
    const code = k > longestTail ? damaged : golomb(k, limit)
    if (code < 0) return damaged
    const turned = near === 0 && k === 0 && 2 * b[at] <= -n[at]
    const odd = code % 2 === 1
    const error = turned ? (odd ? (code - 1) / 2 : -code / 2 - 1) : odd ? -(code + 1) / 2 : code / 2
    if (Math.abs(error) > range) return damaged
    b[at] += error * step
    a[at] += Math.abs(error)
    if (n[at] === reset) {
      a[at] >>= 1
      b[at] = b[at] >= 0 ? b[at] >> 1 : -((1 - b[at]) >> 1)
      n[at] >>= 1
    }
    n[at]++
    if (b[at] <= -n[at]) {
      b[at] = Math.max(b[at] + n[at], 1 - n[at])
      if (c[at] > -128) c[at]--
    } else if (b[at] > 0) {
      b[at] = Math.min(b[at] - n[at], 0)
      if (c[at] < 127) c[at]++
    }
    return sample(predicted, sign * error)
  }
  /** The sample that ends a run (A.7.2); `equal`: that above is as those of the run. */
  const interruption = (left: number, above: number, equal: boolean, index: number): number => {
    const type = equal ? 1 : 0
    const at = regular + type
    const k = lengthFor(n[at], a[at] + (equal ? n[at] >> 1 : 0))
    const code = k > longestTail ? damaged : golomb(k, limit - runBits[index] - 1)
    if (code < 0) return damaged
    const odd = (code + type) % 2
    const size = (code + type + odd) / 2
    if (size > range) return damaged
    const below = size > 0 && (k !== 0 || 2 * negative[type] >= n[at]) === (odd === 1)
    if (below) negative[type]++
    a[at] += (code + 1 - type) >> 1
    if (n[at] === reset) {
      a[at] >>= 1
      n[at] >>= 1
      negative[type] >>= 1
    }
    n[at]++
    const error = below ? -size : size
    return equal ? sample(left, error) : sample(above, left > above ? -error : error)
  }

  // of each component the line above and the present one, with a sample before and one after them
  const lines = components.map(() => [new Int32Array(width + 2), new Int32Array(width + 2)])
  const indices = components.map(() => 0)
  /** One line of the components of a group, whose runs are common; false where it is damaged. */
  const line = (group: ReadonlyArray<number>, y: number): boolean => {
    const count = group.length
    const [first] = group
    const above = group.map((g) => lines[g][0])
    const now = group.map((g) => lines[g][1])
    for (let i = 0; i < count; i++) {
      above[i][width + 1] = above[i][width]
      now[i][0] = above[i][1]
    }
    for (let x = 1; x <= width;) {
      let flat = true
      for (let i = 0; flat && i < count; i++) {
        const [up, left] = [above[i], now[i][x - 1]]
        flat =
          levels[maximum + up[x + 1] - up[x]] === 0 && levels[maximum + up[x] - up[x - 1]] === 0 && levels[maximum + up[x - 1] - left] === 0
      }
      if (!flat) {
        for (let i = 0; i < count; i++) {
          const [top, corner, right, left] = [above[i][x], above[i][x - 1], above[i][x + 1], now[i][x - 1]]
          const q = 81 * levels[maximum + right - top] + 9 * levels[maximum + top - corner] + levels[maximum + corner - left]
          const value = regularSample(left, top, corner, q)
          if (value < 0) return false
          now[i][x] = value
        }
        x++
        continue
      }
      let ended = false
      while (x <= width && !ended) {
        const whole = bitsOf(r, 1) === 1
        const length = whole ? 1 << runBits[indices[first]] : bitsOf(r, runBits[indices[first]])
        const within = Math.min(length, width + 1 - x)
        if (r.over || (!whole && length > within)) return false
        for (const own of now) own.fill(own[x - 1], x, x + within)
        x += within
        if (whole && within === length && indices[first] < 31) indices[first]++
        ended = !whole
      }
      if (!ended) continue
      // a run that is broken off has a sample behind it
      if (x > width) return false
      for (let i = 0; i < count; i++) {
        const [left, top] = [now[i][x - 1], above[i][x]]
        const value = interruption(left, top, count === 1 && Math.abs(left - top) <= near, indices[first])
        if (value < 0) return false
        now[i][x] = value
      }
      if (indices[first] > 0) indices[first]--
      x++
    }
    for (let i = 0; i < count; i++) {
      const g = group[i]
      for (let x = 0, to = y * width * channels + components[g]; x < width; x++, to += channels) out[to] = now[i][x + 1]
      lines[g].reverse()
    }
    return true
  }
  const groups = scan.interleaving === 'sample' ? [components.map((_, g) => g)] : components.map((_, g) => [g])
  for (let y = rows.from; y < rows.to; y++) for (const group of groups) if (!line(group, y)) return false
  return !r.over
}

/** Where the codes that begin at a byte end: at the next marker. */
const afterCodes = (bytes: Uint8Array, from: number): number => {
  let at = from
  while (at + 1 < bytes.length && !(bytes[at] === 0xff && bytes[at + 1] >= 0x80)) at++
  return at
}

/** Decodes a scan whose codes begin at a byte. The byte after them, or -1 where they are damaged. */
export const decodeScan = (bytes: Uint8Array, frame: Frame, scan: Scan, begin: number, out: Uint8Array | Uint16Array): number => {
  const { height } = frame
  const rows = scan.restart === 0 ? height : scan.restart
  let at = begin
  for (let from = 0; from < height; from += rows) {
    if (from > 0 && bytes[at + 1] !== 0xd0 + ((from / rows - 1) % 8)) return damaged
    if (from > 0) at += 2
    if (!decodeRows(bytes, frame, scan, { at, from, to: Math.min(height, from + rows) }, out)) return damaged
    at = afterCodes(bytes, at)
  }
  return at
}
