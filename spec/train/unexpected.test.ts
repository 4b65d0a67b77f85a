/** Errors that no edge has turned into a fault, each in a process of its own: a fault of the program, its stack in a file, nothing lost. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { live } from './lived.ts'
import { quick } from './quick.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-unexpected-'))

const ran = (out: string, how: string, ...words: ReadonlyArray<string>) =>
  spawnSync(
    process.execPath,
    [
      '--import',
      'tsx',
      'spec/train/thrown.ts',
      '--target',
      'reference',
      '--set',
      'runtime.checkpoints.every=100',
      '--steps',
      '6',
      '--out',
      out,
      ...words,
    ],
    { encoding: 'utf8', env: { ...process.env, HOW: how, HF_TOKEN: 'hf_tokenOfTheHub', TMPDIR: out.replace(/\/run$/, '') } },
  )

describe('an error that was not expected', () => {
  test.each([
    ['step', 'in a step'],
    ['nowhere', 'in a callback of its own'],
  ])('%s: the run saves what is whole, and goes on from there', { timeout: 120000 }, async (how) => {
    const out = join(await folder(), 'run')
    const r = ran(out, how)
    expect(r.status, r.stderr).toBe(1)
    expect(r.stderr).toMatch(/program fault at (?!at ).*thrown\.ts:\d+:\d+/)
    expect(r.stderr).toContain('thrown on purpose, with ***')
    const file = /its stack is in (\S+)/.exec(r.stderr)?.[1] ?? ''
    const report = await readFile(file, 'utf8')
    expect(report).toContain('spec/train/thrown.ts')
    expect(report).not.toContain('hf_tokenOfTheHub')
    const [saved] = (await readdir(join(out, 'checkpoints'))).filter((f) => f.endsWith('.dino'))
    expect(saved).toBe(how === 'step' ? 'step-00000003.dino' : 'step-00000004.dino')
    const again = ran(out, 'no', '--resume')
    expect(again.status, again.stderr).toBe(0)
    const steps = (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { step: number }).step)
    expect(steps).toEqual([1, 2, 3, 4, 5, 6])
    expect(await readdir(out)).not.toContain('run.lock')
  })

  test('before a run has begun is told the same way', { timeout: 60000 }, async () => {
    const out = join(await folder(), 'run')
    const r = ran(out, 'assembling')
    expect(r.status).toBe(1)
    expect(r.stderr).toMatch(/remedy: +correct it at .*spec\/train\/thrown\.ts:\d+:\d+/)
  })
})

describe('a model that cannot be in memory', () => {
  test('is refused before anything is made of its size, naming what is largest', { timeout: 60000 }, async () => {
    const r = await live([...quick, '--set', 'head.prototypes=1000000000', '--set', 'head.bottleneck=256', '--out', await folder()])
    expect(r.code, r.stderr).toBe(2)
    expect(r.stderr).toMatch(/config fault at the state of the run, most of all \S+\n {2}found: +[\d.]+ [GT]iB of weights/)
    expect(r.stderr).toContain('head.prototypes')
  })
})

describe('settings that a library does not take', () => {
  test.each([
    ['*a', ['--set', 'seed=*a']],
    [`'data.path="*.png"'`, ['--set', 'data.path=*.png']],
    ['&a', ['--set', 'seed=&a [*a, *a]']],
    ['constructor', ['--set', 'constructor.x=1']],
    ['__proto__', ['--set', '__proto__.x=1']],
    ['[[[…', ['--set', `seed=${'['.repeat(20000)}`]],
  ])('%s: a fault that says so', { timeout: 60000 }, async (text, words) => {
    const r = await live([...quick, ...words, '--out', await folder()])
    expect(r.code, r.stderr.slice(0, 2000)).toBe(2)
    expect(r.stderr).toMatch(/^config fault at /)
    expect(r.stderr).toContain(text)
    expect(r.stderr).not.toMatch(/native code|call stack/)
  })

  test('of the environment too, and their remedy is followed', { timeout: 60000 }, async () => {
    const r = await live([...quick, '--out', await folder()], { env: { DINOGRAPH__SEED: '*a' } })
    expect(r.code).toBe(2)
    expect(r.stderr).toContain('DINOGRAPH__SEED: seed')
    const quoted = await live([...quick, '--set', 'data.path="*.png"', '--out', await folder()])
    expect(quoted.stderr).toContain('*.png')
    expect(quoted.code).toBe(1)
  })
})
