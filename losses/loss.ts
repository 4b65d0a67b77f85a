/**
 * Losses are values that add up. A loss declares the state that it keeps between steps, and is a pure function from features
 * and state to terms, metrics and the next state. Recipes are sums: `concatAll(lossMonoid)([dino(…), weighted(0.1)(koleo())])`.
 *
 * Laws, tested: losses are a Monoid under `concat` with `nothing`; `weighted(1)` is the identity, `weighted(a)` after
 * `weighted(b)` is `weighted(a b)`, and `weighted` and `scoped` distribute over `concat`.
 */
import type { Monoid } from 'fp-ts/lib/Monoid.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { State } from 'fp-ts/lib/State.js'
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import { hyper } from '../core/leaves.ts'
import type { Declaration } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { join } from '../core/tree.ts'
import { add, mul } from '../ops/elementwise.ts'

/** One summand of the objective: `scale` times all `factors` times `value`, each a scalar. */
export interface Term {
  readonly name: string
  readonly value: Expr
  readonly scale: number
  readonly factors: ReadonlyArray<Expr>
}

/** A scalar that is shown and never differentiated. */
export interface Metric {
  readonly name: string
  readonly value: Expr
}

export interface Outcome {
  readonly terms: ReadonlyArray<Term>
  readonly metrics: ReadonlyArray<Metric>
}

/** The tensors that losses keep between steps, by path. */
export type LossState = ReadonlyMap<string, Expr>

export interface Loss<F> {
  /** What is kept between steps, by path: `dino.center`. */
  readonly state: ReadonlyMap<string, Declaration>
  readonly run: (features: F) => State<LossState, Outcome>
}

/** A loss without state, of one term that bears its name. */
export const pureLoss = <F>(name: string, value: (features: F) => Expr): Loss<F> => ({
  state: new Map(),
  run: (features) => (state) => [{ terms: [{ name, value: value(features), scale: 1, factors: [] }], metrics: [] }, state],
})

/** Metrics alone: the objective does not change. */
export const watch = <F>(metrics: (features: F) => ReadonlyArray<Metric>): Loss<F> => ({
  state: new Map(),
  run: (features) => (state) => [{ terms: [], metrics: metrics(features) }, state],
})

/** The sum of losses over the same features. What the first leaves in the state, the second finds there. */
export const lossMonoid = <F>(): Monoid<Loss<F>> => ({
  empty: { state: new Map(), run: () => (state) => [{ terms: [], metrics: [] }, state] },
  concat: (first, second) => ({
    state: new Map([...first.state, ...second.state]),
    run: (features) => (state) => {
      const [a, middle] = first.run(features)(state)
      const [b, last] = second.run(features)(middle)
      return [{ terms: [...a.terms, ...b.terms], metrics: [...a.metrics, ...b.metrics] }, last]
    },
  }),
})

/** The sum of losses over what the method at hand gives to them: `sum([dino(…), weighted(0.1)(koleo())])`. */
export const sum = <F>(losses: ReadonlyArray<Loss<NoInfer<F>>>): Loss<F> => concatAll(lossMonoid<F>())(losses)

const mapTerms =
  (f: (t: Term) => Term) =>
  <F>(loss: Loss<F>): Loss<F> => ({
    state: loss.state,
    run: (features) => (state) => {
      const [outcome, next] = loss.run(features)(state)
      return [{ terms: outcome.terms.map(f), metrics: outcome.metrics }, next]
    },
  })

/** The loss times a constant. */
export const weighted = (weight: number): (<F>(loss: Loss<F>) => Loss<F>) => mapTerms((t) => ({ ...t, scale: t.scale * weight }))

/** The loss times the scalar `hyper.name` of every step, so that a schedule may change it. */
export const scheduled = (name: string): (<F>(loss: Loss<F>) => Loss<F>) =>
  mapTerms((t) => ({ ...t, factors: [...t.factors, hyper(name)] }))

/** The loss under another name: its terms, metrics and state move to `name.…`, so that one loss may be used twice. */
export const scoped =
  (name: string) =>
  <F>(loss: Loss<F>): Loss<F> => ({
    state: new Map([...loss.state].map(([path, d]) => [join(name, path), d])),
    run: (features) => (state) => {
      const outer = [...loss.state.keys()].map((path): readonly [string, Expr | undefined] => [path, state.get(join(name, path))])
      const [outcome, next] = loss.run(features)(new Map(outer.flatMap(([path, e]) => (e === undefined ? [] : [[path, e] as const]))))
      return [
        {
          terms: outcome.terms.map((t) => ({ ...t, name: join(name, t.name) })),
          metrics: outcome.metrics.map((m) => ({ ...m, name: join(name, m.name) })),
        },
        new Map([...state, ...[...next].map(([path, e]) => [join(name, path), e] as const)]),
      ]
    },
  })

/** The value of a term; a misuse that names it where it is not one number. */
const scalarOf = ({ name, value }: Term): Expr =>
  value.type.shape.length === 0
    ? value
    : misuse(`the loss ${name}`, [value], {
        allowed: 'one number, of shape []',
        remedy: 'reduce it with mean() or sum() of dinograph/ops',
      })

const valueOf = (t: Term): Expr => t.factors.reduce((x, f) => mul(x, f), t.scale === 1 ? scalarOf(t) : mul(scalarOf(t), t.scale))

/** The objective: the sum of all terms, shape `[]`. */
export const total = (outcome: Outcome): Expr => {
  const [first, ...rest] = outcome.terms.map(valueOf)
  return first === undefined ? fill('f32', [], 0) : rest.reduce((x, y) => add(x, y), first)
}

/** The kept tensor of a path; a misuse where the loss runs without the state that it declared. */
export const kept = (path: string, state: LossState): Expr =>
  state.get(path) ??
  misuse('loss', [], { allowed: `the state ${path} that the loss declared`, remedy: 'run the loss with every tensor of its `state`' })
