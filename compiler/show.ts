/** Graphs, kernels and plans as text, each with a footer of what it costs: what `npm run ir` prints. */
import type { Graph } from '../core/graph.ts'
import { nodesOf } from '../core/graph.ts'
import { print } from '../core/print.ts'
import type { Kernels } from './kernel/fused.ts'
import { showKernel } from './kernel/kernel.ts'
import type { Place, Plan, WorkTotals } from './memory/plan.ts'
import { residentBytes, totalsOf, workTotals } from './memory/plan.ts'

/** `1234567` as `1.23 M`. */
export const showCount = (n: number): string => {
  const units = ['', ' K', ' M', ' G', ' T', ' P', ' E']
  const i = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  return i === 0 ? `${n}` : `${(n / 1000 ** i).toPrecision(3)}${units[i]}`
}

/** Applications: the kernels there would be, were every op its own. */
export const operationsOf = (g: Graph): number => nodesOf(g).filter((e) => e._tag === 'Apply').length

/** A graph as text with its footer. */
export const showGraph = (g: Graph): string =>
  `${print(g)}# ${operationsOf(g)} operations, ${showCount(residentBytes(g))}B resident state\n`

const listed = ({ kernels }: Kernels): ReadonlyArray<string> => kernels.map((k, i) => `# ${i}: ${k.kernel.name}\n${showKernel(k.kernel)}`)

/** `updates` is what there is besides kernels. */
const workFooter = (g: Graph, t: WorkTotals, updates = ''): string =>
  [
    `# ${operationsOf(g)} operations in ${t.launches} kernels (${t.distinct} distinct)${updates}`,
    `# ${showCount(t.flops)}FLOP (${showCount(t.contractionFlops)}FLOP in contractions), ${showCount(t.bytes)}B moved\n`,
  ].join('\n')

/** The kernels in their order. */
export const showKernels = (k: Kernels): string => [...listed(k), workFooter(k.graph, workTotals(k))].join('\n')

/** Kernel count, arithmetic, traffic and memory of a plan. */
export const planFooter = (p: Plan): string => {
  const t = totalsOf(p)
  return `${workFooter(p.graph, t, `, ${t.updates} state updates`)}# memory: ${showCount(t.temporaryBytes)}B temporaries, ${showCount(residentBytes(p.graph))}B resident state\n`
}

/** The kernels of a plan, in order of launch. */
export const showPlan = (p: Plan): string => [...listed(p), planFooter(p)].join('\n')

const showPlace =
  (p: Plan) =>
  (place: Place): string => {
    switch (place._tag) {
      case 'Resident':
      case 'Given':
        return place.path
      case 'Hyper':
        return 'hypers'
      case 'Constant':
        return 'constant'
      case 'Temporary':
        return p.temporaries._tag === 'Arena' ? `@${place.at}` : `t${place.at}`
    }
  }

/** What runs in which order, and where every tensor lies: `t1 = kernel 0 (w, x)`, `w <- t1`. */
export const showSteps = (p: Plan): string => {
  const at = showPlace(p)
  return [
    ...p.steps.map((s) =>
      s._tag === 'Launch'
        ? `${s.writes.map(at).join(', ')} = kernel ${s.fused} (${s.reads.map(at).join(', ')})`
        : `${s.path} <- ${at(s.from)}`,
    ),
    planFooter(p),
  ].join('\n')
}
