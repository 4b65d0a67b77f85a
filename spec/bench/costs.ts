/**
 * `npm run costs [-- --target T] [--json]`: what compiling w2's step costs for networks of four sizes and several depths: nodes, kernels,
 * and the processor's seconds for each part of the road (other programs do not count). Blocks repeat, so distinct kernels must not grow
 * with depth, and no part's seconds faster than nodes: the exponents of a fit are printed. No test asserts a time.
 */
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import { plannedRoad } from './roads.ts'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault, messageOf, showFault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import type { Kernels } from '../../compiler/kernel/fused.ts'
import type { Pass } from '../../compiler/pass.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { follow } from '../../compiler/road.ts'
import { derive } from '../../train/step/step.ts'
import type { Size } from './workloads/w2-dinov2-tiny.ts'
import { stage } from './workloads/w2-dinov2-tiny.ts'

const help = `Usage: npm run costs -- [options]

  --target T    native (default), or gpujs: gpu.js with the limits of WebGPU
  --json        the last line of stdout is one JSON object
  --help        this text`

const options = {
  target: { type: 'string', default: 'native' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

const wrong = (found: string): never => {
  const f = fault('usage', {
    place: 'npm run costs',
    found,
    allowed: Object.keys(options)
      .map((o) => `--${o}`)
      .join(', '),
    remedy: 'see npm run costs -- --help',
  })
  process.stderr.write(`${showFault(f)}\n`)
  return process.exit(2)
}

const parsed = E.tryCatch(() => parseArgs({ options }).values, messageOf)
const asked = E.isLeft(parsed) ? wrong(parsed.left) : parsed.right
if (asked.help) {
  process.stdout.write(`${help}\n`)
  process.exit(0)
}
if (asked.target !== 'native' && asked.target !== 'gpujs') wrong(`the target ${asked.target}`)

const right = <A>(e: Either<Fault, A>): A => {
  if (E.isRight(e)) return e.right
  process.stderr.write(`${showFault(e.left)}\n`)
  return process.exit(1)
}

interface Cost {
  readonly network: string
  readonly nodes: number
  readonly kernels: number
  readonly distinct: number
  /** The processor's seconds by part. */
  readonly seconds: Readonly<Record<string, number>>
  readonly rss_mb: number
}

const timed = <A>(seconds: Record<string, number>, name: string, work: () => A): A => {
  const from = process.cpuUsage()
  const a = work()
  const { user, system } = process.cpuUsage(from)
  seconds[name] = (seconds[name] ?? 0) + (user + system) / 1e6
  return a
}

const costOf = (road: KernelRoad, emit: (k: Kernels) => number, size: Size, depth: number): Cost => {
  const seconds: Record<string, number> = {}
  const staged = timed(seconds, 'trace', () => stage(size, depth))
  const program = timed(seconds, 'grad', () => right(derive(staged).program))
  const clocked = <A, B>(pass: Pass<A, B>): Pass<A, B> => ({ ...pass, run: (a) => timed(seconds, pass.name, () => pass.run(a)) })
  const plan = right(
    follow({
      graph: road.graph.map(clocked<Graph, Graph>),
      fuse: clocked(road.fuse),
      kernels: road.kernels.map(clocked<Kernels, Kernels>),
      memory: clocked(road.memory),
    })(program.graph),
  )
  timed(seconds, 'text', () => emit(plan))
  return {
    network: `${size} ${depth}`,
    nodes: nodesOf(program.graph).length,
    kernels: plan.kernels.length,
    distinct: new Set(plan.kernels.map((k) => k.kernel.key)).size,
    seconds,
    rss_mb: Math.round(process.memoryUsage.rss() / 1e6),
  }
}

/** The exponent of seconds over nodes, by least squares of logarithms. */
const exponentOf = (points: ReadonlyArray<readonly [number, number]>): number => {
  const logs = points.map(([n, s]) => [Math.log(n), Math.log(Math.max(s, 1e-4))] as const)
  const mean = (f: (p: readonly [number, number]) => number): number => logs.reduce((t, p) => t + f(p), 0) / logs.length
  const [x, y] = [mean(([a]) => a), mean(([, b]) => b)]
  return mean(([a, b]) => (a - x) * (b - y)) / mean(([a]) => (a - x) ** 2)
}

const { road, emit } = plannedRoad(asked.target)
const show = (c: Cost): string =>
  [
    c.network.padEnd(9),
    `${c.nodes} nodes`,
    `${c.kernels} kernels (${c.distinct} distinct)`,
    `${Object.values(c.seconds)
      .reduce((a, b) => a + b, 0)
      .toFixed(1)} s`,
    ...Object.entries(c.seconds).map(([name, s]) => `${name} ${s.toFixed(2)}`),
    `${c.rss_mb} MB`,
  ].join('  ')

costOf(road, emit, 'tiny', 2)
const depths = [3, 6, 12, 24].map((depth) => costOf(road, emit, 'tiny', depth))
const sizes = (
  [
    ['small', 12],
    ['base', 12],
    ['large', 24],
  ] as const
).map(([size, depth]) => costOf(road, emit, size, depth))
const parts = Object.keys(depths[0].seconds)
const exponents = Object.fromEntries(
  parts.map((part) => [part, Number(exponentOf(depths.slice(1).map((c) => [c.nodes, c.seconds[part]])).toFixed(2))]),
)
process.stdout.write(
  `${[...depths, ...sizes].map(show).join('\n')}\nseconds grow with nodes to the power of: ${Object.entries(exponents)
    .map(([p, e]) => `${p} ${e}`)
    .join(', ')}\n`,
)
if (asked.json) process.stdout.write(`${JSON.stringify({ target: asked.target, costs: [...depths, ...sizes], exponents })}\n`)
