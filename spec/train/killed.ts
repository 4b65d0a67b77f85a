/**
 * Runs that are killed, resumed, and held against a run that nobody disturbed: weights bit for bit, and every number of metrics.jsonl but
 * the timings. `npm run long -- kills` does so at a hundred moments.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import * as O from 'fp-ts/lib/Option.js'
import { stream } from '../../core/random.ts'
import { latest } from '../../train/run/checkpoints.ts'
import { isBegun } from '../../train/run/resumption.ts'
import { right } from '../data/either.ts'
import { program } from '../support/built.ts'

export const timings = ['images_per_s', 'waiting']

/** The arguments of a short run that has every kind of moment: compiling, evaluating, training, saving. */
export const shortRun: ReadonlyArray<string> = [
  '--config',
  'examples/recipes/v1.yaml',
  '--steps',
  '150',
  '--set',
  'data.train=256',
  '--set',
  'data.test=64',
  '--set',
  'batch=16',
  '--set',
  'runtime.checkpoints.every=7',
  '--set',
  'evaluation.during=2',
  '--set',
  'evaluation.k=5',
]

export interface Lived {
  readonly code: number | null
  readonly signal: string | null
  readonly seconds: number
  readonly stderr: string
  readonly stdout: string
}

/** Runs `dinograph train` as one process; `signal` (SIGKILL by default) is sent after `after` seconds, or once it has said something. */
export const live = (
  words: ReadonlyArray<string>,
  how: {
    readonly after?: number
    readonly whenSaid?: RegExp
    readonly signal?: NodeJS.Signals
    readonly env?: Readonly<Record<string, string>>
  } = {},
): Promise<Lived> =>
  new Promise((resolve) => {
    const began = performance.now()
    const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'train', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...how.env },
    })
    let stdout = ''
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString()
    })
    let stderr = ''
    let asked = false
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString()
      if (asked || how.whenSaid?.test(stderr) !== true) return
      asked = true
      child.kill(how.signal)
    })
    const timer = how.after === undefined ? undefined : setTimeout(() => child.kill(how.signal ?? 'SIGKILL'), 1000 * how.after)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, seconds: (performance.now() - began) / 1000, stderr, stdout })
    })
  })

/** What is left of a run: the tensors of its newest checkpoint, its metrics without timings, and its exported weights. */
export const remains = async (out: string) => {
  const { found } = right(await latest(join(out, 'checkpoints'))())
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  const metrics = lines.map((u) =>
    Object.fromEntries(Object.entries(typeof u === 'object' && u !== null ? u : {}).filter(([k]) => !timings.includes(k))),
  )
  return {
    step: O.isSome(found) ? found.value.checkpoint.step : -1,
    state: O.isSome(found)
      ? [...found.value.checkpoint.state]
          .map(([name, t]): readonly [string, string] => [
            name,
            Buffer.from(t.data.buffer, t.data.byteOffset, t.data.byteLength).toString('base64'),
          ])
          .sort()
      : [],
    exported: (await readFile(join(out, 'huggingface', 'model.safetensors'))).toString('base64'),
    metrics,
  }
}

export type Remains = Awaited<ReturnType<typeof remains>>

/** What differs between two runs, in words. */
export const differs = (a: Remains, b: Remains): string | undefined =>
  a.step !== b.step
    ? `step ${b.step} in place of ${a.step}`
    : JSON.stringify(a.metrics) !== JSON.stringify(b.metrics)
      ? 'metrics.jsonl'
      : JSON.stringify(a.state) !== JSON.stringify(b.state)
        ? 'the state of the last checkpoint'
        : a.exported !== b.exported
          ? 'the exported weights'
          : undefined

export interface Moment {
  readonly after: number
  readonly resumedFrom: string
  readonly difference: string | undefined
  /** Seconds that it lived where it had ended by itself before it could be killed. */
  readonly ended?: number
}

/** One run that is killed after so many seconds, and resumed to its end. */
export const killedAt = async (
  words: ReadonlyArray<string>,
  out: string,
  after: number,
  whole: Remains,
  env: Readonly<Record<string, string>> = {},
): Promise<Moment> => {
  const first = await live([...words, '--out', out], { after, env })
  if (first.signal === null)
    return { after, resumedFrom: 'nothing: it had ended', difference: differs(whole, await remains(out)), ended: first.seconds }
  const begun = await isBegun(out)
  const again = await live([...(begun ? ['--resume'] : words), '--out', out], { env })
  const from = /at step (\d+)/.exec(again.stderr)?.[1]
  const resumedFrom = !begun
    ? 'its beginning: nothing was written'
    : from === undefined
      ? 'its beginning: no checkpoint yet'
      : `step ${from}`
  return {
    after,
    resumedFrom,
    difference: again.code === 0 ? differs(whole, await remains(out)) : `exit code ${again.code}: ${again.stderr.slice(-600)}`,
  }
}

/** What came of killing a run again and again. */
export interface Kills {
  readonly killed: number
  readonly equal: number
}

/**
 * Kills a run at `count` random moments, each drawn over the whole life of the process; where the machine is faster by then and the run had
 * ended, another is drawn, over the life of that one. Says what came of each.
 */
export const kills = async (
  words: ReadonlyArray<string>,
  count: number,
  seed: number,
  say: (line: string) => void,
  environment: Readonly<Record<string, string>> = {},
): Promise<Kills> => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-killed-'))
  // the second one finds what the first has compiled, as all others will
  await live([...words, '--out', join(dir, 'first')], { env: environment })
  const undisturbed = await live([...words, '--out', join(dir, 'whole')], { env: environment })
  if (undisturbed.code !== 0) throw new Error(undisturbed.stderr)
  const whole = await remains(join(dir, 'whole'))
  say(`undisturbed: ${undisturbed.seconds.toFixed(1)} s, ${whole.metrics.length} steps, ${whole.state.length} tensors`)
  const random = stream(seed, 'killed', 0)
  let [equal, killed, life] = [0, 0, undisturbed.seconds]
  for (let i = 0; killed < count; i++) {
    const out = join(dir, `run-${i}`)
    const m = await killedAt(words, out, random.unit(i) * life, whole, environment)
    if (m.ended === undefined) {
      killed++
      if (m.difference === undefined) equal++
    } else {
      if (m.difference !== undefined) throw new Error(`a run that nobody killed: ${m.difference}`)
      life = m.ended
    }
    say(
      `${m.ended === undefined ? String(killed).padStart(3) : '  -'}: killed after ${m.after.toFixed(2)} s, resumed from ${m.resumedFrom}: ${m.difference ?? 'equal'}`,
    )
    // what went wrong stays to be looked at
    if (m.difference === undefined) await rm(out, { recursive: true, force: true })
  }
  if (equal === killed) await rm(dir, { recursive: true, force: true })
  return { killed, equal }
}
