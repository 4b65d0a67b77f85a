/** Rewrites form a monoid per stage; substitution is what its name says; nothing changes without a reason. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf, roots } from '../../core/graph.ts'
import { print } from '../../core/print.ts'
import type { Rewrite, Rule } from '../../core/rewrite.ts'
import { firstOf, getMonoid, rewriteBottomUp, substitute } from '../../core/rewrite.ts'
import { elementwise, mul, neg, sin, sub, tanh } from '../../ops/elementwise.ts'
import { runs } from '../support/arbitrary.ts'
import { graphs } from '../support/graphs.ts'
import { expectClose, input, tensor, waves } from '../support/tensor.ts'
import { doubles } from '../support/values.ts'

const rewrite = (name: string, f: (g: Graph) => E.Either<ReturnType<typeof fault>, Graph>): Rewrite<'forward'> => ({
  name,
  stage: 'forward',
  run: f,
})
const local = (name: string, rule: Rule): Rewrite<'forward'> => rewrite(name, (g) => E.right(rewriteBottomUp(rule)(g)))

const matched =
  (p: typeof elementwise.neg, f: (args: ReadonlyArray<Expr>) => Expr): Rule =>
  (e) =>
    O.map(({ args }: { readonly args: ReadonlyArray<Expr> }) => f(args))(p.match(e))

/** Rewrites that do not commute: their order shows in the print. */
const some: ReadonlyArray<Rewrite<'forward'>> = [
  local(
    'tanh to sin',
    matched(elementwise.tanh, ([x]) => sin(x)),
  ),
  local(
    'sin to cos - cos',
    matched(elementwise.sin, ([x]) => elementwise.cos(null, x)),
  ),
  local(
    'sub to add neg',
    matched(elementwise.sub, ([x, y]) => (x.type.dtype === 'i32' ? sub(x, y) : elementwise.add(null, x, neg(y)))),
  ),
  rewrite('halve', (g) => E.right({ ...g, outputs: g.outputs.map((o) => (o.path === 'smooth' ? { ...o, expr: mul(o.expr, 0.5) } : o)) })),
  rewrite('rename', (g) => E.right({ ...g, name: `${g.name}'` })),
  rewrite('misfit', (g) => E.right({ ...g, outputs: [...g.outputs, ...g.outputs.slice(0, 1)] })),
  rewrite('refuse', () => E.left(fault('graph', { place: 'here', found: 'this', allowed: 'that', remedy: 'none' }))),
]

const { concat, empty } = getMonoid('forward')
const shown = (r: Rewrite<'forward'>, g: Graph): unknown => {
  const done = r.run(g)
  return E.isRight(done) ? print(done.right) : done.left
}
const any = fc.constantFrom(...some)

describe('the monoid of rewrites', () => {
  it('is associative', () => {
    fc.assert(
      fc.property(graphs(12), any, any, any, ({ graph }, f, g, h) => {
        expect(shown(concat(concat(f, g), h), graph)).toEqual(shown(concat(f, concat(g, h)), graph))
        expect(concat(concat(f, g), h).name).toBe(concat(f, concat(g, h)).name)
      }),
      runs(60),
    )
  })
  it('has an identity on both sides, for rewrites that give well-formed graphs', () => {
    fc.assert(
      fc.property(
        graphs(12),
        any.filter((r) => r.name !== 'misfit'),
        ({ graph }, f) => {
          expect(shown(concat(empty, f), graph)).toEqual(shown(f, graph))
          expect(shown(concat(f, empty), graph)).toEqual(shown(f, graph))
          expect(shown(empty, graph)).toBe(print(graph))
        },
      ),
      runs(40),
    )
  })
  it('verifies between the two, and stops at the first fault', () => {
    fc.assert(
      fc.property(graphs(4), ({ graph }) => {
        const misfit = concat(some[5], some[4]).run(graph)
        expect(E.isLeft(misfit) && misfit.left.found).toBe('two value outputs of this path')
        const refused = concat(some[6], some[5]).run(graph)
        expect(E.isLeft(refused) && refused.left.place).toBe('here')
      }),
      runs(5),
    )
  })
})

describe('local rules', () => {
  it('that never apply leave the very same expressions', () => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        const same = rewriteBottomUp(() => O.none)(graph)
        expect(roots(same).every((e, i) => e === roots(graph)[i])).toBe(true)
      }),
      runs(40),
    )
  })
  it('leave nothing that they match', () => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        const done = rewriteBottomUp(
          firstOf([matched(elementwise.tanh, ([x]) => sin(x)), matched(elementwise.sin, ([x]) => elementwise.cos(null, x))]),
        )(graph)
        expect(nodesOf(done).some((e) => O.isSome(elementwise.tanh.match(e)) || O.isSome(elementwise.sin.match(e)))).toBe(false)
      }),
      runs(40),
    )
  })
  it('that undo each other end', () => {
    const [x, swap] = [input('x', [2]), firstOf([matched(elementwise.sin, ([y]) => tanh(y)), matched(elementwise.tanh, ([y]) => sin(y))])]
    expect(roots(rewriteBottomUp(swap)({ name: 'swap', outputs: [{ role: 'value', path: 'y', expr: sin(x) }] }))).toHaveLength(1)
  })
})

describe('substitution', () => {
  const x = input('x', [3, 4])
  it('of nothing, or of a leaf by itself, gives the very same expressions', () => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        for (const map of [new Map(), new Map([[x, x]])])
          expect(roots(substitute(map)(graph)).every((e, i) => e === roots(graph)[i])).toBe(true)
      }),
      runs(30),
    )
  })
  it('evaluates as the graph does at the substituted value', () => {
    fc.assert(
      fc.property(graphs(), ({ graph, values }) => {
        const [u, us] = [input('u', [3, 4]), waves([3, 4], 9)]
        const replaced = substitute(new Map<Expr, Expr>([[x, mul(u, 2)]]))(graph)
        const direct = evaluate(
          roots(graph),
          doubles(
            new Map([
              ...values,
              [
                'x',
                tensor(
                  'f32',
                  [3, 4],
                  us.values.map((v) => 2 * v),
                ),
              ],
            ]),
          ),
        )
        evaluate(roots(replaced), doubles(new Map([...values, ['u', us]]))).forEach((v, i) => {
          expectClose(v, direct[i], 1e-12)
        })
        expect(nodesOf(replaced).includes(x)).toBe(false)
      }),
      runs(40),
    )
  })
})
