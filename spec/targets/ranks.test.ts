/** `native` as two ranks by MPI against one rank, and against the reference. */
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { describe, expect, test } from 'vitest'
import { native } from '../../compiler/targets/native/device.ts'
import { launchedBy } from '../../compiler/targets/native/ranks/launcher.ts'
import { writeResidents } from '../../train/run/state.ts'
import { right } from '../data/either.ts'
import { firstValues } from '../strategies/networks.ts'
import { noRanks, underMpi } from '../support/mpi.ts'
import { expectClose } from '../support/tensor.ts'
import { clipped, fed, recipesOfRanks, steps } from './ranked.ts'

const run = t.type({ losses: t.array(t.number), digests: t.array(t.string), state: t.record(t.string, t.number), checked: t.number })
const told = t.type({ ranks: t.number, ddp: run, fsdp: run, alike: t.boolean, recipes: t.record(t.string, t.record(t.string, t.string)) })

test('launchers say in the environment who a process is', () => {
  expect(launchedBy({ PMI_RANK: '1', PMI_SIZE: '4', MPI_LOCALNRANKS: '2' })).toEqual({ rank: 1, ranks: 4, near: 2 })
  expect(launchedBy({ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_LOCAL_SIZE: '2' })).toEqual({
    rank: 0,
    ranks: 2,
    near: 2,
  })
  expect(launchedBy({ SLURM_PROCID: '3', SLURM_STEP_NUM_TASKS: '8', SLURM_STEP_TASKS_PER_NODE: '4(x2)' })).toEqual({
    rank: 3,
    ranks: 8,
    near: 4,
  })
  // a batch script of SLURM is no rank of a step, and one rank is alone
  expect(launchedBy({ SLURM_PROCID: '0', SLURM_NTASKS: '8' })).toBeUndefined()
  expect(launchedBy({ PMI_RANK: '0', PMI_SIZE: '1' })).toBeUndefined()
  expect(launchedBy({})).toBeUndefined()
})

describe.skipIf(noRanks !== undefined)(`two ranks${noRanks === undefined ? '' : ` (left out: ${noRanks})`}`, () => {
  test('compute what one computes, the same again to the bit, and all of them the same', { timeout: 600_000 }, async () => {
    const ended = await underMpi(2, ['node', '--import', 'tsx', 'spec/targets/rank.ts'])
    expect(ended.code, ended.err).toBe(0)
    const decoded = told.decode(JSON.parse(ended.out))
    const two = E.isRight(decoded) ? decoded.right : expect.fail(ended.out)
    const device = right(await native.open())
    const p = clipped()
    right(await writeResidents(device, p.residents)(firstValues(p))())
    const program = right(await device.compile(p.graph)())
    const losses: Array<number> = []
    for (let step = 0; step < steps; step++)
      losses.push(right(await program.run({ values: fed(step), seed: 1, step })()).get('loss')?.[0] ?? NaN)
    expect(two.alike).toBe(true)
    expect(two.fsdp.checked).toBeGreaterThan(25)
    for (const r of [two.ddp, two.fsdp]) {
      expectClose(r.losses, losses, 1e-5, 'losses')
      expect(r.digests[1]).toBe(r.digests[0])
      for (const { path } of p.residents) {
        const whole = Float32Array.from(right(await device.read(path)())).reduce((n, x) => n + Math.abs(x), 0)
        expectClose([r.state[path] ?? NaN], [whole], 1e-4, path)
      }
    }
    device.close()
    // both strategies, to the bit: of a step that clips, of 20 steps of DINOv2, and of adapters
    expect(two.fsdp.losses).toEqual(two.ddp.losses)
    expect(two.fsdp.digests).toEqual(two.ddp.digests)
    expect(Object.keys(two.recipes)).toEqual(Object.keys(recipesOfRanks))
    for (const [name, r] of Object.entries(two.recipes)) {
      expect(r['fsdp losses'], name).toBe(r['ddp losses'])
      expect(r['fsdp'], name).toBe(r['ddp'])
    }
  })
})
