/** The laws of losses, on the very expressions that they build. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { value } from '../../core/graph.ts'
import { input, resident } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import type { Loss, LossState, Outcome } from '../../losses/loss.ts'
import { kept, lossMonoid, pureLoss, scheduled, scoped, total, watch, weighted } from '../../losses/loss.ts'
import { add, mul } from '../../ops/elementwise.ts'
import { mean } from '../../ops/reduce.ts'
import { left } from '../data/either.ts'

type F = { readonly x: Expr }

const x = input('x', [])
const features: F = { x }

/** A loss with state: it keeps the sum of what it saw, and counts by what it kept. */
const keeping = (name: string, factor: number): Loss<F> => ({
  state: new Map([[`${name}.seen`, param([], zeros, false)]]),
  run: (f) => (state) => {
    const old = kept(`${name}.seen`, state)
    return [
      { terms: [{ name, value: mul(add(f.x, old), factor), scale: 1, factors: [] }], metrics: [{ name: `${name} seen`, value: old }] },
      new Map([...state, [`${name}.seen`, add(old, f.x)]]),
    ]
  },
})

const someLoss: fc.Arbitrary<Loss<F>> = fc.oneof(
  fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 5 })).map(([name, k]) => keeping(name, k)),
  fc.tuple(fc.constantFrom('d', 'e'), fc.integer({ min: 1, max: 5 })).map(([name, k]) => pureLoss<F>(name, (f) => mul(f.x, k))),
  fc.constant(watch<F>((f) => [{ name: 'watched', value: mul(f.x, f.x) }])),
)

const stateOf = (l: Loss<F>): LossState => new Map([...l.state].map(([path, d]) => [path, resident(path, d)]))

/** Everything that a loss says, expressions by identity. */
const said = (l: Loss<F>): unknown => {
  const [outcome, next] = l.run(features)(stateOf(l))
  return {
    declared: [...l.state.keys()].sort(),
    terms: outcome.terms.map((t) => [t.name, t.value.id, t.scale, t.factors.map((f) => f.id)]),
    metrics: outcome.metrics.map((m) => [m.name, m.value.id]),
    next: [...next].map(([path, e]) => [path, e.id]).sort(),
  }
}

const { concat, empty } = lossMonoid<F>()
const outcome = (l: Loss<F>): Outcome => l.run(features)(stateOf(l))[0]

describe('losses are a Monoid', () => {
  it('with nothing as the neutral element', () => {
    fc.assert(
      fc.property(someLoss, (l) => {
        expect(said(concat(empty, l))).toEqual(said(l))
        expect(said(concat(l, empty))).toEqual(said(l))
      }),
    )
  })
  it('and concat is associative', () => {
    fc.assert(
      fc.property(someLoss, someLoss, someLoss, (a, b, c) => {
        expect(said(concat(concat(a, b), c))).toEqual(said(concat(a, concat(b, c))))
      }),
    )
  })
  it('whose total is the sum', () => {
    const all = concatAll(lossMonoid<F>())([
      keeping('a', 2),
      weighted(0.5)(pureLoss<F>('b', (f) => mul(f.x, 3))),
      scheduled('w')(pureLoss<F>('c', (f) => f.x)),
    ])
    const [v] = evaluate(
      [total(outcome(all))],
      new Map([
        ['x', Float64Array.of(4)],
        ['a.seen', Float64Array.of(1)],
        ['hyper.w', Float64Array.of(10)],
      ]),
    )
    expect(v[0]).toBe(2 * 5 + 0.5 * 12 + 10 * 4)
    expect(evaluate([total(outcome(empty))])[0][0]).toBe(0)
  })
})

describe('a loss that is no number', () => {
  it('is a fault that names it, whatever else is in the sum, and is one when it is reduced', () => {
    const barlow = (f: (x: Expr) => Expr) => pureLoss<F>('barlow', () => f(input('y', [2, 3])))
    const traced = (l: Loss<F>) => trace('loss', [value('loss', total(outcome(concat(keeping('a', 1), weighted(2)(l)))))])
    const wrong = left(traced(barlow((x) => x)))
    expect([wrong.place, wrong.found]).toEqual([expect.stringMatching(/^the loss barlow/), 'f32[2, 3]'])
    expect(wrong.remedy).toContain('mean()')
    expect(E.isRight(traced(barlow(mean())))).toBe(true)
  })
})

describe('weights', () => {
  const weight = fc.integer({ min: -3, max: 3 })
  it('of one change nothing, and weights multiply', () => {
    fc.assert(
      fc.property(someLoss, weight, weight, (l, a, b) => {
        expect(said(weighted(1)(l))).toEqual(said(l))
        expect(said(weighted(a)(weighted(b)(l)))).toEqual(said(weighted(a * b)(l)))
      }),
    )
  })
  it('and scopes distribute over sums', () => {
    fc.assert(
      fc.property(someLoss, someLoss, weight, (a, b, w) => {
        expect(said(weighted(w)(concat(a, b)))).toEqual(said(concat(weighted(w)(a), weighted(w)(b))))
        expect(said(scheduled('w')(concat(a, b)))).toEqual(said(concat(scheduled('w')(a), scheduled('w')(b))))
        expect(said(scoped('s')(concat(a, b)))).toEqual(said(concat(scoped('s')(a), scoped('s')(b))))
      }),
    )
  })
})

describe('scopes', () => {
  it('let one loss be used twice', () => {
    const twice = concat(scoped('first')(keeping('a', 1)), scoped('second')(keeping('a', 2)))
    expect([...twice.state.keys()]).toEqual(['first.a.seen', 'second.a.seen'])
    expect(outcome(twice).terms.map((t) => t.name)).toEqual(['first.a', 'second.a'])
    const [v] = evaluate(
      [total(outcome(twice))],
      new Map([
        ['x', Float64Array.of(1)],
        ['first.a.seen', Float64Array.of(5)],
        ['second.a.seen', Float64Array.of(7)],
      ]),
    )
    expect(v[0]).toBe(6 + 2 * 8)
  })
})
