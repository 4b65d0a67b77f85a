/** Runs of ranks that save in shards, as processes: any number of ranks goes on from them, and every command reads them. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, stat, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readCheckpoint } from '../../train/run/checkpoint.ts'
import { right } from '../data/either.ts'
import { writePng } from '../../data/readers/pictures/picture.ts'
import { noRanks, underMpi } from '../support/mpi.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { lossesIn } from './losses.ts'
import { quick } from './quick.ts'
import { started } from '../support/built.ts'

const dinograph = 'train/cli/dinograph.ts'

const alone = (given: ReadonlyArray<string>): string => {
  const r = spawnSync(process.execPath, started([dinograph, ...given]), { encoding: 'utf8' })
  expect(r.status, r.stderr).toBe(0)
  return r.stdout
}

const ranks = async (n: number, given: ReadonlyArray<string>): Promise<void> => {
  const r = await underMpi(n, ['node', ...started([dinograph, ...given])])
  expect(r.code, r.err).toBe(0)
}

const set = (...settings: ReadonlyArray<string>): ReadonlyArray<string> => settings.flatMap((s) => ['--set', s])

/** A run of seconds; of this width tensors are split. */
const words = (strategy: string, shards: string, out: string): ReadonlyArray<string> => [
  'train',
  ...quick,
  ...set('model.width=32', 'runtime.checkpoints.keepLast=9', `accelerator.strategy=${strategy}`, 'data.workers=0'),
  ...set(`runtime.checkpoints.shards=${shards}`, 'evaluation.report=false', 'evaluation.before=false'),
  ...['--steps', '6', '--out', out],
]

const checkpoints = (out: string): string => join(out, 'checkpoints')

const stateIn = async (out: string, step: number) =>
  [...right(await readCheckpoint(join(checkpoints(out), `step-0000000${step}.dino`))()).state].sort(([a], [b]) => (a < b ? -1 : 1))

const shardsIn = async (out: string, step: number): Promise<ReadonlyArray<string>> =>
  (await readdir(checkpoints(out))).filter((f) => f.startsWith(`step-0000000${step}.`) && f.endsWith('.shard')).sort()

/** Takes the last checkpoints of a run. */
const back = async (out: string): Promise<void> => {
  for (const name of await readdir(checkpoints(out))) if (/^step-0000000[46]/.test(name)) await unlink(join(checkpoints(out), name))
}

describe.skipIf(noRanks !== undefined)(`ranks that save in shards${noRanks === undefined ? '' : ` (left out: ${noRanks})`}`, () => {
  test('go on as two, one and four, and hold what the first one would have gathered', { timeout: 900_000 }, async () => {
    const root = await mkdtemp(join(tmpdir(), 'dinograph-shards-'))
    const [whole, out] = [join(root, 'whole'), join(root, 'run')]
    await ranks(2, words('fsdp', 'whole', whole))
    await ranks(2, words('fsdp', 'ranks', out))
    const [losses, state] = [await lossesIn(out), await stateIn(out, 6)]
    expect(losses).toEqual(await lossesIn(whole))
    expect(state).toEqual(await stateIn(whole, 6))
    const names = await shardsIn(out, 6)
    expect(names.map((f) => /\d-of-\d/.exec(f)?.[0])).toEqual(['0-of-2', '1-of-2'])
    const sizes = await Promise.all(names.map(async (f) => (await stat(join(checkpoints(out), f))).size))
    const { size } = await stat(join(checkpoints(whole), 'step-00000006.dino'))
    expect(Math.max(...sizes) / size).toBeLessThan(0.65)
    const again = ['train', '--resume', '--out', out]
    await back(out)
    await ranks(2, again)
    // as many ranks: to the bit
    expect(await lossesIn(out)).toEqual(losses)
    expect(await stateIn(out, 6)).toEqual(state)
    await back(out)
    alone(again)
    expectClose(await lossesIn(out), losses, 1e-5, 'one rank')
    expect(await shardsIn(out, 6)).toEqual([])
    await unlink(join(checkpoints(out), 'step-00000006.dino'))
    await ranks(4, again)
    expectClose(await lossesIn(out), losses, 1e-5, 'four ranks')
    expect((await shardsIn(out, 6)).length).toBe(4)
  })

  const pictures = async (folder: string): Promise<string> => {
    for (const [k, kind] of ['left', 'right'].entries())
      for (let i = 0; i < 6; i++)
        right(
          await writePng(join(folder, kind, `${i}.png`))({
            channels: 1,
            height: 28,
            width: 28,
            data: Float32Array.from(wave(784, 12 * k + i), (x, p) => (p % 28 < 14 === (k === 0) ? 0.7 : 0.3) + 0.2 * x),
          })(),
        )
    return folder
  }

  test('share the writing of what all of them have, and every command reads it', { timeout: 900_000 }, async () => {
    const root = await mkdtemp(join(tmpdir(), 'dinograph-shards-'))
    const out = join(root, 'run')
    await ranks(2, words('ddp', 'ranks', out))
    const sizes = await Promise.all((await shardsIn(out, 6)).map(async (f) => (await stat(join(checkpoints(out), f))).size))
    expect(sizes.length).toBe(2)
    expect(Math.max(...sizes) / Math.min(...sizes)).toBeLessThan(1.5)
    // without what is written at the end there are the checkpoints alone
    await rm(join(out, 'huggingface'), { recursive: true })
    const at = (name: string): string => join(root, name)
    const given = ['--model', out, '--data', await pictures(at('pictures')), '--target', 'native']
    alone(['evaluate', 'knn', ...given, '--leave-one-out', '--k', '3'])
    alone(['features', ...given, '--out', at('features.safetensors')])
    alone(['hf', 'export', '--run', out, '--out', at('exported')])
    alone(['report', '--run', out])
    alone([...words('ddp', 'auto', at('on')), ...set(`start.from=${out}`)])
    for (const path of [at('features.safetensors'), join(at('exported'), 'model.safetensors'), join(out, 'report.html')])
      expect((await stat(path)).size, path).toBeGreaterThan(1000)
  })
})
