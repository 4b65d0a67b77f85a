/**
 * Counter-based random streams: every draw is a function of (seed, path, step) and of the element's position, so that
 * the order of evaluation never matters (law: streams are independent of order; same seed, same result).
 *
 * Threefry-2x32 with 20 rounds: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011),
 * figure 4 and table 2; checked against the published known-answer vectors.
 */
import type { Distribution } from './expr.ts'
import { sizeOf } from './type.ts'
import type { Shape } from './type.ts'

export type Words = readonly [number, number]

/** Rotation distances of Threefry-2x32, used in turn. */
export const rotations: ReadonlyArray<number> = [13, 15, 26, 6, 17, 29, 16, 24]

/** The key schedule's parity constant (Skein). */
export const parity = 0x1bd11bda

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r))

/** One block: two counter words enciphered under two key words. Words are 32-bit, given back signed. */
export const threefry = (key: Words, counter: Words): Words => {
  const ks = [key[0] | 0, key[1] | 0, (parity ^ key[0] ^ key[1]) | 0]
  let a = (counter[0] + ks[0]) | 0
  let b = (counter[1] + ks[1]) | 0
  for (let round = 0; round < 20; round++) {
    a = (a + b) | 0
    b = rotl(b, rotations[round % 8]) ^ a
    if (round % 4 === 3) {
      const s = (round + 1) / 4
      a = (a + ks[s % 3]) | 0
      b = (b + ks[(s + 1) % 3] + s) | 0
    }
  }
  return [a, b]
}

/** FNV-1a over the text's UTF-16 code units, 32 bits. */
const hash = (text: string, basis: number): number => {
  let h = basis
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h | 0
}

/** The key of one stream: the seed enciphers the path's 64-bit hash, then the step. */
export const streamKey = (seed: number, path: string, step: number): Words => {
  const seedWords: Words = [seed | 0, Math.floor(seed / 4294967296) | 0]
  const pathKey = threefry(seedWords, [hash(path, 0x811c9dc5 | 0), hash(path, 0x5bd1e995)])
  return threefry(pathKey, [step | 0, Math.floor(step / 4294967296) | 0])
}

/** Uniform in [0, 1) with 24 bits, exact in f32. */
export const toUnit = (word: number): number => (word >>> 8) / 16777216

/** A stream of numbers addressed by position. */
export interface Stream {
  /** Uniform in [0, 1). */
  readonly unit: (i: number) => number
  /** Standard normal, by Box and Muller's transform of the two words of block i. */
  readonly normal: (i: number) => number
  /** Uniform whole number in 0 .. n-1. */
  readonly below: (i: number, n: number) => number
}

export const stream = (seed: number, path: string, step: number): Stream => {
  const key = streamKey(seed, path, step)
  const block = (i: number): Words => threefry(key, [i | 0, Math.floor(i / 4294967296)])
  const unit = (i: number): number => toUnit(block(i)[0])
  return {
    unit,
    normal: (i) => {
      const [a, b] = block(i)
      // 1 - u lies in (0, 1], so the logarithm is finite
      return Math.sqrt(-2 * Math.log(1 - toUnit(a))) * Math.cos(2 * Math.PI * toUnit(b))
    },
    below: (i, n) => Math.floor(unit(i) * n),
  }
}

/** A random order of 0 .. n-1 (Fisher and Yates), addressed by nothing but the stream. */
export const permutation = (s: Stream, n: number): Int32Array => {
  const p = Int32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = s.below(i, i + 1)
    const x = p[i]
    p[i] = p[j]
    p[j] = x
  }
  return p
}

/** The values of a draw leaf, row-major. A permutation fills its last axis, one row after the other. */
export const draw = (s: Stream, d: Distribution, shape: Shape): Float64Array => {
  const n = sizeOf(shape)
  const out = new Float64Array(n)
  switch (d._tag) {
    case 'Uniform':
      for (let i = 0; i < n; i++) out[i] = d.low + (d.high - d.low) * s.unit(i)
      return out
    case 'Normal':
      for (let i = 0; i < n; i++) out[i] = d.mean + d.std * s.normal(i)
      return out
    case 'Bernoulli':
      for (let i = 0; i < n; i++) out[i] = s.unit(i) < d.p ? 1 : 0
      return out
    case 'Permutation': {
      const width = shape[shape.length - 1] ?? 1
      for (let row = 0; row * width < n; row++) {
        const shifted: Stream = { ...s, below: (i, m) => s.below(row * width + i, m) }
        out.set(permutation(shifted, width), row * width)
      }
      return out
    }
  }
}
