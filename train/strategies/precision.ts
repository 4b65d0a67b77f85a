/** Half-precision storage as a strategy (compiler/rewrites/precision.ts). Pair it with `lossScale` of the step. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { PrecisionOptions } from '../../compiler/rewrites/precision.ts'
import { halfStorage } from '../../compiler/rewrites/precision.ts'
import type { Strategy } from './strategy.ts'

/** What contractions of some regions read is kept as f16. Fault: there are none; and, when it is compiled, a target without f16. */
export const half = (o: PrecisionOptions = {}): Strategy => (objective) =>
  pipe(halfStorage(o).run(objective.graph), E.map((graph) => ({ ...objective, graph })))
