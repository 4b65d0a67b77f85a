import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../data/formats/codec.ts'
import { readCheckpoint, writeCheckpoint } from '../../train/run/checkpoint.ts'
import type { Checkpoint } from '../../train/run/checkpoint.ts'
import { checkpointName, checkpointsIn, expired, latest, load, save } from '../../train/run/checkpoints.ts'
import { left, right } from '../data/either.ts'
import { hostTensors } from '../data/tensors.ts'
import { checkpointAt } from './states.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-'))

const sorted = (c: Checkpoint) => ({ ...c, state: [...c.state].sort(([a], [b]) => (a < b ? -1 : 1)) })

const json = fc.jsonValue().map((j): Json => {
  const copy: unknown = JSON.parse(JSON.stringify(j).replaceAll('__proto__', 'proto'))
  return isJson(copy) ? copy : null
})
const isJson = (u: unknown): u is Json => u !== undefined

describe('a checkpoint', () => {
  test('reads back as it was written', async () => {
    const path = join(await folder(), 'x.dino')
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.maxSafeNat(), json, json, hostTensors, async (step, seed, config, position, state) => {
        const c: Checkpoint = { step, seed, config, position, state }
        right(await writeCheckpoint(path)(c)())
        expect(sorted(right(await load(path)()))).toEqual(sorted(c))
      }),
      { numRuns: 60 },
    )
  })

  test('every truncation is a fault that names the file', async () => {
    const path = join(await folder(), 'x.dino')
    right(await writeCheckpoint(path)(checkpointAt(12))())
    const bytes = await readFile(path)
    for (let n = 0; n < bytes.length; n += n < 64 ? 1 : 7) {
      await writeFile(path, bytes.subarray(0, n))
      const f = left(await readCheckpoint(path)())
      expect(f.kind).toBe('checkpoint')
      expect(f.place).toContain(path)
    }
    await writeFile(path, Buffer.concat([bytes, Buffer.of(0)]))
    left(await readCheckpoint(path)())
  })

  test('every changed byte is a fault', async () => {
    const path = join(await folder(), 'x.dino')
    right(await writeCheckpoint(path)(checkpointAt(12))())
    const bytes = await readFile(path)
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes)
      changed[at] ^= 1 << (at % 8)
      await writeFile(path, changed)
      expect(left(await readCheckpoint(path)()).kind).toBe('checkpoint')
    }
  })

  test('names what is wrong', async () => {
    const dir = await folder()
    const path = join(dir, 'x.dino')
    right(await writeCheckpoint(path)(checkpointAt(12))())
    const bytes = await readFile(path)
    const found = async (change: (b: Buffer) => Uint8Array): Promise<string> => {
      await writeFile(path, change(Buffer.from(bytes)))
      return left(await readCheckpoint(path)()).found
    }
    expect(
      await found((b) => {
        b[0] = 0
        return b
      }),
    ).toMatch(/another kind/)
    expect(
      await found((b) => {
        b.writeUInt32LE(9, 8)
        return b
      }),
    ).toBe('checkpoint format 9')
    expect(
      await found((b) => {
        b[60] ^= 1
        return b
      }),
    ).toMatch(/damaged header/)
    expect(
      await found((b) => {
        b[b.length - 1] ^= 1
        return b
      }),
    ).toMatch(/bool|sha256/)
    expect(
      await found((b) => {
        b[b.length - 6] ^= 1
        return b
      }),
    ).toMatch(/damaged tensors/)
    expect(await found((b) => b.subarray(0, b.length - 3))).toBe(`${bytes.length - 3} bytes`)
    expect(await found(() => Buffer.alloc(0))).toBe('0 bytes')
    expect(left(await readCheckpoint(join(dir, 'none.dino'))()).found).toMatch(/ENOENT/)
  })

  test('a config that is not plain JSON is a fault and writes nothing', async () => {
    const dir = await folder()
    const bad = { ...checkpointAt(1), config: { lr: NaN } }
    expect(left(await writeCheckpoint(join(dir, 'x.dino'))(bad)()).place).toMatch(/config/)
    expect(left(await writeCheckpoint(join(dir, 'x.dino'))({ ...checkpointAt(1), step: -1 })()).found).toBe('-1')
    expect(await readdir(dir)).toEqual([])
  })
})

