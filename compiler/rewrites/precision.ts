/**
 * Storage in half precision: what a region's contractions read is kept as f16, for the forward pass and for its gradient alike, and
 * arithmetic stays f32 (reductions above all).
 *
 * ```
 * before  %y = dot(%x, %w)                                       # blocks.0.mlp.fc1         %x f32
 * after   %h = cast {"to":"f16"} (%x);  %y = dot(cast {"to":"f32"} (%h), %w)                %h is what lies in memory
 * ```
 * Gradients with respect to %x pass through f16 too, which is why the loss is scaled (train/step.ts `lossScale`; Micikevicius et al.
 * 2018, section 3.2). A target without f16 says so when it compiles the step.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Expr } from '../../core/expr.ts'
import { labelScope, mark, scopeOf } from '../../core/expr.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { isContractionOp } from './contraction.ts'
import { cast } from '../../ops/elementwise.ts'

export interface PrecisionOptions {
  /** The regions, by the scope of their contractions. Default: all that lies in blocks of the student. */
  readonly where?: (scope: string) => boolean
}

const inBlocks = (scope: string): boolean => /^student\..*\bblocks\./.test(scope)

const stored = (x: Expr): Expr => (x._tag === 'Apply' && x.type.dtype === 'f32' ? cast('f32')(cast('f16')(x)) : x)

/** Fault: no contraction lies where it was asked for. Law, tested: the values change by what f16 rounds, and planned memory falls. */
export const halfStorage = (o: PrecisionOptions = {}): Rewrite<'forward'> => ({
  name: 'halfStorage',
  stage: 'forward',
  run: (g: Graph) => {
    const where = o.where ?? inBlocks
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    let found = 0
    for (const e of nodesOf(g)) {
      if (e._tag !== 'Apply') continue
      const since = mark()
      const half = isContractionOp(e) && where(scopeOf(e))
      const args = e.args.map((a) => (half ? stored(of(a)) : of(a)))
      if (half) found++
      if (args.every((a, i) => a === e.args[i])) continue
      const now = apply(e.op, args, e.region)
      labelScope(scopeOf(e), since, [now])
      done.set(e, now)
    }
    return found > 0 ? E.right({ name: g.name, outputs: g.outputs.map((x) => ({ ...x, expr: of(x.expr) })) })
      : E.left(fault('config', { place: 'halfStorage', found: 'no contraction in these regions', allowed: 'scopes of the network, such as student.global.backbone.blocks.0', remedy: 'name regions by their scope' }))
  },
})
