/** Ops composed of primitives: activations, normalisations, losses' parts. Nothing below knows them by name. */
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { showShape } from '../core/type.ts'
import { add, cast, div, equal, erf, exp, log, maximum, mul, neg, rsqrt, sqrt, square, stopGradient, sub, where } from './elementwise.ts'
import { iota } from './gather.ts'
import { argmax, max, mean, sum } from './reduce.ts'
import { concat } from './window.ts'
import { expandDims } from './reshape.ts'
import { linearMap } from './contract.ts'

/** x + y per the last axis: `x [..., I]`, `weight [O, I]`, `bias [O]` or none -> `[..., O]`. */
export const linear = (x: Expr, weight: Expr, bias?: Expr): Expr => {
  const y = linearMap(x, weight)
  return bias === undefined ? y : add(y, bias)
}

/** x - max over the axis: the shift leaves softmax unchanged, so its gradient is stopped. */
const shifted = (axis: number, x: Expr): Expr => sub(x, stopGradient(max({ axes: [axis], keep: true })(x)))

export const softmax = (axis = -1) => (x: Expr): Expr => {
  const e = exp(shifted(axis, x))
  return div(e, sum({ axes: [axis], keep: true })(e))
}

export const logSoftmax = (axis = -1) => (x: Expr): Expr => {
  const s = shifted(axis, x)
  return sub(s, log(sum({ axes: [axis], keep: true })(exp(s))))
}

/** log of the sum of exponentials over one axis, which disappears. */
export const logSumExp = (axis = -1) => (x: Expr): Expr => {
  const top = stopGradient(max({ axes: [axis], keep: true })(x))
  const s = log(sum({ axes: [axis] })(exp(sub(x, top))))
  return add(s, max({ axes: [axis] })(top))
}

/** Over the last axis, biased variance: (x - mean) / sqrt(var + eps) * weight + bias. `x [..., D]`, `weight`, `bias` `[D]`. */
export const layerNorm = (eps: number) => (x: Expr, weight: Expr, bias: Expr): Expr => {
  const centred = sub(x, mean({ axes: [-1], keep: true })(x))
  const inverse = rsqrt(add(mean({ axes: [-1], keep: true })(square(centred)), eps))
  return add(mul(mul(centred, inverse), weight), bias)
}

/** x / sqrt(mean x^2 + eps) * weight over the last axis. */
export const rmsNorm = (eps: number) => (x: Expr, weight: Expr): Expr =>
  mul(mul(x, rsqrt(add(mean({ axes: [-1], keep: true })(square(x)), eps))), weight)

/** The exact form: x/2 (1 + erf(x / sqrt 2)). */
export const gelu = (x: Expr): Expr => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1))

export const sigmoid = (x: Expr): Expr => div(1, add(exp(neg(x)), 1))

export const silu = (x: Expr): Expr => mul(x, sigmoid(x))

export const relu = (x: Expr): Expr => maximum(x, 0)

/** x / max(|x|, eps) over one axis, as torch's F.normalize. The gradient of an all-zero row is finite. */
export const l2Normalize = (axis = -1, eps = 1e-12) => (x: Expr): Expr => {
  const squared = sum({ axes: [axis], keep: true })(square(x))
  // the root of max(s, eps^2) equals max(root, eps), and its slope at zero is not infinite
  return div(x, sqrt(maximum(squared, eps * eps)))
}

/** 1 at the position named by an i32 label, 0 elsewhere: `[...] -> [..., classes]`. */
export const oneHot = (classes: number) => (labels: Expr): Expr => {
  const shape = [...labels.type.shape, classes]
  return cast('f32')(equal(expandDims(-1)(labels), iota(shape, -1)))
}

/** -sum of target times log-softmax of the logits over the last axis, which disappears. */
export const crossEntropy = (logits: Expr, target: Expr): Expr => neg(sum({ axes: [-1] })(mul(target, logSoftmax(-1)(logits))))

/**
 * The k largest along the last axis and their positions, largest first: `[..., N] -> [..., k]` twice. Meant for small k:
 * k passes over the row. Ties go to the first position.
 */
export const topK = (k: number) => (x: Expr): { readonly values: Expr; readonly indices: Expr } => {
  const n = x.type.shape[x.type.shape.length - 1] ?? 0
  if (!(Number.isInteger(k) && k > 0 && k <= n)) {
    const bad = misuse('topK', [x], { allowed: `k from 1 to the last axis of ${showShape(x.type.shape)} (asked: ${k})`, remedy: 'ask for fewer' })
    return { values: bad, indices: bad }
  }
  const positions = iota(x.type.shape, -1)
  let rest = x
  const values: Array<Expr> = []
  const indices: Array<Expr> = []
  while (values.length < k) {
    const at = expandDims(-1)(argmax({ axes: [-1] })(rest))
    const hit = equal(positions, at)
    values.push(sum({ axes: [-1], keep: true })(where(hit, x, 0)))
    indices.push(at)
    rest = where(hit, -Infinity, rest)
  }
  return { values: concat(-1)(values), indices: concat(-1)(indices) }
}
