/** Runs on `pjrt:cpu` as processes: an example with its defaults, what `ir` prints of it, and a run that is killed and resumed. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findPlugin } from '../../compiler/targets/pjrt/plugin.ts'
import { isFault, showFault } from '../../core/fault.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose } from '../support/tensor.ts'
import { quick } from './quick.ts'
import { differs, live, remains, shortRun } from './lived.ts'
import { killedAt } from './process-killed.ts'
import { started } from '../support/built.ts'

const plugin = findPlugin('cpu')
if (isFault(plugin)) console.warn(`runs on pjrt:cpu are not tested here: ${showFault(plugin)}`)

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-'))

const command = (...words: ReadonlyArray<string>) => {
  const r = spawnSync(process.execPath, started(words), { encoding: 'utf8', maxBuffer: 1 << 26 })
  expect(r.status, r.stderr).toBe(0)
  return r
}

const set = (...settings: ReadonlyArray<string>): ReadonlyArray<string> => settings.flatMap((s) => ['--set', s])

describe.skipIf(isFault(plugin) && isOptional('pjrt:cpu'))('on pjrt:cpu', { timeout: 900_000 }, () => {
  test('an example trains as it stands', async () => {
    const { stdout, stderr } = command('examples/dinov1.ts', '--target', 'pjrt:cpu', '--steps', '3', '--out', await folder(), '--json')
    const said: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    expect(said).toMatchObject({ steps: 3, target: 'pjrt:cpu' })
    expect(stderr).toContain('XLA by PJRT')
  })

  test('several devices train as one does by either strategy, and one goes on from what they saved', async () => {
    const out = await folder()
    const words = (name: string): ReadonlyArray<string> => [
      ...[
        'train/cli/dinograph.ts',
        'train',
        ...quick,
        '--target',
        'pjrt:cpu',
        // of a network that has learned nothing, KoLeo makes much of rounding: logarithms of distances that are nearly 0
        ...set('data.workers=0', 'batch=6', 'objective.koleo=0'),
      ],
      ...['--steps', '6', '--out', join(out, name)],
    ]
    const losses = async (name: string): Promise<ReadonlyArray<number>> =>
      (await readFile(join(out, name, 'metrics.jsonl'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { loss: number }).loss)
    command(...words('one'))
    const ddp = command(...words('ddp'), '--devices', '3').stderr
    expect(ddp).toMatch(/XLA by PJRT .* on 3 devices, .*: ddp$/m)
    // networks are looked at with as many images for each
    expect(ddp).not.toContain('no pictures')
    expect(command(...words('fsdp'), '--devices', '2', ...set('accelerator.strategy=fsdp')).stderr).toMatch(/2 devices, .*: fsdp$/m)
    const alone = await losses('one')
    expectClose(await losses('ddp'), alone, 1e-5, 'losses by ddp')
    expectClose(await losses('fsdp'), alone, 1e-5, 'losses by fsdp')
    await unlink(join(out, 'fsdp', 'checkpoints', 'step-00000006.dino'))
    const resumed = command('train/cli/dinograph.ts', 'train', '--resume', '--out', join(out, 'fsdp'), '--devices', '1').stderr
    expect(resumed).toContain('pjrt:cpu with batches in 2 shares')
    expectClose(await losses('fsdp'), alone, 1e-5, 'losses after going on')
    const odd = spawnSync(process.execPath, started([...words('odd'), '--devices', '4']), { encoding: 'utf8' })
    expect(odd.status).toBe(2)
    expect(odd.stderr).toContain('6 images for 4 ranks or devices')
  })

  test('ir prints its stages, and the text that XLA is given', () => {
    const ir = ['train/cli/dinograph.ts', 'ir', 'examples/dinov1.ts', '--target', 'pjrt:cpu']
    expect(
      command(...ir, '--stages')
        .stdout.trim()
        .split('\n')
        .slice(0, 6),
    ).toEqual(['traced', 'grad', 'narrow', 'apart', 'simplify', 'source'])
    const small = set('model.width=16', 'model.depth=1', 'model.heads=2', 'head.prototypes=16', 'augmentation.locals=1')
    const { stdout } = command(...ir, '--stage', 'source', ...small)
    expect(stdout).toContain('func.func public @main(')
    expect(stdout).toContain('tf.aliasing_output = ')
    expect(stdout).toContain('1 launches on pjrt:cpu')
  })

  test('a run that is killed and resumed equals the one that nobody disturbed, bit for bit', async () => {
    const small = set('model.width=16', 'model.depth=1', 'model.heads=2', 'head.hidden=16', 'head.bottleneck=8', 'head.prototypes=16')
    const words = [...shortRun, ...small, ...set('augmentation.locals=1'), '--target', 'pjrt:cpu']
    // the second finds what the first has compiled, as the others will
    expect((await live([...words, '--out', await folder()])).code).toBe(0)
    const out = await folder()
    const undisturbed = await live([...words, '--out', out])
    expect(undisturbed.code, undisturbed.stderr).toBe(0)
    const whole = await remains(out)
    expect(whole.step).toBe(150)
    for (const share of [0.5, 0.8]) {
      const m = await killedAt(words, await folder(), share * undisturbed.seconds, whole)
      expect(m.wrong, `resumed from ${m.from}`).toBe(undefined)
    }
    expect(differs(whole, await remains(out))).toBe(undefined)
  })
})
