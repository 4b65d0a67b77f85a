/** Tests that take too long for CI: each under a name, with what is tried and how many of it were right. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stream } from '../../core/random.ts'
import { changesIn, digestOf, drawn, heldAfter, put, survivals } from '../disk/crash.ts'
import { disk, onDisk } from '../disk/disk.ts'
import { noRanks } from '../support/mpi.ts'
import { live, remains } from '../train/lived.ts'
import { oneProcess } from '../train/process-killed.ts'
import { goneOn, kills } from '../train/kills.ts'
import { quick } from '../train/quick.ts'
import { twoRanks } from '../train/ranks-killed.ts'

/** One line of the table: how many of what was tried ended right. */
export interface Row {
  readonly what: string
  readonly tried: number
  readonly right: number
}

export interface How {
  /** Times that something is tried, spread over all rows. */
  readonly count: number
  readonly seed: number
  /** Tells what goes on. */
  readonly say: (line: string) => void
  /** Arguments of `npm run train` in place of a test's own. */
  readonly words: ReadonlyArray<string> | undefined
}

export interface Long {
  readonly about: string
  /** Where nothing is said. */
  readonly count: number
  readonly run: (how: How) => Promise<ReadonlyArray<Row>>
}

const set = (...settings: ReadonlyArray<string>): ReadonlyArray<string> => settings.flatMap((s) => ['--set', s])

/** A run of seconds with every kind of moment: compiling, evaluating, training, saving. */
const short = (threads: number, steps: number): ReadonlyArray<string> => [
  ...quick,
  '--steps',
  `${steps}`,
  ...set(`accelerator.threads=${threads}`, 'evaluation.during=2', `runtime.checkpoints.every=${Math.ceil(steps / 30)}`),
]

/** Enough that most moments of a run's life are in training. */
const killedSteps = 1500

/** A run that others with adapters begin from. */
const base = async (say: (line: string) => void): Promise<string> => {
  const out = join(await mkdtemp(join(tmpdir(), 'dinograph-base-')), 'base')
  const ended = await live([...short(1, 12), '--out', out])
  if (ended.code !== 0) throw new Error(ended.stderr)
  say(`begun from ${out}`)
  return out
}

const adapters = (from: string): ReadonlyArray<string> => set(`start.from=${from}`, 'strategies.lora.rank=2', 'strategies.lora.dropout=0.1')

/** What a run may have that has a state of its own. */
const variants = (from: string): Readonly<Record<string, ReadonlyArray<string>>> => ({
  plain: [],
  adapters: adapters(from),
  phases: set('strategies.freeze.prefix=1', `strategies.freeze.until=${killedSteps / 2}`),
  accumulated: set('strategies.accumulate=2'),
  'worker threads': set('data.workers=2', 'data.prefetch=3'),
})

/** How often each of `n` is tried, of `count` altogether. */
const shares = (count: number, n: number): ReadonlyArray<number> =>
  Array.from({ length: n }, (_, i) => Math.floor(count / n) + (i < count % n ? 1 : 0))

/** `kill -9` at any moment of a run, start and end included. */
const killed: Long = {
  about: 'kill -9 at random moments of runs on native, with 1 and 2 threads, then --resume: equal to the bit',
  count: 100,
  run: async ({ count, seed, say, words }) => {
    const asked = async (): Promise<ReadonlyArray<readonly [string, ReadonlyArray<string>]>> => {
      if (words !== undefined) return [['as asked', words]]
      const all = Object.entries(variants(await base(say)))
      return [1, 2].flatMap((threads) =>
        all.map(
          ([name, more]) => [`${name}, ${threads} thread${threads === 1 ? '' : 's'}`, [...short(threads, killedSteps), ...more]] as const,
        ),
      )
    }
    const rows = await asked()
    const done: Array<Row> = []
    for (const [i, times] of shares(count, rows.length).entries()) {
      if (times === 0) continue
      say(rows[i][0])
      const { killed: tried, equal } = await kills(oneProcess(rows[i][1]), times, seed + i, say)
      done.push({ what: rows[i][0], tried, right: equal })
    }
    return done
  },
}

/** What two ranks may have a state of, and how they save it. */
const shared: Readonly<Record<string, ReadonlyArray<string>>> = {
  ddp: set('accelerator.strategy=ddp'),
  fsdp: set('accelerator.strategy=fsdp'),
  'fsdp, in shards': set('accelerator.strategy=fsdp', 'runtime.checkpoints.shards=ranks'),
}

