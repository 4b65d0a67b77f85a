/**
 * `npm run bench -- WORKLOAD|all [--target T] [--threads N] [--steps N] [--json] [--profile]`: seconds of one step, compile
 * time and memory. No test asserts a time; compare within one run on one machine.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { targetNames } from '../../compiler/targets/names.ts'
import { precisions } from '../../compiler/targets/pjrt/writer.ts'
import { allCores } from '../../compiler/targets/native/library.ts'
import { showProfile } from '../../compiler/targets/native/profile.ts'
import { compare } from './peers/compare.ts'
import { measuredPeak } from './peak.ts'
import type { Torch } from './peers/torch.ts'
import { newestTorch, torchOf } from './peers/torch.ts'
import type { Settings } from './session.ts'
import { must, openSession, stop } from './session.ts'
import { median, table } from './table.ts'
import type { Workload } from './workload.ts'
import { sizedWorkload } from './workloads/products.ts'
import { named } from './workloads/named.ts'

const help = `Usage: npm run bench -- WORKLOAD|all [options]

Workloads: ${named.map((w) => w.name).join(', ')}, mm-M-K-N, block-B-N-D

  --target T    ${targetNames.join(', ')} (default native)
  --threads N   threads of the native target (default: all cores)
  --precision P ${precisions.join(', ')}: products of f32 on the targets pjrt:…
  --steps N     timed steps after two for warming up (default 5)
  --profile     also the time of each kernel of the native target, worst first
  --peers       beside PyTorch, step for step in turns: python3 -m venv .venv, .venv/bin/pip install torch
  --python P    the interpreter that has torch (default: the newest torch of the active environment, of .venv, and of the system); may be
                given several times
  --jax P       beside JAX, the same way: the interpreter that has jax and optax (pip install jax optax in a venv of its own), which runs
                w2-dinov2-tiny as it is written in JAX, and our own step as text; without --peers no PyTorch; may be given several times
  --rounds N    turns of each in a comparison (default 3)
  --json        the last line of stdout is one JSON object
  --help        this text`

const options = {
  target: { type: 'string', default: 'native' },
  threads: { type: 'string' },
  precision: { type: 'string', default: 'highest' },
  steps: { type: 'string', default: '5' },
  profile: { type: 'boolean', default: false },
  peers: { type: 'boolean', default: false },
  python: { type: 'string', multiple: true },
  jax: { type: 'string', multiple: true },
  rounds: { type: 'string', default: '3' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

const result = t.type({
  workload: t.string,
  target: t.string,
  threads: t.union([t.number, t.undefined]),
  step_s: t.number,
  images_per_s: t.number,
  trace_s: t.number,
  compile_s: t.number,
  peak_rss_mb: t.number,
  gflops: t.number,
  // of what the cores' multiply-adds reach without memory; native only
  share_of_peak: t.union([t.number, t.undefined]),
  loss: t.array(t.number),
})
type Result = t.TypeOf<typeof result>

interface Asked extends Settings {
  readonly steps: number
  readonly profile: boolean
}

const runOne = async (w: Workload, s: Asked, peak: number | undefined): Promise<Result> => {
  const session = await openSession(w, s)
  const loss: Array<number> = []
  const times: Array<number> = []
  for (let i = 0; i < s.steps + 2; i++) {
    const r = await session.step()
    if (i >= 2) times.push(r.seconds)
    if (Number.isFinite(r.loss)) loss.push(r.loss)
  }
  const step_s = median(times)
  if (s.profile && session.profile !== undefined && peak !== undefined)
    process.stdout.write(`${showProfile(await session.profile(s.steps), peak)}\n`)
  session.close()
  return {
    workload: w.name,
    target: s.target,
    threads: s.threads ?? (s.target === 'native' ? allCores() : undefined),
    step_s,
    images_per_s: w.images / step_s,
    trace_s: session.trace_s,
    compile_s: session.compile_s,
    peak_rss_mb: process.resourceUsage().maxRSS / 1024,
    gflops: w.gflop / step_s,
    share_of_peak: peak === undefined ? undefined : (w.gflop * 1e9) / step_s / peak,
    loss,
  }
}

const show = (rs: ReadonlyArray<Result>): string =>
  table(
    ['workload', 'target', 'threads', 's/step', 'images/s', 'GFLOP/s', 'of peak', 'trace s', 'compile s', 'MB', 'loss'],
    rs.map((r) => [
      r.workload,
      r.target,
      `${r.threads ?? ''}`,
      r.step_s.toFixed(4),
      r.images_per_s.toFixed(1),
      r.gflops.toFixed(1),
      r.share_of_peak === undefined ? '' : `${(100 * r.share_of_peak).toFixed(0)} %`,
      r.trace_s.toFixed(2),
      r.compile_s.toFixed(2),
      r.peak_rss_mb.toFixed(0),
      r.loss
        .slice(0, 3)
        .map((l) => l.toFixed(5))
        .join(' '),
    ]),
  )

/** What `all` stands for. */
const everything: ReadonlyArray<Workload> = [
  ...named,
  ...['mm-1024-1024-1024', 'block-16-197-192'].map(sizedWorkload).filter((w) => w !== undefined),
]

