/** Programs of kernels that differ in one thing alone, on every target: what is compiled once for both computes one of them wrongly. */
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, describe, expect, it } from 'vitest'
import type { Device, HostValues } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { add, div, mul } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { slice } from '../../ops/window.ts'
import { must } from '../rules/agreement.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose, input } from '../support/tensor.ts'

const opened: Array<Device> = []
afterAll(() => {
  for (const d of opened) d.close()
})

const ones = (n: number): Float32Array => new Float32Array(n).fill(1)

for (const target of ['native', 'gpujs:cpu', 'gpujs:webasm', 'gpujs:webgpu', 'pjrt:cpu']) {
  const here = await openTarget(target)()
  if (E.isRight(here)) opened.push(here.right)
  else console.warn(`${target} is not tested here: ${showFault(here.left)}`)
  describe.skipIf(E.isLeft(here) && isOptional(target))(target, () => {
    const agree = async (outputs: ReadonlyArray<Expr>, values: HostValues): Promise<void> => {
      if (E.isLeft(here)) return expect.fail(showFault(here.left))
      const graph = { name: 'pair', outputs: outputs.map((e, i) => value(`${i}`, e)) }
      const got = await must((await must(here.right.compile(graph))).run({ values }))
      evaluate(outputs, values).forEach((expected, i) => {
        expectClose(got.get(`${i}`) ?? [], expected, 2e-6, `output ${i}`)
      })
    }

    it('sums that differ in how far they reach', async () => {
      const [x, w] = [input('x', [4, 20, 24]), input('w', [24])]
      const all = add(w, sum()(x))
      await agree(
        [all, add(all, sum()(slice(1, 0, 4)(x)))],
        new Map([
          ['x', ones(4 * 20 * 24)],
          ['w', new Float32Array(24)],
        ]),
      )
    })
    it('sums over some axes that differ in how far they reach', async () => {
      const [x, w] = [input('x', [6, 5, 7]), input('w', [7])]
      const part = sum({ axes: [0, 1] })
      const all = add(w, part(x))
      await agree(
        [all, add(all, part(slice(1, 0, 2)(x)))],
        new Map([
          ['x', Float32Array.from({ length: 210 }, (_, i) => Math.sin(i))],
          ['w', ones(7)],
        ]),
      )
    })
    it('the two zeros', async () => {
      const [x, y] = [input('x', [5]), input('y', [5])]
      const quotient =
        (zero: number) =>
        (t: Expr): Expr =>
          div(1, mul(sum()(mul(t, 0)), zero))
      await agree(
        [add(x, quotient(0)(x)), add(y, quotient(-0)(y))],
        new Map([
          ['x', ones(5)],
          ['y', ones(5)],
        ]),
      )
    })
  })
}
