/**
 * Short floats: IEEE 754 binary16, bfloat16, and the two 8-bit formats of "FP8 Formats for Deep Learning"
 * (Micikevicius et al. 2022). Widening is exact; narrowing rounds to nearest, ties to even, and overflows to infinity.
 */

const powers = (bias: number, count: number): Float64Array => Float64Array.from({ length: count }, (_, e) => 2 ** (e - bias))

const minifloat = (bits: number, exponentBits: number, mantissaBits: number, infinities: boolean): number => {
  const bias = 2 ** (exponentBits - 1) - 1
  const sign = bits >> (exponentBits + mantissaBits) === 0 ? 1 : -1
  const top = 2 ** exponentBits - 1
  const e = (bits >> mantissaBits) & top
  const m = bits & (2 ** mantissaBits - 1)
  const scale = 2 ** mantissaBits
  if (e === top && infinities) return m === 0 ? sign * Infinity : NaN
  if (e === top && m === scale - 1) return NaN
  return e === 0 ? sign * (m / scale) * 2 ** (1 - bias) : sign * (1 + m / scale) * 2 ** (e - bias)
}

const table = (exponentBits: number, mantissaBits: number, infinities: boolean): Float32Array =>
  Float32Array.from({ length: 256 }, (_, b) => minifloat(b, exponentBits, mantissaBits, infinities))

/** Widens the bits of binary16 to float32. */
export const widenF16 = (bits: Uint16Array): Float32Array => {
  const out = new Float32Array(bits.length)
  const scale = powers(25, 31)
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]
    const e = (b >> 10) & 31
    const m = b & 1023
    const v = e === 31 ? (m === 0 ? Infinity : NaN) : e === 0 ? m * scale[1] : (1024 + m) * scale[e]
    out[i] = b & 0x8000 ? -v : v
  }
  return out
}

/** Rounds a whole-number grid: nearest, ties to even. */
const nearestEven = (v: number): number => {
  const f = Math.floor(v)
  const d = v - f
  return d > 0.5 || (d === 0.5 && f % 2 === 1) ? f + 1 : f
}

/** Narrows float32 to the bits of binary16. Beyond 65,519 it is infinite; a NaN stays a NaN. */
export const narrowF16 = (values: Float32Array): Uint16Array<ArrayBuffer> => {
  const source = Float32Array.from(values)
  const words = new Uint32Array(source.buffer)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const w = words[i]
    const sign = (w >>> 16) & 0x8000
    const a = w & 0x7fffffff
    if (a > 0x7f800000) out[i] = sign | 0x7e00
    else if (a >= 0x47800000) out[i] = sign | 0x7c00
    else if (a < 0x38800000) out[i] = sign | nearestEven(Math.abs(source[i]) * 16777216)
    else out[i] = sign | ((a - 0x38000000 + 0xfff + ((a >>> 13) & 1)) >>> 13)
  }
  return out
}

/** Widens the bits of bfloat16 to float32. */
export const widenBF16 = (bits: Uint16Array): Float32Array => {
  const words = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16
  return new Float32Array(words.buffer)
}

/** Narrows float32 to the bits of bfloat16; a NaN stays a NaN. */
export const narrowBF16 = (values: Float32Array): Uint16Array<ArrayBuffer> => {
  const source = Float32Array.from(values)
  const words = new Uint32Array(source.buffer)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const w = words[i]
    out[i] = (w & 0x7fffffff) > 0x7f800000 ? ((w >>> 16) & 0x8000) | 0x7fc0 : (w + 0x7fff + ((w >>> 16) & 1)) >>> 16
  }
  return out
}

const widenBytes =
  (values: Float32Array) =>
  (bits: Uint8Array): Float32Array =>
    Float32Array.from(bits, (b) => values[b])

/** Widens FP8 E4M3 ("fn": no infinities, 0x7f and 0xff are NaN, largest 448) to float32. */
export const widenE4M3 = widenBytes(table(4, 3, false))

/** Widens FP8 E5M2 (as IEEE: infinities and NaNs, largest 57,344) to float32. */
export const widenE5M2 = widenBytes(table(5, 2, true))
