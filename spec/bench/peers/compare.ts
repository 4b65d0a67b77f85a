/**
 * Ours beside PyTorch and JAX: all run the same arithmetic on the same first values and pixels, in processes of their own, step for step
 * in turns, so that what disturbs one disturbs the other. PyTorch runs in several settings; the best is what we are compared with. JAX's
 * compiler also runs our own step, which says what is lost between a text and its runs.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { median, table } from '../table.ts'
import type { Workload } from '../workload.ts'
import { writeText, writeValues } from './files.ts'
import type { Torch } from './torch.ts'
import { isRecent, printedBy, showTorch } from './torch.ts'

export interface CompareOptions {
  readonly threads: number
  /** Steps of a turn. */
  readonly steps: number
  /** Turns of each. */
  readonly rounds: number
  /** The target of ours. */
  readonly target: string
  /** Interpreters that have torch. */
  readonly torches: ReadonlyArray<Torch>
  /** Interpreters that have jax and optax. */
  readonly jaxes: ReadonlyArray<string>
  /** Operations a second of that many threads. */
  readonly peak: number
}

const answer = t.intersection([
  t.type({ seconds: t.array(t.number), cpu: t.array(t.number), loss: t.array(t.number), peak_rss_mb: t.number }),
  t.partial({ trace_s: t.number, compile_s: t.number }),
])
type Answer = t.TypeOf<typeof answer>

/** A process that runs steps when told to. */
interface Peer {
  readonly name: string
  readonly steps: (n: number) => Promise<Answer>
  readonly end: () => void
}

const start = (name: string, command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>): Peer => {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: AsyncIterator<string, undefined> = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    name,
    steps: async (n) => {
      child.stdin.write(`${n}\n`)
      const line = await lines.next()
      if (line.done === true) throw new Error(`${name} ended without an answer`)
      const decoded = answer.decode(JSON.parse(line.value))
      if (E.isLeft(decoded)) throw new Error(`${name} answered ${line.value}`)
      return decoded.right
    },
    end: () => {
      child.stdin.end()
    },
  }
}

/** glibc keeps what was freed, instead of asking the system for zeroed pages at every step. */
const keptMemory = { MALLOC_TOP_PAD_: '268435456', MALLOC_MMAP_THRESHOLD_: '4294967296', MALLOC_TRIM_THRESHOLD_: '4294967296' }

/** How many threads XLA takes, in plugins and in jaxlib. */
const xlaThreads = (threads: number): Readonly<Record<string, string>> => ({ PJRT_NPROC: `${threads}`, NPROC: `${threads}` })

