/**
 * Gradient accumulation as a rewrite of the step (compiler/passes/accumulate.ts), with the accumulators among the residents. A
 * batch that couples its samples does so by micro-batch: Sinkhorn-Knopp balances, KoLeo spreads and centres average within each.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { AccumulateOptions } from '../../../compiler/passes/accumulate.ts'
import { accumulated } from '../../../compiler/passes/accumulate.ts'
import type { Leaf } from '../../../core/expr.ts'
import { param, zeros } from '../../../core/model.ts'
import type { Resident } from '../objective.ts'
import { leafOf } from '../objective.ts'
import type { Program, StepStage } from '../step.ts'

const paramsOf = (p: Program): ReadonlyArray<Leaf> =>
  p.residents
    .filter((r) => r.role === 'trained')
    .flatMap((r) => {
      const e = leafOf(r)
      return e._tag === 'Leaf' ? [e] : []
    })

/** k micro-batches to a step. Faults: those of `accumulated`. */
export const accumulate =
  (o: AccumulateOptions) =>
  (s: StepStage): StepStage => ({
    stage: 'step',
    program: E.chain((p: Program) =>
      pipe(
        accumulated(o, paramsOf(p), p.differentiated)(p.graph),
        E.map(({ graph, accumulators }): Program => ({
          ...p,
          graph,
          residents: [
            ...p.residents,
            ...accumulators.map((a): Resident => ({
              path: a.path,
              declaration: { ...param(a.type.shape, zeros, false), dtype: a.type.dtype },
              role: 'kept',
            })),
          ],
        })),
      ),
    )(s.program),
  })

/** `hyper.apply` of a run whose steps are micro-batches: 1 at every k-th. */
export const applyEvery =
  (k: number) =>
  (step: number): number =>
    (step + 1) % k === 0 ? 1 : 0
