/** Stochastic depth (Huang et al. 2016, eq. 2; dino `vision_transformer.py` drop_path). */
import type { Expr } from '../core/expr.ts'
import { random } from '../core/leaves.ts'
import type { Context } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { join } from '../core/tree.ts'
import { mul } from '../ops/elementwise.ts'

/**
 * A residual branch `[B, ...]` that each sample of a training batch skips with probability `rate`; what is kept is divided
 * by 1 - rate, so that the expectation stays. The draw is named by the context's scope and `name`.
 */
export const dropPath = (rate: number, c: Context, name: string) => (branch: Expr): Expr => {
  if (!(rate >= 0 && rate < 1))
    return misuse('dropPath', [branch], { allowed: `a rate in [0, 1) (asked: ${rate})`, remedy: 'lower the drop-path rate' })
  if (rate === 0 || c.mode === 'eval') return branch
  const [batch, ...rest] = branch.type.shape
  const kept = random(join(c.scope, name), { _tag: 'Bernoulli', p: 1 - rate }, [batch, ...rest.map(() => 1)])
  return mul(branch, mul(kept, 1 / (1 - rate)))
}
