/** Ops composed of primitives: activations, normalisations, losses' parts. Nothing below knows them by name. */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { equalShape, showShape } from '../core/type.ts'
import { add, cast, div, equal, erf, exp, log, maximum, mul, neg, rsqrt, sqrt, square, stopGradient, sub, where } from './elementwise.ts'
import { iota } from './gather.ts'
import { argmax, max, mean, sum } from './reduce.ts'
import { axisOf, hasAxis, noAxis } from './axis.ts'
import { concat } from './window.ts'
import { expandDims } from './reshape.ts'
import { linearMap } from './contract.ts'

/** x W^T + b over the last axis: `x [..., I]`, `weight [O, I]`, `bias [O]` or none -> `[..., O]`. */
export const linear = (x: Expr, weight: Expr, bias?: Expr): Expr => {
  const y = linearMap(x, weight)
  if (bias === undefined) return y
  return equalShape(bias.type.shape, weight.type.shape.slice(0, 1))
    ? add(y, bias)
    : misuse('linear', [x, weight, bias], {
        allowed: 'x [..., I], a weight [O, I] and a bias [O]',
        remedy: 'make the bias as long as the weight has rows',
      })
}

/** An op along one axis, which may count from the end. */
const along =
  (op: string, axis: number, f: (axis: number, x: Expr) => Expr) =>
  (x: Expr): Expr => {
    const a = axisOf(x, axis)
    return hasAxis(x, a) ? f(a, x) : noAxis(op, [x], axis, 'name an existing axis; negative ones count from the end')
  }

/** x - max over the axis: the shift leaves softmax unchanged, so its gradient is stopped. */
const shifted = (axis: number, x: Expr): Expr => sub(x, stopGradient(max({ axes: [axis], keep: true })(x)))

export const softmax = (axis = -1): ((x: Expr) => Expr) =>
  along('softmax', axis, (a, x) => {
    const e = exp(shifted(a, x))
    return div(e, sum({ axes: [a], keep: true })(e))
  })

export const logSoftmax = (axis = -1): ((x: Expr) => Expr) =>
  along('logSoftmax', axis, (a, x) => {
    const s = shifted(a, x)
    return sub(s, log(sum({ axes: [a], keep: true })(exp(s))))
  })

/** log of the sum of exponentials over one axis, which disappears. */
export const logSumExp = (axis = -1): ((x: Expr) => Expr) =>
  along('logSumExp', axis, (a, x) => {
    const top = stopGradient(max({ axes: [a], keep: true })(x))
    const s = log(sum({ axes: [a] })(exp(sub(x, top))))
    return add(s, max({ axes: [a] })(top))
  })

/** A normalisation over the last axis takes parameters of that axis' length. */
const normMisuse = (op: string, x: Expr, params: ReadonlyArray<Expr>): Expr | undefined =>
  x.type.shape.length > 0 && params.every((p) => equalShape(p.type.shape, x.type.shape.slice(-1)))
    ? undefined
    : misuse(op, [x, ...params], { allowed: 'x [..., D] and parameters of shape [D]', remedy: 'check the width of the layer before' })

/** Over the last axis, biased variance: (x - mean) / sqrt(var + eps) * weight + bias. `x [..., D]`, `weight`, `bias` `[D]`. */
export const layerNorm =
  (eps: number) =>
  (x: Expr, weight: Expr, bias: Expr): Expr => {
    const bad = normMisuse('layerNorm', x, [weight, bias])
    if (bad !== undefined) return bad
    const centred = sub(x, mean({ axes: [-1], keep: true })(x))
    const inverse = rsqrt(add(mean({ axes: [-1], keep: true })(square(centred)), eps))
    return add(mul(mul(centred, inverse), weight), bias)
  }

/** x / sqrt(mean x^2 + eps) * weight over the last axis. */
export const rmsNorm =
  (eps: number) =>
  (x: Expr, weight: Expr): Expr =>
    normMisuse('rmsNorm', x, [weight]) ?? mul(mul(x, rsqrt(add(mean({ axes: [-1], keep: true })(square(x)), eps))), weight)

/** The exact form: x/2 (1 + erf(x / sqrt 2)). */
export const gelu = (x: Expr): Expr => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1))

export const sigmoid = (x: Expr): Expr => div(1, add(exp(neg(x)), 1))

export const silu = (x: Expr): Expr => mul(x, sigmoid(x))

export const relu = (x: Expr): Expr => maximum(x, 0)

/** x / max(|x|, eps) over one axis, as torch's F.normalize. The gradient of an all-zero row is finite. */
export const l2Normalize = (axis = -1, eps = 1e-12): ((x: Expr) => Expr) =>
  along('l2Normalize', axis, (a, x) => {
    const squared = sum({ axes: [a], keep: true })(square(x))
    // the root of max(s, eps^2) equals max(root, eps), and its slope at zero is not infinite
    return div(x, sqrt(maximum(squared, eps * eps)))
  })

/** 1 at the position named by an i32 label, 0 elsewhere: `[...] -> [..., classes]`. */
export const oneHot =
  (classes: number) =>
  (labels: Expr): Expr => {
    const shape = [...labels.type.shape, classes]
    if (labels.type.dtype !== 'i32') return misuse('oneHot', [labels], { allowed: 'labels of i32', remedy: "cast them with cast('i32')" })
    return cast('f32')(equal(expandDims(-1)(labels), iota(shape, -1)))
  }

/** -sum of target times log-softmax of the logits over the last axis, which disappears. */
export const crossEntropy = (logits: Expr, target: Expr): Expr =>
  logits.type.shape[logits.type.shape.length - 1] !== target.type.shape[target.type.shape.length - 1]
    ? misuse('crossEntropy', [logits, target], {
        allowed: 'logits [..., K] and a target [..., K] with one K',
        remedy: 'make the target as wide as the logits; oneHot makes one of labels',
      })
    : neg(sum({ axes: [-1] })(mul(target, logSoftmax(-1)(logits))))

/**
 * The k largest along the last axis and their positions, largest first: `[..., N] -> [..., k]` twice. Meant for small k:
 * k passes over the row. Ties go to the first position.
 */
export const topK =
  (k: number) =>
  (x: Expr): { readonly values: Expr; readonly indices: Expr } => {
    const n = x.type.shape[x.type.shape.length - 1] ?? 0
    if (!(Number.isInteger(k) && k > 0 && k <= n)) {
      const bad = misuse('topK', [x], {
        allowed: `k from 1 to the last axis of ${showShape(x.type.shape)} (asked: ${showAsked(k)})`,
        remedy: 'ask for fewer',
      })
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
