/**
 * Attention as a region (Vaswani et al. 2017, eq. 1): what a target with a kernel for it computes without keeping a matrix of
 * scores, forward and backward (Dao et al. 2022, "FlashAttention", algorithms 1 and 4). Of each row its log-sum-exp is saved.
 *
 * ```
 * s[i, j] = scale q[i] · k[j]      lse[i] = log sum over j of exp(s[i, j])      p[i, j] = exp(s[i, j] - lse[i])
 * y[i] = sum over j of p[i, j] v[j]
 * e[i, j] = p[i, j] (g[i] · v[j] - g[i] · y[i])       g the cotangent of y
 * dq[i] = scale sum over j of e[i, j] k[j]      dk[j] = scale sum over i of e[i, j] q[i]      dv[j] = sum over i of p[i, j] g[i]
 * ```
 * Queries, keys and values are `[B, N, H, D]`: N tokens of B images, H heads of width D. compiler/passes/attention.ts finds such
 * regions and takes them apart again.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Option } from 'fp-ts/lib/Option.js'
import { some } from 'fp-ts/lib/Option.js'
import * as t from 'io-ts'
import type { Expr, Misuse, Pull } from '../core/expr.ts'
import { primitive } from '../core/primitive.ts'
import type { Scalar } from '../core/scalar.ts'
import * as S from '../core/scalar.ts'
import type { TensorType } from '../core/type.ts'
import { equalShape, equalType, tensorType } from '../core/type.ts'
import { dot, einsum } from './contract.ts'
import { add, exp, mul, neg, sub } from './elementwise.ts'
import { softmax } from './nn.ts'
import { sum } from './reduce.ts'
import { expandDims, transpose } from './reshape.ts'
import { concat, pick } from './window.ts'

const scaled = t.strict({ scale: t.number })

const misused: Misuse = {
  allowed: 'queries, keys and values of one type f32[B, N, H, D]; log-sum-exps f32[B, H, N]',
  remedy: 'lay them out as [B, N, H, D], or compose attention of dot and softmax',
}

const isHeads = (types: ReadonlyArray<TensorType>): boolean =>
  types.every((x) => x.dtype === 'f32' && x.shape.length === 4 && equalType(x, types[0]))

const rowsOf = ([b, n, h]: ReadonlyArray<number>): TensorType => tensorType('f32', [b, h, n])

/** `scale x[b, i, h] · y[b, j, h]`, the reduction being number `id`. */
const product = (at: readonly [number, number], type: TensorType, id: number, [b, i, j, h]: ReadonlyArray<Scalar>): Scalar => {
  const e = S.bound(id, type.shape[3])
  return S.reduce('sum', id, type.shape[3], S.binary('mul', S.read(at[0], type, [b, i, h, e]), S.read(at[1], type, [b, j, h, e])))
}

const times = (scale: number, x: Scalar): Scalar => S.binary('mul', x, S.num('f32', scale))

/** The largest score of row i, and the sum of the exponentials of what the others fall short of it; reductions from number `id` on. */
const rowOf = (
  scale: number,
  type: TensorType,
  id: number,
  b: Scalar,
  i: Scalar,
  h: Scalar,
): { readonly top: Scalar; readonly mass: Scalar } => {
  const n = type.shape[1]
  const score = (j: number): Scalar => times(scale, product([0, 1], type, j + 1, [b, i, S.bound(j, n), h]))
  const top = S.reduce('max', id, n, score(id))
  return { top, mass: S.reduce('sum', id + 2, n, S.unary('exp', S.binary('sub', score(id + 2), top))) }
}

/** s `[B, H, N, N]` of q and k. */
export const scores = (scale: number, q: Expr, k: Expr): Expr => mul(einsum('bihd,bjhd->bhij')(q, k), scale)

/**
 * Attention composed of products and softmax. Queries may be fewer than keys: q `[B, M, H, D]`, k and v `[B, N, H, D]` -> `[B, M, H, D]`.
 */
export const composed = (scale: number, q: Expr, k: Expr, v: Expr): Expr =>
  transpose([0, 2, 1, 3])(dot({ leftBatch: [0, 1], rightBatch: [0, 2], left: [3], right: [1] })(softmax(-1)(scores(scale, q, k)), v))

/** p `[B, H, N, N]` of q, k and lse. */
export const probabilities = (scale: number, q: Expr, k: Expr, lse: Expr): Expr => exp(sub(scores(scale, q, k), expandDims(-1)(lse)))

/** What a cotangent of the scores `[B, H, N, N]` gives to q and to k. */
const ofScores = (scale: number, d: Expr, q: Expr, k: Expr): readonly [Expr, Expr] => [
  mul(einsum('bhij,bjhd->bihd')(d, k), scale),
  mul(einsum('bhij,bihd->bjhd')(d, q), scale),
]