const wrong = (found: string, allowed: string): Fault =>
  fault('usage', { place: 'npm run bench', found, allowed, remedy: 'see npm run bench -- --help' })

const noTorch = (found: string): Fault =>
  fault('usage', {
    place: 'npm run bench -- --peers',
    found,
    allowed: 'an interpreter of Python with PyTorch',
    remedy: 'python3 -m venv .venv, then .venv/bin/pip install torch',
  })

/** Those of the interpreters that are named, or the newest that is found. */
const torchesFor = (pythons: ReadonlyArray<string> | undefined): ReadonlyArray<Torch> =>
  pythons === undefined
    ? [newestTorch() ?? stop(noTorch('no PyTorch'))]
    : pythons.map((p) => torchOf(p) ?? stop(noTorch(`no PyTorch of ${p}`)))

/** One workload in a process of its own, so that its memory is its own. Undefined where it failed, which it has explained. */
const apart = (w: Workload, given: ReadonlyArray<string>): Result | undefined => {
  const { stdout, status } = spawnSync(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), w.name, '--json', ...given], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) return undefined
  const lines = stdout.trimEnd().split('\n')
  if (lines.length > 1) process.stdout.write(`${w.name}\n${lines.slice(0, -1).join('\n')}\n\n`)
  const decoded = result.decode(JSON.parse(lines[lines.length - 1]))
  return E.isRight(decoded) ? decoded.right : undefined
}

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (values.help) {
    process.stdout.write(`${help}\n`)
    return
  }
  const [name] = positionals
  const chosen =
    name === 'all' ? everything : [...named.filter((w) => w.name === name), ...[sizedWorkload(name ?? '')].filter((w) => w !== undefined)]
  if (chosen.length === 0) stop(wrong(name ?? 'no workload', `${named.map((w) => w.name).join(', ')}, all, mm-M-K-N, block-B-N-D`))
  const threads = values.threads === undefined ? undefined : Number(values.threads)
  const precision = precisions.find((p) => p === values.precision) ?? stop(wrong(`--precision ${values.precision}`, precisions.join(', ')))
  const [steps, rounds] = [Number(values.steps), Number(values.rounds)]
  if (![steps, rounds, threads ?? 1].every((n) => Number.isInteger(n) && n > 0))
    stop(wrong(`--steps ${values.steps} --rounds ${values.rounds} --threads ${values.threads ?? ''}`, 'positive whole numbers'))
  const peak = values.target === 'native' ? await must(measuredPeak(threads ?? allCores())) : undefined
  const jaxes = values.jax ?? []
  if (values.peers || jaxes.length > 0) {
    const r = await compare(chosen, {
      threads: threads ?? allCores(),
      steps,
      rounds,
      target: values.target,
      torches: values.peers ? torchesFor(values.python) : [],
      jaxes,
      peak: peak ?? (await must(measuredPeak(threads ?? allCores()))),
    })
    process.stdout.write(values.json ? `${JSON.stringify(r)}\n` : '')
    return
  }
  if (chosen.length > 1) {
    const given = [
      ...(threads === undefined ? [] : ['--threads', `${threads}`]),
      '--target',
      values.target,
      '--precision',
      precision,
      '--steps',
      `${steps}`,
      ...(values.profile ? ['--profile'] : []),
    ]
    const results = chosen.map((w) => apart(w, given))
    const done = results.filter((r) => r !== undefined)
    process.stdout.write(`${values.json ? JSON.stringify(done) : show(done)}\n`)
    if (done.length < chosen.length) process.exitCode = 1
    return
  }
  const [one] = await Promise.all(
    chosen.map((w) => runOne(w, { target: values.target, threads, precision, steps, profile: values.profile }, peak)),
  )
  process.stdout.write(`${values.json ? JSON.stringify(one) : show([one])}\n`)
}

await main().catch((e: unknown) => stop(wrong(e instanceof Error ? e.message : String(e), 'the options of --help')))
