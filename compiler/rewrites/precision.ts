/**
 * Storage in half precision: what gradients read of a region is kept as f16 between the two passes. The forward pass and all arithmetic
 * stay f32, gradients too, so no loss needs to be scaled.
 *
 * ```
 * before  %a = exp(%x)                                  # blocks.0     the forward pass
 *         %g = mul(%ct, %a)                             # blocks.0     the gradient, long after: %a is kept as f32 until then
 * after   %h = cast {"to":"f16"} (%a) @blocks.0                        %h is what is kept
 *         %g = mul(%ct, cast {"to":"f32"} (%h))
 * ```
 * Regions are those of remat.ts. A target without f16 says so when it compiles the step.
 */
import * as O from 'fp-ts/lib/Option.js'
import type { Apply } from '../../core/expr.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { apply } from '../../core/primitive.ts'
import { cast, elementwise } from '../../ops/elementwise.ts'
import type { RematOptions } from './remat.ts'
import { insteadOfKeeping } from './remat.ts'

const toHalf = elementwise.cast.op({ to: 'f16' })

/** Whether every element is one of the argument's: that is done again, on what is kept of the argument. */
const moves = (e: Apply): boolean => e.op.lower(e.args.map((a) => a.type), e.type)._tag === 'Read'

const kept = insteadOfKeeping('halfStorage', (e, args, region) => {
  if (moves(e)) return apply(e.op, args)
  return e.type.dtype === 'f32' ? cast('f32')(apply(toHalf, [e], O.some(region))) : e
})

/** Faults: those of `remat`. Law, tested: the loss is the same to the bit, gradients change by what f16 rounds, and planned memory falls. */
export const halfStorage = (o: RematOptions = {}): Rewrite<'step'> => kept(o)
