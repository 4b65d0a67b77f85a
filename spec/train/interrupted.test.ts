/** Runs that are killed, stopped, short of room or damaged: what is left of them. Each is a process of its own. */
import { spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Remains } from './lived.ts'
import { differs, live, remains } from './lived.ts'
import { killedAt } from './process-killed.ts'
import { quick } from './quick.ts'
import { program } from '../support/built.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-'))

const words = [...quick, '--steps', '8']

let whole: Remains
let seconds = 0

beforeAll(async () => {
  // the second finds what the first has compiled, as the others will
  expect((await live([...words, '--out', await folder()])).code).toBe(0)
  const out = await folder()
  const r = await live([...words, '--out', out])
  expect(r.code, r.stderr).toBe(0)
  seconds = r.seconds
  whole = await remains(out)
})

describe('a run', () => {
  test('that is killed at some moments and resumed equals the one that nobody disturbed, bit for bit', async () => {
    for (const share of [0.45, 0.8]) {
      const m = await killedAt(words, await folder(), share * seconds, whole)
      expect(m.wrong, JSON.stringify(m)).toBeUndefined()
    }
  })

  test('from its own config.yaml is the same run', async () => {
    const [first, again] = [await folder(), await folder()]
    expect((await live([...words, '--steps', '2', '--out', first])).code).toBe(0)
    expect((await live(['--config', join(first, 'config.yaml'), '--out', again])).code).toBe(0)
    expect(differs(await remains(first), await remains(again))).toBeUndefined()
    expect(await readFile(join(again, 'config.yaml'), 'utf8')).toBe(await readFile(join(first, 'config.yaml'), 'utf8'))
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'that was stopped by %s says how to resume, and goes on as if nothing had happened',
    async (signal) => {
      const out = await folder()
      const stopped = await live([...words, '--steps', '8', '--out', out], { whenSaid: /step 1\/8/, signal })
      expect(stopped.stderr).toMatch(/stopped at step \d; continue with: npx dinograph train --resume --out \S+/)
      expect((await live(['--resume', '--out', out])).code).toBe(0)
      expect(differs(whole, await remains(out))).toBeUndefined()
    },
  )

  test('whose newest checkpoint is damaged goes on from the one before', async () => {
    const out = await folder()
    await live([...words, '--out', out], { whenSaid: /step 4\/8|step 5\/8|step 6\/8|step 7\/8/, signal: 'SIGINT' })
    const dir = join(out, 'checkpoints')
    const names = (await readdir(dir)).sort()
    const newest = join(dir, names[names.length - 1])
    const bytes = await readFile(newest)
    bytes[bytes.length - 100] ^= 1
    await writeFile(newest, bytes)
    const r = await live(['--resume', '--out', out])
    expect(r.stderr).toMatch(/passed over .*damaged tensors: their sha256 differs/)
    expect(differs(whole, await remains(out))).toBeUndefined()
    for (const name of await readdir(dir)) await copyFile('package.json', join(dir, name))
    const none = await live(['--resume', '--steps', '9', '--out', out])
    expect(none.code).toBe(1)
    expect(none.stderr).toContain('none of them whole')
  })

  test('is not resumed where there is none, nor with other settings', async () => {
    const out = join(await folder(), 'none')
    const none = await live([...words, '--resume', '--out', out])
    expect(none.stderr).toContain('allowed: the folder of a run that was interrupted')
    const begun = await folder()
    expect((await live([...words, '--steps', '2', '--out', begun])).code).toBe(0)
    const other = await live(['--resume', '--steps', '4', '--set', 'optimizer.lr=0.5', '--out', begun])
    expect(other.code).toBe(1)
    expect(other.stderr).toMatch(/optimizer\.lr\n {2}found: {3}0\.5\n {2}allowed: 0\.002, as the run began/)
  })

  test.skipIf(process.getuid?.() !== 0)('on a full disk says so, and leaves the checkpoint before whole', async (context) => {
    const out = await folder()
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', out]).status !== 0) context.skip('mount is not permitted here')
    try {
      const r = await live([...words, '--set', 'runtime.checkpoints.keepLast=9', '--out', out])
      expect(r.code).toBe(1)
      expect(r.stderr).toMatch(/ENOSPC[^]*allowed: a disk with room\n {2}remedy: {2}free space on the disk/)
      const names = await readdir(join(out, 'checkpoints'))
      expect(names.length).toBeGreaterThan(0)
      expect(names.some((n) => n.endsWith('.tmp'))).toBe(false)
    } finally {
      spawnSync('umount', [out])
    }
  })

  test.skipIf(process.getuid?.() !== 0)('in a folder that is read-only says so before anything is computed', async (context) => {
    const out = await folder()
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', out]).status !== 0) context.skip('mount is not permitted here')
    try {
      const r = await live([...words, '--out', join(out, 'run')])
      expect(r.code).toBe(1)
      expect(r.stderr).toMatch(/^io fault at \S+run\n {2}found: {3}EROFS[^]*remedy: {2}choose a folder on a writable disk\n$/)
    } finally {
      spawnSync('umount', [out])
    }
  })

  test('prints one JSON object with --json, and nothing on stdout without', async () => {
    const out = join(await folder(), 'run')
    const stdout = (extra: ReadonlyArray<string>): string =>
      spawnSync(process.execPath, [program('train/cli/dinograph.ts'), 'train', ...words, '--steps', '1', ...extra], {
        encoding: 'utf8',
      }).stdout
    expect(stdout(['--out', out])).toBe('')
    const printed: unknown = JSON.parse(stdout(['--json', '--overwrite', '--out', out]))
    expect(Object.keys(typeof printed === 'object' && printed !== null ? printed : {})).toEqual([
      'steps',
      'loss',
      'metrics',
      'images_per_s',
      'target',
      'out',
      'ending',
    ])
  })
})
