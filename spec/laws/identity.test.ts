/** Identity of expressions is op, arguments and region: the same construction is the same object, whatever stands beside it. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { fill, scopeOf, table } from '../../core/expr.ts'
import { nodesOf, roots, value } from '../../core/graph.ts'
import { context, inScope } from '../../core/model.ts'
import { topological, usersOf } from '../../core/order.ts'
import { print } from '../../core/print.ts'
import { apply } from '../../core/primitive.ts'
import { load, save } from '../../core/serialize.ts'
import { verify } from '../../core/verify.ts'
import { add, elementwise, mul, tanh } from '../../ops/elementwise.ts'
import { loadOp } from '../../ops/vocabulary.ts'
import { runs } from '../support/arbitrary.ts'
import { graphOf, graphs, steps } from '../support/graphs.ts'
import { input } from '../support/tensor.ts'

const comments = / +# .*$/gm

describe('hash-consing', () => {
  it('holds where the files of the language are loaded twice, as a loader does for require and import()', async () => {
    const here = { expr: await import('../../core/expr.ts'), contract: await import('../../ops/contract.ts') }
    vi.resetModules()
    const again = { expr: await import('../../core/expr.ts'), contract: await import('../../ops/contract.ts') }
    expect(again.expr.fill).not.toBe(here.expr.fill)
    const product = (l: typeof here) => l.contract.matmul(l.expr.fill('f32', [2, 3], 1), l.expr.fill('f32', [3, 4], 2))
    expect(product(again)).toBe(product(here))
    expect(O.isSome(again.contract.contracting.dot.match(product(here)))).toBe(true)
  })

  it('gives the same object for the same construction', () => {
    fc.assert(
      fc.property(steps(), (list) => {
        const [a, b] = [graphOf(list), graphOf(list)]
        expect(roots(a.graph).every((e, i) => e === roots(b.graph)[i])).toBe(true)
      }),
      runs(40),
    )
  })
  it('holds no two equal nodes in a graph', () => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        const applications = nodesOf(graph).flatMap((e) => (e._tag === 'Apply' ? [`${e.op.key} ${e.args.map((a) => a.id).join()}`] : []))
        expect(new Set(applications).size).toBe(applications.length)
      }),
      runs(40),
    )
  })
  it('keeps constants apart that print differently or differ in sign', () => {
    expect(fill('f32', [], 0)).not.toBe(fill('f32', [], -0))
    expect(fill('f32', [], NaN)).toBe(fill('f32', [], NaN))
    expect(fill('f32', [], Infinity)).not.toBe(fill('f32', [], -Infinity))
    expect(table('f32', [2], [0, 1])).not.toBe(table('f32', [2], [-0, 1]))
    expect(fill('f32', [1], 1)).not.toBe(fill('f32', [], 1))
  })
  it('never shares an expression across recompute regions', () => {
    const x = input('x', [2])
    const op = elementwise.tanh.op(null)
    expect(apply(op, [x], O.some('block 0'))).not.toBe(tanh(x))
    expect(apply(op, [x], O.some('block 0'))).toBe(apply(op, [x], O.some('block 0')))
    expect(apply(op, [x], O.some('block 0'))).not.toBe(apply(op, [x], O.some('block 1')))
  })
})

describe('scopes', () => {
  it('never alter identity', () => {
    fc.assert(
      fc.property(steps(), (list) => {
        const plain = graphOf(list)
        const scoped = inScope(context('train'), 'somewhere', (c) => inScope(c, 3, () => ({ roots: roots(graphOf(list).graph) })))
        expect(scoped.roots.every((e, i) => e === roots(plain.graph)[i])).toBe(true)
      }),
      runs(20),
    )
  })
  it('leave the printed graph the same but for their comments', () => {
    const build = (): ReturnType<typeof tanh> => mul(tanh(input('first', [5])), 2)
    const scoped = inScope(context('eval'), 'blocks', (c) => inScope(c, 0, build))
    expect(scopeOf(scoped)).toBe('blocks.0')
    const text = print({ name: 'g', outputs: [value('y', scoped)] })
    expect(text).toContain('# blocks.0')
    expect(text.replace(comments, '')).toBe(print({ name: 'g', outputs: [value('y', build())] }).replace(comments, ''))
  })
  it('are the innermost of where an expression was first made', () => {
    const x = input('innermost', [2])
    const [inner, outer] = inScope(context('eval'), 'a', (c) => {
      const deep = inScope(c, 'b', () => tanh(x))
      return [deep, add(deep, 1)]
    })
    expect([scopeOf(inner), scopeOf(outer)]).toEqual(['a.b', 'a'])
    inScope(context('eval'), 'later', () => tanh(x))
    expect(scopeOf(tanh(x))).toBe('a.b')
  })
})

describe('order', () => {
  it('has arguments before users, each node once, and the users of each', () => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        const order = topological(roots(graph))
        const place = new Map(order.map((e, i) => [e, i]))
        expect(place.size).toBe(order.length)
        const users = usersOf(order)
        for (const e of order) {
          if (e._tag !== 'Apply') continue
          for (const a of e.args) {
            expect(place.get(a)).toBeLessThan(place.get(e) ?? -1)
            expect(users.get(a)?.filter((u) => u === e)).toHaveLength(e.args.filter((b) => b === a).length)
          }
        }
      }),
      runs(30),
    )
  })
})

describe('saving', () => {
  it('and loading gives back the very same expressions', () => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        expect(E.isRight(verify(graph))).toBe(true)
        const loaded = E.chain(load(loadOp))(save(graph))
        expect(
          E.isRight(loaded) && loaded.right.outputs.every((o, i) => o.expr === graph.outputs[i].expr && o.role === graph.outputs[i].role),
        ).toBe(true)
        expect(E.isRight(loaded) && print(loaded.right)).toBe(print(graph))
      }),
      runs(40),
    )
  })
  it('keeps signed zeros, infinities, NaN and regions', () => {
    const exprs = [
      fill('f32', [], -0),
      fill('f32', [2], -Infinity),
      fill('f32', [], NaN),
      table('f32', [3], [-0, 0.1, Infinity]),
      apply(elementwise.tanh.op(null), [input('x', [2])], O.some('block 0')),
    ]
    const loaded = E.chain(load(loadOp))(save({ name: 'odd', outputs: exprs.map((e, i) => value(`${i}`, e)) }))
    expect(E.isRight(loaded) && loaded.right.outputs.map((o, i) => o.expr === exprs[i])).toEqual([true, true, true, true, true])
  })
  it('never throws on bytes that were changed', () => {
    const bytes = save(
      graphOf([
        [5, 1, 2, 3, 4, 5, 6, 7],
        [3, 20, 1, 1, 1, 1, 1, 1],
      ]).graph,
    )
    expect(E.isRight(bytes)).toBe(true)
    if (E.isLeft(bytes)) return
    fc.assert(
      fc.property(fc.nat(bytes.right.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Uint8Array.from(bytes.right)
        changed[at] = byte
        expect(['Left', 'Right']).toContain(load(loadOp)(changed)._tag)
        expect(['Left', 'Right']).toContain(load(loadOp)(bytes.right.slice(0, at))._tag)
      }),
      runs(3000),
    )
  })
})
