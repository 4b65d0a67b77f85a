/** Every stage of a graph's road to kernels as text, each with a footer of what it costs: what `npm run ir` prints. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../core/fault.ts'
import type { Graph } from '../core/graph.ts'
import { nodesOf } from '../core/graph.ts'
import { print } from '../core/print.ts'
import { verify } from '../core/verify.ts'
import type { Limits } from './passes/fuse.ts'
import { showKernel } from './kernel/kernel.ts'
import { planOf } from './plan.ts'
import { attentionsOf, missedAttention, recogniseAttention } from './passes/attention.ts'
import { simplify } from './passes/simplify.ts'
import type { Place, Plan } from './schedule.ts'
import { residentBytes, totalsOf } from './schedule.ts'

/** `1234567` as `1.23 M`. */
export const showCount = (n: number): string => {
  const units = ['', ' K', ' M', ' G', ' T']
  const i = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  return i === 0 ? `${n}` : `${(n / 1000 ** i).toPrecision(3)}${units[i]}`
}

/** Applications: the kernels there would be, were every op its own. */
export const operationsOf = (g: Graph): number => nodesOf(g).filter((e) => e._tag === 'Apply').length

const graphFooter = (g: Graph): string => `# ${operationsOf(g)} operations, ${showCount(residentBytes(g))}B resident state\n`

/** A graph as text with its footer. */
export const showGraph = (g: Graph): string => `${print(g)}${graphFooter(g)}`

/** Kernel count, arithmetic, traffic and memory of a plan. */
export const planFooter = (p: Plan): string => {
  const t = totalsOf(p)
  return [
    `# ${operationsOf(p.graph)} operations in ${t.launches} kernels (${t.distinct} distinct), ${t.updates} state updates`,
    `# ${showCount(t.flops)}FLOP (${showCount(t.contractionFlops)}FLOP in contractions), ${showCount(t.bytes)}B moved`,
    `# memory: ${showCount(t.temporaryBytes)}B temporaries, ${showCount(residentBytes(p.graph))}B resident state\n`,
  ].join('\n')
}

const showPlace = (p: Place): string => {
  switch (p._tag) {
    case 'Resident':
    case 'Given': return p.path
    case 'Hyper': return 'hypers'
    case 'Constant': return 'constant'
    case 'Temporary': return `t${p.slot}`
  }
}

/** What runs in which order, and where every tensor lies: `t1 = kernel 0 (w, x)`, `w <- t1`. */
export const showSteps = (p: Plan): string =>
  p.steps.map((s) => (s._tag === 'Launch'
    ? `${showPlace(s.write)} = kernel ${s.fused} (${s.reads.map(showPlace).join(', ')})`
    : `${s.path} <- ${showPlace(s.from)}`)).join('\n')

/** The kernels of a plan, in order of launch. */
export const showPlan = (p: Plan): string =>
  [...p.kernels.map((k, i) => `# ${i}: ${k.kernel.name}\n${showKernel(k.kernel)}`), planFooter(p)].join('\n')

/** What was found of attention in a forward graph, and what looked like it and was missed, with the reason. */
export const showAttention = (g: Graph): E.Either<Fault, string> =>
  pipe(
    recogniseAttention.run(g),
    E.map((found) => {
      const [regions, missed] = [attentionsOf(found).length, missedAttention(g)]
      const lines = missed.map((m) => `#   missed ${m.scope === '' ? 'at top level' : m.scope}: ${m.why}`)
      return `${[`# attention: ${regions} region${regions === 1 ? '' : 's'}, ${missed.length} missed`, ...lines].join('\n')}\n`
    }),
  )

/** The simplified graph as text. */
export const showRewritten = (g: Graph): E.Either<Fault, string> => pipe(simplify.run(g), E.chain(verify), E.map(showGraph))

/** The fused kernels as text. */
export const showFused = (limits: Limits) => (g: Graph): E.Either<Fault, string> => pipe(g, planOf(limits), E.map(showPlan))
