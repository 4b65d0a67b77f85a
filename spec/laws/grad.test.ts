/** Gradients of random graphs: linear, adjoint to forward mode, and what differences say. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { grad, gradOptions, jvp, valueAndGrad, vjp } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { scopeOf } from '../../core/expr.ts'
import { nodesOf } from '../../core/graph.ts'
import { context, inScope } from '../../core/model.ts'
import { topological } from '../../core/order.ts'
import { sizeOf } from '../../core/type.ts'
import { add, exp, mul, square, tanh } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { runs } from '../support/arbitrary.ts'
import type { RandomGraph } from '../support/graphs.ts'
import { graphs } from '../support/graphs.ts'
import type { Tensor } from '../support/tensor.ts'
import { expectClose, input, wave, waves } from '../support/tensor.ts'
import { doubles } from '../support/values.ts'

const losses = (g: RandomGraph): readonly [Expr, Expr] => [sum()(g.graph.outputs[0].expr), sum()(square(g.graph.outputs[1].expr))]

const isHalf = (g: RandomGraph): boolean => nodesOf(g.graph).some((e) => e.type.dtype === 'f16')

/** Adjoints of casts to half precision are rounded to it: laws hold to its 11 bits there, over a few operations. */
const within = (g: RandomGraph, tolerance: number): number => (isHalf(g) ? 0.02 : tolerance)

/** The paths of `floats`, in order. */
const paths = ['w', 'x', 'y', 'z', 'c']

describe('the gradient', () => {
  it('is linear', () => {
    fc.assert(
      fc.property(graphs(), (g) => {
        const [f, h] = losses(g)
        const mixed = grad(add(mul(f, 2), mul(h, -3)), g.floats)
        const [fs, hs] = [grad(f, g.floats), grad(h, g.floats)]
        const values = evaluate([...mixed, ...fs, ...hs], doubles(g.values))
        const n = g.floats.length
        for (let i = 0; i < n; i++)
          expectClose(
            values[i],
            values[n + i].map((v, k) => 2 * v - 3 * values[2 * n + i][k]),
            within(g, 1e-11),
          )
      }),
      runs(40),
    )
  })

  it('is the transpose of forward mode', () => {
    fc.assert(
      fc.property(graphs(), (g) => {
        const y = g.graph.outputs[0].expr
        const tangents = g.floats.map((x, i) => input(`v${i}`, x.type.shape))
        const ct = input('ct', y.type.shape)
        const values = doubles(
          new Map<string, Tensor>([
            ...g.values,
            ['ct', waves(y.type.shape, 4)],
            ...tangents.map((t, i) => [`v${i}`, waves(t.type.shape, i)] as const),
          ]),
        )
        const pulled = vjp(y, g.floats, ct).map((p, i) => sum()(mul(p, tangents[i])))
        const [pushed, ...parts] = evaluate([sum()(mul(ct, jvp(y, g.floats, tangents))), ...pulled], values)
        expectClose([parts.reduce((s, p) => s + p[0], 0)], pushed, within(g, 1e-10))
      }),
      runs(40),
    )
  })

  it('is what central differences say', () => {
    fc.assert(
      fc.property(graphs(), (g) => {
        // rounding to half precision has differences of its own
        fc.pre(!isHalf(g))
        const [f] = losses(g)
        const at = (h: number): number =>
          evaluate(
            [f],
            new Map(
              [...doubles(g.values)].map(([path, x]) => {
                const k = paths.indexOf(path)
                const v = wave(x.length, k)
                return [path, k < 0 ? x : x.map((y, i) => y + h * v[i])] as const
              }),
            ),
          )[0][0]
        const gradients = evaluate(grad(f, g.floats), doubles(g.values))
        const slope = gradients.reduce((s, x, k) => s + x.reduce((t, y, i) => t + y * wave(x.length, k)[i], 0), 0)
        expectClose([slope], [(at(1e-5) - at(-1e-5)) / 2e-5], 1e-6)
      }),
      runs(60),
    )
  })

  it('of its gradient is what differences of the gradient say', () => {
    const [x, v] = [input('x', [3]), waves([3], 1)]
    const f = sum()(mul(exp(tanh(x)), square(x)))
    const at = (h: number): Float64Array =>
      evaluate(grad(f, [x]), new Map([['x', Float64Array.from(waves([3]).values, (y, i) => y + h * v.values[i])]]))[0]
    const second = evaluate(
      grad(sum()(mul(grad(f, [x])[0], input('v', [3]))), [x]),
      doubles(
        new Map([
          ['x', waves([3])],
          ['v', v],
        ]),
      ),
    )[0]
    const [up, down] = [at(1e-5), at(-1e-5)]
    expectClose(
      second,
      up.map((y, i) => (y - down[i]) / 2e-5),
      1e-8,
    )
  })

  it('is zero, and nothing is computed, where the value does not depend on an argument', () => {
    const [x, y] = [input('x', [2]), input('y', [2])]
    const [gx, gy] = gradOptions(sum()(x), [x, y])
    expect([gx._tag, gy._tag]).toEqual(['Some', 'None'])
    expect([...evaluate([grad(sum()(x), [y])[0]])[0]]).toEqual([0, 0])
    expect(valueAndGrad(sum()(x), [x]).value).toBe(sum()(x))
  })

  it('stays in the scope of what it differentiates', () => {
    const [x, w] = [input('x', [4]), input('scoped', [4])]
    const y = inScope(context('train'), 'head', () => tanh(mul(x, w)))
    const made = topological(grad(sum()(y), [w])).filter((e) => e._tag === 'Apply' && e !== y)
    expect(made.filter((e) => e._tag === 'Apply' && e.op.name === 'mul').every((e) => scopeOf(e) === 'head')).toBe(true)
  })

  it('has the sizes of what it differentiates by', () => {
    fc.assert(
      fc.property(graphs(), (g) => {
        grad(losses(g)[0], g.floats).forEach((d, i) => {
          expect(sizeOf(d.type.shape)).toBe(sizeOf(g.floats[i].type.shape))
        })
      }),
      runs(20),
    )
  })
})
