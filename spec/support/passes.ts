/** One pass over kernels, on the kernels of a graph: values stay. */
import { expect } from 'vitest'
import type { Kernels } from '../../compiler/kernel/fused.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { followGraph } from '../../compiler/road.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { HostValues } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import { roots, value } from '../../core/graph.ts'
import { trace } from '../../core/trace.ts'
import { right } from '../data/either.ts'
import { interpreted } from './kernels.ts'
import { expectClose } from './tensor.ts'

export interface Around {
  readonly before: Kernels
  readonly after: Kernels
}

/** The kernels of values as a road fuses them, and after its pass of that name alone; both give what the reference does. */
export const around =
  (road: KernelRoad, name: string, given: HostValues) =>
  (outputs: ReadonlyArray<Expr>): Around => {
    const values = outputs.map((e, i) => value(`${i}`, e))
    const graph = right(followGraph(road)(right(trace(name, values))))
    const before = right(road.fuse.run(graph))
    const pass = road.kernels.find((p) => p.name === name)
    const after = right(pass?.run(before) ?? expect.fail(`no pass ${name} on this road`))
    const expected = evaluate(roots(graph), given)
    for (const kernels of [before, after])
      interpreted(kernels, given).forEach((got, i) => {
        expectClose(got, expected[i], 1e-9, `${i}`)
      })
    return { before, after }
  }
