/**
 * Regions taken apart again, for targets that have no kernel for them: attention as products and softmax.
 *
 * ```
 * before  %y = attention {"scale":c} (%q, %k, %v);  %d = attentionGradient {"scale":c} (%q, %k, %v, attentionRows(%q, %k), %y, %g)
 * after   %p = softmax(mul(dot(%q, %k), c));  %y = dot(%p, %v)
 *         %r = dot(%g, %v);  %e = mul(%p, sub(%r, sum(mul(%p, %r))));  %d = dot(%e, %k), dot(%e, %q), dot(%p, %g) side by side
 * ```
 * The probabilities of both passes are one expression, so that they are computed once. Where a gradient was saved other rows or another
 * output than those of its own arguments, its formulas are taken as they stand.
 */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { topological } from '../../core/order.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { attending, composed, probabilities, scores, side } from '../../ops/attention.ts'
import { einsum } from '../../ops/contract.ts'
import { mul, sub } from '../../ops/elementwise.ts'
import { logSumExp, softmax } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'
import { expandDims } from '../../ops/reshape.ts'

/** Everything above `stops` again, in a recompute region. */
const inRegion = (region: string, root: Expr, stops: ReadonlyArray<Expr>): Expr => {
  const again = new Map<Expr, Expr>(stops.map((e) => [e, e]))
  const of = (e: Expr): Expr => again.get(e) ?? e
  const below = new Set(topological(stops))
  for (const e of topological([root])) {
    if (e._tag === 'Apply' && !below.has(e)) again.set(e, apply(e.op, e.args.map(of), O.some(region)))
  }
  return of(root)
}

const sameScale = (a: { readonly scale: number }, b: { readonly scale: number }): boolean => a.scale === b.scale

/**
 * The pieces of one node, `args` its arguments as they are now: those of the node itself are as they were before anything was taken apart.
 */
const apart = (e: Apply, args: ReadonlyArray<Expr>): Expr | undefined => {
  const whole = attending.attention.match(e)
  if (O.isSome(whole)) {
    const [q, k, v] = args
    return composed(whole.value.params.scale, q, k, v)
  }
  const rows = attending.attentionRows.match(e)
  if (O.isSome(rows)) return logSumExp(-1)(scores(rows.value.params.scale, args[0], args[1]))
  const gradient = attending.attentionGradient.match(e)
  if (O.isNone(gradient)) return undefined
  const { params, args: before } = gradient.value
  const [q, k, v, saved, y, g] = args
  const [ofRows, ofOutput] = [attending.attentionRows.match(before[3]), attending.attention.match(before[4])]
  const isOwn = O.isSome(ofRows) && sameScale(ofRows.value.params, params) && ofRows.value.args.every((a, i) => a === before[i])
  const isOutput =
    isOwn && O.isSome(ofOutput) && sameScale(ofOutput.value.params, params) && ofOutput.value.args.every((a, i) => a === before[i])
  const p = isOwn ? softmax(-1)(scores(params.scale, q, k)) : probabilities(params.scale, q, k, saved)
  const r = einsum('bihd,bjhd->bhij')(g, v)
  const share = isOutput ? sum({ axes: [3], keep: true })(mul(p, r)) : expandDims(-1)(einsum('bihd,bihd->bhi')(g, y))
  const s = mul(mul(p, sub(r, share)), params.scale)
  return side([einsum('bhij,bjhd->bihd')(s, k), einsum('bhij,bihd->bjhd')(s, q), einsum('bhij,bihd->bjhd')(p, g)])
}

const isRegion = (e: Apply): boolean => Object.values(attending).some(({ match }) => O.isSome<unknown>(match(e)))

/** Takes apart the regions that `stays` does not keep. Law, tested: the same values on `reference`. */
export const takeApart = (stays: (e: Apply) => boolean): Rewrite<'step'> => ({
  name: 'apart',
  stage: 'step',
  run: (g: Graph) => {
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    for (const e of nodesOf(g)) {
      if (e._tag !== 'Apply') continue
      const since = mark()
      const args = e.args.map(of)
      const pieces = isRegion(e) && !stays(e) ? apart(e, args) : undefined
      if (pieces === undefined && args.every((a, i) => a === e.args[i])) continue
      const now = pieces === undefined ? apply(e.op, args, e.region) : O.isSome(e.region) ? inRegion(e.region.value, pieces, args) : pieces
      labelScope(scopeOf(e), since, [now])
      done.set(e, now)
    }
    return E.right({ name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: of(o.expr) })) })
  },
})
