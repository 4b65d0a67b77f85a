/** `mm-M-K-N`: one matrix product. `block-B-N-D`: one transformer block, forward and backward. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { grad } from '../../../compiler/grad.ts'
import type { Expr } from '../../../core/expr.ts'
import { leaf } from '../../../core/expr.ts'
import { state } from '../../../core/graph.ts'
import { context, expressions, leavesOf } from '../../../core/model.ts'
import { trace } from '../../../core/trace.ts'
import { sizeOf, tensorType } from '../../../core/type.ts'
import { block } from '../../../models/block.ts'
import { matmul } from '../../../ops/contract.ts'
import { mul } from '../../../ops/elementwise.ts'
import { sum } from '../../../ops/reduce.ts'
import type { Resident, Workload } from '../workload.ts'
import { normals } from '../workload.ts'

const parameter = (path: string, shape: ReadonlyArray<number>): Expr => leaf(tensorType('f32', shape), { _tag: 'Param', path })

const scaled = (path: string, e: Expr): Resident => {
  const width = e.type.shape[e.type.shape.length - 1] ?? 1
  return [path, e.type, normals(path, sizeOf(e.type.shape)).map((x) => (e.type.shape.length === 2 ? x / Math.sqrt(width) : x))]
}

const product = (name: string, m: number, k: number, n: number): Workload => ({
  name,
  images: 0,
  gflop: (2 * m * k * n) / 1e9,
  prepare: () => {
    const [x, y] = [parameter('x', [m, k]), parameter('y', [k, n])]
    return pipe(
      trace(name, [state('z', matmul(x, y))]),
      E.map((graph) => ({ graph, residents: () => [scaled('x', x), scaled('y', y)], values: new Map() })),
    )
  },
})

const oneBlock = (name: string, b: number, n: number, d: number): Workload => ({
  name,
  images: b,
  gflop: (3 * 2 * (12 * b * n * d * d + 2 * b * n * n * d)) / 1e9,
  prepare: () => {
    const model = block({ width: d, heads: Math.max(1, d / 64), qkvBias: true, hidden: 4 * d, eps: 1e-6, dropPath: 0 })
    const params = leavesOf('p', model.params)
    const named = expressions(params)
    const [x, ct] = [parameter('x', [b, n, d]), parameter('ct', [b, n, d])]
    const y = model.apply(context('train'), params)({ tokens: x }).tokens
    const gradients = grad(sum()(mul(y, ct)), [x, ...named.map(([, e]) => e)])
    const outputs = [state('y', y), ...gradients.map((g, i) => state(`gradient.${i}`, g))]
    return pipe(
      trace(name, outputs),
      E.map((graph) => ({
        graph,
        values: new Map(),
        residents: () => [scaled('x', x), scaled('ct', ct), ...named.map(([path, e]) => scaled(`p.${path}`, e))],
      })),
    )
  },
})

/** The workload that a name with sizes stands for. */
export const sizedWorkload = (name: string): Workload | undefined => {
  const found = /^(mm|block)-(\d+)-(\d+)-(\d+)$/.exec(name)
  if (found === null) return undefined
  const [a, b, c] = found.slice(2).map(Number)
  return found[1] === 'mm' ? product(name, a, b, c) : oneBlock(name, a, b, c)
}
