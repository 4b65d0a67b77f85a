/** Samples of the attention region: its three primitives, each by the formula of Vaswani et al. 2017, eq. 1, and its derivative. */
import fc from 'fast-check'
import { range } from '../../core/type.ts'
import type { Element } from '../support/arbitrary.ts'
import { dimension, tensors } from '../support/arbitrary.ts'
import type { Get, Tensor } from '../support/tensor.ts'
import type { Draft } from './sample.ts'

interface Scaled {
  readonly [key: string]: number
  readonly scale: number
}

/** Odd 256ths up to a half, so that exponentials stay of the order of 1. */
const element: Element = fc.integer({ min: -64, max: 63 }).map((k) => (2 * k + 1) / 256)

/** `heads` tensors `[B, N, H, D]`, then one `[B, H, N]` where rows are asked for, in the order of `rows`: its place among them. */
const cases = (heads: number, rows?: number): fc.Arbitrary<{ readonly args: ReadonlyArray<Tensor>; readonly scale: number }> =>
  fc.tuple(dimension, dimension, dimension, dimension, fc.constantFrom(1, 0.5, 0.3)).chain(([b, n, h, d, scale]) => {
    const all = range(heads).map(() => tensors('f32', [b, n, h, d], element))
    const placed = rows === undefined ? all : [...all.slice(0, rows), tensors('f32', [b, h, n], element), ...all.slice(rows)]
    return fc.tuple(...placed).map((args) => ({ args, scale }))
  })

const total = (xs: ReadonlyArray<number>): number => xs.reduce((s, x) => s + x, 0)

interface Head {
  readonly scale: number
  readonly n: number
  readonly d: number
  readonly b: number
  readonly h: number
}

const headOf = ({ args, scale }: { readonly args: ReadonlyArray<Tensor>; readonly scale: number }, b: number, h: number): Head => ({
  scale,
  n: args[0].type.shape[1],
  d: args[0].type.shape[3],
  b,
  h,
})

const product = (x: Get, i: number, y: Get, j: number, { b, h, d }: Head): number =>
  total(range(d).map((c) => x([b, i, h, c]) * y([b, j, h, c])))

const massOf = (q: Get, k: Get, i: number, o: Head): number => total(range(o.n).map((j) => Math.exp(o.scale * product(q, i, k, j, o))))

export const attentions = cases(3).map((c): Draft<Scaled> => ({
  params: { scale: c.scale },
  args: c.args,
  formula: ([q, k, v], [b, i, h, x]) => {
    const o = headOf(c, b, h)
    return total(range(o.n).map((j) => Math.exp(o.scale * product(q, i, k, j, o)) * v([b, j, h, x]))) / massOf(q, k, i, o)
  },
}))

export const attentionRows = cases(2).map((c): Draft<Scaled> => ({
  params: { scale: c.scale },
  args: c.args,
  formula: ([q, k], [b, h, i]) => Math.log(massOf(q, k, i, headOf(c, b, h))),
}))

export const attentionGradients = cases(5, 3).map((c): Draft<Scaled> => ({
  params: { scale: c.scale },
  args: c.args,
  formula: ([q, k, v, rows, y, g], [b, at, which, h, x]) => {
    const o = headOf(c, b, h)
    const p = (i: number, j: number): number => Math.exp(o.scale * product(q, i, k, j, o) - rows([b, h, i]))
    const e = (i: number, j: number): number => p(i, j) * (product(g, i, v, j, o) - product(g, i, y, i, o))
    const over = (f: (m: number) => number): number => total(range(o.n).map(f))
    return which === 0
      ? o.scale * over((j) => e(at, j) * k([b, j, h, x]))
      : which === 1
        ? o.scale * over((i) => e(i, at) * q([b, i, h, x]))
        : over((i) => p(i, at) * g([b, i, h, x]))
  },
}))
