/** New states in place of old ones, as the machine computes them: lanes, threads, and sums that are kept where the result will be. */
import { afterAll, describe, expect, it } from 'vitest'
import { nativeWith } from '../../compiler/targets/native/device.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { roots, state } from '../../core/graph.ts'
import { parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { einsum } from '../../ops/contract.ts'
import { add, mul, sub } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { transpose } from '../../ops/reshape.ts'
import { right } from '../data/either.ts'
import { must } from '../rules/agreement.ts'
import { expectClose, hostArray, input, waves } from '../support/tensor.ts'

const device = await must(nativeWith({ threads: 2, least: 1 }).open)
afterAll(() => {
  device.close()
})

/** The new states of `w`, `[n, n]`, and `b`, `[n]`, two steps in a row, against the reference. */
const steps = async (n: number, given: ReadonlyArray<Expr>, next: (w: Expr, b: Expr) => readonly [Expr, Expr]): Promise<void> => {
  const [w, b] = [parameter('w', param([n, n], zeros)), parameter('b', param([n], zeros))]
  const [newW, newB] = next(w, b)
  const graph = right(trace('states', [state('w', newW), state('b', newB)]))
  const inputs = given.flatMap((x, i) =>
    x._tag === 'Leaf' && x.source._tag === 'Input' ? [[x.source.path, hostArray(waves(x.type.shape, i))] as const] : [],
  )
  let held = new Map([
    ['w', hostArray(waves([n, n], 7))],
    ['b', hostArray(waves([n], 8))],
  ])
  for (const [path, values] of held) await must(device.write(path, path === 'w' ? w.type : b.type, values))
  const executable = await must(device.compile(graph))
  for (const step of [1, 2]) {
    const expected = evaluate(roots(graph), new Map([...inputs, ...held]))
    await must(executable.run({ values: new Map(inputs) }))
    held = new Map(graph.outputs.map((o, i) => [o.path, hostArray({ type: o.expr.type, values: [...expected[i]] })] as const))
    for (const [i, o] of graph.outputs.entries())
      expectClose(await must(device.read(o.path)), expected[i], 2e-5, `${o.path} after step ${step}`)
  }
}

describe('a new state', () => {
  it('of one element is made by one thread', async () => {
    const c = parameter('count', param([], zeros))
    const graph = right(trace('counting', [state('count', add(c, 1))]))
    await must(device.write('count', c.type, Float32Array.of(0)))
    const executable = await must(device.compile(graph))
    for (let steps = 0; steps < 2000; steps++) await must(executable.run({ values: new Map() }))
    expect([...(await must(device.read('count')))]).toEqual([2000])
  })
  it('of one element, to which a long sum is added, is made by one thread', async () => {
    const total = parameter('total', param([], zeros))
    const graph = right(trace('totalling', [state('total', add(total, sum()(input('x', [8, 1024]))))]))
    await must(device.write('total', total.type, Float32Array.of(0)))
    const executable = await must(device.compile(graph))
    const values = new Map([['x', new Float32Array(8192).fill(1)]])
    for (let steps = 0; steps < 500; steps++) await must(executable.run({ values }))
    expect([...(await must(device.read('total')))]).toEqual([500 * 8192])
  })
  it.each([16, 700, 5000])('of a product of sums of %i, in place', async (k) => {
    const [x, y] = [input('x', [k, 40]), input('y', [k, 40])]
    await steps(40, [x, y], (w, b) => [sub(w, mul(einsum('kr,kc->rc')(x, y), mul(w, 1e-3))), add(b, sum({ axes: [0] })(x))])
  })
  it('of rows whose sums read the old one', async () => {
    const x = input('x', [3000, 40])
    await steps(40, [x], (w, b) => [sub(w, mul(transpose([1, 0])(w), 0.1)), add(b, sum({ axes: [0] })(mul(x, b)))])
  })
  it('of sums of its own rows', async () => {
    await steps(40, [], (w, b) => [mul(w, 0.9), add(b, sum({ axes: [1] })(mul(w, b)))])
  })
})
