/** The file system refuses: whatever fails while a checkpoint is saved, the earlier ones stay and no part of a file does. */

import { mkdtemp, readdir } from 'node:fs/promises'
import type * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { afterEach, expect, test, vi } from 'vitest'
import { checkpointName, latest, save } from '../../train/run/checkpoints.ts'
import { left, right } from '../data/either.ts'
import { checkpointAt } from './states.ts'

const failing = vi.hoisted(() => ({ call: '', after: 0, code: '' }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>()
  const trip = (call: string): void => {
    if (failing.call === call && failing.after-- <= 0)
      throw Object.assign(new Error(`${failing.code}: simulated, ${call}`), { code: failing.code })
  }
  return {
    ...real,
    rename: async (a: string, b: string) => {
      trip('rename')
      await real.rename(a, b)
    },
    open: async (path: string, flags: string) => {
      trip('open')
      const handle = await real.open(path, flags)
      const write = handle.write.bind(handle)
      const sync = handle.sync.bind(handle)
      // A short write first, as a filling disk does; the next one then fails.
      return Object.assign(handle, {
        write: async (bytes: Uint8Array, offset: number, length: number) => {
          trip('write')
          return write(bytes, offset, Math.max(1, Math.floor(length / 2)))
        },
        sync: async () => {
          trip('sync')
          await sync()
        },
      })
    },
  }
})

afterEach(() => {
  failing.call = ''
})

test.each([
  ['open', 0, 'EACCES', /change its permissions/],
  ['write', 0, 'ENOSPC', /free space on the disk/],
  ['write', 3, 'ENOSPC', /free space on the disk/],
  ['write', 9, 'EIO', /check the disk/],
  ['sync', 0, 'EDQUOT', /free space within the quota/],
  ['rename', 0, 'EPERM', /change its permissions/],
] as const)('%s fails after %d calls with %s', async (call, after, code, remedy) => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
  right(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(1))())
  Object.assign(failing, { call, after, code })
  for (const step of [2, 1]) {
    failing.after = after
    const f = left(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(step))())
    expect(f.kind).toBe('checkpoint')
    expect(f.found).toContain(code)
    expect(f.remedy).toMatch(remedy)
  }
  failing.call = ''
  expect(await readdir(dir)).toEqual([checkpointName(1)])
  const l = right(await latest(dir)())
  expect(O.isSome(l.found) && l.found.value.checkpoint.step).toBe(1)
  right(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(2))())
  expect(await readdir(dir)).toEqual([checkpointName(2)])
})
