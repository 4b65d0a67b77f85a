/** Programs that a bench runs to their ends, and what they leave. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '../../data/formats/codec.ts'
import { started } from '../support/built.ts'
import { mostResident } from '../support/resident.ts'

type Said = Readonly<Record<string, unknown>>

const failed = (words: ReadonlyArray<string>, code: number | null, said = ''): Error =>
  new Error(`${words.join(' ')}: exit code ${String(code)}\n${said}`)

/** The folder of `--at`, in which a bench finds what it has made before. */
export const keptAt = (at: string | undefined): string => {
  if (at === undefined) throw new Error('--at DIR: where data and runs are kept')
  mkdirSync(at, { recursive: true })
  return at
}

/** `--set PATH=VALUE` for each. */
export const set = (settings: ReadonlyArray<string>): ReadonlyArray<string> => settings.flatMap((s) => ['--set', s])

/** Runs a program; what it says on stdout. */
export const run = (...words: ReadonlyArray<string>): string => {
  const done = spawnSync(process.execPath, started(words), { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (done.status !== 0) throw failed(words, done.status)
  return done.stdout
}

/** The same with `--json`: the object of its last line. */
export const told = (...words: ReadonlyArray<string>): Said => {
  const said: unknown = JSON.parse(
    run(...words, '--json')
      .trimEnd()
      .split('\n')
      .at(-1) ?? '',
  )
  return isRecord(said) ? said : {}
}

/** A number among the metrics of what a program said. */
export const metricIn = (said: Said, name: string): number => {
  const metrics = said['metrics']
  const value = isRecord(metrics) ? metrics[name] : undefined
  return typeof value === 'number' ? value : NaN
}

export interface Watched {
  /** The most resident memory. */
  readonly mib: number
  /** What it said on stderr. */
  readonly said: string
}

/** Runs a program, looking at its memory. */
export const watched = async (words: ReadonlyArray<string>): Promise<Watched> => {
  const child = spawn(process.execPath, started(words), { stdio: ['ignore', 'ignore', 'pipe'] })
  let [mib, said] = [0, '']
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const looking = setInterval(() => {
    try {
      mib = Math.max(mib, child.pid === undefined ? 0 : mostResident(child.pid) / 2 ** 20)
    } catch {
      // ended just now
    }
  }, 100)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearInterval(looking)
  if (code !== 0) throw failed(words, code, said)
  return { mib, said }
}

/** Objects of JSON, each a line of its own; other lines are left out. */
export const linesOf = (text: string): ReadonlyArray<Said> =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): unknown => JSON.parse(line))
    .filter(isRecord)

/** `metrics.jsonl` of the run in a folder: what each step said. */
export const metricsOf = (out: string): ReadonlyArray<Said> => linesOf(readFileSync(join(out, 'metrics.jsonl'), 'utf8'))

/** Images a second at each step of the run in a folder. */
export const speedsOf = (out: string): ReadonlyArray<number> =>
  metricsOf(out).flatMap((m) => (typeof m['images_per_s'] === 'number' ? [m['images_per_s']] : []))

/** `summary.json` of the run in a folder. */
export const summaryOf = (out: string): Said => {
  const summary: unknown = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
  return isRecord(summary) ? summary : {}
}
