/**
 * Half precision by region: of what is kept, and of what is multiplied.
 *
 * Storage: what gradients read of a region is kept as f16 between the two passes. The forward pass and all arithmetic
 * stay f32, gradients too, so no loss needs to be scaled.
 *
 * ```
 * before  %a = exp(%x)                                  # blocks.0     the forward pass
 *         %g = mul(%ct, %a)                             # blocks.0     the gradient, long after: %a is kept as f32 until then
 * after   %h = cast {"to":"f16"} (%a) @blocks.0                        %h is what is kept
 *         %g = mul(%ct, cast {"to":"f32"} (%h))
 * ```
 *
 * Contractions: their operands are rounded to f16, once for both passes, and so are their results and the gradients of these. Sums within
 * a contraction, and everything else (norms, softmax, losses, parameters, optimizer), stay f32, as under PyTorch's autocast. Gradients that
 * f16 cannot hold ask for a scaled loss (train/step/loss-scale.ts).
 *
 * ```
 * before  %y = dot(%x, %w)                                             # blocks.0
 * after   %p = cast {"to":"f16"} (%x) @blocks.0
 *         %q = cast {"to":"f16"} (%w) @blocks.0
 *         %y = cast {"to":"f32"} (dot(%p, %q))
 * ```
 * Regions are those of remat.ts. A target without f16 says so when it compiles the step.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Expr } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { contracting } from '../../ops/contract.ts'
import { cast, elementwise } from '../../ops/elementwise.ts'
import type { RematOptions } from './remat.ts'
import { blocksAsRegions, insteadOfKeeping } from './remat.ts'

const toHalf = elementwise.cast.op({ to: 'f16' })

/** Whether every element is one of the argument's: that is done again, on what is kept of the argument. */
const moves = (e: Apply): boolean =>
  e.op.lower(
    e.args.map((a) => a.type),
    e.type,
  )._tag === 'Read'

const kept = insteadOfKeeping('halfStorage', (e, args, region) => {
  if (moves(e)) return apply(e.op, args)
  return e.type.dtype === 'f32' ? cast('f32')(apply(toHalf, [e], O.some(region))) : e
})

/**
 * Faults: those of `remat`. Law, tested: the loss is the same to the bit, gradients change by what f16 rounds, and planned memory falls.
 */
export const halfStorage = (o: RematOptions = {}): Rewrite<'step'> => kept(o)

/** Contractions of regions in f16, before gradients are derived. Faults: none in any region; some that are so already. */
export const halfContractions =
  (o: RematOptions = {}) =>
  (g: Graph): Either<Fault, Graph> => {
    const [regionOf, chosen] = [o.regions ?? blocksAsRegions(), o.chosen ?? ((): boolean => true)]
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    let found = 0
    for (const e of nodesOf(g)) {
      if (e._tag !== 'Apply') continue
      if (e.type.dtype === 'f16')
        return E.left(
          fault('graph', {
            place: 'halfContractions',
            found: 'a graph with f16 in it',
            allowed: 'one such rewrite in a pipeline',
            remedy: 'choose all regions in one rewrite',
          }),
        )
      const since = mark()
      const region = regionOf(scopeOf(e))
      const half = O.isSome(contracting.dot.match(e)) && region !== '' && chosen(region)
      if (!half && e.args.every((a) => of(a) === a)) continue
      if (half) found++
      const now = half
        ? cast('f32')(
            apply(
              e.op,
              e.args.map((a) => apply(toHalf, [of(a)], O.some(region))),
            ),
          )
        : apply(e.op, e.args.map(of), e.region)
      labelScope(scopeOf(e), since, [now])
      done.set(e, now)
    }
    return found === 0
      ? E.left(
          fault('config', {
            place: 'halfContractions',
            found: 'no contraction in any region',
            allowed: 'a network of blocks',
            remedy: 'choose regions that the network has',
          }),
        )
      : E.right({ name: g.name, outputs: g.outputs.map((x) => ({ ...x, expr: of(x.expr) })) })
  }