/** `kill -9` of one rank of two at any moment of their run. */
const rank: Long = {
  about:
    'kill -9 of one rank of two at random moments: all end within 10 s and it is said once, and --resume ends equal to the bit; by ddp and by fsdp',
  count: 10,
  run: async ({ count, seed, say, words }) => {
    if (noRanks !== undefined) throw new Error(noRanks)
    // of this width tensors are split
    const given = words ?? [...short(1, 150), ...set('model.width=32')]
    const rows = Object.entries(shared)
    const done: Array<Row> = []
    for (const [i, times] of shares(count, rows.length).entries()) {
      if (times === 0) continue
      const [name, more] = rows[i]
      say(name)
      const { killed: tried, equal } = await kills(twoRanks([...given, ...more]), times, seed + i, say)
      done.push({ what: `2 ranks, ${name}`, tried, right: equal })
    }
    return done
  },
}

/** The power goes after any change that a run makes to its folder, and the disk loses what it may. */
const power: Long = {
  about:
    'the power goes after a change that a run makes to its folder, and the disk loses of what was not forced to it: --resume, or the same again, ends equal to the bit',
  count: 100,
  run: async ({ count, seed, say, words: asked }) => {
    if (disk === undefined) throw new Error('no C compiler, or a system that does not load what LD_PRELOAD names')
    const words = asked ?? [...short(1, 12), ...adapters(await base(say))]
    const root = await mkdtemp(join(tmpdir(), 'dinograph-power-'))
    const [out, log] = [join(root, 'disk', 'run'), join(root, 'log')]
    await mkdir(join(root, 'disk'))
    const recorded = await live([...words, '--out', out], { env: onDisk({ under: join(root, 'disk'), log }) })
    if (recorded.code !== 0) throw new Error(recorded.stderr)
    const whole = await remains(out)
    const changes = changesIn(await readFile(log))
    const random = stream(seed, 'power', 0)
    let draws = 0
    const unit = (): number => random.unit(draws++)
    const all = [...survivals, drawn('a draw', unit)]
    const rows = new Map(all.map((s) => [s.name, { tried: 0, right: 0 }]))
    const seen = new Set<string>()
    for (let tried = 0, misses = 0; tried < count && misses < 1000;) {
      const [at, s] = [Math.floor(unit() * (changes.length + 1)), all[Math.floor(unit() * all.length)]]
      const held = heldAfter(join(root, 'disk'), changes.slice(0, at), s)
      const digest = digestOf(held)
      if (seen.has(digest)) {
        misses++
        continue
      }
      seen.add(digest)
      tried++
      const left = join(root, 'left')
      await put(held, left)
      const run = join(left, 'run')
      const { wrong } = await goneOn(live, words, run, whole)
      const row = rows.get(s.name)
      if (row !== undefined) {
        row.tried++
        if (wrong === undefined) row.right++
      }
      say(`${String(tried).padStart(3)}: after change ${at} of ${changes.length}, ${s.name} survives: ${wrong ?? 'equal'}`)
      await rm(left, { recursive: true, force: true })
    }
    await rm(root, { recursive: true, force: true })
    return [...rows].map(([what, r]) => ({ what: `${what} survives`, ...r }))
  },
}

/** The disk is full after any number of bytes. */
const full: Long = {
  about: 'the disk is full after a random number of bytes; with room again, --resume or the same again ends equal to the bit',
  count: 50,
  run: async ({ count, seed, say, words: asked }) => {
    if (disk === undefined) throw new Error('no C compiler, or a system that does not load what LD_PRELOAD names')
    const words = asked ?? [...short(1, 12), ...adapters(await base(say))]
    const root = await mkdtemp(join(tmpdir(), 'dinograph-full-'))
    const undisturbed = join(root, 'whole')
    // what a run writes altogether is found by a disk that is large enough
    const log = join(root, 'log')
    const recorded = await live([...words, '--out', undisturbed], { env: onDisk({ under: undisturbed, log }) })
    if (recorded.code !== 0) throw new Error(recorded.stderr)
    const whole = await remains(undisturbed)
    const bytes = changesIn(await readFile(log)).reduce((n, c) => n + (c._tag === 'Wrote' ? c.bytes.length : 0), 0)
    const random = stream(seed, 'full', 0)
    let right = 0
    for (let i = 0; i < count; i++) {
      const [out, room] = [join(root, 'run'), Math.floor(random.unit(i) * bytes)]
      const first = await live([...words, '--out', out], { env: onDisk({ under: out, full: { part: '/', bytes: room } }) })
      const again = await goneOn(live, words, out, whole)
      const wrong = first.signal !== null ? `ended by ${first.signal}` : again.wrong
      if (wrong === undefined) right++
      say(`${String(i + 1).padStart(3)}: ${room} of ${bytes} bytes, exit code ${first.code}: ${wrong ?? 'equal'}`)
      await rm(out, { recursive: true, force: true })
    }
    await rm(root, { recursive: true, force: true })
    return [{ what: 'full after any byte', tried: count, right }]
  },
}

/** By name. */
export const tests: Readonly<Record<string, Long>> = { kills: killed, ranks: rank, power, full }
