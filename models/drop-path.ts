/** Stochastic depth (Huang et al. 2016, eq. 2) in its two forms. */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { random } from '../core/leaves.ts'
import type { Context } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { join } from '../core/tree.ts'
import { add, cast, mul } from '../ops/elementwise.ts'
import { gather, scatterAdd } from '../ops/gather.ts'
import { slice } from '../ops/window.ts'

/**
 * `sample`: each sample skips the branch with the probability of the rate (dino `vision_transformer.py` drop_path). `subset`: the branch
 * is computed for a random part of the batch of fixed size alone (dinov2, dinov3 `layers/block.py`).
 */
export type DropPathForm = 'sample' | 'subset'

const wrongRate = (rate: number, x: Expr): Expr =>
  misuse('dropPath', [x], { allowed: `a rate in [0, 1) (asked: ${showAsked(rate)})`, remedy: 'lower the drop-path rate' })

const isRate = (rate: number): boolean => rate >= 0 && rate < 1

/**
 * A residual branch `[B, ...]` that each sample of a training batch skips with probability `rate`; what is kept is divided
 * by 1 - rate, so that the expectation stays. The draw is named by the context's scope and `name`.
 */
export const dropPath =
  (rate: number, c: Context, name: string) =>
  (branch: Expr): Expr => {
    if (!isRate(rate)) return wrongRate(rate, branch)
    if (rate === 0 || c.mode === 'eval') return branch
    const [batch, ...rest] = branch.type.shape
    const kept = random(join(c.scope, name), { _tag: 'Bernoulli', p: 1 - rate }, [batch, ...rest.map(() => 1)])
    return mul(branch, mul(kept, 1 / (1 - rate)))
  }

/** A residual connection that samples may skip: what enters the branch, and what comes out of the connection. */
export interface Skip {
  /** `x [B, ...]` -> the rows that go through the branch. */
  readonly enter: (x: Expr) => Expr
  /** `x [B, ...]` and the branch's result for the rows that entered -> `[B, ...]`. */
  readonly leave: (x: Expr, branch: Expr) => Expr
}

/** Samples of a batch that a branch is computed for: max(floor(B (1 - rate)), 1). */
export const keptSamples = (batch: number, rate: number): number => Math.max(Math.floor(batch * (1 - rate)), 1)

/**
 * s = `keptSamples` of the batch, the first of a random order, go through the branch; it is added to them times B / s. The order
 * is a draw, f32 `[B]`, named by the context's scope and `name`.
 */
const subset = (rate: number, c: Context, name: string, batch: number): Skip => {
  const kept = keptSamples(batch, rate)
  const order = random(join(c.scope, name), { _tag: 'Permutation' }, [batch])
  const rows = cast('i32')(slice(0, 0, kept)(order))
  return {
    enter: (x) => gather(0)(x, rows),
    leave: (x, branch) => add(x, scatterAdd(0, batch)(mul(branch, batch / kept), rows)),
  }
}

/**
 * A residual connection of the given form. Both forms are the plain sum in evaluation, and at a rate of 0. Fault: a rate outside of [0, 1).
 */
export const residual = (o: { readonly rate: number; readonly form: DropPathForm }, c: Context, name: string, batch: number): Skip =>
  o.form === 'subset' && o.rate > 0 && isRate(o.rate) && c.mode === 'train' && batch > 1
    ? subset(o.rate, c, name, batch)
    : { enter: (x) => x, leave: (x, branch) => add(x, o.form === 'subset' && isRate(o.rate) ? branch : dropPath(o.rate, c, name)(branch)) }
