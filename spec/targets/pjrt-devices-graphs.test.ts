/** Random programs on several devices of `pjrt:cpu`, their tensors split wherever they can be. */
import { describe, expect, it } from 'vitest'
import { findPlugin } from '../../compiler/targets/pjrt/plugin.ts'
import { openPjrt } from '../../compiler/targets/pjrt/target.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import { isFault, showFault } from '../../core/fault.ts'
import { isResident, leavesOfGraph, roots } from '../../core/graph.ts'
import { sizeOf } from '../../core/type.ts'
import { right } from '../data/either.ts'
import { seed } from '../support/arbitrary.ts'
import { generators, listsOf } from '../support/generators.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose } from '../support/tensor.ts'
import { valuesOf } from '../support/values.ts'

const plugin = findPlugin('cpu')
if (isFault(plugin)) console.warn(`devices of pjrt:cpu are not tested here: ${showFault(plugin)}`)

describe.skipIf(isFault(plugin) && isOptional('pjrt:cpu'))('devices of pjrt:cpu', () => {
  it('compute what one computes, of programs of every primitive, split wherever they can be', async () => {
    let split = 0
    for (const g of generators)
      for (const list of listsOf(g, seed, g.name === 'networks' ? 1 : 3)) {
        const r = g.make(list, { half: true })
        const values = valuesOf(r)
        const expected = evaluate(roots(r.graph), values)
        const device = right(await openPjrt('cpu', { devices: 2, strategy: 'fsdp', least: 1, say: () => undefined })())
        for (const l of leavesOfGraph(r.graph).filter(isResident))
          right(await device.write(l.path, l.type, values.get(l.path) ?? new Float32Array(sizeOf(l.type.shape)))())
        const program = right(await device.compile(r.graph, { images: 2 })())
        if (program.source[0].includes('replica_groups')) split++
        const got = right(await program.run({ values })())
        for (const [i, o] of r.graph.outputs.entries()) {
          const result = o.role === 'value' ? got.get(o.path) : right(await device.read(o.path)())
          expectClose(result ?? [], expected[i], 1e-2, o.path)
        }
        device.close()
      }
    expect(split).toBeGreaterThan(0)
  })
})
