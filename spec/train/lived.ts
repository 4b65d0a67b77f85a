/**
 * `dinograph train` as a process, and what is left of a run: two are held against each other, weights bit for bit, and every number of
 * metrics.jsonl but the timings.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import * as O from 'fp-ts/lib/Option.js'
import { latest } from '../../train/run/checkpoints.ts'
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
