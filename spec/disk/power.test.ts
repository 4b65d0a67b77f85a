/** The power goes while checkpoints are saved: whatever the disk has lost by then, what was reported as saved is there. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { beforeAll, describe, expect, test } from 'vitest'
import { stream } from '../../core/random.ts'
import { latest } from '../../train/run/checkpoints.ts'
import { checkpointAt } from '../train/states.ts'
import type { Change, Contents } from './crash.ts'
import { changesIn, digestOf, drawn, heldAfter, put, survivals } from './crash.ts'
import { disk, onDisk } from './disk.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-power-'))

const [size, last] = [1500, 4]

/** What a program that saves checkpoints 1 to `last` does to the disk. */
const recorded = async (ranks: ReadonlyArray<string>): Promise<{ readonly root: string; readonly changes: ReadonlyArray<Change> }> => {
  const [root, log] = [await folder(), join(await folder(), 'log')]
  const words = ['--import', 'tsx', 'spec/train/writer.ts', join(root, 'checkpoints'), '1', `${size}`, ...ranks]
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...onDisk({ under: root, log }) },
  })
  let said = ''
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString()
    // what it says is written down a moment after it is said
    if (said.split('\n').includes(`${last + 1}`)) child.kill('SIGKILL')
  })
  await new Promise((done) => child.on('close', done))
  return { root, changes: changesIn(await readFile(log)) }
}

/** The newest step that was reported as saved. */
const reported = (changes: ReadonlyArray<Change>): number =>
  Math.max(0, ...changes.flatMap((c) => (c._tag === 'Said' ? c.text.split('\n').map(Number) : [])).filter(Number.isInteger))

/** What is wrong with what is read of a disk, in words. */
const wrongWith = async (held: Contents, saved: number): Promise<string | undefined> => {
  const out = await folder()
  await put(held, out)
  const read = await latest(join(out, 'checkpoints'))()
  await rm(out, { recursive: true })
  if (E.isLeft(read)) return `refused: ${read.left.found}`
  const { found, rejected } = read.right
  if (rejected.length > 0) return `passed over ${rejected[0].place}`
  if (O.isNone(found)) return saved === 0 ? undefined : `step ${saved} was saved and is gone`
  const { step, state } = found.value.checkpoint
  if (step < saved) return `step ${step} in place of ${saved}`
  const values = (s: typeof state): string =>
    [...s]
      .map(([name, t]) => `${name} ${[...t.data].join()}`)
      .sort()
      .join('\n')
  return values(state) === values(checkpointAt(step, size).state) ? undefined : `other values of step ${step}`
}

/** The power goes after each change, and the disk loses what it may; what is wrong, up to `most`, and how many disks were read. */
const tried = async (root: string, changes: ReadonlyArray<Change>, seed: number, most = Infinity) => {
  const wrong: Array<string> = []
  const random = stream(seed, 'power', 0)
  let count = 0
  const unit = (): number => random.unit(count++)
  const draws = Array.from({ length: 3 }, (_, i) => drawn(`draw ${i}`, unit))
  const seen = new Set<string>()
  for (let n = 0; n <= changes.length && wrong.length < most; n++) {
    const before = changes.slice(0, n)
    for (const s of [...survivals, ...draws]) {
      const held = heldAfter(root, before, s)
      const name = `${reported(before)} ${digestOf(held)}`
      if (seen.has(name)) continue
      seen.add(name)
      const found = await wrongWith(held, reported(before))
      if (found !== undefined) wrong.push(`after change ${n} (${before.at(-1)?._tag ?? 'none'}), ${s.name} survives: ${found}`)
    }
  }
  return { wrong, disks: seen.size }
}

describe.skipIf(disk === undefined).each([
  ['whole', []],
  ['in shards', ['2']],
] as const)('the power goes while they are saved %s', (_, ranks) => {
  let run: Awaited<ReturnType<typeof recorded>>
  beforeAll(async () => {
    run = await recorded(ranks)
  })

  test('and what was reported as saved is read, whole, from every disk that may be left', async () => {
    expect(reported(run.changes)).toBeGreaterThanOrEqual(last)
    const { wrong, disks } = await tried(run.root, run.changes, 1)
    expect(wrong).toEqual([])
    expect(disks).toBeGreaterThan(60)
  })

  const isFolder = (changes: ReadonlyArray<Change>, handle: number): boolean =>
    changes.some((c) => c._tag === 'Opened' && c.handle === handle && !c.path.endsWith('.tmp'))

  test.each([
    ['files', 'in place of|gone|refused|passed over', (folder: boolean) => folder],
    ['folders', 'in place of|gone', (folder: boolean) => !folder],
  ] as const)('and a program that does not force %s to the disk would be found out', async (_, found, kept) => {
    const { root, changes } = run
    const without = changes.filter((c) => c._tag !== 'Forced' || kept(isFolder(changes, c.handle)))
    expect(without.length).toBeLessThan(changes.length)
    expect((await tried(root, without, 2, 1)).wrong.join()).toMatch(new RegExp(found))
  })
})
