/** AdamW as a chain of transforms (Loshchilov, Hutter 2019, algorithm 2; torch.optim.AdamW). */
import { compact } from 'fp-ts/lib/ReadonlyArray.js'
import type { Expr } from '../../core/expr.ts'
import { hyper } from '../../core/leaves.ts'
import type { Declaration } from '../../core/model.ts'
import { param, zeros } from '../../core/model.ts'
import { join } from '../../core/tree.ts'
import { add, div, exp, less, mul, neg, sqrt, square, sub, where } from '../../ops/elementwise.ts'
import type { GroupRule } from './groups.ts'
import { uniformGroups } from './groups.ts'
import type { GradientTransform, Kept, Proposal } from './transform.ts'
import { before, chain, each, whileOpen } from './transform.ts'

export interface AdamOptions {
  /** Default 0.9 and 0.999. */
  readonly betas?: readonly [number, number]
  /** Default 1e-8. */
  readonly eps?: number
}

/** 1 - exp(-x) for x > 0: by its series where the difference would lose digits in f32 (six terms: 2e-10 relative at 0.1). */
const fromOne = (x: Expr): Expr => {
  let series: Expr = sub(1, mul(x, 1 / 6))
  for (let n = 5; n > 1; n--) series = sub(1, mul(mul(x, 1 / n), series))
  return where(less(x, 0.1), mul(x, series), sub(1, exp(neg(x))))
}

/** 1 - beta^t after t steps, shape `[]`. */
const correction = (beta: number, steps: Expr): Expr => fromOne(mul(steps, -Math.log(beta)))

const counter: Declaration = param([], zeros, false)

/** Parameters behind one gate share a step count, which is frozen while the gate is closed; those of a later phase count from there. */
const counterOf = ({ gate, begun }: Proposal): Kept => {
  const path = ['step', ...compact([begun, gate])].reduce((x, y) => join(x, y))
  const old = before({ path, declaration: counter })
  return { path, declaration: counter, next: whileOpen(gate, add(old, 1), old) }
}

const byPath = (kept: ReadonlyArray<Kept>): ReadonlyArray<Kept> => [...new Map(kept.map((k) => [k.path, k])).values()]

/**
 * m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g²;  the change is  (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
 * Keeps `exp_avg.…`, `exp_avg_sq.…` of each parameter and the step count t `[]` of each gate.
 */
export const scaleByAdam = (o: AdamOptions = {}): GradientTransform => {
  const { betas: [b1, b2] = [0.9, 0.999], eps = 1e-8 } = o
  const one = (p: Proposal): { readonly proposal: Proposal; readonly kept: ReadonlyArray<Kept> } => {
    const declaration = { ...p.declaration, init: zeros, trainable: false }
    const moment = (name: string, beta: number, g: Expr): Kept => {
      const path = join(name, p.path)
      const old = before({ path, declaration })
      return { path, declaration, next: whileOpen(p.gate, add(mul(old, beta), mul(g, 1 - beta)), old) }
    }
    const [m, v] = [moment('exp_avg', b1, p.update), moment('exp_avg_sq', b2, square(p.update))]
    const steps = counterOf(p)
    const denominator = add(div(sqrt(v.next), sqrt(correction(b2, steps.next))), eps)
    return { proposal: { ...p, update: div(div(m.next, correction(b1, steps.next)), denominator) }, kept: [m, v, steps] }
  }
  return {
    update: (proposals) => {
      const all = proposals.map(one)
      return { proposals: all.map((x) => x.proposal), kept: byPath(all.flatMap((x) => x.kept)) }
    },
  }
}

/** A scalar times a group's share; itself for a share of 1. */
const shared = (x: Expr, share: number): Expr => (share === 1 ? x : mul(x, share))

/** Adds decay times the parameter, where a group decays: decoupled, because no moment sees it. */
export const decayWeights = (decay: Expr, groups: GroupRule): GradientTransform =>
  each((p) => {
    const share = groups(p).decay
    return share === 0 ? p : { ...p, update: add(p.update, mul(p.value, shared(decay, share))) }
  })

/** Down the hill: times minus the learning rate of the group. */
export const scaleByRate = (rate: Expr, groups: GroupRule): GradientTransform =>
  each((p) => ({ ...p, update: mul(p.update, neg(shared(rate, groups(p).rate))) }))

export interface AdamWOptions extends AdamOptions {
  /** Default: one group. */
  readonly groups?: GroupRule
  /** The hyper that gives the learning rate. Default `lr`. */
  readonly rate?: string
  /** The hyper that gives the weight decay. Default `wd`. */
  readonly decay?: string
}

/** theta <- theta - lr (adam + wd theta), learning rate and decay from `hyper.lr` and `hyper.wd`. */
export const adamw = (o: AdamWOptions = {}): GradientTransform => {
  const { groups = uniformGroups, rate = 'lr', decay = 'wd' } = o
  return chain([scaleByAdam(o), decayWeights(hyper(decay), groups), scaleByRate(hyper(rate), groups)])
}
