/**
 * Differentiation as more expressions of the same language. Reverse mode asks each op's record for its adjoint; forward
 * mode is the adjoint of the adjoint, which is linear in its cotangent; second derivatives come from doing it twice.
 *
 * ```
 * y = sum(mul(x, x))        grad(y, [x])  →  add(mul(ct, x), mul(ct, x)),  ct = broadcast(1)
 * ```
 */
import * as O from 'fp-ts/lib/Option.js'
import type { Expr } from '../core/expr.ts'
import { fill, labelScope, leaf, mark, scopeOf } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { topological } from '../core/order.ts'
import { equalShape, isFloat, showShape } from '../core/type.ts'
import { add, mul } from '../ops/elementwise.ts'
import { sum } from '../ops/reduce.ts'

/** Which nodes depend on one of `targets`: gradients flow along these alone. */
const dependents = (order: ReadonlyArray<Expr>, targets: ReadonlySet<Expr>): ReadonlySet<Expr> => {
  const on = new Set<Expr>(targets)
  for (const e of order) if (e._tag === 'Apply' && e.args.some((a) => on.has(a))) on.add(e)
  return on
}

/**
 * The vector-Jacobian products of several outputs at once: for each of `wrt`, the sum over outputs of cotangent times
 * Jacobian; `none` where it is mathematically zero, and then nothing was computed for it.
 * Gradient expressions get the scope of what they differentiate.
 */
export const vjpAll = (
  outputs: ReadonlyArray<{ readonly y: Expr; readonly ct: Expr }>,
  wrt: ReadonlyArray<Expr>,
): ReadonlyArray<O.Option<Expr>> => {
  const order = topological(outputs.map((o) => o.y))
  const active = dependents(order, new Set(wrt))
  const cts = new Map<Expr, Expr>()
  const accumulate = (e: Expr, ct: Expr): void => {
    const old = cts.get(e)
    cts.set(e, old === undefined ? ct : add(old, ct))
  }
  for (const { y, ct } of outputs) if (active.has(y)) accumulate(y, ct)
  for (let i = order.length - 1; i >= 0; i--) {
    const e = order[i]
    const ct = cts.get(e)
    if (ct === undefined || e._tag !== 'Apply') continue
    const since = mark()
    const pulled = e.op.vjp({ args: e.args, out: e, ct })
    const made: Array<Expr> = []
    pulled.forEach((p, k) => {
      if (p._tag === 'None' || !active.has(e.args[k])) return
      accumulate(e.args[k], p.value)
      made.push(p.value, cts.get(e.args[k]) ?? p.value)
    })
    labelScope(scopeOf(e), since, made)
  }
  return wrt.map((x) => O.fromNullable(cts.get(x)))
}

const zerosLike = (x: Expr): Expr => fill(x.type.dtype, x.type.shape, 0)

/** The vector-Jacobian product of one output; zeros where it does not depend on an argument. */
export const vjp = (y: Expr, wrt: ReadonlyArray<Expr>, ct: Expr): ReadonlyArray<Expr> =>
  vjpAll([{ y, ct }], wrt).map((g, i) => O.getOrElse(() => zerosLike(wrt[i]))(g))

const isScalarLoss = (y: Expr): boolean => equalShape(y.type.shape, []) && isFloat(y.type.dtype)

const notScalar = (y: Expr): Expr =>
  misuse('grad', [y], {
    allowed: 'a float scalar of shape [] to differentiate',
    remedy: `reduce the loss ${showShape(y.type.shape)} with sum or mean first`,
  })

/** Gradients of a scalar with respect to `wrt`; `none` where mathematically zero. */
export const gradOptions = (y: Expr, wrt: ReadonlyArray<Expr>): ReadonlyArray<O.Option<Expr>> =>
  isScalarLoss(y) ? vjpAll([{ y, ct: fill(y.type.dtype, [], 1) }], wrt) : wrt.map(() => O.some(notScalar(y)))

/** Gradients of a scalar with respect to `wrt`, of their shapes; zeros where it does not depend on one. */
export const grad = (y: Expr, wrt: ReadonlyArray<Expr>): ReadonlyArray<Expr> =>
  gradOptions(y, wrt).map((g, i) => O.getOrElse(() => zerosLike(wrt[i]))(g))

/** The value beside its gradients. */
export const valueAndGrad = (y: Expr, wrt: ReadonlyArray<Expr>): { readonly value: Expr; readonly grads: ReadonlyArray<Expr> } => ({
  value: y,
  grads: grad(y, wrt),
})

/**
 * The Jacobian-vector product (forward mode): the change of `y` when each of `wrt` moves along its tangent.
 * Vjp is linear in its cotangent u, so its adjoint with respect to u, at any u, is the jvp.
 */
export const jvp = (y: Expr, wrt: ReadonlyArray<Expr>, tangents: ReadonlyArray<Expr>): Expr => {
  // a stand-in for the cotangent: it never appears in the result, because the vjp is linear in it
  const u = leaf(y.type, { _tag: 'Input', path: `cotangent of ${y.id}` })
  const pulled = vjpAll([{ y, ct: u }], wrt)
  const pairs = pulled.flatMap((g, i) => (g._tag === 'Some' ? [{ y: g.value, ct: tangents[i] }] : []))
  return O.getOrElse(() => zerosLike(y))(vjpAll(pairs, [u])[0])
}

/** The Hessian of a scalar times a vector: the gradient of <grad, v>, with v held fixed. */
export const hvp = (y: Expr, wrt: ReadonlyArray<Expr>, v: ReadonlyArray<Expr>): ReadonlyArray<Expr> => {
  const inner = grad(y, wrt).map((g, i) => sum()(mul(g, v[i])))
  return grad(
    inner.reduce((a, b) => add(a, b)),
    wrt,
  )
}
