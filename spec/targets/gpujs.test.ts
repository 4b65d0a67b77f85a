/** gpu.js's modes against the oracle: every primitive, and random fused graphs. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Device } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import { showFault } from '../../core/fault.ts'
import { nodesOf, roots } from '../../core/graph.ts'
import { grad } from '../../compiler/grad.ts'
import { value } from '../../core/graph.ts'
import { sum } from '../../ops/reduce.ts'
import { isFloat } from '../../core/type.ts'
import { agreesWithReference, must } from '../rules/agreement.ts'
import { samples } from '../rules/samples.ts'
import { runs } from '../support/arbitrary.ts'
import type { RandomGraph } from '../support/graphs.ts'
import { graphs } from '../support/graphs.ts'
import { expectClose, hostArray } from '../support/tensor.ts'

const required = process.env.DINOGRAPH_REQUIRE_WEBGPU === '1'

const usesHalf = (g: RandomGraph): boolean => nodesOf(g.graph).some((e) => e.type.dtype === 'f16')

/** The random graph with the gradients of what it made last beside its outputs. */
const withGradients = (g: RandomGraph): RandomGraph => {
  const loss = sum()(g.graph.outputs[0].expr)
  return { ...g, graph: { ...g.graph, outputs: [...g.graph.outputs, ...grad(loss, g.floats).map((d, i) => value(`grad${i}`, d))] } }
}

const runGraph = async (device: Device, g: RandomGraph): Promise<void> => {
  const w = g.values.get('w')
  if (w === undefined) return expect.fail('the random graph has no param w')
  await must(device.write('w', w.type, hostArray(w)))
  const values = new Map([...g.values].map(([path, t]) => [path, hostArray(t)] as const))
  const expected = evaluate(roots(g.graph), values)
  const got = await must((await must(device.compile(g.graph))).run({ values }))
  const state = await must(device.read('w'))
  g.graph.outputs.forEach((o, i) => {
    const allowed = isFloat(o.expr.type.dtype) ? 2e-5 : 0
    expectClose(o.role === 'state' ? state : got.get(o.path) ?? [], expected[i], allowed, `${o.path} on ${device.name}`)
  })
}

for (const mode of ['cpu', 'webasm', 'webgpu']) {
  const opened = await openTarget(`gpujs:${mode}`)()
  if (E.isLeft(opened)) console.warn(`gpujs:${mode} is not tested here: ${showFault(opened.left)}`)
  const optional = mode === 'webgpu' && !required
  describe.skipIf(E.isLeft(opened) && optional)(`gpujs:${mode}`, () => {
    let device: Device
    beforeAll(() => {
      if (E.isLeft(opened)) return expect.fail(showFault(opened.left))
      device = opened.right
    })
    afterAll(() => {
      if (E.isRight(opened)) opened.right.close()
    })
    test.each(Object.entries(samples))('%s agrees with reference', async (_, sample) => {
      await agreesWithReference(device, sample)
    }, 120_000)
    test('random graphs and their gradients agree with reference', async () => {
      await fc.assert(fc.asyncProperty(graphs(16), async (g) => {
        fc.pre(!usesHalf(g))
        await runGraph(device, withGradients(g))
      }), runs(mode === 'webgpu' ? 12 : 60))
    }, 240_000)
  })
}
