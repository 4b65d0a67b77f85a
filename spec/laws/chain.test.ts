/** A chain of 200,000 nodes: every walk is iterative, so that none of this overflows the stack. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { describe, expect, it } from 'vitest'
import { grad } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { nodesOf, value } from '../../core/graph.ts'
import { context, inScope } from '../../core/model.ts'
import { print } from '../../core/print.ts'
import { rewriteBottomUp, substitute } from '../../core/rewrite.ts'
import { load, save } from '../../core/serialize.ts'
import { verify } from '../../core/verify.ts'
import { add, elementwise } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { loadOp } from '../../ops/vocabulary.ts'
import { input } from '../support/tensor.ts'

const length = 200000
const x = input('x', [2])

const chain = (from: Expr): Expr => {
  let y = from
  for (let i = 0; i < length / 2; i++) y = add(elementwise.sin(null, y), x)
  return y
}

const end = inScope(context('train'), 'chain', () => chain(x))
const graph = { name: 'chain', outputs: [value('y', end)] }
const values = new Map([['x', Float64Array.of(0.25, -1)]])

const expected = (x0: number): number => {
  let y = x0
  for (let i = 0; i < length / 2; i++) y = Math.sin(y) + x0
  return y
}

describe('a chain of 200,000 nodes', { timeout: 60000 }, () => {
  it('orders, verifies and prints', () => {
    expect(nodesOf(graph)).toHaveLength(length + 1)
    expect(E.isRight(verify(graph))).toBe(true)
    expect(print(graph).split('\n')).toHaveLength(length + 4)
  })
  it('evaluates', () => {
    expect([...evaluate([end], values)[0]]).toEqual([expected(0.25), expected(-1)])
  })
  it('differentiates', () => {
    const [g] = grad(sum()(end), [x])
    const [d] = evaluate([g], values)
    const h = 1e-6
    expect(Math.abs(d[0] - (expected(0.25 + h) - expected(0.25 - h)) / (2 * h))).toBeLessThan(1e-5)
  })
  it('is saved and loaded as the same expressions', () => {
    const loaded = E.chain(load(loadOp))(save(graph))
    expect(E.isRight(loaded) && loaded.right.outputs[0].expr === end).toBe(true)
  })
  it('is rewritten and substituted', () => {
    const other = rewriteBottomUp((e) =>
      O.map(({ args }: { readonly args: ReadonlyArray<Expr> }) => elementwise.tanh(null, args[0]))(elementwise.sin.match(e)),
    )(graph)
    expect(nodesOf(other)).toHaveLength(length + 1)
    expect(nodesOf(substitute(new Map<Expr, Expr>([[x, input('z', [2])]]))(graph))).toHaveLength(length + 1)
  })
})
