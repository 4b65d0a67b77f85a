/** Sinkhorn-Knopp targets (Caron et al. 2020, section 3.1; dinov2 `loss/dino_clstoken_loss.py` sinkhorn_knopp_teacher). */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { add, div, exp, neg, stopGradient, where } from '../ops/elementwise.ts'
import { logSoftmax, logSumExp } from '../ops/nn.ts'
import { expandDims } from '../ops/reshape.ts'
import type { Centring } from './centring.ts'
import { keepRows } from './rows.ts'

export interface SinkhornOptions {
  /** Rounds of both normalisations; at least 1. Default 3. */
  readonly iterations?: number
}

/** A logarithm whose exponential is zero beside any other; finite, since not every target knows infinities. */
const never = -1e30

/**
 *     Q = exp(z / tau)^T  [K, R]
 *     three times:  every prototype's row of Q to the sum 1 / K,  every sample's column to 1 / R
 *     P = (R Q)^T
 *
 * over all rows of the batch together, columns last: each sample's targets sum to one, and the prototypes share the samples
 * nearly evenly. Computed on logarithms: Q = exp(z / tau + f + g), f `[1, K]` and g `[R, 1]` the logarithms of all factors so
 * far, so that logits of any size neither overflow nor leave a prototype without a sample. Rows that do not count have weight
 * zero in every sum. Without state. Fault: fewer than one round.
 */
export const sinkhorn = (o: SinkhornOptions = {}): Centring => {
  const { iterations = 3 } = o
  return {
    state: new Map(),
    run: (raw, temperature, rows) => (state) => {
      const given =
        Number.isInteger(iterations) && iterations >= 1
          ? raw
          : misuse('sinkhorn', [raw], {
              allowed: `a whole number of rounds, at least 1 (asked: ${showAsked(iterations)})`,
              remedy: 'use the usual 3 rounds',
            })
      const scores = div(keepRows(rows)(stopGradient(given)), temperature)
      const counted = (x: Expr): Expr => (rows === undefined ? x : where(expandDims(-1)(rows), x, never))
      let shifted = scores
      let samples: Expr = fill('f32', [], 0)
      for (let i = 0; i < iterations; i++) {
        const prototypes = neg(expandDims(0)(logSumExp(0)(counted(i === 0 ? scores : add(scores, samples)))))
        shifted = add(scores, prototypes)
        samples = neg(expandDims(-1)(logSumExp(-1)(shifted)))
      }
      // the last round's columns, with their own normalisation
      const logarithms = logSoftmax(-1)(shifted)
      return [{ probabilities: exp(logarithms), logarithms }, state]
    },
  }
}
