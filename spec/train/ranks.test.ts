/** Runs of two ranks as somebody starts them, from the beginning to the report: where this machine has an MPI. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { noRanks, processesOf, underMpi } from '../support/mpi.ts'
import { expectClose } from '../support/tensor.ts'
import { lossesIn } from './losses.ts'
import { quick } from './quick.ts'
import { started } from '../support/built.ts'

const train = ['train/cli/dinograph.ts', 'train']

/** A run of seconds on native. */
const words = (recipe: string, out: string, steps: number, ...more: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...train,
  ...quick.map((w) => (w.endsWith('.yaml') ? `examples/recipes/${recipe}.yaml` : w)),
  ...['--set', 'data.workers=0', '--steps', `${steps}`, '--out', out],
  ...more,
]

const alone = (given: ReadonlyArray<string>): void => {
  const r = spawnSync(process.execPath, started(given), { encoding: 'utf8' })
  expect(r.status, r.stderr).toBe(0)
}

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-ranks-'))

describe.skipIf(noRanks !== undefined)(`two ranks${noRanks === undefined ? '' : ` (left out: ${noRanks})`}`, () => {
  test('train as one does, write once, and one rank goes on from what they saved', async () => {
    const [one, two] = [join(await folder(), 'run'), join(await folder(), 'run')]
    // class tokens of a network that has learnt nothing coincide, and KoLeo's logarithm is of the rounding of their difference
    const given = ['--set', 'objective.koleo=0']
    alone(words('v2', one, 6, ...given))
    // as it is typed: npx is between the launcher and the run
    const ended = await underMpi(2, ['npx', 'tsx', ...words('v2', two, 6, ...given, '--set', 'accelerator.strategy=fsdp', '--json')])
    expect(ended.code, ended.err).toBe(0)
    expect(ended.err.match(/results in /g)?.length).toBe(1)
    expect(ended.err).toMatch(/^2 ranks by .*, 2 images each: fsdp$/m)
    expect(ended.out.trim().split('\n')).toHaveLength(1)
    expect((JSON.parse(ended.out) as { steps: number }).steps).toBe(6)
    const expected = await lossesIn(one)
    expectClose(await lossesIn(two), expected, 1e-5, 'losses')
    // a checkpoint of two ranks opens on one
    await unlink(join(two, 'checkpoints', 'step-00000006.dino'))
    alone([...train, '--resume', '--out', two])
    expectClose(await lossesIn(two), expected, 1e-5, 'losses after going on')
    const kinds = async (out: string): Promise<ReadonlyArray<string>> =>
      [...new Set((await readdir(out)).map((f) => f.replace(/\.\d+\..*/, '')))].sort()
    expect(await kinds(two)).toEqual(await kinds(one))
  })

  test('say once what they cannot share, with the exit code of one', async () => {
    const out = await folder()
    const odd = await underMpi(2, ['node', ...started(words('v1', join(out, 'odd'), 2, '--set', 'batch=5'))])
    expect(odd.code).toBe(2)
    expect(odd.err.match(/config fault at batch/g)?.length).toBe(1)
    expect(odd.err).toContain('remedy:  set batch=6, or another number of ranks (mpirun -n) or devices (--devices)')
    const elsewhere = await underMpi(2, ['node', ...started(words('v1', join(out, 'elsewhere'), 2, '--target', 'gpujs:cpu'))])
    expect(elsewhere.err.match(/config fault at accelerator.target/g)?.length).toBe(1)
    const none = await underMpi(2, ['node', ...started(words('v1', join(out, 'none'), 2))], undefined, { DINOGRAPH_MPICC: 'no-such-mpicc' })
    expect(none.err).toContain('no MPI: no-such-mpicc is not in PATH')
    expect((await readdir(out)).length).toBe(0)
  })

  test.each([
    ['hangs', 'SIGSTOP'],
    ['dies', 'SIGKILL'],
  ] as const)('end all when one %s, and the run goes on from what was saved', async (_, signal) => {
    const out = join(await folder(), 'run')
    const state: { at: number; pids: ReadonlyArray<number> } = { at: 0, pids: [] }
    const ended = await underMpi(2, ['node', ...started(words('v1', out, 100000, '--set', 'accelerator.patience=3'))], (said) => {
      if (state.at > 0 || !/step +1\//.test(said)) return
      state.at = performance.now()
      // some steps later
      setTimeout(() => {
        state.pids = processesOf(out, 1)
        for (const pid of state.pids) process.kill(pid, signal)
        state.at = performance.now()
      }, 500)
    })
    for (const pid of state.pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // ended with the others
      }
    }
    expect(state.pids.length, ended.err).toBeGreaterThan(0)
    expect(ended.code).not.toBe(0)
    expect((performance.now() - state.at) / 1000).toBeLessThan(10)
    if (signal === 'SIGSTOP') expect(ended.err).toMatch(/another rank has not come/)
    expect((await readdir(join(out, 'checkpoints'))).length).toBeGreaterThan(0)
  })
})
