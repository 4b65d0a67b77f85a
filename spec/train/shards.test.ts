/** Checkpoints in shards: any number of ranks writes them, anybody reads them, and nothing is read that is not whole. */
import { mkdtemp, readFile, readdir, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countOf, floatTensor } from '../../data/formats/tensor.ts'
import type { Checkpoint } from '../../train/run/checkpoint.ts'
import { checkpointName, latest, load, save } from '../../train/run/checkpoints.ts'
import { left, right } from '../data/either.ts'
import { saveByRanks } from './sharded.ts'
import { checkpointAt } from './states.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-shards-'))

const keep = { keepLast: 2, keepEvery: 0 }

const stateAt = (step: number, shapes: ReadonlyArray<ReadonlyArray<number>>): Checkpoint => ({
  ...checkpointAt(step),
  state: new Map(
    shapes.map((shape, k) => [
      `t${k}`,
      floatTensor(
        shape,
        Float32Array.from({ length: countOf(shape) }, (_, i) => step + k / 7 + i / 64),
      ),
    ]),
  ),
})

const usual = (step: number): Checkpoint => stateAt(step, [[4, 6], [], [8], [3, 5], [6, 2, 4]])

const values = (c: Checkpoint): ReadonlyArray<readonly [string, string]> =>
  [...c.state].map(([name, t]): readonly [string, string] => [name, `${t.dtype} ${t.shape.join()}: ${t.data.join()}`]).sort()

const shardsIn = async (dir: string, step = ''): Promise<ReadonlyArray<string>> =>
  (await readdir(dir)).filter((f) => f.endsWith('.shard') && f.includes(step)).sort()

const newest = async (dir: string): Promise<number> => {
  const { found } = right(await latest(dir)())
  return O.isSome(found) ? found.value.checkpoint.step : -1
}

describe('a checkpoint in shards', () => {
  test('reads back to the bit, whoever had which part', async () => {
    const shape = fc.array(fc.constantFrom(1, 2, 3, 4, 6, 12), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.array(shape, { maxLength: 6 }), fc.integer({ min: 1, max: 4 }), async (shapes, ranks) => {
        const dir = await folder()
        const c = stateAt(7, shapes)
        const saved = await saveByRanks(dir, keep, c, ranks)
        const read = right(await load(saved.path)())
        expect(values(read)).toEqual(values(c))
        expect({ ...read, state: 0 }).toEqual({ ...c, state: 0 })
        expect((await shardsIn(dir)).length).toBe(ranks)
      }),
      { numRuns: 40 },
    )
  })

  test('holds each tensor once: the shards together are as large as the whole', async () => {
    const [dir, one] = [await folder(), await folder()]
    const c = stateAt(1, [[64, 64], [3], [128], []])
    await saveByRanks(dir, keep, c, 4)
    right(await save(one, keep)(c)())
    const sizes = await Promise.all((await shardsIn(dir)).map(async (f) => (await readFile(join(dir, f))).length))
    const whole = (await readFile(join(one, checkpointName(1)))).length
    expect(sizes.reduce((n, b) => n + b, 0)).toBeLessThan(whole + 4 * 300)
    expect(Math.max(...sizes)).toBeLessThan(whole / 4 + 300)
  })

  test('one byte of which is another, or a shard that is gone, is passed over for the one before', async () => {
    const dir = await folder()
    await saveByRanks(dir, keep, usual(1), 3)
    await saveByRanks(dir, keep, usual(2), 3)
    for (const name of await shardsIn(dir, '00000002')) {
      const path = join(dir, name)
      const bytes = await readFile(path)
      for (let at = 0; at < bytes.length; at += 29) {
        const changed = Uint8Array.from(bytes)
        changed[at] ^= 1 << (at % 8)
        await writeFile(path, changed)
        const { found, rejected } = right(await latest(dir)())
        expect(O.isSome(found) && found.value.checkpoint.step).toBe(1)
        expect(rejected.length).toBe(1)
        // some bytes make it a file that holds no tensors, and then it is said which
        expect(rejected[0].place.startsWith(path)).toBe(true)
      }
      await writeFile(path, bytes.subarray(0, -1))
      expect(left(await load(join(dir, checkpointName(2)))()).found).toBe(`${bytes.length - 1} bytes`)
      await unlink(path)
      expect(left(await load(join(dir, checkpointName(2)))()).place).toBe(path)
      expect(await newest(dir)).toBe(1)
      await writeFile(path, bytes)
      expect(await newest(dir)).toBe(2)
    }
  })

  test('is there once its own file is: of shards alone nothing is read, and they go with the next one', async () => {
    const dir = await folder()
    await saveByRanks(dir, keep, usual(1), 2)
    const stop = new Error('killed')
    await expect(saveByRanks(dir, keep, usual(2), 2, () => Promise.reject(stop))).rejects.toBe(stop)
    expect(await newest(dir)).toBe(1)
    await writeFile(join(dir, '.step-00000003.0-of-2.0123456789abcdef.shard.tmp'), 'cut sho')
    await saveByRanks(dir, keep, usual(3), 2)
    expect((await readdir(dir)).filter((f) => f.startsWith('.') || f.includes('00000002'))).toEqual([])
    expect(await newest(dir)).toBe(3)
  })

  test('goes with its shards when it is no longer retained', async () => {
    const dir = await folder()
    for (let step = 1; step <= 4; step++) await saveByRanks(dir, keep, usual(step), step)
    expect((await readdir(dir)).filter((f) => f.endsWith('.dino')).sort()).toEqual([3, 4].map(checkpointName))
    expect((await shardsIn(dir, '00000003')).length).toBe(3)
    expect((await shardsIn(dir)).length).toBe(7)
    right(await save(dir, { keepLast: 1, keepEvery: 0 })(usual(5))())
    expect(await readdir(dir)).toEqual([checkpointName(5)])
  })

  test('that is saved again is whole at any moment: shards are not written over', async () => {
    const dir = await folder()
    const [old, now] = [usual(2), stateAt(2, [[4, 6], [2]])]
    await saveByRanks(dir, { keepLast: 1, keepEvery: 0 }, old, 2)
    await saveByRanks(dir, { keepLast: 1, keepEvery: 0 }, now, 2, async () => {
      expect(values(right(await load(join(dir, checkpointName(2)))()))).toEqual(values(old))
    })
    expect(values(right(await load(join(dir, checkpointName(2)))()))).toEqual(values(now))
    expect((await shardsIn(dir)).length).toBe(2)
    // and whole again, by one process
    right(await save(dir, keep)(old)())
    expect(await readdir(dir)).toEqual([checkpointName(2)])
  })
})
