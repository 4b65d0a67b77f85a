/**
 * Floats of 16 bits by region: of what is kept, and of what is multiplied. They are f16, or bf16 where it is asked for.
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
 * f16 cannot hold ask for a scaled loss (train/step/loss-scale.ts); bf16 has the range of f32, and 3 bits less of mantissa.
 *
 * ```
 * before  %y = dot(%x, %w)                                             # blocks.0
 * after   %p = cast {"to":"f16"} (%x) @blocks.0
 *         %q = cast {"to":"f16"} (%w) @blocks.0
 *         %y = cast {"to":"f32"} (dot(%p, %q))
 * ```
 * Regions are those of remat.ts. A target without them says so when it compiles the step.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Apply, Expr, Op } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import type { HalfType } from '../../core/type.ts'
import { isHalf } from '../../core/type.ts'
import { contracting } from '../../ops/contract.ts'
import { cast, elementwise } from '../../ops/elementwise.ts'
import type { RematOptions } from './remat.ts'
import { blocksAsRegions, insteadOfKeeping } from './remat.ts'

export interface HalfOptions extends RematOptions {
  /** Default: f16. */
  readonly dtype?: HalfType
}

const toHalf = (o: HalfOptions): Op => elementwise.cast.op({ to: o.dtype ?? 'f16' })

/** Whether every element is one of the argument's: that is done again, on what is kept of the argument. */
const moves = (e: Apply): boolean =>
  e.op.lower(
    e.args.map((a) => a.type),
    e.type,
  )._tag === 'Read'

const kept = (narrow: Op): ReturnType<typeof insteadOfKeeping> =>
  insteadOfKeeping('halfStorage', (e, args, region) => {
    if (moves(e)) return apply(e.op, args)
    return e.type.dtype === 'f32' ? cast('f32')(apply(narrow, [e], O.some(region))) : e
  })

/**
 * Faults: those of `remat`. Law, tested: the loss is the same to the bit, gradients change by what is rounded, and planned memory falls.
 */
export const halfStorage = (o: HalfOptions = {}): Rewrite<'step'> => kept(toHalf(o))(o)

/** Contractions of regions in f16 or bf16, before gradients are derived. Faults: none in any region; some that are so already. */
export const halfContractions =
  (o: HalfOptions = {}) =>
  (g: Graph): Either<Fault, Graph> => {
    const [regionOf, chosen] = [o.regions ?? blocksAsRegions(), o.chosen ?? ((): boolean => true)]
    const narrow = toHalf(o)
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    let found = 0
    for (const e of nodesOf(g)) {
      if (e._tag !== 'Apply') continue
      if (isHalf(e.type.dtype))
        return E.left(
          fault('graph', {
            place: 'halfContractions',
            found: `a graph with ${e.type.dtype} in it`,
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
              e.args.map((a) => apply(narrow, [of(a)], O.some(region))),
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
