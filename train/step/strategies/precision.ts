/**
 * Precision as a rewrite of the objective: contractions of blocks in f16 or bf16 (compiler/passes/precision.ts), parameters and
 * everything else in f32. Evaluations and exports stay f32. Gradients in f16 ask for `lossScale` in the options of the update.
 */
import { pipe } from 'fp-ts/lib/function.js'
import * as E from 'fp-ts/lib/Either.js'
import type { HalfOptions } from '../../../compiler/passes/precision.ts'
import { halfContractions } from '../../../compiler/passes/precision.ts'
import type { Strategy } from './strategy.ts'

/** Comes after LoRA, whose adapters are contractions too. Faults: those of `halfContractions`. */
export const half =
  (o: HalfOptions = {}): Strategy =>
  (objective) =>
    pipe(
      objective.graph,
      halfContractions(o),
      E.map((graph) => ({ ...objective, graph })),
    )
