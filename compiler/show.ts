/** Graphs, kernels and plans as text, each with a footer of what it costs: what `npm run ir` prints. */
import type { Graph } from '../core/graph.ts'
import { nodesOf } from '../core/graph.ts'
import { print } from '../core/print.ts'
import type { Kernels } from './kernel/fused.ts'
import { showKernel, workOf } from './kernel/kernel.ts'
import type { Place, Plan } from './memory/plan.ts'
import { residentBytes, totalsOf } from './memory/plan.ts'

/** `1234567` as `1.23 M`. */
export const showCount = (n: number): string => {
  const units = ['', ' K', ' M', ' G', ' T']
  const i = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  return i === 0 ? `${n}` : `${(n / 1000 ** i).toPrecision(3)}${units[i]}`
}

/** Applications: the kernels there would be, were every op its own. */
export const operationsOf = (g: Graph): number => nodesOf(g).filter((e) => e._tag === 'Apply').length

/** A graph as text with its footer. */
export const showGraph = (g: Graph): string => `${print(g)}# ${operationsOf(g)} operations, ${showCount(residentBytes(g))}B resident state\n`

const listed = ({ kernels }: Kernels): ReadonlyArray<string> => kernels.map((k, i) => `# ${i}: ${k.kernel.name}\n${showKernel(k.kernel)}`)

const workFooter = (graph: Graph, kernels: string, totals: { readonly flops: number; readonly contractionFlops: number; readonly bytes: number }): ReadonlyArray<string> => [
  `# ${operationsOf(graph)} operations in ${kernels}`,
  `# ${showCount(totals.flops)}FLOP (${showCount(totals.contractionFlops)}FLOP in contractions), ${showCount(totals.bytes)}B moved`,
]

/** The kernels in their order. */
export const showKernels = (k: Kernels): string => {
  const works = k.kernels.map(({ kernel }) => workOf(kernel))
  const sum = (f: (w: (typeof works)[number]) => number): number => works.reduce((n, w) => n + f(w), 0)
  const totals = { flops: sum((w) => w.flops), contractionFlops: sum((w) => (w.contraction ? w.flops : 0)), bytes: sum((w) => w.bytes) }
  const distinct = new Set(k.kernels.map(({ kernel }) => kernel.key)).size
  return `${[...listed(k), ...workFooter(k.graph, `${k.kernels.length} kernels (${distinct} distinct)`, totals)].join('\n')}\n`
}

/** Kernel count, arithmetic, traffic and memory of a plan. */
export const planFooter = (p: Plan): string => {
  const t = totalsOf(p)
  return `${[
    ...workFooter(p.graph, `${t.launches} kernels (${t.distinct} distinct), ${t.updates} state updates`, t),
    `# memory: ${showCount(t.temporaryBytes)}B temporaries, ${showCount(residentBytes(p.graph))}B resident state`,
  ].join('\n')}\n`
}

/** The kernels of a plan, in order of launch. */
export const showPlan = (p: Plan): string => [...listed(p), planFooter(p)].join('\n')

const showPlace = (p: Plan) => (place: Place): string => {
  switch (place._tag) {
    case 'Resident':
    case 'Given': return place.path
    case 'Hyper': return 'hypers'
    case 'Constant': return 'constant'
    case 'Temporary': return p.temporaries._tag === 'Arena' ? `@${place.at}` : `t${place.at}`
  }
}

/** What runs in which order, and where every tensor lies: `t1 = kernel 0 (w, x)`, `w <- t1`. */
export const showSteps = (p: Plan): string => {
  const at = showPlace(p)
  return [...p.steps.map((s) => (s._tag === 'Launch'
    ? `${s.writes.map(at).join(', ')} = kernel ${s.fused} (${s.reads.map(at).join(', ')})`
    : `${s.path} <- ${at(s.from)}`)), planFooter(p)].join('\n')
}
