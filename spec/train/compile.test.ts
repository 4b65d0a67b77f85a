/** `dinograph compile`: what a step takes on a machine that is not here, where its plugin is; and why it does not compile. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { operationsIn } from '../../compiler/targets/pjrt/hlo.ts'
import { findPlugin } from '../../compiler/targets/pjrt/plugin.ts'
import { isFault, showFault } from '../../core/fault.ts'
import { program } from '../support/built.ts'

const small = [
  ...['model.width=16', 'model.depth=1', 'model.heads=2', 'head.hidden=16', 'head.bottleneck=8', 'head.prototypes=16'],
  ...['augmentation.locals=1', 'batch=2'],
].flatMap((s) => ['--set', s])

const compile = (words: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, [program('train/cli/dinograph.ts'), 'compile', ...words], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 26,
  })

describe('what does not compile', { timeout: 120_000 }, () => {
  test('without a machine, or for one that is not known: which there are', () => {
    expect(compile([]).stderr).toContain('--for with a value')
    const r = compile(['--for', 'h1000'])
    expect(r.stderr).toContain('found:   h1000')
    expect(r.stderr).toContain('v5e:2x4')
    expect(r.status).toBe(2)
  })
  test('for none', () => {
    const r = compile(['--for', 'h100:0', '--config', 'examples/recipes/v1.yaml', ...small])
    expect(r.stderr).toContain('several of one host such as h100:8')
    expect(r.status).toBe(2)
  })
  test('without its plugin: what to install', () => {
    const nowhere = { DINOGRAPH_PJRT_PLUGIN: '', VIRTUAL_ENV: '', CONDA_PREFIX: '', PYTHONPATH: '', XDG_CACHE_HOME: '/nowhere' }
    for (const [machine, name] of [
      ['h100', 'cuda13'],
      ['v5e:2x4', 'tpu'],
    ]) {
      const r = compile(['--for', machine, '--config', 'examples/recipes/v1.yaml', ...small], nowhere)
      expect(r.stderr).toMatch(new RegExp(`remedy: .*accelerator (?:-- )?install ${name}`))
      expect(r.status).toBe(1)
    }
  })
})

describe.each([
  ['cuda', 'h100'],
  ['tpu', 'v5e:2x4'],
] as const)('for %s', (platform, machine) => {
  const plugin = findPlugin(platform)
  if (isFault(plugin)) console.warn(`nothing is compiled for ${machine} here: ${showFault(plugin)}`)
  test.skipIf(isFault(plugin))('says what the step takes', { timeout: 600_000 }, () => {
    const r = compile(['--for', machine, '--config', 'examples/recipes/v1.yaml', ...small, '--devices', '1', '--json'])
    expect(r.status, r.stderr).toBe(0)
    const said: unknown = JSON.parse(r.stdout.trim().split('\n').at(-1) ?? '')
    expect(said).toMatchObject({ machine, precision: 'highest', collectives: 0 })
    expect(r.stdout).toMatch(/memory of a device: \d/)
    expect(r.stdout).toMatch(/fusions: [1-9]/)
  })
  test.skipIf(isFault(plugin))('says what it takes on each of two devices', { timeout: 600_000 }, () => {
    const given = (...words: ReadonlyArray<string>): { readonly argument_bytes: number; readonly collectives: number } => {
      const two = ['--for', machine === 'h100' ? 'h100:2' : machine, '--devices', '2']
      const r = compile([...two, '--config', 'examples/recipes/v1.yaml', ...small, ...words, '--set', 'head.hidden=512', '--json'])
      expect(r.status, r.stderr).toBe(0)
      return JSON.parse(r.stdout.trim().split('\n').at(-1) ?? '') as { argument_bytes: number; collectives: number }
    }
    const [ddp, fsdp] = [given(), given('--set', 'accelerator.strategy=fsdp')]
    expect(ddp.collectives).toBeGreaterThan(0)
    expect(fsdp.argument_bytes / ddp.argument_bytes).toBeLessThan(0.6)
  })
})

test('operations are counted in all computations, custom calls by what they call', () => {
  const bytes = (field: number, body: ReadonlyArray<number>): ReadonlyArray<number> => [(field << 3) | 2, body.length, ...body]
  const text = (field: number, s: string): ReadonlyArray<number> => bytes(field, [...Buffer.from(s)])
  const instruction = (opcode: string, ...rest: ReadonlyArray<number>): ReadonlyArray<number> =>
    // an id before, which is a number
    bytes(2, [...text(1, `${opcode}.1`), ...text(2, opcode), ...rest, 0x98, 0x02, 0x81, 0x01])
  const custom = instruction('custom-call', 0xe2, 0x01, 3, ...Buffer.from('fft'))
  const module = [
    ...text(1, 'step'),
    ...bytes(3, [...text(1, 'a'), ...instruction('add'), ...instruction('fusion')]),
    ...bytes(3, [...instruction('add'), ...custom]),
  ]
  const expected = new Map([
    ['add', 2],
    ['fusion', 1],
    ['custom-call fft', 1],
  ])
  expect(operationsIn(Uint8Array.from(module), 'hlo')).toEqual(expected)
  expect(operationsIn(Uint8Array.from(bytes(1, module)), 'hlo_with_config')).toEqual(expected)
})
