/**
 * The native target against the oracle: every primitive, kernels that are nearly alike, any number of threads. Random graphs:
 * graphs.test.ts.
 */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { native, nativeWith } from '../../compiler/targets/native/device.ts'
import type { Device, HostArray } from '../../compiler/target.ts'
import { agreesWithReference, must } from '../rules/agreement.ts'
import { samples } from '../rules/samples.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import type { RandomGraph } from '../support/graphs.ts'
import { graphOf, steps } from '../support/graphs.ts'
import { valuesOf } from '../support/values.ts'

const opened: Array<Device> = []
const open = async (threads?: number): Promise<Device> => {
  const d = await must(threads === undefined ? native.open : nativeWith({ threads, least: 1 }).open)
  opened.push(d)
  return d
}
afterAll(() => {
  for (const d of opened) d.close()
})

describe('every primitive agrees with the reference', () => {
  it.for(Object.entries(samples))('%s', async ([, sample]) => {
    await agreesWithReference(await open(), sample, { count: 12 })
  })
})

const results = async (device: Device, r: RandomGraph): Promise<ReadonlyMap<string, HostArray>> => {
  const values = valuesOf(r)
  for (const l of leavesOfGraph(r.graph))
    if (l.source._tag === 'Param') await must(device.write(l.path, l.type, values.get(l.path) ?? new Float32Array()))
  const executable = await must(device.compile(r.graph))
  const out = new Map(await must(executable.run({ values })))
  out.set('w', await must(device.read('w')))
  return out
}

describe('random graphs', () => {
  it('give the same with one thread and with two', { timeout: 600000 }, async () => {
    await fc.assert(
      fc.asyncProperty(steps(), async (list) => {
        const r = graphOf(list)
        const [one, two] = [await results(await open(1), r), await results(await open(2), r)]
        for (const [path, a] of one) expect([...(two.get(path) ?? [])]).toEqual([...a])
      }),
      { numRuns: 5, seed: 11 },
    )
  })
})

describe('faults', () => {
  it('names the remedy where there is no compiler', async () => {
    const before = process.env.CC
    process.env.CC = 'no-such-compiler'
    const r = await native.open()
    if (before === undefined) delete process.env.CC
    else process.env.CC = before
    expect(E.isLeft(r) && r.left.found).toContain('no-such-compiler')
    expect(E.isLeft(r) && r.left.remedy).toContain('gpujs:webasm')
  })
})