export const attending = {
  /** Of q, k and v: `[B, N, H, D]`. */
  attention: primitive('attention', {
    params: scaled,
    arity: 3,
    type: (_, args) => (isHeads(args) ? E.right(args[0]) : E.left(misused)),
    vjp: ({ scale }, { args: [q, k, v], out, ct }: Pull): ReadonlyArray<Option<Expr>> => {
      const three: Expr = attending.attentionGradient({ scale }, q, k, v, attending.attentionRows({ scale }, q, k), out, ct)
      return [0, 1, 2].map((i) => some(pick(2, i)(three)))
    },
    lower: ({ scale }, [q], out) => {
      const [b, i, h, c] = S.axesOf(out)
      const { top, mass } = rowOf(scale, q, 0, b, i, h)
      const j = S.bound(4, q.shape[1])
      const p = S.unary('exp', S.binary('sub', times(scale, product([0, 1], q, 5, [b, i, j, h])), top))
      return S.binary('div', S.reduce('sum', 4, q.shape[1], S.binary('mul', p, S.read(2, q, [b, j, h, c]))), mass)
    },
  }),
  /** The log-sum-exp of each row's scores, of q and k: `[B, H, N]`. */
  attentionRows: primitive('attentionRows', {
    params: scaled,
    arity: 2,
    type: (_, args) => (isHeads(args) ? E.right(rowsOf(args[0].shape)) : E.left(misused)),
    vjp: ({ scale }, { args: [q, k], out, ct }) =>
      ofScores(scale, mul(probabilities(scale, q, k, out), expandDims(-1)(ct)), q, k).map(some),
    lower: ({ scale }, [q], out) => {
      const [b, h, i] = S.axesOf(out)
      const { top, mass } = rowOf(scale, q, 0, b, i, h)
      return S.binary('add', top, S.unary('log', mass))
    },
  }),
  /**
   * dq, dk and dv of q, k, v, the saved rows, the output and its cotangent: `[B, N, 3, H, D]`, as one projection to all three lays them
   * out.
   */
  attentionGradient: primitive('attentionGradient', {
    params: scaled,
    arity: 6,
    type: (_, [q, k, v, rows, y, g]) => {
      const [b, n, h, d] = q.shape
      return isHeads([q, k, v, y, g]) && rows.dtype === 'f32' && equalShape(rows.shape, rowsOf(q.shape).shape)
        ? E.right(tensorType('f32', [b, n, 3, h, d]))
        : E.left(misused)
    },
    // of the formulas as they stand, all six arguments being independent of each other
    vjp: ({ scale }, { args: [q, k, v, rows, y, g], ct }) => {
      const [uq, uk, uv] = [0, 1, 2].map((i) => pick(2, i)(ct))
      const p = probabilities(scale, q, k, rows)
      const rest = sub(einsum('bihd,bjhd->bhij')(g, v), expandDims(-1)(einsum('bihd,bihd->bhi')(g, y)))
      const e = mul(p, rest)
      const ofE = mul(add(einsum('bihd,bjhd->bhij')(uq, k), einsum('bihd,bjhd->bhij')(q, uk)), scale)
      const ofP = add(einsum('bihd,bjhd->bhij')(g, uv), mul(ofE, rest))
      const ofRest = mul(ofE, p)
      const ofScore = mul(ofP, p)
      const ofShare = neg(sum({ axes: [3] })(ofRest))
      const [sq, sk] = ofScores(scale, ofScore, q, k)
      const [eq, ek] = ofScores(scale, e, uq, uk)
      const along = (x: Expr): Expr => einsum('bhi,bihd->bihd')(ofShare, x)
      return [
        add(sq, eq),
        add(sk, ek),
        einsum('bhij,bihd->bjhd')(ofRest, g),
        neg(sum({ axes: [3] })(ofScore)),
        along(g),
        add(add(einsum('bhij,bjhd->bihd')(p, uv), einsum('bhij,bjhd->bihd')(ofRest, v)), along(y)),
      ].map(some)
    },
    lower: ({ scale }, [q, , , rows], out) => {
      const [b, at, which, h, c] = S.axesOf(out)
      const n = q.shape[1]
      const p = (i: Scalar, j: Scalar, id: number): Scalar =>
        S.unary('exp', S.binary('sub', times(scale, product([0, 1], q, id, [b, i, j, h])), S.read(3, rows, [b, h, i])))
      const e = (i: Scalar, j: Scalar, id: number): Scalar =>
        S.binary('mul', p(i, j, id), S.binary('sub', product([5, 2], q, id + 1, [b, i, j, h]), product([5, 4], q, id + 2, [b, i, i, h])))
      const over = (id: number, weight: Scalar, arg: number): Scalar =>
        S.reduce('sum', id, n, S.binary('mul', weight, S.read(arg, q, [b, S.bound(id, n), h, c])))
      const dq = times(scale, over(0, e(at, S.bound(0, n), 1), 1))
      const dk = times(scale, over(4, e(S.bound(4, n), at, 5), 0))
      const dv = over(8, p(S.bound(8, n), at, 9), 5)
      return S.select(S.binary('eq', which, S.int(0)), dq, S.select(S.binary('eq', which, S.int(1)), dk, dv))
    },
  }),
}

/** The three as one tensor `[B, N, 3, H, D]`. */
export const side = (parts: ReadonlyArray<Expr>): Expr => concat(2)(parts.map(expandDims(2)))
