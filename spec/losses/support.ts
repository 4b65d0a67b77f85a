/** What the specifications of losses share: values of leaves, running a loss, and random matrices. */
import fc from 'fast-check'
import { gradOptions } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { resident } from '../../core/leaves.ts'
import type { Loss, Outcome } from '../../losses/loss.ts'

export type Values = ReadonlyMap<string, Float64Array>

export const values = (entries: Readonly<Record<string, ReadonlyArray<number>>>): Values =>
  new Map(Object.entries(entries).map(([path, xs]) => [path, Float64Array.from(xs)]))

export const outcomeOf = <F>(loss: Loss<F>, features: F): Outcome =>
  loss.run(features)(new Map([...loss.state].map(([path, d]) => [path, resident(path, d)])))[0]

export const numbers = (e: Expr, v: Values): ReadonlyArray<number> => [...evaluate([e], v)[0]]

export const number = (e: Expr, v: Values): number => evaluate([e], v)[0][0]

/** d loss / d x, row-major; empty where the loss does not depend on it. */
export const gradientOf = (loss: Expr, x: Expr, v: Values): ReadonlyArray<number> => {
  const [g] = gradOptions(loss, [x])
  return g._tag === 'None' ? [] : numbers(g.value, v)
}

/** n numbers in -3 .. 3. */
export const floats = (n: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: n, maxLength: n })

/** n numbers of any kind at all: what may stand in padding. */
export const anything = (n: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity)), { minLength: n, maxLength: n })

export const rowOf = (xs: ReadonlyArray<number>, width: number, i: number): ReadonlyArray<number> => xs.slice(i * width, (i + 1) * width)

export const total = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0)

export const softmax = (xs: ReadonlyArray<number>): ReadonlyArray<number> => {
  const e = xs.map((x) => Math.exp(x - Math.max(...xs)))
  return e.map((x) => x / total(e))
}
