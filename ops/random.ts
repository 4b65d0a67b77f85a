/**
 * The counter-based streams of core/random.ts as tensor programs, equal to them bit for bit: a target that computes
 * draws in a kernel gives the numbers that the host would have fed.
 *
 * Threefry-2x32 with 20 rounds: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 */
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { parity, rotations } from '../core/random.ts'
import type { Shape } from '../core/type.ts'
import { sizeOf } from '../core/type.ts'
import type { Operand } from './elementwise.ts'
import { add, cast, cos, less, log, mul, or, shiftLeft, shiftRight, sqrt, sub, xor } from './elementwise.ts'
import { iota } from './gather.ts'
import { reshape } from './reshape.ts'
import { pick } from './window.ts'

/** Two 32-bit words per element, as i32 tensors of one shape (or a number for a constant word). */
export type WordPair<A = Expr> = readonly [A, A]

const rotateLeft = (x: Expr, r: number): Expr => or(shiftLeft(x, r), shiftRight(x, 32 - r))

/** `key [2]` i32 and a counter of any shape `S`: both words of the enciphered blocks, i32 `[S]` each. */
export const threefry = (key: Expr, counter: WordPair<Operand>): WordPair => {
  if (key.type.dtype !== 'i32' || key.type.shape.length !== 1 || key.type.shape[0] !== 2) {
    const bad = misuse('threefry', [key], { allowed: 'a key i32[2]', remedy: "give the two words of core/random.ts's streamKey" })
    return [bad, bad]
  }
  const [k0, k1] = [pick(0, 0)(key), pick(0, 1)(key)]
  const schedule = [k0, k1, xor(xor(k0, k1), parity)]
  let a = add(k0, counter[0])
  let b = add(k1, counter[1])
  for (let round = 0; round < 20; round++) {
    a = add(a, b)
    b = xor(rotateLeft(b, rotations[round % 8]), a)
    if (round % 4 === 3) {
      const s = (round + 1) / 4
      a = add(a, schedule[s % 3])
      b = add(b, add(schedule[(s + 1) % 3], s))
    }
  }
  return [a, b]
}

/** The words of blocks 0 .. size-1 of the stream `key [2]`, row-major in `shape`. */
export const words = (key: Expr, shape: Shape): WordPair => {
  const [a, b] = threefry(key, [iota([sizeOf(shape)]), 0])
  return [reshape(shape)(a), reshape(shape)(b)]
}

/** 24 bits of a word as f32 in [0, 1), exact. */
export const toUnit = (word: Expr): Expr => mul(cast('f32')(shiftRight(word, 8)), 1 / 16777216)

/** Uniform in [0, 1): element i is `unit(i)` of the stream `key [2]`. f32 `[shape]`. */
export const uniform = (key: Expr, shape: Shape): Expr => toUnit(words(key, shape)[0])

/** True with probability p. bool `[shape]`. */
export const bernoulli = (key: Expr, shape: Shape, p: number): Expr => less(uniform(key, shape), p)

/** Standard normal by Box and Muller's transform of both words: element i is `normal(i)` of the stream. f32 `[shape]`. */
export const normal = (key: Expr, shape: Shape): Expr => {
  const [a, b] = words(key, shape)
  return mul(sqrt(mul(log(sub(1, toUnit(a))), -2)), cos(mul(toUnit(b), 2 * Math.PI)))
}