/** Settings of PyTorch that were found to matter. */
const settingsOf = (
  torch: Torch,
  threads: number,
): ReadonlyArray<readonly [name: string, flags: ReadonlyArray<string>, env: Readonly<Record<string, string>>]> => {
  const env = { OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}`, ...(threads > 1 ? { OMP_WAIT_POLICY: 'passive' } : {}) }
  const [recent, name] = [isRecent(torch), showTorch(torch)]
  const flags = recent ? ['--sdpa', '--foreach'] : []
  return [
    [`${name} as it comes`, flags, env],
    [`${name}, malloc tuned`, flags, { ...env, ...keptMemory }],
    ...(recent ? [[`${name}, torch.compile`, ['--compile', ...flags], { ...env, ...keptMemory }] as const] : []),
  ]
}

const script = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** The versions of jax, jaxlib and optax of an interpreter; undefined where it has none of them. */
const versionsOf = (python: string): string | undefined =>
  printedBy(python, 'import jax, jaxlib, optax; print(f"jax {jax.__version__}, jaxlib {jaxlib.__version__}, optax {optax.__version__}")')

/** The workload that has been written in JAX. */
const inJax = 'w2-dinov2-tiny'

/** A workload in JAX, and our own text of it, by each interpreter. Says why where one is left out. */
const jaxPeers = async (w: Workload, { jaxes, threads }: CompareOptions, folder: string, values: string): Promise<ReadonlyArray<Peer>> => {
  const ready = jaxes.filter((python) => {
    const versions = w.name === inJax ? versionsOf(python) : undefined
    process.stdout.write(
      w.name !== inJax
        ? `without JAX: only ${inJax} is written in it\n`
        : versions === undefined
          ? `without JAX: ${python} has none; python3 -m venv DIR, DIR/bin/pip install jax optax, and --jax DIR/bin/python\n`
          : `${python}: ${versions}\n`,
    )
    return versions !== undefined
  })
  if (ready.length === 0) return []
  const [text, leaves] = [join(folder, 'step.mlir'), join(folder, 'leaves.json')]
  await writeText(w, text, leaves)
  const env = { ...xlaThreads(threads), JAX_PLATFORMS: 'cpu' }
  return ready.flatMap((python) => [
    start(`${python}, JAX with optax`, python, [script('w2_jax.py'), w.name, values], env),
    start(`${python}, our text by jaxlib`, python, [script('text_jax.py'), w.name, values, text, leaves], env),
  ])
}

interface Row {
  readonly workload: string
  readonly peer: string
  readonly threads: number
  readonly step_s: number
  /** Seconds of the processor, of all threads: what other programs take does not count. */
  readonly cpu_s: number
  /** Its time over ours, by the clock and by the processor. */
  readonly ratio: number
  readonly cpu_ratio: number
  readonly share_of_peak: number
  readonly compile_s: number | undefined
  readonly peak_rss_mb: number
  readonly loss: ReadonlyArray<number>
}

const compareOne = async (w: Workload, o: CompareOptions): Promise<ReadonlyArray<Row>> => {
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-peers-'))
  const file = join(folder, 'values.safetensors')
  await writeValues(w, file)
  const peers = [
    start(
      `dinograph, ${o.target}`,
      process.execPath,
      ['--import', 'tsx', script('ours.ts'), w.name, `${o.threads}`, o.target],
      xlaThreads(o.threads),
    ),
    ...o.torches.flatMap((torch) =>
      settingsOf(torch, o.threads).map(([name, flags, env]) =>
        start(name, torch.python, [script('peer.py'), w.name, file, `${o.threads}`, ...flags], env),
      ),
    ),
    ...(await jaxPeers(w, o, folder, file)),
  ]
  try {
    // the first steps compile, allocate and warm up
    const first = new Map<Peer, Answer>()
    for (const p of peers) first.set(p, await p.steps(2))
    const times = new Map<Peer, Array<number>>(peers.map((p) => [p, []]))
    const cpu = new Map<Peer, Array<number>>(peers.map((p) => [p, []]))
    const last = new Map<Peer, Answer>()
    const loss = new Map<Peer, ReadonlyArray<number>>(peers.map((p) => [p, first.get(p)?.loss ?? []]))
    for (let r = 0; r < o.rounds; r++)
      for (const p of peers) {
        const a = await p.steps(o.steps)
        times.get(p)?.push(...a.seconds)
        cpu.get(p)?.push(...a.cpu)
        loss.set(p, [...(loss.get(p) ?? []), ...a.loss])
        last.set(p, a)
      }
    const [ours] = peers
    const stepOf = (p: Peer): number => median(times.get(p) ?? [])
    const cpuOf = (p: Peer): number => median(cpu.get(p) ?? [])
    return peers.map((p) => ({
      workload: w.name,
      peer: p.name,
      threads: o.threads,
      step_s: stepOf(p),
      cpu_s: cpuOf(p),
      ratio: stepOf(p) / stepOf(ours),
      cpu_ratio: cpuOf(p) / cpuOf(ours),
      share_of_peak: (w.gflop * 1e9) / stepOf(p) / o.peak,
      compile_s: last.get(p)?.compile_s,
      peak_rss_mb: last.get(p)?.peak_rss_mb ?? NaN,
      loss: loss.get(p) ?? [],
    }))
  } finally {
    for (const p of peers) p.end()
    await rm(folder, { recursive: true, force: true })
  }
}

const show = (rows: ReadonlyArray<Row>): string =>
  table(
    ['workload', 'threads', 'by', 's/step', 'ours is', 'cpu s', 'by cpu', 'of peak', 'compile s', 'MB', 'losses'],
    rows.map((r) => [
      r.workload,
      `${r.threads}`,
      r.peer,
      r.step_s.toFixed(3),
      `${r.ratio.toFixed(2)} x`,
      r.cpu_s.toFixed(3),
      `${r.cpu_ratio.toFixed(2)} x`,
      `${(100 * r.share_of_peak).toFixed(0)} %`,
      r.compile_s === undefined ? '' : r.compile_s.toFixed(1),
      r.peak_rss_mb.toFixed(0),
      [...r.loss.slice(0, 3), ...r.loss.slice(-1)].map((l) => l.toFixed(5)).join(' '),
    ]),
  )

/** Compares workloads one after the other and prints a table of each. */
export const compare = async (ws: ReadonlyArray<Workload>, o: CompareOptions): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  process.stdout.write(`measured peak of ${o.threads} thread${o.threads === 1 ? '' : 's'}: ${(o.peak / 1e9).toFixed(1)} GFLOP/s\n`)
  for (const w of ws) {
    const found = await compareOne(w, o)
    process.stdout.write(`${show(found)}\n\n`)
    rows.push(...found)
  }
  return rows
}
