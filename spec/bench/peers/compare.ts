/**
 * Ours beside PyTorch: both run the same arithmetic on the same first values and pixels, in processes of their own, step for step in
 * turns, so that what disturbs one disturbs the other. PyTorch runs in several settings; the best is what we are compared with.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import type { HostTensor } from '../../../data/formats/tensor.ts'
import { floatTensor, intTensor } from '../../../data/formats/tensor.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import type { HostArray } from '../../../compiler/target.ts'
import { leavesOfGraph } from '../../../core/graph.ts'
import { median, table } from '../table.ts'
import { must } from '../session.ts'
import type { Workload } from '../workload.ts'

export interface CompareOptions {
  readonly threads: number
  /** Steps of a turn. */
  readonly steps: number
  /** Turns of each. */
  readonly rounds: number
  readonly pythons: ReadonlyArray<string>
  /** Operations a second of that many threads. */
  readonly peak: number
}

const answer = t.intersection([
  t.type({ seconds: t.array(t.number), loss: t.array(t.number), peak_rss_mb: t.number }),
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

/** Settings of PyTorch that were found to matter. */
const settingsOf = (
  python: string,
  threads: number,
): ReadonlyArray<readonly [name: string, flags: ReadonlyArray<string>, env: Readonly<Record<string, string>>]> => {
  const env = { OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}`, ...(threads > 1 ? { OMP_WAIT_POLICY: 'passive' } : {}) }
  const recent = python !== '/usr/bin/python3'
  const flags = recent ? ['--sdpa', '--foreach'] : []
  return [
    [`${python} as it comes`, flags, env],
    [`${python}, malloc tuned`, flags, { ...env, ...keptMemory }],
    ...(recent ? [[`${python}, torch.compile`, ['--compile', ...flags], { ...env, ...keptMemory }] as const] : []),
  ]
}

const script = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

const asTensor = (shape: ReadonlyArray<number>, data: HostArray): HostTensor =>
  data instanceof Int32Array ? intTensor(shape, data) : floatTensor(shape, Float32Array.from(data))

/** First values and what is fed at every step, as peer.py reads them. */
const exported = async (w: Workload, path: string): Promise<void> => {
  const { graph, residents, values } = await must(() => Promise.resolve(w.prepare()))
  const shapes = new Map(leavesOfGraph(graph).map((l) => [l.path, l.type.shape]))
  const tensors = new Map<string, HostTensor>([
    ...[...residents()].filter(([p]) => !p.startsWith('optimizer.')).map(([p, type, data]) => [p, asTensor(type.shape, data)] as const),
    ...[...values]
      .filter(([p]) => !p.startsWith('hyper.'))
      .map(([p, data]) => [p, asTensor(shapes.get(p) ?? [data.length], data)] as const),
  ])
  await must(writeSafetensors(path)({ tensors, metadata: { workload: w.name } }))
}

interface Row {
  readonly workload: string
  readonly peer: string
  readonly threads: number
  readonly step_s: number
  /** Its time over ours. */
  readonly ratio: number
  readonly share_of_peak: number
  readonly compile_s: number | undefined
  readonly peak_rss_mb: number
  readonly loss: ReadonlyArray<number>
}

const compareOne = async (w: Workload, o: CompareOptions): Promise<ReadonlyArray<Row>> => {
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-peers-'))
  const file = join(folder, 'values.safetensors')
  await exported(w, file)
  const peers = [
    start('dinograph', process.execPath, ['--import', 'tsx', script('ours.ts'), w.name, `${o.threads}`], {}),
    ...o.pythons.flatMap((python) =>
      settingsOf(python, o.threads).map(([name, flags, env]) =>
        start(name, python, [script('peer.py'), w.name, file, `${o.threads}`, ...flags], env),
      ),
    ),
  ]
  try {
    // the first steps compile, allocate and warm up
    const first = new Map<Peer, Answer>()
    for (const p of peers) first.set(p, await p.steps(2))
    const times = new Map<Peer, Array<number>>(peers.map((p) => [p, []]))
    const last = new Map<Peer, Answer>()
    const loss = new Map<Peer, ReadonlyArray<number>>(peers.map((p) => [p, first.get(p)?.loss ?? []]))
    for (let r = 0; r < o.rounds; r++)
      for (const p of peers) {
        const a = await p.steps(o.steps)
        times.get(p)?.push(...a.seconds)
        loss.set(p, [...(loss.get(p) ?? []), ...a.loss])
        last.set(p, a)
      }
    const [ours] = peers
    const stepOf = (p: Peer): number => median(times.get(p) ?? [])
    return peers.map((p) => ({
      workload: w.name,
      peer: p.name,
      threads: o.threads,
      step_s: stepOf(p),
      ratio: stepOf(p) / stepOf(ours),
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
    ['workload', 'threads', 'by', 's/step', 'ours is', 'of peak', 'compile s', 'MB', 'losses'],
    rows.map((r) => [
      r.workload,
      `${r.threads}`,
      r.peer,
      r.step_s.toFixed(3),
      `${r.ratio.toFixed(2)} x`,
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
