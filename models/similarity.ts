/** How alike tokens are: what stands for attention where a network has none that looks everywhere. */
import type { Expr } from '../core/expr.ts'
import { dot } from '../ops/contract.ts'
import { mul } from '../ops/elementwise.ts'
import { softmax } from '../ops/nn.ts'
import { expandDims } from '../ops/reshape.ts'

/** softmax(t tᵀ / sqrt D) of tokens `[B, T, D]`: `[B, 1, T, T]`. */
export const similarity = (tokens: Expr): Expr =>
  expandDims(1)(
    softmax(-1)(mul(dot({ leftBatch: [0], rightBatch: [0], left: [2], right: [2] })(tokens, tokens), (tokens.type.shape[2] ?? 1) ** -0.5)),
  )
