/**
 * Rewrites: graph to graph, verified after each. A rewrite carries its stage in its type, so that a wrong order does
 * not compile. Per stage they form a Monoid: `empty` is the identity, `concat(f, g)` is f, then g.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Monoid } from 'fp-ts/lib/Monoid.js'
import type { Option } from 'fp-ts/lib/Option.js'
import type { Expr } from './expr.ts'
import { labelScope, mark, scopeOf } from './expr.ts'
import type { Fault } from './fault.ts'
import type { Graph } from './graph.ts'
import { nodesOf } from './graph.ts'
import { apply } from './primitive.ts'
import { verify } from './verify.ts'

/** `forward`: the objective, before gradients. `step`: the whole training step. */
export type Stage = 'forward' | 'step'

export interface Rewrite<S extends Stage> {
  readonly name: string
  readonly stage: S
  readonly run: (g: Graph) => E.Either<Fault, Graph>
}

/** Laws: identity and associativity of `run`, tested on random graphs. */
export const getMonoid = <S extends Stage>(stage: S): Monoid<Rewrite<S>> => ({
  empty: { name: '', stage, run: E.right },
  concat: (f, g) => ({
    name: [f.name, g.name].filter((n) => n !== '').join(', '),
    stage,
    run: (x) => pipe(f.run(x), E.chain(verify), E.chain(g.run), E.chain(verify)),
  }),
})

/** A local rule: what to put in place of one expression (whose arguments are already rewritten), if anything. */
export type Rule = (e: Expr) => Option<Expr>

/** The first rule that has something to say. */
export const firstOf =
  (rules: ReadonlyArray<Rule>): Rule =>
  (e) => {
    for (const rule of rules) {
      const r = rule(e)
      if (r._tag === 'Some') return r
    }
    return { _tag: 'None' }
  }

/** What a rule has newly made in place of a node belongs to the node's recompute region. */
const inRegionOf = (old: Expr, made: Expr, since: number): Expr =>
  old._tag === 'Apply' && old.region._tag === 'Some' && made._tag === 'Apply' && made.region._tag === 'None' && made.id >= since
    ? apply(made.op, made.args, old.region)
    : made

/**
 * Rewrites every node once its arguments are rewritten, and goes on at the new node until no rule applies there.
 * `steps` bounds the rule applications at one node, so that two rules that undo each other cannot hang.
 */
export const rewriteBottomUp =
  (rule: Rule, steps = 64) =>
  (g: Graph): Graph => {
    const done = new Map<Expr, Expr>()
    const of = (e: Expr): Expr => done.get(e) ?? e
    for (const e of nodesOf(g)) {
      let now: Expr = e
      const since = mark()
      if (e._tag === 'Apply' && e.args.some((a) => of(a) !== a)) now = apply(e.op, e.args.map(of), e.region)
      for (let i = 0; i < steps; i++) {
        const next = rule(now)
        if (next._tag === 'None' || next.value === now) break
        now = inRegionOf(now, done.get(next.value) ?? next.value, since)
      }
      labelScope(scopeOf(e), since, [now])
      done.set(e, now)
    }
    return { name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: of(o.expr) })) }
  }

/** Replaces expressions wherever they occur (substitution of leaves, say). */
export const substitute =
  (replacements: ReadonlyMap<Expr, Expr>) =>
  (g: Graph): Graph => {
    const done = new Map<Expr, Expr>(replacements)
    const of = (e: Expr): Expr => done.get(e) ?? e
    for (const e of nodesOf(g)) {
      if (done.has(e)) continue
      const since = mark()
      const now = e._tag === 'Apply' && e.args.some((a) => of(a) !== a) ? apply(e.op, e.args.map(of), e.region) : e
      labelScope(scopeOf(e), since, [now])
      done.set(e, now)
    }
    return { name: g.name, outputs: g.outputs.map((o) => ({ ...o, expr: of(o.expr) })) }
  }
