/** Arithmetic that JavaScript does not have: the error function in float64, halves, division of whole numbers. */
import type { UnaryName } from '../core/scalar.ts'
import type { HalfType } from '../core/type.ts'

/** erf by its series with positive terms, 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!; for |x| up to 2. */
const erfSeries = (x: number): number => {
  const xx = x * x
  let term = x
  let sum = x
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * xx) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-xx) * sum
}

/** erfc by Laplace's continued fraction, from the far end: exp(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + …)))). */
const erfcFraction = (x: number): number => {
  let tail = x
  for (let k = 120; k > 0; k--) tail = x + k / 2 / tail
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / tail
}

/** The error function, to about 1e-15. */
export const erf = (x: number): number => {
  const a = Math.abs(x)
  if (!(a > 0)) return x
  const y = a <= 2 ? erfSeries(a) : a > 6 ? 1 : 1 - erfcFraction(a)
  return x < 0 ? -y : y
}

/** Rounding to floats of a number of bits of mantissa, whose least exponent and largest number these are: the nearest, ties to even. */
const roundingTo =
  (mantissa: number, least: number, largest: number) =>
  (x: number): number => {
    const a = Math.abs(x)
    if (a === 0 || !(a < Infinity)) return x
    // just below a power of two the logarithm may round up to it
    let exponent = Math.floor(Math.log2(a))
    if (2 ** exponent > a) exponent--
    const grid = 2 ** (Math.max(exponent, least) - mantissa)
    // adding and taking away 2^52 rounds to a whole number, ties to even
    const rounded = (a / grid + 2 ** 52 - 2 ** 52) * grid
    const y = rounded > largest ? Infinity : rounded
    return x < 0 ? -y : y
  }

/** The nearest number of half precision (IEEE 754 binary16), ties to even; beyond 65,519 infinite. */
export const half = roundingTo(10, -14, 65504)

/** The nearest bfloat16, ties to even: f32 without its last 16 bits. */
export const bfloat = roundingTo(7, -126, (2 - 2 ** -7) * 2 ** 127)

/** Which rounding a type of 16 bits asks for. */
export const roundings: { readonly [D in HalfType]: (x: number) => number } = { f16: half, bf16: bfloat }

/** i32 division rounded towards minus infinity; the float64 quotient of two 32-bit whole numbers never rounds up to one. */
export const idiv = (x: number, y: number): number => Math.floor(x / y) | 0

/** The remainder of `idiv`: in 0 .. y-1 for a positive divisor. */
export const mod = (x: number, y: number): number => {
  const r = x % y
  return (r < 0 ? r + y : r) | 0
}

/** Functions of one number as a computer of float64 has them; a bool is 0 or 1. */
export const unaryValues: { readonly [N in UnaryName]: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  not: (x) => 1 - x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  tanh: Math.tanh,
  erf,
  sin: Math.sin,
  cos: Math.cos,
  floor: Math.floor,
}
