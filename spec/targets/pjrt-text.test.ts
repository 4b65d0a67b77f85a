/** What `pjrt` gives to XLA, as text, for which no plugin is needed: blocks that are alike are one function. */
import { describe, expect, it } from 'vitest'
import { followGraph } from '../../compiler/road.ts'
import { unitsOf } from '../../compiler/targets/pjrt/outline.ts'
import { moduleOf } from '../../compiler/targets/pjrt/print.ts'
import { pjrtRoad } from '../../compiler/targets/pjrt/road.ts'
import type { Expr } from '../../core/expr.ts'
import { labelScope, leaf, mark } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf, value } from '../../core/graph.ts'
import { range, tensorType } from '../../core/type.ts'
import { exp, mul, sub } from '../../ops/elementwise.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { programOf } from '../strategies/networks.ts'
import { input } from '../support/tensor.ts'

const stepOf = (depth: number): Graph => right(followGraph(pjrtRoad)(programOf(noStrategy, { depth }).graph))
const textOf = (g: Graph, apart = false): string => right(moduleOf(g, { precision: 'highest', apart })).text
const count = (text: string, what: string): number => text.split(what).length - 1

/** All applications once, each behind what it reads. */
const expectOrdered = (g: Graph): void => {
  const all = nodesOf(g).filter((e) => e._tag === 'Apply')
  const done = new Set<Expr>()
  for (const unit of unitsOf(g)) {
    const inside = new Set<Expr>(unit)
    for (const e of unit) for (const a of e.args) expect(a._tag !== 'Apply' || inside.has(a) || done.has(a)).toBe(true)
    for (const e of unit) done.add(e)
  }
  expect(done.size).toBe(all.length)
}

describe('the text of a step', () => {
  it('has a block once, however deep the network is', () => {
    const [four, eight] = [textOf(stepOf(4)), textOf(stepOf(8))]
    const functions = count(four, 'func.func private')
    // forward and backward of the student's global and local crops, and forward of the teacher's
    expect(functions).toBe(5)
    expect(count(eight, 'func.func private')).toBe(functions)
    // a block that reads its gradients in another order may stand alone
    expect(count(eight, 'func.call') - count(four, 'func.call')).toBeGreaterThanOrEqual(3 * functions)
  })

  it('says of functions whether they stay in what is compiled', () => {
    const g = stepOf(3)
    const [inlined, apart] = [textOf(g), textOf(g, true)]
    expect(count(apart, 'inlineable = "false"')).toBe(count(apart, 'func.call'))
    expect(apart.replaceAll(' {mhlo.frontend_attributes = {inlineable = "false"}}', '')).toBe(inlined)
  })

  it('has a scalar that many tensors read behind a barrier, which XLA does not compute again in each', () => {
    const scalar = exp(input('s', []))
    const of = (n: number): string =>
      textOf({ name: 'scalars', outputs: range(n).map((i) => value(`${i}`, mul(input(`x${i}`, [4]), scalar))) })
    expect(count(of(8), 'stablehlo.optimization_barrier')).toBe(1)
    expect(of(8)).toMatch(/optimization_barrier %\d+ : tensor<f32>/)
    expect(count(of(3), 'stablehlo.optimization_barrier')).toBe(0)
  })

  it('defines every name before it is used, once', () => {
    for (const body of textOf(stepOf(3)).split('func.func').slice(1)) {
      const known = new Set([...(body.split('{\n', 1)[0] ?? '').matchAll(/%arg\d+/g)].map(([name]) => name))
      for (const line of body.split('\n').filter((l) => /^ {4}%\d+/.test(l))) {
        const [made, ...used] = [...line.matchAll(/%(?:arg)?\d+/g)].map(([name]) => name)
        for (const name of used) expect(known.has(name), `${name} in ${line}`).toBe(true)
        expect(known.has(made), made).toBe(false)
        known.add(made)
      }
    }
  })

  it('donates states, and gives numbers by their bits', () => {
    const w = leaf(tensorType('f32', [4]), { _tag: 'State', path: 'w' })
    const g: Graph = { name: 'small', outputs: [value('e', exp(w)), { role: 'state', path: 'w', expr: sub(w, mul(input('x', [4]), -0)) }] }
    expect(textOf(g)).toBe(`module @small attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<4xf32> {tf.aliasing_output = 1 : i32}, %arg1: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    %0 = stablehlo.exponential %arg0 : tensor<4xf32>
    %1 = stablehlo.constant dense<0x80000000> : tensor<4xf32>
    %2 = stablehlo.multiply %arg1, %1 : tensor<4xf32>
    %3 = stablehlo.subtract %arg0, %2 : tensor<4xf32>
    return %0, %3 : tensor<4xf32>, tensor<4xf32>
  }
}
`)
  })
})

describe('units', () => {
  it('are in an order in which they can be computed', () => {
    for (const depth of [1, 3]) expectOrdered(stepOf(depth))
  })

  it('are taken apart where what is outside of a block is between its parts', () => {
    const chain = (x: Expr, scope: string): Expr => {
      const since = mark()
      let y = x
      for (let i = 0; i < 10; i++) y = mul(exp(y), 0.25 + i)
      labelScope(scope, since, [y])
      return y
    }
    const first = chain(input('between', [3]), 'blocks.0.attn')
    const between = chain(first, 'elsewhere')
    const g = { name: 'between', outputs: [value('y', chain(between, 'blocks.0.mlp'))] }
    expectOrdered(g)
    expect(unitsOf(g).every((u) => u.length === 1)).toBe(true)
  })
})
