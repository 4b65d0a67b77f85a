/** Several devices of `pjrt:cpu` that share each batch: steps of recipes. Random programs are in pjrt-devices-graphs.test.ts. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import type { DistributionName } from '../../compiler/distribute/strategy.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { PjrtDevice } from '../../compiler/targets/pjrt/device.ts'
import { findPlugin } from '../../compiler/targets/pjrt/plugin.ts'
import { openPjrt } from '../../compiler/targets/pjrt/target.ts'
import { isFault, showFault } from '../../core/fault.ts'
import { sizeOf } from '../../core/type.ts'
import { left, right } from '../data/either.ts'
import { assembledBy, stepped } from '../strategies/assembled.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose } from '../support/tensor.ts'
import { recipesOfRanks } from './ranked.ts'

const plugin = findPlugin('cpu')
if (isFault(plugin)) console.warn(`devices of pjrt:cpu are not tested here: ${showFault(plugin)}`)

const opened = async (devices: number, strategy: DistributionName): Promise<PjrtDevice> =>
  right(await openPjrt('cpu', { devices, strategy, say: () => undefined })())

describe.skipIf(isFault(plugin) && isOptional('pjrt:cpu'))('devices of pjrt:cpu', () => {
  it.each([
    ['v2', 'ddp', 2],
    ['v2', 'fsdp', 4],
    ['lora', 'fsdp', 2],
  ] as const)('20 steps of %s by %s: %i as one, and twice to the bit', async (name, strategy, devices) => {
    const a = assembledBy(recipesOfRanks[name])
    const one = await opened(1, 'ddp')
    const alone = await stepped(one, a, 20)
    one.close()
    const several = await opened(devices, strategy)
    const shared = await stepped(several, a, 20)
    expect(await stepped(several, a, 20)).toEqual(shared)
    several.close()
    expectClose(shared.losses, alone.losses, 1e-5, 'losses')
  })

  it('hold a part of the state each by fsdp, and all of it by ddp', async () => {
    const { phases, residents } = assembledBy(recipesOfRanks.v2)
    const [{ graph }] = phases[0].turns
    const given = async (devices: number, strategy: DistributionName): Promise<number> => {
      const device = await opened(devices, strategy)
      for (const r of residents) right(await device.write(r.path, r.declaration, new Float32Array(sizeOf(r.declaration.shape)))())
      const { memory } = right(await device.compile(graph, { images: 4 })())
      device.close()
      return memory.arguments
    }
    const [one, ddp, two, four] = [await given(1, 'ddp'), await given(2, 'ddp'), await given(2, 'fsdp'), await given(4, 'fsdp')]
    expect(ddp / one).toBeGreaterThan(0.9)
    // tensors of fewer than 1,024 elements are on all devices
    expect(two / one).toBeLessThan(0.6)
    expect(four / one).toBeLessThan(0.4)
  })

  it('that are not there are a fault that says how many are', async () => {
    const f = left(await openTarget('native', { devices: 2 })())
    expect(f.place).toBe('accelerator.devices')
    expect(f.found).toBe('2 devices for native')
    expect(E.isRight(await openTarget('reference', { devices: 0 })())).toBe(true)
  })
})
