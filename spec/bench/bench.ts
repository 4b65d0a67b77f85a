/**
 * `npm run bench -- WORKLOAD [--target T] [--threads N] [--steps N] [--json] [--profile]`: seconds of one step, compile
 * time and memory. No test asserts a time; compare within one run on one machine.
 */
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { exitCode, fault, showFault } from '../../core/fault.ts'
import { targetNames } from '../../compiler/targets/names.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { openNative } from '../../compiler/targets/native/device.ts'
import { showProfile } from '../../compiler/targets/native/profile.ts'
import type { Device, Executable, HostValues } from '../../compiler/target.ts'
import type { Prepared, Workload } from './workload.ts'
import { sizedWorkload } from './workloads/products.ts'
import { w1 } from './workloads/w1-dinov1-tiny.ts'
import { w2 } from './workloads/w2-dinov2-tiny.ts'
import { w3 } from './workloads/w3-vits-features.ts'

const named: ReadonlyArray<Workload> = [w1, w2, w3]

const help = `Usage: npm run bench -- WORKLOAD|all [options]

Workloads: ${named.map((w) => w.name).join(', ')}, mm-M-K-N, block-B-N-D

  --target T    ${targetNames.join(', ')} (default native)
  --threads N   threads of the native target (default: all cores)
  --steps N     timed steps after two for warming up (default 5)
  --profile     also the time of each kernel of the native target, worst first
  --json        the last line of stdout is one JSON object
  --help        this text`

const options = {
  target: { type: 'string', default: 'native' }, threads: { type: 'string' }, steps: { type: 'string', default: '5' },
  profile: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
} as const

const stop = (f: Fault): never => {
  process.stderr.write(`${showFault(f)}\n`)
  process.exit(exitCode(f))
}

const must = async <A>(task: TaskEither<Fault, A>): Promise<A> => {
  const r = await task()
  return E.isRight(r) ? r.right : stop(r.left)
}

const median = (xs: ReadonlyArray<number>): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)] ?? NaN

interface Settings {
  readonly target: string
  readonly threads: number | undefined
  readonly steps: number
  readonly profile: boolean
}

interface Result {
  readonly workload: string
  readonly target: string
  readonly threads: number | undefined
  readonly step_s: number
  readonly images_per_s: number
  readonly compile_s: number
  readonly peak_rss_mb: number
  readonly gflops: number
  readonly loss: ReadonlyArray<number>
}

const seconds = (): number => performance.now() / 1000

/** Compiles and runs a workload; `profiled` prints more where the target can. */
const measure = async (w: Workload, p: Prepared, d: Device, compile: () => Promise<Executable>, s: Settings): Promise<Result> => {
  for (const [path, type, data] of p.residents()) await must(d.write(path, type, data))
  const start = seconds()
  const executable = await compile()
  const compile_s = seconds() - start
  const loss: Array<number> = []
  const times: Array<number> = []
  for (let i = 0; i < s.steps + 2; i++) {
    const from = seconds()
    const out: HostValues = await must(executable.run({ values: p.values, step: i }))
    if (i >= 2) times.push(seconds() - from)
    const l = out.get('loss')?.[0]
    if (l !== undefined) loss.push(l)
  }
  const step_s = median(times)
  return {
    workload: w.name, target: s.target, threads: s.threads, step_s, images_per_s: w.images / step_s, compile_s,
    peak_rss_mb: process.resourceUsage().maxRSS / 1024, gflops: w.gflop / step_s, loss,
  }
}

const progress = (done: number, total: number): void => { process.stderr.write(`compiling ${done} of ${total}\n`) }

const runOne = async (w: Workload, s: Settings): Promise<Result> => {
  const prepared = await must(() => Promise.resolve(w.prepare()))
  if (s.target !== 'native') {
    const d = await must(openTarget(s.target))
    const r = await measure(w, prepared, d, () => must(d.compile(prepared.graph, { progress })), s)
    d.close()
    return r
  }
  const d = await must(openNative(s.threads === undefined ? {} : { threads: s.threads }))
  const held: Array<() => Promise<void>> = []
  const r = await measure(w, prepared, d, async () => {
    const x = await must(d.compile(prepared.graph, { progress }))
    held.push(async () => { process.stdout.write(`${showProfile(await must(() => x.profile({ values: prepared.values }, s.steps)), 110e9 * (s.threads ?? 1), 400)}\n`) })
    return x
  }, s)
  if (s.profile) for (const show of held) await show()
  d.close()
  return r
}

const line = (r: Result): string =>
  `${r.workload}  ${r.target}${r.threads === undefined ? '' : ` ${r.threads}T`}  ${r.step_s.toFixed(4)} s/step  ${r.images_per_s.toFixed(1)} images/s  ${r.gflops.toFixed(1)} GFLOP/s  compile ${r.compile_s.toFixed(1)} s  ${r.peak_rss_mb.toFixed(0)} MB  loss ${r.loss.map((l) => l.toFixed(5)).join(' ')}`

const wrong = (found: string, allowed: string): Fault => fault('usage', { place: 'npm run bench', found, allowed, remedy: 'see npm run bench -- --help' })

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (values.help) { process.stdout.write(`${help}\n`); return }
  const [name] = positionals
  const chosen = name === 'all' ? named : [...named.filter((w) => w.name === name), ...[sizedWorkload(name ?? '')].filter((w) => w !== undefined)]
  if (chosen.length === 0) stop(wrong(name ?? 'no workload', `${named.map((w) => w.name).join(', ')}, all, mm-M-K-N, block-B-N-D`))
  const settings: Settings = { target: values.target, threads: values.threads === undefined ? undefined : Number(values.threads), steps: Number(values.steps), profile: values.profile }
  if (![settings.steps, settings.threads ?? 1].every((n) => Number.isInteger(n) && n > 0)) stop(wrong(`--steps ${values.steps} --threads ${values.threads ?? ''}`, 'positive whole numbers'))
  for (const w of chosen) {
    const r = await runOne(w, settings)
    process.stdout.write(`${values.json ? JSON.stringify(r) : line(r)}\n`)
  }
}

await main().catch((e: unknown) => stop(wrong(e instanceof Error ? e.message : String(e), 'the options of --help')))
