/**
 * Gradient accumulation: k runs of a step on k micro-batches change the parameters once, by the mean of their gradients.
 *
 * ```
 * before  state w = step(%w, %g)                                            %g the gradient of w
 * after   %s = add(state accumulator.w, %g)
 *         state w = select(hyper.apply > 0, step(%w, mul(%s, 1/k)), %w)
 *         state accumulator.w = select(hyper.apply > 0, 0, %s)
 * ```
 * `hyper.apply` is 1 at every k-th run and 0 at the others. What couples the samples of a batch (Sinkhorn-Knopp, KoLeo, the means of a
 * centre) acts on each micro-batch, and the states of losses go on at each.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Expr, Leaf } from '../../core/expr.ts'
import { fill, labelScope, leaf, mark } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph, Output } from '../../core/graph.ts'
import { leavesOfGraph, nodesOf, state } from '../../core/graph.ts'
import { hyper } from '../../core/leaves.ts'
import { substitute } from '../../core/rewrite.ts'
import { join } from '../../core/tree.ts'
import type { TensorType } from '../../core/type.ts'
import { verify } from '../../core/verify.ts'
import { add, greater, mul, where } from '../../ops/elementwise.ts'
import { gradOptions } from '../grad.ts'

/**
 * `hyper`: one program, which asks `hyper.apply`. `add` and `apply`: the two programs that it is made of, for a run that chooses: k - 1
 * runs of the first, then one of the second.
 */
export type Half = 'hyper' | 'add' | 'apply'

export interface AccumulateOptions {
  /** k */
  readonly steps: number
  /** Default `hyper`. */
  readonly half?: Half
}

export interface Accumulator {
  readonly path: string
  readonly type: TensorType
}

export interface Accumulated {
  readonly graph: Graph
  readonly accumulators: ReadonlyArray<Accumulator>
}

const bad = (place: string, found: string, allowed: string, remedy: string): Fault =>
  fault('graph', { place: join('accumulate', place), found, allowed, remedy })

/** What goes on at every micro-batch: the states of losses. */
const goesOn = (o: Output): boolean => o.path.startsWith('loss.')

/**
 * `params`: the leaves that are trained; `differentiated`: what their gradients are of, by default the loss. Faults: a step whose
 * gradients are not those any more; a k below 1.
 */
export const accumulated =
  (o: AccumulateOptions, params: ReadonlyArray<Leaf>, differentiated?: Expr) =>
  (g: Graph): Either<Fault, Accumulated> => {
    if (!(Number.isInteger(o.steps) && o.steps >= 1))
      return E.left(bad('steps', `${o.steps}`, 'whole numbers of at least 1', 'correct the number of micro-batches'))
    const loss = g.outputs.find((x) => x.role === 'value' && x.path === 'loss')
    if (loss === undefined)
      return E.left(bad('loss', 'no value output `loss`', 'a training step', 'rewrite the step before its outputs are taken away'))
    if (leavesOfGraph(g).some((l) => l.path.startsWith('accumulator.')))
      return E.left(
        bad('accumulator', 'a step that accumulates already', 'one accumulation in a pipeline', 'multiply the numbers of micro-batches'),
      )
    const since = mark()
    const half = o.half ?? 'hyper'
    const whenApplied = (x: Expr, y: Expr): Expr => (half === 'apply' ? x : half === 'add' ? y : where(greater(hyper('apply'), 0), x, y))
    const nodes = new Set(nodesOf(g))
    const gradients = gradOptions(differentiated ?? loss.expr, params)
    const means = new Map<Expr, Expr>()
    const sums: Array<readonly [Accumulator, Output]> = []
    for (const [i, p] of params.entries()) {
      const gradient = gradients[i]
      if (O.isNone(gradient) || means.has(gradient.value)) continue
      const path = 'path' in p.source ? p.source.path : ''
      if (!nodes.has(gradient.value) || gradient.value._tag !== 'Apply')
        return E.left(
          bad(
            path,
            'a step without the gradient of its loss',
            'a step whose gradients are as they were derived',
            'accumulate before remat, fit and simplify',
          ),
        )
      const kept: Accumulator = { path: join('accumulator', path), type: p.type }
      const sum = add(leaf(p.type, { _tag: 'State', path: kept.path }), gradient.value)
      means.set(gradient.value, o.steps === 1 ? sum : mul(sum, 1 / o.steps))
      sums.push([kept, state(kept.path, whenApplied(fill(p.type.dtype, p.type.shape, 0), sum))])
    }
    const stepped = substitute(means)(g)
    const residents = new Map(leavesOfGraph(g).map((l) => [l.path, l.leaf]))
    const outputs = stepped.outputs.flatMap((x): ReadonlyArray<Output> => {
      const old = x.role === 'state' && !goesOn(x) ? residents.get(x.path) : undefined
      return old === undefined ? [x] : half === 'add' ? [] : [{ ...x, expr: whenApplied(x.expr, old) }]
    })
    labelScope('accumulate', since, [...outputs.map((x) => x.expr), ...sums.map(([, x]) => x.expr)])
    return E.map((graph: Graph): Accumulated => ({ graph, accumulators: sums.map(([a]) => a) }))(
      verify({ name: g.name, outputs: [...outputs, ...sums.map(([, x]) => x)] }),
    )
  }