describe('a folder of checkpoints', () => {
  test('keeps the newest and the milestones', async () => {
    const dir = join(await folder(), 'checkpoints')
    expect(right(await latest(dir)()).found).toEqual(O.none)
    for (let step = 1; step <= 10; step++) right(await save(dir, { keepLast: 2, keepEvery: 4 })(checkpointAt(step))())
    expect((await readdir(dir)).sort()).toEqual([4, 8, 9, 10].map(checkpointName))
    await writeFile(join(dir, '.step-00000003.dino.tmp'), 'left by a crash')
    await writeFile(join(dir, 'notes.txt'), 'mine')
    const saved = right(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(11))())
    expect(saved.removed.length).toBe(5)
    expect(saved.stuck).toEqual([])
    expect((await readdir(dir)).sort()).toEqual(['notes.txt', checkpointName(11)])
    expect(left(await save(dir, { keepLast: 0, keepEvery: 0 })(checkpointAt(12))()).kind).toBe('config')
  })

  test('retention never removes what was just saved, keeps the newest, and every milestone', () => {
    const steps = fc.uniqueArray(fc.nat(200_000_000), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), fc.nat(4), fc.nat(), (all, keepLast, keepEvery, pick) => {
        const saved = all[pick % all.length]
        const files = [...all].sort((a, b) => b - a).map((step) => ({ step, path: checkpointName(step) }))
        const gone = expired({ keepLast, keepEvery }, saved)(files).map((f) => f.step)
        expect(gone).not.toContain(saved)
        for (const f of files.slice(0, keepLast)) expect(gone).not.toContain(f.step)
        if (keepEvery > 0) expect(gone.every((s) => s % keepEvery !== 0)).toBe(true)
        if (keepEvery === 0) expect(all.length - gone.length).toBeLessThanOrEqual(keepLast + 1)
      }),
    )
  })

  test('an older step saved late stays, and steps beyond eight digits sort as numbers', async () => {
    const dir = await folder()
    for (const step of [99_999_999, 123_456_789, 5]) right(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(step))())
    expect(right(await checkpointsIn(dir)()).map((f) => f.step)).toEqual([123_456_789, 5])
  })

  test('a damaged newest file is reported and the one before is offered; none whole is a fault', async () => {
    const dir = await folder()
    for (const step of [10, 20, 30]) right(await save(dir, { keepLast: 5, keepEvery: 0 })(checkpointAt(step))())
    const newest = join(dir, checkpointName(30))
    await writeFile(newest, (await readFile(newest)).subarray(0, 100))
    const l = right(await latest(dir)())
    expect(O.isSome(l.found) && l.found.value.checkpoint.step).toBe(20)
    expect(l.rejected.map((f) => f.place)).toEqual([newest])
    for (const step of [10, 20]) await writeFile(join(dir, checkpointName(step)), '')
    const f = left(await latest(dir)())
    expect(f.found).toMatch(/^3 checkpoint\(s\), none of them whole; the newest, .*30\.dino/)
  })

  test('what cannot be removed is a warning, what cannot be replaced a fault; the rest stays', async () => {
    const dir = await folder()
    await mkdir(join(dir, checkpointName(1), 'full'), { recursive: true })
    const saved = right(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(2))())
    expect(saved.stuck.map((f) => f.place)).toEqual([join(dir, checkpointName(1))])
    left(await save(dir, { keepLast: 1, keepEvery: 0 })(checkpointAt(1))())
    expect((await readdir(dir)).sort()).toEqual([checkpointName(1), checkpointName(2)])
    expect(right(await load(join(dir, checkpointName(2)))()).step).toBe(2)
    await writeFile(join(dir, 'file'), '')
    expect(left(await save(join(dir, 'file'), { keepLast: 1, keepEvery: 0 })(checkpointAt(1))()).kind).toBe('checkpoint')
  })

  test('a writer killed at any moment leaves a whole checkpoint', async () => {
    const dir = await folder()
    let first = 1
    for (const [round, wait] of [3, 47, 111].entries()) {
      const child = spawn(process.execPath, ['--import', 'tsx', new URL('writer.ts', import.meta.url).pathname, dir, String(first)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let done = first - 1
      const closed = new Promise<void>((resolve) => {
        child.on('close', () => {
          resolve()
        })
      })
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (text: Buffer) => {
          for (const line of text.toString().split('\n')) if (/^\d+$/.test(line)) done = Math.max(done, Number(line))
          if (round === 0 || done >= first) setTimeout(resolve, wait)
        })
        child.on('close', () => {
          resolve()
        })
      })
      child.kill('SIGKILL')
      await closed
      const l = right(await latest(dir)())
      expect(l.rejected).toEqual([])
      const step = O.isSome(l.found) ? l.found.value.checkpoint.step : 0
      expect(step).toBeGreaterThanOrEqual(done)
      if (O.isSome(l.found))
        expect(l.found.value.checkpoint).toEqual({ ...checkpointAt(step, 200_000), state: l.found.value.checkpoint.state })
      first = step + 1
    }
    expect(first).toBeGreaterThan(1)
    await rm(dir, { recursive: true })
  }, 60_000)
})
